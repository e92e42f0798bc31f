"""The documentation holds: its blocks run and print what it says, its commands run, its options exist.

`python -m tests.test_docs` writes what the blocks print anew.
"""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
import pytest
from cyclopts import App

import neuroglot
from neuroglot import Recording, ablation_matrix, cli, metrics, neurons, record, record_sharing, view
from neuroglot.activity.translation import collect
from neuroglot.corpora.parallel_inputs import from_corpora
from neuroglot.generation.decoding import Decoding
from neuroglot.layout import Layout
from tests.corpora import released_writing, writing
from tests.families import tiny_model
from tests.specialization import making
from tests.tiny import masking_tokenizer, tiny_corpus, tiny_tokenizer

ROOT = Path(__file__).resolve().parents[1]
HISTORY = {"log.md", "decisions.md"}  # they say what was run then, by the options of then
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in WRITTEN if page.name not in HISTORY]

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
GENERATED = ("plain:", "steered:")  # lines whose text may differ between processors

NOT_RUN = {  # commands that are parsed only
    "neuroglot sign": "trains for half a minute, and needs jiwer; tests/sign runs all of it small",
    "neuroglot harness run": "needs the tasks of lm-eval from the hub",
    "neuroglot translate": "needs a model of the hub, or an endpoint",
    "neuroglot sga": "trains an encoder for minutes; tests/recipes/test_every_recipe.py runs it small",
    "neuroglot specialize compare": "trains for minutes; tests/specialization/test_comparison.py runs it small",
}
FRAGMENTS = {  # blocks of Python that are compiled only
    "*_rows(_decoder(_UNGATED)": "an excerpt of the table of families",
    "import lm_eval": "needs the tasks of lm-eval from the hub",
    "hub.push(": "needs the hub; tests/test_hub.py runs it with a stand-in",
}
FOREIGN = {  # options of other programs
    "--model_args", "--tasks", "--batch_size", "--output_path", "--include_path", "--use_cache", "--model",
    "--nproc-per-node", "--texts", "--only", "--list",
}  # fmt: skip
SMALLER = {"steps=500": "steps=1", "limit: 200": "limit: 3", "parallel: [0, 1, 3]": "parallel: [0, 1]"}
PLACEHOLDERS = {"MODEL": "./my-model", "CORPUS": "texts.tsv", "DIR": "run", "FOLDER": "moses"}
FRESH = {"README.md", "tour.md", "definitions.md"}  # pages whose blocks start from nothing
SHOWN = {
    "README.md",
    "tour.md",
    "definitions.md",
    "adding.md",
    "errors.md",
    "specialization.md",
    "for-tuning.md",
    "translation-models.md",
}  # pages that show what is printed
SHELLS = {"sh", "bash"}


@dataclass(frozen=True)
class Block:
    page: str
    kind: str
    code: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks, and lines of indented commands as blocks of the shell."""
    text = page.read_text()
    fenced = [Block(page.name, kind, textwrap.dedent(code)) for _, kind, code in FENCED.findall(text)]
    indented = re.findall(r"^ {4}(neuroglot .*)$", FENCED.sub("", text), re.MULTILINE)
    return fenced + [Block(page.name, "sh", line) for line in indented]


def python_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind == "python"]


def commands(page: Path) -> list[list[str]]:
    return commands_in("\n".join(block.code for block in blocks(page) if block.kind in SHELLS))


def commands_in(code: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in code.replace("\\\n", " ").splitlines()]
    return [words for words in lines if words[:1] == ["neuroglot"]]


def mentions(page: Path) -> list[str]:
    """Commands in running text, such as `neuroglot select --list`."""
    return re.findall(r"`(neuroglot [^`]+)`", FENCED.sub("", page.read_text()))


def not_run(words: list[str]) -> bool:
    return any(" ".join(words).startswith(known) for known in NOT_RUN)


def command_named(words: list[str]) -> tuple[App, list[str]]:
    """The command that the first words name, and the words behind them."""
    app, rest = cli.app, words
    while rest and rest[0] in list(app) and not rest[0].startswith("-"):
        app, rest = app[rest[0]], rest[1:]
    return app, rest


def options_of(app: App) -> set[str]:
    arguments = app.assemble_argument_collection() if app.default_command else ()
    return {name for argument in arguments for name in argument.names} | {"--help", "--version"}


def all_commands(app: App) -> Iterator[App]:
    yield app
    for name in app:
        if not name.startswith("-"):
            yield from all_commands(app[name])


EVERY_OPTION = set().union(*map(options_of, all_commands(cli.app))) | {"--install-completion"}


def test_what_is_found() -> None:
    assert len(PAGES) == 36
    assert sum(len(python_blocks(page)) for page in PAGES) == 41
    assert sum(len(commands(page)) for page in PAGES) == 132
    assert sum(len(mentions(page)) for page in PAGES) == 155


# ---- what the examples start from


def _put_files(folder: Path) -> None:
    tiny_model("llama").save_pretrained(folder / "my-model")
    tiny_tokenizer().save_pretrained(folder / "my-model")
    for seed in (0, 1):
        shutil.copytree(folder / "my-model", folder / f"seed{seed}")
    making.located("m2m_100").model.save_pretrained(folder / "my-translator")
    making.translation_tokenizer().save_pretrained(folder / "my-translator")
    tiny_model("xlm-roberta").save_pretrained(folder / "my-encoder")
    masking_tokenizer().save_pretrained(folder / "my-encoder")
    tiny_model("qwen3_moe").save_pretrained(folder / "my-experts")
    tiny_tokenizer().save_pretrained(folder / "my-experts")
    tiny_model("llama", seed=1).save_pretrained(folder / "my-tuned-model")
    tiny_tokenizer().save_pretrained(folder / "my-tuned-model")
    _put_texts(folder)
    lab = neuroglot.models.load("lab")[0].layout
    for language in ("de", "sw"):
        neurons.NeuronSet.of(lab, {("decoder", 1): [3, 5]}).save(folder / "lab-selected" / f"{language}.safetensors")
    released_writing.write(folder / "gpt_translated_data", _released())
    (experiment,) = _yaml(ROOT / "docs" / "pmi.md")
    (folder / "experiment.yaml").write_text(_smaller(experiment))
    for name, code in zip(("select", "ablate"), _yaml(ROOT / "docs" / "runs.md"), strict=True):
        (folder / f"{name}.yaml").write_text(code)
    _put_curriculum(folder)


def _put_curriculum(folder: Path) -> None:
    (code,) = _yaml(ROOT / "docs" / "tuning.md")
    (folder / "curriculum.yaml").write_text(code)
    (folder / "questions").mkdir()
    for language, column in tiny_corpus(24, ("de", "en", "sw"), seed=5).texts.items():
        (folder / "questions" / f"{language}.txt").write_text("\n".join(column) + "\n")
    rows = [json.dumps({"query": f"w{row} w{row + 1}", "response": f"w{row + 2}"}) for row in range(24)]
    (folder / "answers.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "mgsm").mkdir()
    for language, column in tiny_corpus(3, ("de", "en"), seed=6).texts.items():
        lines = [f"{text}\t{row}" for row, text in enumerate(column)]
        (folder / "mgsm" / f"mgsm_{language}.tsv").write_text("\n".join(lines) + "\n")
    factors = {"de": 300, "sw": 400}
    points = [f"{g}\t{size}\t{100 - part * size**-0.2}" for g, part in factors.items() for size in (1e3, 1e4, 1e5)]
    (folder / "points.tsv").write_text("\n".join(["language\tsize\tquality", *points]) + "\n")


def _put_texts(folder: Path) -> None:
    for seed, name in ((0, "texts"), (3, "held-out"), (7, "flores")):
        texts = {language: list(column) for language, column in tiny_corpus(24, seed=seed).texts.items()}
        writing.tsv(folder, texts).rename(folder / f"{name}.tsv")
    writing.tsv(folder, {name: list(column) for name, column in making.texts(6).texts.items()}).rename(
        folder / "parallel.tsv"
    )
    for split, seed in (("train", 0), ("test", 3)):
        path = folder / "my-dataset" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        polars.DataFrame(dict(tiny_corpus(24, seed=seed).texts)).write_parquet(path)
    (folder / "moses").mkdir()
    for language in ("en", "de"):
        lines = making.texts(12).texts[language]
        (folder / "moses" / f"corpus.{language}").write_text("\n".join(lines) + "\n")
    for seed, name in enumerate(("ours", "theirs", "reference")):
        (folder / f"{name}.txt").write_text("\n".join(tiny_corpus(12, seed=seed).texts["de"]) + "\n")


def _released() -> dict[str, list[str]]:
    """The paper's German test set with three languages."""
    originals, files = released_writing.sentences("de", 6), {}
    for language, alpha3 in {"es": "spa", "fr": "fra", "ru": "rus"}.items():
        name = f"WMT/gpt4_translation_test/de2en/wmt22-deu2{alpha3}-1shot-baseline_vhendy"
        results = released_writing.sentences(language, 6)
        files |= released_writing.translation(name, originals, results, language)
    return files


def _yaml(page: Path) -> list[str]:
    return [block.code for block in blocks(page) if block.kind == "yaml"]


def _smaller(code: str) -> str:
    for given, taken in SMALLER.items():
        code = code.replace(given, taken)
    return code


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    _put_files(folder)
    return folder


@pytest.fixture
def desk(workshop, tmp_path, monkeypatch) -> Path:
    """A copy of the workshop, in which the test runs."""
    shutil.copytree(workshop, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "desk"


def things() -> dict[str, Any]:
    """What blocks of reference pages take for granted: a model, texts, and what was made of them; all tiny."""
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    corpus = tiny_corpus(24, ("de", "en", "es", "fr", "ru"))
    activity = record(located, tokenizer, corpus, Recording(statistics=("moments",)))
    sets = neurons.by_entropy(activity, top_share=0.3, filter_quantile=0.5, owner_quantile=0.5)
    others = tiny_corpus(24, corpus.languages, seed=1)
    matrix = ablation_matrix(located, tokenizer, others, sets, metrics.NatsPerToken(), draws=2)
    translator = making.located("m2m_100")
    return {
        "ng": neuroglot, "view": located, "tokenizer": tokenizer, "corpus": corpus, "activity": activity, "sets": sets,
        "matrix": matrix, "sharing": record_sharing(located, tokenizer, corpus), "recording": Recording(),
        "task_matrix": matrix, "prompts": corpus, "english": released_writing.sentences("en", 6), "Decoding": Decoding,
        "other_layout": Layout((("decoder", (8, 8)),)), "inputs": from_corpora({"text": corpus}, "de", target="en"),
        "counts": collect(translator, making.translation_tokenizer(), making.texts(6), ["en-de", "de-en"]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def taken() -> dict[str, Any]:
    return things()


# ---- Python


def is_fragment(code: str) -> bool:
    return any(known in code for known in FRAGMENTS)


def printed(page: Path, namespace: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each block of a page with what it prints, run one after another in one namespace."""
    for block in python_blocks(page):
        compiled = compile(block.code, f"{page.name}: {block.code[:40]!r}", "exec")
        if not is_fragment(block.code):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(_smaller(block.code), compiled.co_filename, "exec"), namespace)
            yield block.code, out.getvalue()


def stated(page: Path) -> dict[str, str]:
    """What the page says that a block prints: the `text` block right behind it."""
    found = re.findall(r"```python\n((?:(?!```).)*)```\n\n```text\n(.*?)```", page.read_text(), re.DOTALL)
    return dict(found)


def require_alike(said: str, got: str) -> None:
    """Equal words, and numbers to 5 %."""
    assert len(said.splitlines()) == len(got.splitlines()), got
    for expected, line in zip(said.splitlines(), got.splitlines(), strict=True):
        if line.startswith(GENERATED):
            assert expected.split()[0] == line.split()[0]
            continue
        assert NUMBER.sub("#", expected) == NUMBER.sub("#", line)
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (expected, line)]
        assert numbers[1] == pytest.approx(numbers[0], rel=0.05, abs=0.02), line


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_runs_and_prints_what_the_page_says(page: Path, desk, taken, capsys) -> None:
    namespace = {} if page.name in FRESH else dict(taken)
    said = stated(page)
    for code, out in printed(page, namespace):
        if out and page.name in SHOWN:
            assert code in said, f"{page.name} does not show what a block prints:\n{out}"
            require_alike(said.pop(code), out)
    assert said == {}


# ---- commands


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_run(page: Path, desk, taken, capsys) -> None:
    if page.name == "harness.md":
        taken["activity"].save(desk / "run" / "activity.safetensors")
    for words in commands(page):
        given = [PLACEHOLDERS.get(word, word) for word in words[1:]]
        cli.app.parse_args(given, exit_on_error=False, print_error=False)
        if not not_run(words):
            cli.app(given, result_action="return_value", exit_on_error=False)
            capsys.readouterr()


def test_examples_in_the_help_parse() -> None:
    running = [app for app in all_commands(cli.app) if app.default_command and app is not cli.app]
    assert len(running) >= 29
    for app in running:
        examples = commands_in(textwrap.dedent(str(app.help_epilogue).partition("\n\n")[2]))
        assert examples, app.name
        for words in examples:
            cli.app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_nothing_is_excused_that_is_not_there() -> None:
    every = [" ".join(words) for page in PAGES for words in commands(page)]
    assert all(any(command.startswith(known) for command in every) for known in NOT_RUN)
    code = [block.code for page in PAGES for block in python_blocks(page)]
    assert all(any(known in block for block in code) for known in FRAGMENTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mentioned_commands_and_options_exist(page: Path) -> None:
    for mention in mentions(page):
        words = mention.replace("…", "").split()[1:]
        app, rest = command_named(words)
        assert app is not cli.app or not words or words[0].startswith("-"), mention
        if app.name != ("harness",):
            assert {word for word in rest if word.startswith("--")} <= options_of(app), mention
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text()))
    assert options <= EVERY_OPTION | FOREIGN


def write_outputs() -> None:
    """Put what each block prints behind it."""
    pages = [page for page in PAGES if page.name in SHOWN]
    with tempfile.TemporaryDirectory() as folder:
        _put_files(Path(folder))
        os.chdir(folder)
        os.environ["COLUMNS"] = "100"
        for page in pages:
            text = page.read_text()
            for code, out in printed(page, {} if page.name in FRESH else things()):
                if not out:
                    continue
                head, tail = text.split(code + "```\n", 1)
                tail = re.sub(r"\A\n```text\n.*?```\n", "", tail, flags=re.DOTALL)
                text = f"{head}{code}```\n\n```text\n{out}```\n{tail}"
            page.write_text(text)


if __name__ == "__main__":
    write_outputs()
