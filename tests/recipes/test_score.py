"""`neuroglot score`: files and logs, JSON, paired tests, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics import BLEU, CHRF

from neuroglot.cli import app
from neuroglot.errors import ConfigError, CorpusError
from tests.corpora.test_generate_log import LOG

SYSTEM = ["Der Hund schläft.", "Das\u2028ist gut.", "", "Morgen kommt sie an."]
REFERENCE = ["Der Hund schläft heute.", "Das\u2028ist gut so.", "Ja.", "Sie kommt morgen an."]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a system's texts, another's, a reference and a source."""
    other = ["Hund.", "Das ist gut.", "x", "Sie kommt morgen an."]
    for name, lines in (("sys", SYSTEM), ("old", other), ("ref", REFERENCE), ("src", ["a b", "c", "d", "e"])):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def run(*arguments: object) -> None:
    app(["score", *map(str, arguments)], result_action="return_value", exit_on_error=False)


def scored(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """The rows of the report's table, by the names of its columns."""
    run(*arguments, "--json")
    (section,) = json.loads(capsys.readouterr().out)["report"]["sections"]
    (table,) = section["tables"]
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_scores_are_those_of_sacrebleu(files: Path, capsys) -> None:
    bleu, chrf = scored(
        capsys, "--hypotheses", files / "sys.txt", "--references", files / "ref.txt",
        "--metrics", "bleu", "chrf++",
    )  # fmt: skip
    assert bleu["score"] == pytest.approx(BLEU().corpus_score(SYSTEM, [REFERENCE]).score, rel=1e-5)
    assert chrf["score"] == pytest.approx(CHRF(word_order=2).corpus_score(SYSTEM, [REFERENCE]).score, rel=1e-5)
    assert [row["metric"] for row in (bleu, chrf)] == ["BLEU", "chrF2++"]
    assert (bleu["texts"], bleu["rows"]) == ("sys.txt", 4)
    assert bleu["more"].endswith("hyp_len = 13 ref_len = 17)")
    assert bleu["low"] <= bleu["score"] <= bleu["high"]
    assert bleu["baseline"] is bleu["p"] is None


def test_several_references_a_baseline_and_a_tokenizer(files: Path, capsys) -> None:
    (files / "ref2.txt").write_text("\n".join(reversed(REFERENCE)))
    (found,) = scored(
        capsys, "--hypotheses", files / "sys.txt", "--baseline", files / "old.txt",
        "--references", files / "ref.txt", files / "ref2.txt", "--metrics", "bleu", "--tokenize", "intl",
    )  # fmt: skip
    assert found["signature"].startswith("nrefs:2|case:mixed|eff:no|tok:intl|")
    assert found["difference"] == pytest.approx(found["score"] - found["baseline"], rel=1e-4)
    assert found["difference, low"] <= found["difference"] <= found["difference, high"]
    assert (0 < found["p"] <= 1, found["test"]) == (True, "exchange of systems")


def test_text_output_names_metric_signature_and_interval(files: Path, capsys) -> None:
    run(
        "--hypotheses", files / "sys.txt", "--references", files / "ref.txt", "--sources", files / "src.txt",
        "--metrics", "chrf", "sari",
    )  # fmt: skip
    *_, chrf, sari = capsys.readouterr().out.rstrip("\n").split("\n")
    assert chrf.startswith("chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert sari.startswith("SARI|nrefs:1|")
    assert " add = " in sari


@pytest.mark.parametrize("option", ["--hypotheses", "--log"])
def test_a_log_is_scored_as_the_files_made_of_it(tmp_path: Path, capsys, option: str) -> None:
    (tmp_path / "log").write_text(LOG)
    lines = ["That's $3 (net), R & D.", "", 'She said: "Yes, sure."']
    references = ["That is $3 (net), R & D.", "A world-class hotel", 'She said: "Yes, gladly."']
    (found,) = scored(capsys, option, tmp_path / "log", "--language", "en", "--metrics", "bleu")
    assert found["score"] == pytest.approx(BLEU().corpus_score(lines, [references]).score, rel=1e-5)
    (tmp_path / "ref").write_text("\n".join(lines))
    (own,) = scored(
        capsys, option, tmp_path / "log", "--language", "en", "--references", tmp_path / "ref", "--metrics", "accuracy",
        "--baseline", tmp_path / "log",
    )  # fmt: skip
    assert (own["score"], own["p"]) == (100, 1)
    (sari,) = scored(capsys, option, tmp_path / "log", "--language", "en", "--source", "de", "--metrics", "sari")
    assert 0 < sari["score"] < 100


def test_what_cannot_be_scored_is_refused(files: Path) -> None:
    system, reference = ("--hypotheses", files / "sys.txt"), ("--references", files / "ref.txt")
    (files / "short.txt").write_text("eins\nzwei\n")
    (files / "empty.txt").write_text("")
    (files / "latin.txt").write_bytes("Häuser\n".encode("latin-1") * 4)
    (files / "log").write_text(LOG)
    for arguments, error, message in (
        ((*system, "--references", files / "short.txt", "--metrics", "bleu"), CorpusError, "has 4, reference 1 has 2"),
        ((*system, *reference, "--baseline", files / "short.txt", "--metrics", "ter"), CorpusError, "has 2, reference"),
        ((*system, "--references", files / "empty.txt", "--metrics", "bleu"), CorpusError, "empty.txt is empty"),
        ((*system, "--references", files / "latin.txt", "--metrics", "bleu"), CorpusError, "latin.txt:1: byte 0xe4"),
        ((*system, "--references", files / "none.txt", "--metrics", "bleu"), CorpusError, "cannot be read"),
        ((*system, *reference, "--metrics", "blue"), ConfigError, "'blue'"),
        ((*system, *reference, "--metrics", "chrf", "--tokenize", "zh"), ConfigError, "option tokenize"),
        ((*system, *reference, "--metrics", "sari"), ConfigError, "--sources"),
        ((*system, "--metrics", "bleu"), ConfigError, "no reference"),
        ((*reference, "--metrics", "bleu"), ConfigError, "--hypotheses or --log"),
        ((*system, "--log", files / "log", "--metrics", "bleu"), ConfigError, "--hypotheses or --log"),
        (("--log", files / "sys.txt", "--metrics", "bleu"), CorpusError, "holds no line of a sentence"),
        (("--log", files / "log", "--metrics", "bleu"), ConfigError, "--language"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            run(*arguments)


def test_a_limit_scores_the_first_lines_and_a_run_folder_holds_what_was_scored(files: Path, capsys) -> None:
    given = ("--hypotheses", files / "sys.txt", "--references", files / "ref.txt", "--metrics", "chrf")
    (first,) = scored(capsys, *given, "--baseline", files / "old.txt", "--limit", "2", "--out", files / "run")
    assert first["score"] == pytest.approx(CHRF().corpus_score(SYSTEM[:2], [REFERENCE[:2]]).score, rel=1e-5)
    assert first["rows"] == 2
    stored = json.loads((files / "run" / "report.json").read_text())["sections"][0]["signature"]
    assert {"hypotheses", "references 1", "baseline", "rows"} <= set(stored)
    (files / "sys.txt").write_text("anders\n" * 4)
    with pytest.raises(ConfigError, match="another hypotheses"):
        run(*given, "--baseline", files / "old.txt", "--limit", "2", "--out", files / "run", "--resume")


def test_real_systems_get_their_published_score(real_data, capsys) -> None:
    folder = real_data("mt_outputs") / "de-en"
    arguments = ("--hypotheses", folder / "ns.txt", "--references", folder / "ref.txt", "--metrics", "bleu")
    (found,) = scored(capsys, *arguments)
    assert (found["score"], found["rows"]) == (38.7749, 2009)
    assert found["more"] == "68.5/45.5/31.9/22.7 (BP = 1.000 ratio = 1.034 hyp_len = 49997 ref_len = 48339)"


def test_a_hypothesis_that_is_no_text_is_left_out_of_the_baseline_too(files: Path, capsys) -> None:
    (files / "gap.txt").write_text("\n".join(["n/a", *SYSTEM[1:]]) + "\n", encoding="utf-8")
    given = ("--hypotheses", files / "gap.txt", "--references", files / "ref.txt", "--metrics", "chrf")
    (found,) = scored(capsys, *given, "--baseline", files / "old.txt", "--suspicious", "drop")
    other = (files / "old.txt").read_text(encoding="utf-8").split("\n")[:4]
    assert found["rows"] == 3
    assert found["score"] == pytest.approx(CHRF().corpus_score(SYSTEM[1:], [REFERENCE[1:]]).score, rel=1e-5)
    assert found["baseline"] == pytest.approx(CHRF().corpus_score(other[1:], [REFERENCE[1:]]).score, rel=1e-5)


def test_the_sources_of_a_log_are_joined_by_the_rules_of_their_own_language(tmp_path: Path, capsys) -> None:
    """In French an elided word stands at the next one, in English it does not."""
    (tmp_path / "log").write_text("S-0\tl' homme dort\nT-0\tthe man sleeps\nH-0\t-1\tl'homme sleeps\n")
    for name, line in (("hyp", "l'homme sleeps"), ("ref", "the man sleeps"), ("src", "l'homme dort")):
        (tmp_path / name).write_text(f"{line}\n")
    plain = ("--hypotheses", tmp_path / "hyp", "--references", tmp_path / "ref", "--sources", tmp_path / "src")
    (expected,) = scored(capsys, *plain, "--metrics", "sari")
    given = ("--log", tmp_path / "log", "--language", "en", "--source", "fr", "--metrics", "sari")
    (found,) = scored(capsys, *given)
    assert found["score"] == expected["score"]
