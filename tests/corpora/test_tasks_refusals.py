"""Every fault of a task's files or options is refused by one message that says what was got, where, and what to do."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuroglot.corpora import load_task
from neuroglot.errors import ConfigError, CorpusError, NeuroglotError
from tests.corpora import task_writing as writing
from tests.corpora.test_tasks_layouts import LABELLED, LONG

FACTS = {"de": writing.capitals("de"), "en": writing.capitals("en")}


def relation(language, patterns=("[X] [Y]",), facts=None, name="P36"):
    return writing.relation(language, name, list(patterns), FACTS[language] if facts is None else facts)


GERMAN = relation("de")
TUPLES = "tuples/en/P36.jsonl"
# name: files in the folder, what to load there, options, words of the message
FILES = {
    "nothing there": ({}, "nowhere", {}, ["There is no", "nowhere"]),
    "a folder of nothing": ({"a/b.txt": ""}, "", {}, ["is no task that can be read", "xnli.test.tsv", "my_task.yaml"]),
    "a corpus": ({"de.txt": "a\n"}, "", {}, ["is no task"]),
    "a file of a corpus": ({"de.tsv": "a\n"}, "de.tsv", {}, ["is no task"]),
    "several layouts": (
        {"mgsm_de.tsv": "a\t1\n", "xnli.test.tsv": "x\n"},
        "",
        {},
        ["several layouts: 'mgsm' and 'xnli'", "Move the others out"],
    ),
    "only patterns": ({"patterns/de/P36.jsonl": "{}"}, "", {}, ["is no task"]),
    "a language without tuples": (
        {**GERMAN, "patterns/en/P36.jsonl": writing.json_lines([{"pattern": "[X] [Y]"}])},
        "",
        {},
        ["only patterns or only tuples in en", "languages=[...]"],
    ),
    "a language that is not there": ({**GERMAN}, "", {"languages": ["de", "fr"]}, ["no French (fr)", "It has de"]),
    "a relation that a language lacks": (
        {**GERMAN, **relation("en", name="P1"), **relation("de", name="P1")},
        "",
        {},
        ["has no P36.jsonl", "relations=[...]"],
    ),
    "a fact that a language lacks": (
        {**GERMAN, **relation("en", facts=FACTS["en"][1:])},
        "",
        {},
        [TUPLES, "no line with the id '0'", "1 of 5 rows"],
    ),
    "an empty label": (
        {**GERMAN, **relation("en", facts=[(0, "Q0", " ", "Q1", "x")])},
        "",
        {"languages": ["en"]},
        [f"{TUPLES}:1", "is empty"],
    ),
    "a fact twice": ({**relation("en", facts=FACTS["en"] * 2)}, "", {}, [f"{TUPLES}:6", "'0' stands at"]),
    "facts that are not JSON": ({**relation("en"), TUPLES: "{}\n{,\n"}, "", {}, [f"{TUPLES}:2", "not JSON"]),
    "facts without entities": (
        {**relation("en"), TUPLES: '{"lineid": 1}\n'},
        "",
        {},
        ["no field 'sub_uri'", "'lineid'"],
    ),
    "line ids that are none": (
        {**relation("en"), TUPLES: '{"lineid": "x"}\n'},
        "",
        {},
        [f"{TUPLES}:1", "'lineid' is 'x'"],
    ),
    "no usable pattern at all": (
        relation("en", ["[Y] of [X]"]),
        "",
        {},
        ["No row of task 'mpararel' is left", "relation P36: no pattern in en ends in the object: 5"],
    ),
    "no fact in all languages": (
        {**GERMAN, **relation("en", facts=[(99, "Q1", "a", "Q2", "b")])},
        "",
        {"on_missing": "drop"},
        ["No row of task", "a language lacked the row: 6"],
    ),
    "sums that differ": ({"mgsm_de.tsv": "a\t1\n", "mgsm_en.tsv": "b\t2\n"}, "", {}, ["mgsm_en.tsv:1", "'2'", "'1'"]),
    "sums without words": ({"mgsm_xh.tsv": "a\t1\n"}, "", {}, ["no words for 'question' and 'answer' in 'xh'", "YAML"]),
    "a question without answer": (
        {"xquad.de.json": writing.squad([("a", "c", "q", ""), ("b", "c", "q", "c")])},
        "",
        {},
        ["question 1", "'answer in de' is empty"],
    ),
    "questions with answers of another kind": (
        {"xquad.de.json": writing.squad([("a", "c", "q", "x")]).replace('"text"', '"words"')},
        "",
        {},
        ["not SQuAD's", "'text'"],
    ),
    "inference without labels": (
        {"xnli.test.tsv": "language\tsentence1\tsentence2\nde\tx\ty\n"},
        "",
        {},
        ["no column 'gold_label'"],
    ),
    "two files of inference": ({"xnli.test.tsv": "x\n", "xnli.dev.tsv": "x\n"}, "", {}, ["Give the file itself"]),
    "edits that are no list": ({"mzsre.json": "{}"}, "mzsre.json", {}, ["is a dict", "Expected a list of {'en'"]),
    "edits without English": ({"mzsre.json": '[{"de": {}}]'}, "mzsre.json", {}, ["row 1 is not as in MzsRE"]),
    "edits of another layout": ({"mzsre.json": '[{"en": {"q": "x"}}]'}, "mzsre.json", {}, ["row 1 has no field 'src'"]),
    "edits of pairs without English": ({"mzsre_test_duplicate_czde.json": "[]"}, "", {}, ["no file with English"]),
}
OWN = {"task.yaml": LABELLED, "moods.tsv": LONG}


def own(old, new, file="task.yaml"):
    assert old in OWN[file]
    return {**OWN, file: OWN[file].replace(old, new)}


YAML = {
    "unknown key": (own("name:", "colour: red\nname:"), ["unknown key 'colour'", "name, prompt, answer"]),
    "no answer": (own('answer: "{label}"', ""), ["the keys name, rows, prompt, verbalisers", "Add what is missing"]),
    "source and rows": (own("rows:", "source: x\nrows:"), ["one of source and rows"]),
    "neither source nor rows": (own("rows: moods.tsv", ""), ["one of source and rows"]),
    "not YAML": (own("moods.tsv", "[moods"), ["task.yaml:", "not YAML"]),
    "code in YAML": (own("moods.tsv", "!!python/object/apply:os.getcwd []"), ["not YAML"]),
    "a list": ({"task.yaml": "- a"}, ["the file is a list"]),
    "empty": ({"task.yaml": ""}, ["task.yaml is empty"]),
    "up": (own("moods.tsv", "../moods.tsv"), ["'../moods.tsv'", "without '..' and not absolute", "beside"]),
    "up from below": (own("moods.tsv", "a/../../moods.tsv"), ["without '..'"]),
    "absolute": (own("moods.tsv", "/etc/passwd"), ["'/etc/passwd'", "not absolute"]),
    "absolute elsewhere": (own("moods.tsv", r"C:\moods.tsv"), ["not absolute"]),
    "home": (own("moods.tsv", "~/moods.tsv"), ["~/moods.tsv"]),
    "not there": (own("moods.tsv", "other.tsv"), ["other.tsv"]),
    "no table": (own("moods.tsv", "task.yaml"), ["is no table", ".parquet"]),
    "unknown field": (own("{text}", "{words}"), ["the prompt in 'de' has the field {words}", "{text}, {label}"]),
    "an attribute": (own("{text}", "{text.__class__}"), ["the field {text.__class__}"]),
    "an index": (own("{label}", "{label[0]}"), ["the answer has the field {label[0]}"]),
    "no verbalisers in a language": (
        own("  zh: {good: 好, bad: 坏}\n", ""),
        ["no verbalisers in 'zh'", "It has", "de"],
    ),
    "labels of one language only": (
        own("zh: {good: 好, bad: 坏}", "zh: {good: 好}"),
        ["'zh' are for good.", "good, bad"],
    ),
    "the same word for two labels": (own("bad: 坏", "bad: 好"), ["'zh', row 1", "two options are the same"]),
    "a word that YAML reads as a truth value": (
        own("bad: schlecht", "bad: no"),
        ["the word for 'bad'", "bool", "quotes"],
    ),
    "Norwegian": (own("  zh:", "  no:"), ["a key of verbalisers is of type bool", "quotes"]),
    "a label without word": (own("Gut!\tgood", "Gut!\tfine", "moods.tsv"), ["in 'zh'", "'fine' in 'de'"]),
    "labels that disagree": (own("Gut!\tgood", "Gut!\tbad", "moods.tsv"), ["'1'", "'good' in 'zh' and 'bad' in 'de'"]),
    "no language column": (own("id\tlanguage", "id\ttongue", "moods.tsv"), ["the columns id, tongue", "'language'"]),
    "one option": (own("verbalisers:", "options: [a]\nverbalisers:"), ["'options' is a list", "two or more"]),
    "an option that is no label": (own("verbalisers:", "options: [good, fair]\nverbalisers:"), ["the label 'fair'"]),
    "an empty prompt": (own('"{text} ->"', '" "'), ["prompt is empty"]),
    "no prompt in a language": (own('"{text} ->"', '{de: "{text}"}'), ["no prompt in 'zh'", "prompts in de"]),
    "a language twice": (own('"{text} ->"', '{de: "{text}", deu: "{text}"}'), ["de, deu", "once"]),
    "no language": (own('"{text} ->"', '{xqz: "{text}"}'), ["'xqz'"]),
    "a row of one language": (own("2\tzh\t坏！\tbad\n", "", "moods.tsv"), ["moods.tsv", "the id '2'", "1 of 2 rows"]),
}


@pytest.mark.parametrize("case", FILES)
def test_faulty_files_are_refused(case, tmp_path):
    files, name, options, words = FILES[case]
    with pytest.raises(NeuroglotError) as refusal:
        load_task(writing.write(tmp_path, files) / name, **options)
    assert not [word for word in words if word not in str(refusal.value)], str(refusal.value)


@pytest.mark.parametrize("case", YAML)
def test_faulty_descriptions_are_refused(case, tmp_path):
    files, words = YAML[case]
    with pytest.raises(NeuroglotError) as refusal:
        load_task(writing.write(tmp_path, files) / "task.yaml")
    assert not [word for word in words if word not in str(refusal.value)], str(refusal.value)


def test_the_faulty_descriptions_are_faulty_only_where_they_say_so(tmp_path):
    assert len(load_task(writing.write(tmp_path, OWN) / "task.yaml")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distractors": -1}, "distractors=-1"),
        ({"distractors": True}, "distractors=True"),
        ({"relations": "P36"}, "relations='P36'"),
        ({"relations": ["P36", "P36"]}, "Expected a list of names"),
        ({"relations": ["P9"]}, "P9 were asked for.* There are P36"),
        ({"scaffolding": "own"}, "'scaffolding' was given .* 'mpararel'.* relations, distractors"),
        ({"limit": 0}, "limit=0"),
        ({"limit": "3"}, "limit='3'"),
        ({"on_missing": "ignore"}, "on_missing='ignore'"),
        ({"languages": "de"}, "languages='de'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_task(writing.facts(tmp_path), **options)


def changed(row, place, value):
    rows = [list(of) for of in writing.INFERENCE_ROWS]
    rows[row][place] = value
    return [tuple(of) for of in rows]


INFERENCE = {
    "labels that disagree": (changed(4, 1, "neutral"), {}, "has the answer 'neutral', and .* has 'entailment'"),
    "a label of another kind": ([(*r[:1], "-", *r[2:]) for r in writing.INFERENCE_ROWS], {}, "has the label '-'"),
    "a pair of one language": (changed(0, 5, "9"), {}, "no line with the id '9'"),
    "an empty sentence": (changed(0, 3, ""), {}, "'premise in de' is empty"),
    "a line too short": ([*writing.INFERENCE_ROWS, ("de", "neutral")], {}, r"xnli.test.tsv:8 has 2 fields"),
    "a language that is none": (changed(0, 0, "germn"), {}, "'germn' is no language code"),
    "a language without words": (
        [("sw", *row[1:]) if row[0] == "zh" else row for row in writing.INFERENCE_ROWS],
        {"scaffolding": "own"},
        "no words for 'sw'.* scaffolding='en'",
    ),
    "another scaffolding": (writing.INFERENCE_ROWS, {"scaffolding": "de"}, "Expected 'en' or 'own'"),
}


@pytest.mark.parametrize("case", INFERENCE)
def test_faulty_inference_is_refused(case, tmp_path):
    rows, options, message = INFERENCE[case]
    with pytest.raises(NeuroglotError, match=message):
        load_task(writing.inference(tmp_path, rows), **options)


def test_pairs_of_edits_out_of_step_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"not translations"):
        load_task(writing.edits(tmp_path, writing.ENGLISH_EDITS[::-1]))
    with pytest.raises(ConfigError, match="direction='de-to-en' was given.* 'en-to-x' or 'x-to-en'"):
        load_task(tmp_path, direction="de-to-en")


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    writing.write(tmp_path, {"elsewhere.tsv": LONG, "in/task.yaml": LABELLED})
    (tmp_path / "in" / "moods.tsv").symlink_to(tmp_path / "elsewhere.tsv")
    with pytest.raises(CorpusError, match="outside the folder"):
        load_task(tmp_path / "in" / "task.yaml")


SOURCES = 'name: n\nsource: {a: one, b: two}\nprompt: "{a}"\nanswer: "{b}"\n'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"one/de.txt": "x\n", "two/en.txt": "y\n"}, "source of 'b' has the languages en.* That of 'a' has de"),
        ({"one/de.txt": "x\n", "two/de.txt": "y\nz\n"}, "line 2 is missing in"),
        ({"one/de.txt": "x\n"}, "There is no .*two"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(files, message, tmp_path):
    writing.write(tmp_path, {"task.yaml": SOURCES, **files})
    with pytest.raises(CorpusError, match=message):
        load_task(tmp_path / "task.yaml")


def test_fields_with_and_without_ids_are_refused(tmp_path):
    said = SOURCES.replace("two", "two.tsv")
    writing.write(tmp_path, {"task.yaml": said, "one/de.txt": "x\n", "two.tsv": "id\tde\n7\ty\n"})
    with pytest.raises(CorpusError, match="'b' has row ids, and another has none"):
        load_task(tmp_path / "task.yaml")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["name", "source", "rows", "prompt", "answer", "options", "verbalisers", "licence"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(KEYS, values) | st.lists(st.fixed_dictionaries({"en": values, "de": values})))
def test_any_json_is_a_task_or_is_refused(value, tmp_path):
    for name in ("task.yaml", "mzsre.json"):
        (tmp_path / name).write_text(json.dumps(value))
        with pytest.raises(NeuroglotError):
            load_task(tmp_path / name)


def test_what_is_not_there_is_said_once(tmp_path):
    path = tmp_path / "nowhere"
    with pytest.raises(CorpusError) as refused:
        load_task(path)
    assert str(refused.value) == f"There is no {str(path)!r}. Expected the path of a task's folder or file."
