"""`neuroglot score`: files and logs, JSON, paired tests, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App
from sacrebleu.metrics import BLEU, CHRF

from neuroglot.cli.scoring import score
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
    app = App(result_action="return_value")
    app.command(score)
    app(["score", *map(str, arguments)], exit_on_error=False)


def scored(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict]:
    run(*arguments, "--json")
    found: dict[str, list[dict]] = json.loads(capsys.readouterr().out)
    assert list(found) == ["scores"]
    return found["scores"]


def test_scores_are_those_of_sacrebleu(files: Path, capsys) -> None:
    bleu, chrf = scored(
        capsys, "--hypothesis", files / "sys.txt", "--reference", files / "ref.txt",
        "--metric", "bleu", "--metric", "chrf++",
    )  # fmt: skip
    assert (bleu["score"], bleu["rows"]) == (BLEU().corpus_score(SYSTEM, [REFERENCE]).score, 4)
    assert chrf["score"] == CHRF(word_order=2).corpus_score(SYSTEM, [REFERENCE]).score
    assert [one["name"] for one in (bleu, chrf)] == ["BLEU", "chrF2++"]
    assert bleu["verbose"].endswith("hyp_len = 13 ref_len = 17)")
    assert bleu["low"] <= bleu["score"] <= bleu["high"]
    assert "baseline" not in bleu


def test_several_references_a_baseline_and_a_tokenizer(files: Path, capsys) -> None:
    (files / "ref2.txt").write_text("\n".join(reversed(REFERENCE)))
    (found,) = scored(
        capsys, "--hypothesis", files / "sys.txt", "--baseline", files / "old.txt",
        "--reference", files / "ref.txt", "--reference", files / "ref2.txt", "--metric", "bleu", "--tokenize", "intl",
    )  # fmt: skip
    assert found["signature"].startswith("nrefs:2|case:mixed|eff:no|tok:intl|")
    assert found["baseline"].keys() == {"score", "difference", "low", "high", "p", "test"}
    assert found["baseline"]["difference"] == pytest.approx(found["score"] - found["baseline"]["score"])


def test_text_output_names_metric_signature_and_interval(files: Path, capsys) -> None:
    run(
        "--hypothesis", files / "sys.txt", "--reference", files / "ref.txt", "--source", files / "src.txt",
        "--metric", "chrf", "sari",
    )  # fmt: skip
    chrf, sari = capsys.readouterr().out.rstrip("\n").split("\n")
    assert chrf.startswith("chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert sari.startswith("SARI|nrefs:1|")
    assert " add = " in sari


@pytest.mark.parametrize("option", ["--hypothesis", "--log"])
def test_a_log_is_scored_as_the_files_made_of_it(tmp_path: Path, capsys, option: str) -> None:
    (tmp_path / "log").write_text(LOG)
    lines = ["That's $3 (net), R & D.", "", 'She said: "Yes, sure."']
    references = ["That is $3 (net), R & D.", "A world-class hotel", 'She said: "Yes, gladly."']
    (found,) = scored(capsys, option, tmp_path / "log", "--target-language", "en", "--metric", "bleu")
    assert found["score"] == BLEU().corpus_score(lines, [references]).score
    (tmp_path / "ref").write_text("\n".join(lines))
    (own,) = scored(
        capsys, option, tmp_path / "log", "--language", "en", "--reference", tmp_path / "ref", "--metric", "accuracy",
        "--baseline", tmp_path / "log",
    )  # fmt: skip
    assert (own["score"], own["baseline"]["p"]) == (100, 1)
    (sari,) = scored(
        capsys, option, tmp_path / "log", "--language", "en", "--source-language", "de", "--metric", "sari"
    )
    assert 0 < sari["score"] < 100


def test_what_cannot_be_scored_is_refused(files: Path) -> None:
    system, reference = ("--hypothesis", files / "sys.txt"), ("--reference", files / "ref.txt")
    (files / "short.txt").write_text("eins\nzwei\n")
    (files / "empty.txt").write_text("")
    (files / "latin.txt").write_bytes("Häuser\n".encode("latin-1") * 4)
    (files / "log").write_text(LOG)
    for arguments, error, message in (
        ((*system, "--reference", files / "short.txt", "--metric", "bleu"), CorpusError, "has 4, reference 1 has 2"),
        ((*system, *reference, "--baseline", files / "short.txt", "--metric", "ter"), CorpusError, "has 2, reference"),
        ((*system, "--reference", files / "empty.txt", "--metric", "bleu"), CorpusError, "empty.txt is empty"),
        ((*system, "--reference", files / "latin.txt", "--metric", "bleu"), CorpusError, "latin.txt:1: byte 0xe4"),
        ((*system, "--reference", files / "none.txt", "--metric", "bleu"), CorpusError, "cannot be read"),
        ((*system, *reference, "--metric", "blue"), ConfigError, "'blue'"),
        ((*system, *reference, "--metric", "chrf", "--tokenize", "zh"), ConfigError, "option tokenize"),
        ((*system, *reference, "--metric", "sari"), ConfigError, "--source"),
        ((*system, "--metric", "bleu"), ConfigError, "no reference"),
        ((*reference, "--metric", "bleu"), ConfigError, "--hypothesis or --log"),
        ((*system, "--log", files / "log", "--metric", "bleu"), ConfigError, "--hypothesis or --log"),
        (("--log", files / "sys.txt", "--metric", "bleu"), CorpusError, "holds no line of a sentence"),
        (("--log", files / "log", "--metric", "bleu"), ConfigError, "--language"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            run(*arguments)


def test_the_command_module_imports_nothing_heavy() -> None:
    heavy = "[name for name in ('torch', 'transformers', 'sacrebleu', 'rouge_score') if name in sys.modules]"
    code = f"import sys, neuroglot.cli.scoring; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_real_systems_get_their_published_score(real_data, capsys) -> None:
    folder = real_data("mt_outputs") / "de-en"
    arguments = ("--hypothesis", folder / "ns.txt", "--reference", folder / "ref.txt", "--metric", "bleu")
    (found,) = scored(capsys, *arguments)
    assert (round(found["score"], 4), found["rows"]) == (38.7749, 2009)
    assert found["verbose"] == "68.5/45.5/31.9/22.7 (BP = 1.000 ratio = 1.034 hyp_len = 49997 ref_len = 48339)"
