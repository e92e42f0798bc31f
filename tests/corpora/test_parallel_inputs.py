"""The paper's data folder, in self-written files of its layout: what is read, found at fault and left out."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem, audit_released, read_released
from neuroglot.corpora.parallel_inputs.items import places, requested, truncated
from neuroglot.errors import ConfigError, CorpusError
from tests.corpora.released_writing import request, rte, sentences, translation, write

PREMISE_DE = "RTE/chatgpt_translation_test/RTE.valid.premise.txt-de"
HYPOTHESIS_FR = "RTE/chatgpt_translation_test/RTE.valid.hypothesis.txt-fr"


def found(inputs):
    return {(fault.kind, fault.file, fault.line) for fault in inputs.faults}


def test_a_whole_folder_is_read_whole(tmp_path):
    files = rte()
    inputs = read_released(write(tmp_path, files), "RTE")
    assert (len(inputs), inputs.faults, inputs.excluded) == (6, (), ())
    assert inputs.columns == {"premise": ("en", "es", "fr", "de"), "hypothesis": ("en", "es", "fr", "de")}
    third = inputs.items[2]
    assert (third.id, third.original, third.references) == ("RTE/3", "en", ("entailment",))
    assert third.fields["hypothesis"]["fr"] == files[f"{HYPOTHESIS_FR}/result.txt"][2]
    assert third.fields["premise"]["en"] == files["RTE/test_set/RTE.valid.premise.txt"][2]


def test_every_kind_of_line_fault_is_named_and_its_row_left_out_of_all_languages(tmp_path):
    files = rte(10)
    files[f"{PREMISE_DE}/result.txt"][1] = "Request failed!!!"
    files[f"{PREMISE_DE}/result.txt"][2] = "###over length!!!"
    files[f"{HYPOTHESIS_FR}/result.txt"][4] = "  "
    files[f"{HYPOTHESIS_FR}/result.txt"][5] = "fr hypothesis 6"
    files[f"{HYPOTHESIS_FR}/prompt.txt"][7] = request("another sentence", "fr")
    files[f"{HYPOTHESIS_FR}/prompt.txt"][8] = "no request at all"
    inputs = read_released(write(tmp_path, files), "RTE")
    assert found(inputs) == {
        ("failed request", f"{PREMISE_DE}/result.txt", 2),
        ("over length", f"{PREMISE_DE}/result.txt", 3),
        ("empty line", f"{HYPOTHESIS_FR}/result.txt", 5),
        ("truncated", f"{HYPOTHESIS_FR}/result.txt", 6),
        ("misaligned", f"{HYPOTHESIS_FR}/prompt.txt", 8),
        ("misaligned", f"{HYPOTHESIS_FR}/prompt.txt", 9),
    }
    assert inputs.fault_counts == {
        "failed request": 1, "over length": 1, "empty line": 1, "truncated": 1, "misaligned": 2,
    }  # fmt: skip
    assert inputs.excluded == ("RTE/2", "RTE/3", "RTE/5", "RTE/6", "RTE/8", "RTE/9")
    assert [item.id for item in inputs.items] == ["RTE/1", "RTE/4", "RTE/7", "RTE/10"]
    spanish_only = read_released(tmp_path, "RTE", languages=["es"])
    assert (len(spanish_only), spanish_only.faults) == (10, ())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(st.sampled_from(["de", "es", "fr"]), st.integers(0, 7)), max_size=7))
def test_faults_put_in_anywhere_are_found_there_and_nowhere_else(tmp_path, broken):
    files = rte(8)
    for code, row in broken:
        files[f"RTE/chatgpt_translation_test/RTE.valid.premise.txt-{code}/result.txt"][row] = "Request failed!!!"
    rows = {row for _, row in broken}
    if len(rows) == 8:
        return
    inputs = read_released(write(tmp_path, files), "RTE")
    assert {(fault.file[-len("xx/result.txt") :][:2], fault.line - 1) for fault in inputs.faults} == broken
    assert [int(item.id.split("/")[1]) - 1 for item in inputs.items] == [row for row in range(8) if row not in rows]


def test_an_empty_source_line_is_a_fault(tmp_path):
    files = rte()
    for name in files:
        if "premise" in name and name.endswith("prompt.txt"):
            files[name][3] = request("", name.split("-")[1][:2])
    files["RTE/test_set/RTE.valid.premise.txt"][3] = ""
    inputs = read_released(write(tmp_path, files), "RTE")
    assert ("empty line", "RTE/test_set/RTE.valid.premise.txt", 4) in found(inputs)
    assert inputs.excluded == ("RTE/4",)


def test_invisible_marks_are_reported_and_do_no_harm(tmp_path):
    sources, questions = sentences("en", 4, "passage"), sentences("en", 4, "question")
    marked = [sources[0], f"\u200e{sources[1]}\u202c", *sources[2:]]
    folder = "BoolQ/chatgpt_translation_test/BoolQ.valid"
    files = {
        "BoolQ/test_set/valid.passage.txt": sources,
        "BoolQ/test_set/valid.question.txt": questions,
        "BoolQ/test_set/valid.label.txt": ["True", "False"] * 2,
        **translation(f"{folder}.passage.txt-de", marked, sentences("de", 4), "de"),
        **translation(f"{folder}.question.txt-de", questions, sentences("de", 4, "Frage"), "de"),
    }
    inputs = read_released(write(tmp_path, files), "BoolQ", languages=["de"])
    assert found(inputs) == {("invisible marks", f"{folder}.passage.txt-de/prompt.txt", 2)}
    assert (len(inputs), inputs.task, inputs.items[1].references) == (4, "reading", ("False",))


def wiki_auto(rows=6):
    sources = sentences("en", rows)
    files = {"Wiki-Auto/test_set/wikiauto.valid.orin": sources}
    files |= {f"Wiki-Auto/test_set/wikiauto.valid.{n}": sentences("en", rows, f"simple{n}") for n in range(10)}
    folder = "Wiki-Auto/chatgpt_translation_test/wikiauto.valid.orin-es"
    return files | translation(folder, sources, sentences("es", rows), "es"), f"{folder}/prompt.txt"


def test_a_request_that_was_written_twice_moves_nothing(tmp_path):
    files, prompts = wiki_auto()
    files[prompts].insert(2, files[prompts][1])
    inputs = read_released(write(tmp_path, files), "Wiki-Auto", languages=["es"])
    assert found(inputs) == {("unequal line counts", prompts, None)}
    assert (len(inputs), len(inputs.items[0].references)) == (6, 10)
    assert inputs.items[5].fields["text"]["es"] == sentences("es", 6)[5]
    assert inputs.items[5].references[9] == sentences("en", 6, "simple9")[5]


def test_a_lost_result_line_is_no_silent_shift(tmp_path):
    files, prompts = wiki_auto()
    result = prompts.replace("prompt", "result")
    del files[result][0]
    with pytest.raises(CorpusError, match=r"unequal line counts \(5 translations, 6 sources\)"):
        read_released(write(tmp_path, files), "Wiki-Auto", languages=["es"])
    alone = read_released(tmp_path, "Wiki-Auto")
    assert alone.columns == {"text": ("en",)}
    assert alone.fault_counts == {"unequal line counts": 2, "absent file": 4}


def test_xlsum_takes_the_chosen_lines(tmp_path):
    """Test: a file with the chosen rows beside 1,000 requests. Validation: rows are found by their requests."""
    texts, results = sentences("fr", 6), sentences("de", 6)
    chosen = [0, 2, 3]
    folder = "XLSum/chatgpt_translation_test/xlsum.test.french.text-de"
    files = {
        "XLSum/test_set/xlsum.test.french.text.txt": [texts[row] for row in chosen],
        "XLSum/test_set/xlsum.test.french.sum.txt": ["a", "b", "c"],
        **translation(folder, texts, results, "de"),
        f"{folder}/xlsum.test.french.text-de.txt": [results[row] for row in chosen],
        "XLSum/train_set/xlsum.val.russian.text.txt": [texts[row] for row in chosen],
        "XLSum/train_set/xlsum.val.russian.sum.txt": ["a", "b", "c"],
    }
    marked = [*results[:1], "###over length!!!", *results[2:]]
    val = "XLSum/chatgpt_translation_train/xlsum.val.russian.text-de"
    files |= translation(val, texts, marked, "de")
    test = read_released(write(tmp_path, files), "XLSum/french", languages=["de"])
    assert test.faults == ()
    validation = read_released(tmp_path, "XLSum/russian/val", languages=["de"])
    for inputs in (test, validation):
        assert [item.fields["text"]["de"] for item in inputs.items] == [results[row] for row in chosen]
        assert [item.references for item in inputs.items] == [("a",), ("b",), ("c",)]
    assert found(validation) == {
        ("over length", f"{val}/result.txt", 2), ("unequal line counts", f"{val}/result.txt", None)
    }  # fmt: skip


def xnli():
    """As released for Russian: premise into French only, hypothesis into German without its requests."""
    premises, hypotheses = sentences("ru", 4, "p"), sentences("ru", 4, "h")
    folder = "XNLI/chatgpt_translation_test/xnli.ru"
    return {
        "XNLI/test_set/xnli.ru.premise.txt": premises,
        "XNLI/test_set/xnli.ru.hypothesis.txt": hypotheses,
        "XNLI/test_set/xnli.ru.label.txt": ["neutral", "entailment"] * 2,
        **translation(f"{folder}.premise.txt-fr", premises, sentences("fr", 4, "p"), "fr"),
        f"{folder}.premise.txt-de/result.txt": [],
        f"{folder}.hypothesis.txt-de/result.txt": sentences("de", 4, "h"),
        f"{folder}.hypothesis.txt-de/prompt.txt": [],
        f"{folder}.hypothesis.txt-fr/prompt.txt": [request(text, "fr") for text in hypotheses],
    }


def test_empty_and_absent_files_are_named_and_their_language_left_out(tmp_path):
    folder = "XNLI/chatgpt_translation_test/xnli.ru"
    inputs = read_released(write(tmp_path, xnli()), "XNLI/ru")
    assert inputs.columns == {"premise": ("ru",), "hypothesis": ("ru",)}
    assert {(f.kind, f.file) for f in inputs.faults if f.file.endswith("-de/result.txt")} == {
        ("empty file", f"{folder}.premise.txt-de/result.txt")
    }
    assert ("empty file", f"{folder}.hypothesis.txt-de/prompt.txt", None) in found(inputs)
    assert ("absent file", f"{folder}.hypothesis.txt-fr/result.txt", None) in found(inputs)
    premises = read_released(tmp_path, "XNLI/ru", fields=["premise"])
    assert premises.columns == {"premise": ("ru", "fr"), "hypothesis": ("ru",)}
    assert premises.items[0].references == ("neutral",)
    with pytest.raises(CorpusError, match=r"lacks translations into de: .*premise.txt-de/result.txt: empty file"):
        read_released(tmp_path, "XNLI/ru", languages=["de"])


def test_a_language_that_is_left_out_takes_no_row_with_it(tmp_path):
    files, result = xnli(), "XNLI/chatgpt_translation_test/xnli.ru.premise.txt-fr/result.txt"
    files[result][2] = "Request failed!!!"
    inputs = read_released(write(tmp_path, files), "XNLI/ru")  # the hypothesis lacks French
    assert ("failed request", result, 3) in found(inputs)
    assert (len(inputs), inputs.excluded) == (4, ())
    assert read_released(tmp_path, "XNLI/ru", fields=["premise"]).excluded == ("XNLI/ru/3",)


def wmt(rows=5):
    """Icelandic, of WMT21, whose originals stand in the requests only."""
    sources, files = sentences("is", rows), {}
    for code, alpha3 in (("es", "spa"), ("ru", "rus")):
        folder = f"WMT/gpt4_translation_test/is2en/wmt21-isl2{alpha3}-1shot-baseline_vhendy"
        files |= translation(folder, sources, sentences(code, rows), code)
    return files


def test_originals_of_wmt_come_from_the_requests_which_must_agree(tmp_path):
    files = wmt()
    prompts = "WMT/gpt4_translation_test/is2en/wmt21-isl2rus-1shot-baseline_vhendy/prompt.txt"
    files[prompts][1] = request("something else", "ru")
    inputs = read_released(write(tmp_path, files), "WMT/is2en", languages=["ru", "es"], references=list("abcde"))
    assert found(inputs) == {("misaligned", prompts, 2)}
    assert inputs.columns == {"text": ("is", "ru", "es")}
    assert [item.references for item in inputs.items] == [("a",), ("c",), ("d",), ("e",)]
    assert [item.fields["text"]["is"] for item in inputs.items] == [
        text for row, text in enumerate(sentences("is", 5)) if row != 1
    ]


def test_sums_take_their_english_from_the_direct_prompts(tmp_path):
    files = {
        "GSM8K/PMI_Prompt/0shot-prompt_direct.jsonl": [
            r'{"prompt": "Q: One and one?\nA:"}',
            r'{"prompt": "Q: 2?\nA:"}',
        ],
        "GSM8K/chatgpt_translation_test/Chinese_prompt_new.txt.out.txt": ["一加一？", "二？"],
    }
    inputs = read_released(write(tmp_path, files), "GSM8K", references=["2", "2"])
    assert [dict(item.fields["question"]) for item in inputs.items] == [
        {"en": "One and one?", "zh": "一加一？"}, {"en": "2?", "zh": "二？"}
    ]  # fmt: skip
    assert inputs.fault_counts == {"absent file": 5}
    files["GSM8K/PMI_Prompt/0shot-prompt_direct.jsonl"] = ['{"prompt": "What?"}', "[]"]
    with pytest.raises(CorpusError, match=r"direct.jsonl:1 is no prompt"):
        read_released(write(tmp_path, files), "GSM8K")


def test_the_audit_names_the_faults_of_all_data_sets(tmp_path):
    files = rte()
    files[f"{PREMISE_DE}/result.txt"][1] = "Request failed!!!"
    audited = audit_released(write(tmp_path, files | xnli()))
    assert list(audited) == ["RTE", "XNLI/ru"]
    assert [str(fault) for fault in audited["RTE"]] == [f"{PREMISE_DE}/result.txt:2: failed request"]
    assert {fault.kind for fault in audited["XNLI/ru"]} == {"empty file", "absent file"}


REFUSED = [
    ({"name": "RTE2"}, ConfigError, "no released data set 'RTE2'"),
    ({"name": "RTE", "fields": ["text"]}, ConfigError, "'text' was asked"),
    ({"name": "RTE", "languages": ["ru"]}, CorpusError, "lacks translations into ru"),
    ({"name": "RTE", "languages": ["en"]}, CorpusError, "lacks translations into en"),
    ({"name": "RTE", "languages": ["xx"]}, CorpusError, "no language code"),
    ({"name": "RTE", "references": ["a"]}, CorpusError, "those given has 1 lines"),
    ({"name": "BoolQ"}, CorpusError, "lacks originals"),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED)
def test_what_is_asked_wrongly_is_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read_released(write(tmp_path, rte()), **options)


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no data set"):
        audit_released(tmp_path)
    files = rte()
    del files["RTE/test_set/RTE.valid.label.txt"][0]
    with pytest.raises(CorpusError, match="RTE.valid.label.txt has 5 lines"):
        read_released(write(tmp_path, files), "RTE")
    (tmp_path / f"{PREMISE_DE}/result.txt").write_bytes(b"\xff\n" * 6)
    with pytest.raises(CorpusError, match="not UTF-8"):
        read_released(tmp_path, "RTE")


@given(st.lists(st.sampled_from("abcd"), min_size=1), st.data())
def test_requests_written_twice_are_skipped(sources, data):
    """However many are written twice, each source finds a request that asks for it."""
    twice = data.draw(st.sets(st.integers(0, len(sources) - 1)))
    requests = [text for row, text in enumerate(sources) for _ in range(1 + (row in twice))]
    at = places(requests, sources)
    assert [requests[place] for place in at] == sources
    assert at == sorted(set(at))


def test_no_more_requests_are_skipped_than_there_are_too_many():
    """Of five requests for four sources one may be skipped; the two that stand the wrong way round are misaligned."""
    assert places(list("aabdc"), list("abcd")) == [0, 2, 3, 4]
    assert places(list("abdc"), list("abcd")) == [0, 1, 2, 3]
    assert places(list("ab"), list("abcd")) == [0, 1, 2, 3]


def test_the_requested_text_stands_behind_the_last_heading():
    assert requested(request("A line: 1. with a number", "de")) == "A line: 1. with a number"
    assert requested(r"Translate this into 1. German:\nno open answer") == ""


def test_truncation_is_judged_by_the_usual_ratio_of_the_shorter_half():
    sources = ["a" * n for n in (50, 100, 150, 200, 400, 1000)]
    usual = [text[: len(text) // 3] for text in sources]  # as from German to Chinese: no fault
    assert truncated(sources, usual, 0.5) == []
    cut = [*usual[:4], "b" * 60, "b" * 160]  # expected are 132 and 330 characters
    assert truncated(sources, cut, 0.5) == [4, 5]
    assert truncated(sources, cut, 0.4) == []
    assert truncated(sources, ["Request failed!!!"] * 6, 0.5) == []
    assert truncated(["ja"] * 6, ["b"] * 5 + [""], 0.5) == []


def test_items_and_inputs_refuse_what_is_not_parallel():
    item = ParallelItem("1", {"text": {"de": "Hallo", "es": "Hola"}}, "de")
    with pytest.raises(TypeError):
        item.fields["text"]["de"] = "x"
    with pytest.raises(CorpusError, match="'fr' among them"):
        ParallelItem("1", {"text": {"de": "Hallo"}}, "fr")
    with pytest.raises(CorpusError, match="text that is not empty"):
        ParallelItem("1", {"text": {"de": "Hallo", "es": " "}}, "de")
    with pytest.raises(CorpusError, match="the id '1' twice"):
        ParallelInputs("x", "translation", (item, item))
    with pytest.raises(CorpusError, match="other columns in item '2'"):
        ParallelInputs("x", "translation", (item, ParallelItem("2", {"text": {"de": "Hallo"}}, "de")))
    with pytest.raises(CorpusError, match="column 'deu'"):
        ParallelInputs("x", "translation", (ParallelItem("1", {"text": {"deu": "Hallo"}}, "deu"),))
    with pytest.raises(CorpusError, match="No item"):
        ParallelInputs("x", "translation", ())
    other = ParallelInputs("x", "translation", (ParallelItem("1", {"text": {"de": "Hallo", "es": "Ola"}}, "de"),))
    assert ParallelInputs("x", "translation", (item,)).hash != other.hash


def test_spaces_around_a_source_do_not_misalign_its_row(tmp_path):
    """A line of XNLI begins with spaces that its request lacks."""
    files = rte()
    source = "RTE/test_set/RTE.valid.premise.txt"
    files[source] = [f"  {files[source][0]} ", *files[source][1:]]
    inputs = read_released(write(tmp_path, files), "RTE")
    assert len(inputs) == 6
    assert not inputs.faults
