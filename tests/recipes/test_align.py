"""`neuroglot align`: the table and the JSON say what the functions give."""

import json

import pytest

from neuroglot import corpora
from neuroglot.activity.recording import Recording
from neuroglot.activity.text_means import record_text_means
from neuroglot.errors import ConfigError
from neuroglot.metrics.alignment import alignment
from neuroglot.models import load
from neuroglot.reports.wording import number

RUN = ("align", "model", "--corpus", "texts", "--device", "cpu")


def test_json_is_what_the_functions_give(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN, "--limit", "12", "--state", "magnitude", "--site", "write", "--json")
    printed = json.loads(capsys.readouterr().out)
    located, tokenizer = load("model", device="cpu")
    parallel = corpora.load("texts").take(range(12))
    means = record_text_means(
        located, tokenizer, parallel, Recording(site="write"), quantities=["magnitude"], weights="position"
    )
    expected = alignment(means.layout, means.languages, means.values["magnitude"], means.signature)
    section, *others = printed["report"]["sections"]
    assert [each["key"] for each in others] == ["uniformity"]
    pairs, by_layer = (
        {table["key"]: table for table in section["tables"]}[f"aligned-{name}"] for name in ("pairs", "layers")
    )
    assert [tuple(row[:2]) for row in pairs["rows"]] == list(expected.pairs)
    for row, score in zip(pairs["rows"], expected.scores.values(), strict=True):
        assert row[2:] == pytest.approx([score.value, score.low, score.high], rel=1e-5)
        shares = [share for _, *pair, share in by_layer["rows"] if pair == row[:2]]
        assert len(shares) == 3
        assert sum(shares) / 3 == pytest.approx(score.value, rel=1e-5)
    assert number(expected.mean.value) in section["sentence"]
    assert section["signature"]["state"] == "magnitude"
    assert section["signature"]["rows"] == 12


def test_the_table_has_a_row_a_pair(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN)
    printed = capsys.readouterr().out
    for pair in (("de", "sw"), ("de", "zh"), ("sw", "zh")):
        assert any(line.split()[:2] == list(pair) for line in printed.splitlines())


def test_bad_input_is_refused_before_a_model_is_loaded(run) -> None:
    for words in (("--limit", "0"), ("--limit", "1"), ("--languages", "de")):
        with pytest.raises(ConfigError):
            run("align", "nowhere", "--corpus", "texts", *words)
