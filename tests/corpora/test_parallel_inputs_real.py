"""The released slices of the paper's data, their faults counted again by other code; see tests/conftest.py."""

import statistics

import pytest

from neuroglot.corpora.parallel_inputs import audit_released, read_released

FAILED = {"WMT/de2en": ("spa", (17, 92, 144, 164, 186, 187, 220)), "WMT/de2fr": ("jpn", (1848, 1850, 1856))}


@pytest.fixture
def folder(real_data):
    return real_data("pmi_repo") / "gpt_translated_data"


@pytest.fixture
def faults(folder):
    return {fault for of in audit_released(folder).values() for fault in of}


def lines(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def of_kind(faults, *kinds):
    return {(fault.file, fault.line) for fault in faults if fault.kind in kinds}


def test_failed_requests_are_those_that_are_known(folder, faults):
    """The line numbers were counted from the whole files; of a slice, those within it."""
    expected, marked = set(), set()
    for name, (alpha3, numbers) in FAILED.items():
        for path in folder.glob(f"WMT/*/{name.split('/')[1]}/*2{alpha3}-*/result.txt"):
            last = len(lines(path))
            expected |= {(str(path.relative_to(folder)), number) for number in numbers if number <= last}
    for path in folder.rglob("*.txt"):
        for number, line in enumerate(lines(path), 1):
            if line.strip() in ("Request failed!!!", "###over length!!!"):
                marked.add((str(path.relative_to(folder)), number))
    assert of_kind(faults, "failed request", "over length") == marked >= expected
    assert len(expected) >= 6


def test_empty_files_and_lines_are_all_named(folder, faults):
    empty = {
        (str(path.relative_to(folder)), None)
        for path in folder.rglob("*")
        if path.is_file() and not path.stat().st_size
    }
    assert of_kind(faults, "empty file") == empty
    assert len(empty) == 6
    blank = {
        (str(path.relative_to(folder)), number)
        for path in folder.rglob("result.txt")
        for number, line in enumerate(lines(path), 1)
        if not line.strip()
    }
    assert of_kind(faults, "empty line") == blank == set()


def test_every_absent_file_is_really_absent(folder, faults):
    absent = of_kind(faults, "absent file")
    assert absent
    assert not any((folder / file).exists() for file, _ in absent)


def source_of(line):
    heading = "Translate this into 1. "
    return line.rsplit(heading, 1)[1].split(":\\n", 1)[1].removesuffix("\\n1.")


def test_requests_ask_for_the_lines_of_the_test_sets(folder, faults):
    """As in the whole files: no line is misaligned in any of them."""
    compared = 0
    for prompts in folder.glob("*/chatgpt_translation_test/*/prompt.txt"):
        name = prompts.parent.name.rpartition("-")[0].removeprefix("BoolQ.")
        test_set = prompts.parents[2] / "test_set" / name
        if prompts.stat().st_size and test_set.exists():
            assert [source_of(line) for line in lines(prompts)] == lines(test_set)
            compared += 1
    assert compared == 18
    assert of_kind(faults, "misaligned", "invisible marks", "unequal line counts") == set()


def too_short(sources, translations):
    """By loops: shorter than half of what the median ratio among the shorter half of the sources lets expect."""
    usable = [row for row, text in enumerate(translations) if not text.startswith("Request failed")]
    ordered = sorted(usable, key=lambda row: len(sources[row]))
    ratios = [len(translations[row]) / len(sources[row]) for row in ordered[: -(-len(ordered) // 2)]]
    usual = statistics.median(ratios)
    return [
        row + 1 for row in usable
        if usual * len(sources[row]) >= 40 and len(translations[row]) / len(sources[row]) < usual / 2
    ]  # fmt: skip


def test_truncated_lines_are_those_of_another_count(folder, faults):
    expected = set()
    for result in folder.rglob("result.txt"):
        prompts = result.with_name("prompt.txt")
        if result.stat().st_size and prompts.exists() and prompts.stat().st_size:
            sources = [source_of(line) for line in lines(prompts)]
            file = str(result.relative_to(folder))
            expected |= {(file, number) for number in too_short(sources, lines(result))}
    found = of_kind(faults, "truncated")
    assert {pair for pair in found if not pair[0].startswith("GSM8K")} == expected
    assert ("BoolQ/chatgpt_translation_test/BoolQ.valid.question.txt-de/result.txt", 174) in expected
    # seen by eye: of these sums only the first sentence was translated
    sums = {(file.split("/")[-1].split("_")[0], number) for file, number in found if file.startswith("GSM8K")}
    assert sums >= {("Russian", 19), ("Russian", 24), ("French", 24), ("Spanish", 167)}


LOADED = [
    ("RTE", ("premise", "hypothesis"), ("en", "es", "fr", "de")),
    ("BoolQ", ("passage", "question"), ("en", "es", "fr", "de")),
    ("XNLI/de", ("premise", "hypothesis"), ("de", "es", "ru", "fr")),
    ("WMT/de2en", ("text",), ("de", "es", "ru", "fr", "zh", "ja", "cs")),
    ("WMT/zh2en", ("text",), ("zh", "es", "ru", "fr", "ja", "cs", "de")),
    ("GSM8K", ("question",), ("en", "de", "ru", "it", "zh", "fr", "es")),
    ("Wiki-Auto", ("text",), ("en",)),
    ("XLSum/russian", ("text",), ("ru",)),
]


@pytest.mark.parametrize(("name", "fields", "columns"), LOADED)
def test_released_data_sets_load_without_their_faulty_rows(name, fields, columns, folder):
    inputs = read_released(folder, name)
    assert inputs.columns == dict.fromkeys(fields, columns)
    rows = {fault.line for fault in inputs.faults if fault.line is not None}
    assert inputs.excluded == tuple(f"{name}/{row}" for row in sorted(rows))
    assert len(inputs) + len(rows) >= 200
    texts = [text for item in inputs.items for of in item.fields.values() for text in of.values()]
    assert not any("Request failed" in text or "over length" in text for text in texts)


def test_labels_of_the_released_data(folder):
    labels = {name: [item.references for item in read_released(folder, name).items] for name in ("RTE", "XNLI/de")}
    assert labels["RTE"] == [(line,) for line in lines(folder / "RTE/test_set/RTE.valid.label.txt")]
    assert {label for (label,) in labels["XNLI/de"]} == {"entailment", "contradiction", "neutral"}
    assert all(len(item.references) == 10 for item in read_released(folder, "Wiki-Auto").items)
