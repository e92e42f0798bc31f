"""The command line: help, exit codes, one message for every bad input, and nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from neuroglot import cli
from neuroglot.__main__ import run as run_program
from neuroglot.cli.habits import SEVERAL, as_meant
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer


def subcommands(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


NAMES = tuple(
    f"{name} {below}".strip() for name in subcommands(cli.app) for below in subcommands(cli.app[name]) or [""]
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
        try:
            code = run_program(list(words))
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


def test_no_command_is_overlooked() -> None:
    assert len(NAMES) >= 20
    assert {"analyze", "lab train", "doctor"} <= set(NAMES)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(run, words: list[str]) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert "Usage" in out
    example = out.rpartition("Example")[2].replace("\n", " ")
    assert words == ["--help"] or f"neuroglot {' '.join(words[:-1])} " in example


def test_help_lists_every_command_in_a_group_and_the_exit_codes(run) -> None:
    _, out, _ = run("--help")
    assert "Commands" not in out
    groups = {title: set(part) for title, *part in (block.split() for block in out.split("╭─ ")[1:])}
    assert set(groups) == {"Find", "Prove", "Use", "Help"}
    placed = {"Find": "record", "Prove": "ablate", "Use": "steer", "Help": "doctor"}
    assert all(command in groups[group] for group, command in placed.items())
    assert "--install-completion" in groups["Help"]
    assert "130 interrupted" in " ".join(out.split())


def test_options_that_many_commands_have_read_alike_in_all(run) -> None:
    named: dict[str, set[str]] = {"--dry-run": set(), "--overwrite": set(), "--json": set()}
    for command in ("record", "sharing", "analyze", "select", "ablate", "scoreboard", "attribute", "deactivate"):
        _, out, _ = run(command, "--help")
        lines = " ".join(out.replace("│", " ").split())
        assert "--dry-run Print what the job would cost" in lines
        assert "[default: False]" not in lines
        for option in named:
            named[option] |= {lines.split(f" {option} ")[1][:40]} if f" {option} " in lines else set()
    assert {option: len(texts) for option, texts in named.items()} == dict.fromkeys(named, 1)


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; sys.argv = ['neuroglot', '--help']\nfrom neuroglot.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'transformers', 'plotly', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_doctor_says_what_is_there_and_what_is_missing(run, monkeypatch) -> None:
    code, out, err = run("doctor", "--json")
    found = json.loads(out)
    checks = {check["name"]: check for check in found["checks"]}
    assert (code, found["usable"]) == (0, True), err
    assert {"python", "torch", "transformers", "extra hub", "cpu", "disk", "hub cache", "lab model"} <= set(checks)
    assert checks["hub"]["found"] == "offline: HF_HUB_OFFLINE is set"
    assert "dev" not in " ".join(checks)

    def version(name: str) -> str:
        return "1.0" if name == "torch" else "99"

    monkeypatch.setattr("importlib.metadata.version", version)
    code, out, _ = run("doctor")
    assert code == 1
    assert "broken" in next(line for line in out.splitlines() if "torch" in line)
    assert "cannot be used" in out


def test_the_doctor_survives_what_it_finds(run, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no such weights")

    monkeypatch.setattr("neuroglot.models.load", broken)
    code, out, err = run("doctor", "--json")
    assert code == 1
    assert json.loads(out)["checks"][-1] == {"name": "lab", "found": "OSError: no such weights", "state": "broken"}
    assert "Traceback" not in out + err


def test_all_models_are_known_before_one_is_recorded(run, model, tmp_path, monkeypatch) -> None:
    write_texts(tmp_path / "texts")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model_type": "mamba"}')

    def recorded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("neuroglot.models.load", recorded)
    for command, after, said in (
        ("compare", "gone", "'gone'"), ("compare", "foreign", "'mamba'"), ("scoreboard", "gone", "'gone'"),
    ):  # fmt: skip
        code, out, err = run(command, str(model), after, "--corpus", "texts", "--out", "run")
        assert code == 1
        assert said in err
        assert "Traceback" not in out + err
        assert not Path("run").exists()


@pytest.mark.parametrize("limit", ["0", "-3"])
@pytest.mark.parametrize(
    "words",
    [
        ["sharing", "lab"], ["compare", "lab", "lab"], ["attribute", "lab", "--task", "sum"],
        ["deactivate", "lab", "--task", "sum"], ["align", "lab"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_limit_that_leaves_nothing_is_one_message(run, words: list[str], limit: str) -> None:
    out = [] if words[0] == "align" else ["--out", "run"]
    code, _, err = run(*words, "--corpus", "lab", *out, "--limit", limit)
    assert code == 1
    assert f"limit of {words[0]!r} is {limit}. Expected greater than or equal to 1." in err
    assert not Path("run").exists()


def test_json_is_one_object_and_nothing_else(run, model, tmp_path) -> None:
    write_texts(tmp_path / "texts")
    on_texts = (str(model), "--corpus", "texts", "--device", "cpu")
    printed = {}
    for words in (
        ("record", *on_texts, "--out", "recorded", "--statistics", "moments"),
        ("select", *on_texts, "--out", "sets", "--selector", "gradient", "--count", "4", "--part", "selection"),
        ("sharing", *on_texts, "--out", "shared"),
        ("compare", str(model), *on_texts, "--out", "compared"),
        ("ablate", *on_texts, "--out", "off", "--neurons", "sets", "--random-draws", "1", "--part", "rest"),
        ("scoreboard", *on_texts, "--out", "board", "--selectors", "random", "--count", "4", "--random-draws", "1"),
        ("analyze", *on_texts, "--out", "analysed", "--top-share", "0.2", "--filter-quantile", "0.5",
         "--random-draws", "1"),
        ("steer", "set", "--neurons", "sets/de.safetensors", "--value", "0", "--out", "steering.safetensors"),
        ("generate", str(model), "--prompt", "w1", "--max-new-tokens", "2", "--out", "texts.jsonl"),
        ("export", str(model), "--ablate", "sets/de.safetensors", "--out", "folded"),
        ("models", str(model)),
    ):  # fmt: skip
        code, out, err = run(*words, "--json")
        assert code == 0, err
        printed[words[0]] = json.loads(out)
    assert len(printed) == 11
    assert "out" not in printed.pop("models")
    assert all(Path(found["out"]).exists() for found in printed.values())
    for name in ("record", "select", "sharing", "compare", "ablate", "scoreboard", "analyze"):
        stored = json.loads(Path(printed[name]["out"], "report.json").read_text())
        assert printed[name]["report"] == stored


def test_analyze_ends_with_a_report(run, model, tmp_path) -> None:
    write_texts(tmp_path / "texts")
    options = ("--device", "cpu", "--top-share", "0.2", "--filter-quantile", "0.5", "--random-draws", "2")
    code, out, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", *options)
    assert code == 0, err
    assert "report.html" in out
    assert json.loads(Path("run/report.json").read_text())["headline"]["languages"] == ["de", "sw", "zh"]
    code, _, err = run("analyze", str(model), "--corpus", "texts", "--out", "run")
    assert code == 1
    assert "run holds a finished run" in err


def shorten(paths: dict[str, Path]) -> None:
    paths["sw"].write_text("w1\nw2\n")


def bad_bytes(paths: dict[str, Path]) -> None:
    paths["sw"].write_bytes(b"w1\n\xff\xfe\n" + b"w1\n" * 22)


def empty_line(paths: dict[str, Path]) -> None:
    paths["sw"].write_text("w1\n\n" + "".join(f"w1 w{row}\n" for row in range(22)))


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
    "words",
    [["analyz"], ["analyze", "lab", "--corpus", "x", "--out", "y", "--seeed", "1"], ["select", "lab", "--list"]],
)
def test_unknown_words_are_refused(run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert "Traceback" not in out + err


def test_an_interrupted_recording_says_how_to_go_on(run, model, tmp_path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neuroglot.activity.passes.Pass._read", interrupt)
    code, _, err = run("record", str(model), "--corpus", "lab", "--out", "run", "--save-seconds", "0")
    assert code == 130
    assert "interrupted; go on with --resume --out run" in err


def test_an_interrupt_is_one_message_and_code_130(run, model, tmp_path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write_texts(tmp_path / "texts")
    monkeypatch.setattr("neuroglot.experiments.evaluation.ablation_matrix", interrupt)
    code, _, err = run("analyze", str(model), "--corpus", "texts", "--out", "run", "--device", "cpu")
    assert code == 130
    assert err.endswith("neuroglot: interrupted; go on with --resume --out run.\n")  # behind bars of the libraries
    assert "Traceback" not in err
    assert [path.name for path in Path("run").iterdir()] == [".unfinished"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyze", "lab"], "lacks corpus"),
        (["ablate", "lab", "--corpus", "lab"], "lacks neurons"),
        (["analyze", "lab", "--corpus", "lab"], "No run folder"),
        (["analyze", "lab", "--corpus", "lab", "--out", "run", "--on-missing", "perhaps"], "refuse"),
    ],
)
def test_what_is_missing_is_named(run, words: list[str], said: str) -> None:
    code, out, err = run(*words)
    assert code in (1, 2)
    assert said in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("select lab --languages de,en,sw", "select lab --languages de en sw"),
        ("select lab --languages=de,en", "select lab --languages de en"),
        ("pmi lab --parallel 0,1,3 --originals de", "pmi lab --parallel 0 1 3 --originals de"),
        ("record lab --dtype bf16", "record lab --dtype bfloat16"),
        ("record lab --corpus a,b.tsv --languages de", "record lab --corpus a,b.tsv --languages de"),
        ("generate lab --prompt a,b", "generate lab --prompt a,b"),
        ("translate lab --tags zh=>>cmn<<,de=>>deu<<", "translate lab --tags zh=>>cmn<<,de=>>deu<<"),
    ],
)
def test_lists_with_commas_and_short_names_are_what_they_are_meant_to_be(given: str, meant: str) -> None:
    assert list(as_meant(given.split())) == meant.split()


def test_options_of_several_values_are_such_in_every_recipe() -> None:
    from neuroglot.cli.commands import _is_several
    from neuroglot.recipes import all_recipes
    from neuroglot.runs.recipe import option_types

    known = set()
    for recipe in all_recipes().values():
        for name, kind in option_types(recipe).items():
            flag = f"--{name.replace('_', '-')}"
            if flag in SEVERAL:
                known.add(flag)
                assert _is_several(kind), (recipe, flag)
    assert known | {"--seeds"} >= SEVERAL


@pytest.mark.parametrize("name", ["lape", "LAPE", "entropy"])
def test_selectors_have_the_names_of_their_papers(name: str) -> None:
    from neuroglot.neurons.rules.table import selector_named

    assert selector_named(name).name == "entropy"
