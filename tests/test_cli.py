"""The command line: help, exit codes, one message for every bad input, and nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from neuroglot import cli
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

NAMES = (
    *("demo", "analyze", "record", "sharing", "attribute", "deactivate", "compare", "select", "steer", "generate"),
    *("export", "models", "lab train"),
)
COMMANDS = (["--help"], *([*name.split(), "--help"] for name in NAMES))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command in `tmp_path`; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["neuroglot", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def write_texts(folder: Path, rows: int = 24) -> dict[str, Path]:
    folder.mkdir()
    paths = {}
    for language, column in tiny_corpus(rows).texts.items():
        paths[language] = folder / f"{language}.txt"
        paths[language].write_text("\n".join(column) + "\n")
    return paths


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(run, words: list[str]) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert "Usage" in out


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; sys.argv = ['neuroglot', '--help']\nfrom neuroglot.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'transformers', 'plotly', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_analyze_ends_with_a_report(run, model, tmp_path) -> None:
    write_texts(tmp_path / "texts")
    options = ("--device", "cpu", "--top-share", "0.2", "--filter-quantile", "0.5", "--random-draws", "2")
    code, out, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", *options)
    assert code == 0, err
    assert "report.html" in out
    assert json.loads(Path("run/report.json").read_text())["headline"]["languages"] == ["de", "sw", "zh"]
    code, _, err = run("analyze", str(model), "--corpus", "texts", "--out", "run")
    assert code == 1
    assert "run exists already" in err


def shorten(paths: dict[str, Path]) -> None:
    paths["sw"].write_text("w1\nw2\n")


def bad_bytes(paths: dict[str, Path]) -> None:
    paths["sw"].write_bytes(b"w1\n\xff\xfe\n" + b"w1\n" * 22)


def empty_line(paths: dict[str, Path]) -> None:
    paths["sw"].write_text("w1\n\n" + "w1\n" * 22)


def empty_file(paths: dict[str, Path]) -> None:
    paths["sw"].write_text("")


def unknown_language(paths: dict[str, Path]) -> None:
    paths["sw"].rename(paths["sw"].with_name("qqq.txt"))


def mixed_columns(paths: dict[str, Path]) -> None:
    paths["sw"].parent.joinpath("all.tsv").write_text("id\tde\tsw\n1\ta\tb\n2\ta\n")


def duplicate_ids(paths: dict[str, Path]) -> None:
    paths["sw"].parent.joinpath("all.tsv").write_text("id\tde\tsw\n1\ta\tb\n1\ta\tb\n")


BAD_CORPORA = [
    (shorten, "texts", ("sw.txt", "24")),
    (bad_bytes, "texts", ("sw.txt", "2")),
    (empty_line, "texts", ("sw.txt", "2", "--on-missing drop")),
    (empty_file, "texts", ("sw.txt", "empty")),
    (unknown_language, "texts", ("qqq",)),
    (mixed_columns, "texts/all.tsv", ("all.tsv", "3")),
    (duplicate_ids, "texts/all.tsv", ("all.tsv", "3")),
    (lambda _: None, "textz", ("textz", "Did you mean")),
]


@pytest.mark.parametrize(("spoil", "corpus", "words"), BAD_CORPORA)
def test_a_bad_corpus_is_one_message(run, model, tmp_path, spoil, corpus: str, words: tuple[str, ...]) -> None:
    spoil(write_texts(tmp_path / "texts"))
    code, out, err = run("analyze", str(model), "--corpus", corpus, "--out", "run")
    assert code == 1
    assert err.count("neuroglot: ") == 1
    assert "Traceback" not in out + err
    assert all(word in err for word in words), err
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]


def test_a_missing_language_is_one_message(run, model, tmp_path) -> None:
    write_texts(tmp_path / "texts")
    code, _, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", "--languages", "de", "fr")
    assert code == 1
    assert "French (fr)" in err


def test_on_missing_drop_drops_the_row_and_says_so(run, model, tmp_path) -> None:
    empty_line(write_texts(tmp_path / "texts"))
    options = ("--on-missing", "drop", "--device", "cpu", "--random-draws", "1")
    code, out, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", *options)
    assert code == 0, err
    assert "1 row" in out


def test_a_model_of_an_unknown_architecture_is_one_message(run, tmp_path) -> None:
    write_texts(tmp_path / "texts")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text('{"model_type": "mamba"}')
    code, _, err = run("analyze", "mine", "--corpus", "texts", "--out", "run")
    assert code == 1
    assert "'mamba'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words", [["analyz"], ["analyze", "lab"], ["analyze", "lab", "--corpus", "x", "--out", "y", "--seeed", "1"]]
)
def test_unknown_words_are_refused(run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert "Traceback" not in out + err


def test_an_interrupted_recording_says_how_to_go_on(run, model, tmp_path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neuroglot.activity.recorded.record", interrupt)
    code, _, err = run("record", str(model), "--corpus", "lab", "--out", str(tmp_path / "run"))
    assert code == 130
    assert f"interrupted; go on with --resume --out {tmp_path / 'run'}" in err


def test_an_interrupt_is_one_message_and_code_130(run, model, tmp_path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write_texts(tmp_path / "texts")
    monkeypatch.setattr("neuroglot.analysis.ablation_matrix", interrupt)
    code, _, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", "--device", "cpu")
    assert code == 130
    assert err.endswith("neuroglot: interrupted; nothing half-written was left.\n")  # behind bars of the libraries
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]
