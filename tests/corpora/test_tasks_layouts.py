"""Every layout that `load_task` reads, from small files: what prompts, answers and options come out."""

import json

import pytest

from neuroglot.corpora import load_task
from neuroglot.corpora.tasks.phrasing import WORDS, fill, has_spaces, spaced
from tests.corpora import task_writing as writing


def test_facts_are_asked_with_the_first_pattern_that_ends_in_the_object(tmp_path):
    task = load_task(writing.facts(tmp_path), distractors=0)
    assert task.languages == ("de", "en", "zh")
    assert task.ids[:2] == ("P36/0", "P36/1")
    assert [task.prompts.texts[g][1] for g in task.languages] == [
        "die Hauptstadt von Italien ist",
        "the capital of Italy is",
        "意大利 的首都是",
    ]
    assert [task.answers.texts[g][1] for g in task.languages] == [" Rom", " Rome", "罗马"]
    assert task.options == ()


def test_wrong_options_are_the_same_entities_in_every_language(tmp_path):
    task = load_task(writing.facts(tmp_path), distractors=3)
    names = {g: [text.split()[1] for text in texts] for g, texts in writing.CAPITALS.items()}
    for row in range(len(task)):
        chosen = {g: [names[g].index(option.texts[g][row].strip()) for option in task.options] for g in names}
        assert chosen["de"] == chosen["en"] == chosen["zh"]
        assert len(set(chosen["de"])) == 4
        assert chosen["de"][task.right[row]] == row
    assert len(set(task.right)) > 1  # the answer's place is drawn too


def test_a_row_keeps_its_options_when_other_relations_are_read(tmp_path):
    folder = writing.facts(tmp_path, ["de", "en"])
    before = load_task(folder, languages=["en", "de"])
    for language in ("de", "en"):
        writing.write(folder, writing.relation(language, "P1", ["[X] [Y]"], writing.capitals(language)))
    after = load_task(folder, languages=["en", "de"])
    assert after.ids == tuple(f"{name}/{n}" for name in ("P1", "P36") for n in range(5))
    assert (
        after.take(range(5, 10)).hash == before.hash == load_task(folder, relations=["P36"]).select(["en", "de"]).hash
    )


def test_a_second_right_object_and_a_name_that_is_taken_are_no_wrong_options(tmp_path):
    of = {
        "de": [(0, "Q1", "Schweiz", "Q2", "Deutsch"), (1, "Q1", "Schweiz", "Q3", "Italienisch")],
        "en": [(0, "Q1", "Switzerland", "Q2", "German"), (1, "Q1", "Switzerland", "Q3", "Italian")],
    }
    more = [(2, "Q4", "Peru", "Q5", "Quechua"), (3, "Q6", "Fiji", "Q7", "Fiji"), (4, "Q8", "Ort", "Q9", "quechua")]
    for language, rows in of.items():
        writing.write(tmp_path, writing.relation(language, "P37", ["[X]: [Y]"], rows + more))
    task = load_task(tmp_path, on_missing="drop", distractors=2)
    for row in range(2):
        wrong = {option.texts["en"][row].strip().lower() for option in task.options} - {"german", "italian"}
        assert wrong == {"quechua", "fiji"}
    none = load_task(tmp_path, distractors=3, relations=["P37"], limit=1)
    assert none.ids == ("P37/2",)  # only here are three other names left
    assert dict(none.dropped) == {"too few other objects to choose from": 2}


def test_facts_that_disagree_and_rows_that_lack_are_counted(tmp_path):
    folder = writing.facts(tmp_path, ["de", "en"])
    changed = [(n, s, a, "Q999" if n == 2 else o, b) for n, s, a, o, b in writing.capitals("en") if n != 4]
    writing.write(folder, writing.relation("en", "P36", ["[X]: [Y]"], changed))
    for language, patterns in {"de": ["[Y] von [X]", "[X] l'[Y]"], "en": ["[X] [Y]"]}.items():
        writing.write(folder, writing.relation(language, "P1", patterns, writing.capitals(language)))
    task = load_task(folder, on_missing="drop", distractors=1)
    assert task.ids == ("P36/0", "P36/1", "P36/3")
    assert dict(task.dropped) == {
        "relation P1: no pattern in de ends in the object": 5,
        "a language lacked the row": 1,
        "the languages name different facts": 1,
    }


def test_sums_are_asked_in_the_words_of_the_language(tmp_path):
    task = load_task(writing.sums(tmp_path))
    assert task.prompts.texts["de"] == ("Frage: Wie viel?\nAntwort:", "Frage: Wie oft?\nAntwort:")
    assert task.prompts.texts["zh"] == ("问题：多少？\n答案：", "问题：几次？\n答案：")
    assert task.answers.texts == {"de": (" 0", " 1"), "zh": ("0", "1")}
    assert (task.name, task.prompts.licence) == ("mgsm", "CC BY 4.0")


def test_questions_stand_under_their_passage(tmp_path):
    task = load_task(writing.passages(tmp_path), languages=["en", "de"])
    assert task.ids == ("b", "a")
    assert task.prompts.texts["en"][1] == "Context: They are five.\nQuestion: How many?\nAnswer:"
    assert task.prompts.texts["de"][1] == "Kontext: Es sind fünf.\nFrage: Wie viele?\nAntwort:"
    assert [task.answers.texts[g][1] for g in task.languages] == [" five", " fünf"]


def test_a_question_without_answer_is_a_row_that_is_missing(tmp_path):
    task = load_task(writing.passages(tmp_path, answer=""), on_missing="drop")
    assert (task.ids, dict(task.dropped)) == (("b",), {"a language lacked the row": 1})


def test_inference_in_english_scaffolding(tmp_path):
    task = load_task(writing.inference(tmp_path), languages=["zh", "de"])
    assert task.ids == ("3", "1", "2")
    assert task.prompts.texts["zh"][1] == (
        "Take the following as truth: 他在睡觉。\n"
        'Then the following statement: "他睡着了。" is "true", "false", or "inconclusive"?'
    )
    assert '"Er "schläft" {premise}." is' in task.prompts.texts["de"][1]  # a brace in a text is text
    assert task.answers.texts["de"] == task.answers.texts["zh"] == (" false", " true", " inconclusive")
    assert task.right == (1, 0, 2)


def test_inference_in_the_language_of_the_row(tmp_path):
    task = load_task(writing.inference(tmp_path) / "xnli.test.tsv", scaffolding="own")
    assert task.answers.texts == {"de": (" wahr", " unklar", " falsch"), "zh": ("正确", "不确定", "错误")}
    assert task.prompts.texts["zh"][0].endswith("“他睡着了。”是“正确”、“错误”还是“不确定”？")


def test_inference_without_pair_ids_is_aligned_by_order(tmp_path):
    ordered = sorted(writing.INFERENCE_ROWS, key=lambda row: row[-1])
    task = load_task(writing.inference(tmp_path, ordered, writing.INFERENCE_HEADER[:-1]))
    assert task.ids == ("1", "2", "3")
    assert task.right == (0, 2, 1)


def test_edits_in_english_and_queries_in_the_language(tmp_path):
    task = load_task(writing.edits(tmp_path), query="rephrase")
    assert task.languages == ("cs", "de", "en")
    assert task.prompts.texts["de"][0] == "Question: Who made it?\nAnswer: Ann\nFrage: Von wem ist es?\nAntwort:"
    assert [task.answers.texts[g][1] for g in task.languages] == [" Řím", " Rom", " Rome"]


def test_edits_in_the_language_and_queries_in_english(tmp_path):
    folder = writing.edits(tmp_path)
    task = load_task(folder / "mzsre_test_duplicate_ende.json", direction="x-to-en", languages=["de"])
    assert task.prompts.texts["de"][0] == "Frage: Wer hat es gemacht?\nAntwort: Anna\nQuestion: Who made it?\nAnswer:"
    assert task.answers.texts["de"] == (" Ann", " Rome")
    assert load_task(folder, direction="x-to-en", languages=["de"]).hash == task.hash


def test_a_language_that_an_edit_lacks_is_a_missing_row(tmp_path):
    rows = [{"en": writing.ENGLISH_EDITS[0]}, {"en": writing.ENGLISH_EDITS[1], "de": writing.GERMAN_EDITS[1]}]
    (tmp_path / "mzsre.json").write_text(json.dumps(rows))
    task = load_task(tmp_path / "mzsre.json", on_missing="drop")
    assert (task.ids, task.languages, dict(task.dropped)) == (("2",), ("de", "en"), {"a language lacked the row": 1})


OWN = """
name: capitals
source: {country: countries, capital: capitals.tsv}
prompt:
  de: "Die Hauptstadt von {country} ist "
  zh: "{country}的首都是"
answer: "{capital}"
licence: CC0-1.0
"""
LONG = "id\tlanguage\ttext\tlabel\n1\tde\tGut!\tgood\n2\tde\tSchlecht!\tbad\n2\tzh\t坏！\tbad\n1\tzh\t好！\tgood\n"
LABELLED = """
name: moods
rows: moods.tsv
prompt: "{text} ->"
answer: "{label}"
verbalisers:
  de: {good: gut, bad: schlecht}
  zh: {good: 好, bad: 坏}
"""


def test_an_own_task_with_a_corpus_for_each_field(tmp_path):
    writing.write(
        tmp_path,
        {
            "task.yaml": OWN,
            "countries/de.txt": "Peru\nKenia\n",
            "countries/zh.txt": "秘鲁\n肯尼亚\n",
            "capitals.tsv": "zh\tde\n利马\tLima\n内罗毕\tNairobi\n",
        },
    )
    task = load_task(tmp_path / "task.yaml")
    assert task.prompts.texts == {
        "de": ("Die Hauptstadt von Peru ist", "Die Hauptstadt von Kenia ist"),
        "zh": ("秘鲁的首都是", "肯尼亚的首都是"),
    }
    assert task.answers.texts == {"de": (" Lima", " Nairobi"), "zh": ("利马", "内罗毕")}
    assert (task.name, task.prompts.licence, task.options) == ("capitals", "CC0-1.0", ())


def test_an_own_task_with_labels_and_their_words(tmp_path):
    writing.write(tmp_path, {"task.yml": LABELLED, "moods.tsv": LONG})
    task = load_task(tmp_path / "task.yml")
    assert task.answers.texts == {"de": (" gut", " schlecht"), "zh": ("好", "坏")}
    assert [option.texts["zh"] for option in task.options] == [("好", "好"), ("坏", "坏")]
    assert task.right == (0, 1)


def test_an_own_task_with_options_of_each_row(tmp_path):
    said = 'name: n\nrows: r.csv\nprompt: "{q}"\nanswer: "{a}"\noptions: ["{b}", "{a}", never]\n'
    table = "id,language,q,a,b\n1,en,Who?,Ann,Ben\n1,de,Wer?,Anna,Benno\n"
    writing.write(tmp_path, {"task.yaml": said, "r.csv": table})
    task = load_task(tmp_path / "task.yaml", languages=["de", "en"])
    assert [option.texts["de"][0] for option in task.options] == [" Benno", " Anna", " never"]
    assert task.right == (1,)


def test_rows_of_one_language_only_are_counted(tmp_path):
    writing.write(tmp_path, {"task.yaml": LABELLED, "moods.tsv": LONG + "3\tde\tNa ja.\tbad\n4\tde\t\tbad\n"})
    task = load_task(tmp_path / "task.yaml", on_missing="drop")
    assert (task.ids, dict(task.dropped)) == (("1", "2"), {"a language lacked the row": 2})
    alone = load_task(tmp_path / "task.yaml", languages=["de"], on_missing="drop")
    assert (len(alone), dict(alone.dropped)) == (3, {"a language lacked the row": 1})


def test_an_own_task_may_be_one_corpus(tmp_path):
    said = 'name: n\nsource: lab\nprompt: "Say:"\nanswer: "{text}"\n'
    task = load_task(writing.write(tmp_path, {"t.yaml": said, "lab/sw.txt": "moja\nmbili\n"}) / "t.yaml", limit=1)
    assert task.answers.texts == {"sw": (" moja",)}


def test_limit_takes_the_first_rows(tmp_path):
    folder = writing.facts(tmp_path)
    assert load_task(folder, limit=2).hash == load_task(folder).take([0, 1]).hash
    assert len(load_task(folder, limit=99)) == 5


@pytest.mark.parametrize(
    ("code", "spaces"),
    [
        *[(code, True) for code in ("ar", "de", "hi", "ko", "vi")],
        *[(code, False) for code in ("ja", "lo", "th", "yue", "zh", "zh-Hant")],
    ],
)
def test_the_space_goes_by_script(code, spaces):
    assert has_spaces(code) is spaces
    assert spaced(" x ", code) == (" x" if spaces else "x")


def test_every_prompt_has_its_words():
    assert len(WORDS) == 21
    for code, word in WORDS.items():
        assert len({word.question, word.answer, word.context}) == 3, code
        assert has_spaces(code) == (word.colon == ": ") or code == "th"


def test_templates_are_filled_by_plain_replacement():
    assert fill("{a}{b} {", {"a": "{b}", "b": "1"}) == "{b}1 {"
