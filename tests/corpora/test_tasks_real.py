"""The published tasks, where they are at hand; see tests/conftest.py."""

import json

from neuroglot.corpora import load_task


def read(file):
    return [json.loads(line) for line in file.read_text().strip().split("\n")]


def line_ids(folder, relation, languages):
    """The ids that all languages have, straight from the files."""
    files = [folder / "tuples" / language / f"{relation}.jsonl" for language in languages]
    return set.intersection(*({row["lineid"] for row in read(file)} for file in files))


def test_mpararel_without_turkish_keeps_all_relations(real_data):
    folder, languages = real_data("mpararel"), ["en", "de", "es", "fr", "ru", "vi", "zh-hans"]
    task = load_task(folder, languages=languages, on_missing="drop")
    relations = sorted({row_id.split("/")[0] for row_id in task.ids})
    assert relations == sorted(file.stem for file in (folder / "tuples" / "en").iterdir())
    assert len(relations) == 8
    for relation in relations:
        loaded = {int(row_id.split("/")[1]) for row_id in task.ids if row_id.startswith(f"{relation}/")}
        assert loaded == line_ids(folder, relation, languages)
    assert (len(task), dict(task.dropped)) == (1588, {"a language lacked the row": 5688})


def test_mpararel_in_eight_languages_has_capitals_only(real_data):
    """Turkish puts the verb last: only of P36 does it have patterns that end in the object."""
    folder = real_data("mpararel")
    task = load_task(folder, on_missing="drop")
    assert task.languages == ("de", "en", "es", "fr", "ru", "tr", "vi", "zh-Hans")
    tags = [path.name for path in (folder / "tuples").iterdir()]
    assert task.ids == tuple(f"P36/{n}" for n in sorted(line_ids(folder, "P36", tags)))
    assert len(task) == 299
    assert task.dropped["a language lacked the row"] == 404
    assert sum("no pattern in tr ends in the object" in reason for reason in task.dropped) == 7


def test_answers_and_options_of_mpararel_are_the_objects_of_the_files(real_data):
    folder = real_data("mpararel")
    task = load_task(folder, languages=["de", "zh-hans"], on_missing="drop")
    for code, tag in (("de", "de"), ("zh-Hans", "zh-hans")):
        rows = [row for file in (folder / "tuples" / tag).iterdir() for row in read(file)]
        labels = {row["obj_label"] for row in rows}
        assert {answer.strip() for answer in task.answers.texts[code]} <= labels
        assert all({text.strip() for text in option.texts[code]} <= labels for option in task.options)
    places = [task.right.count(n) / len(task) for n in range(4)]
    assert min(places) > 0.2


def test_mgsm(real_data):
    task = load_task(real_data("mgsm"))
    assert (len(task), len(task.languages), dict(task.dropped)) == (250, 11, {})
    assert {text.strip() for g in ("de", "zh") for text in task.answers.texts[g][:3]} == {"18", "3", "70000"}
    assert not any(text != text.rstrip() for column in task.prompts.texts.values() for text in column)


def test_answers_of_xquad_stand_in_their_passages(real_data):
    task = load_task(real_data("xquad"))
    assert (len(task), len(task.languages), dict(task.dropped)) == (1190, 7, {})
    for language in task.languages:
        pairs = zip(task.prompts.texts[language], task.answers.texts[language], strict=True)
        assert all(answer.strip() in prompt for prompt, answer in pairs)
