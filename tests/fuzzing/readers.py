"""Every reader and loader, with a valid input to start from: a table that the fuzzers go through."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neuroglot import corpora
from neuroglot.corpora.generate_log import read_generate_log
from neuroglot.corpora.parallel_inputs import audit_released, read_released
from neuroglot.corpora.tasks import load as load_task
from neuroglot.generation.backend import Completion
from neuroglot.generation.endpoint import Cache
from neuroglot.generation.protocol import Answer, key_of, parse, says_over_length
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.generation.translation import Translated
from neuroglot.lab import artefacts as lab
from neuroglot.recipes import Score, all_recipes
from neuroglot.runs.files import load_recipe
from neuroglot.runs.identity import Identity
from neuroglot.runs.index import find_runs, index_table, write_index
from neuroglot.runs.serving import file_to_serve
from neuroglot.signature import Signature
from tests.corpora import released_writing, task_writing, writing
from tests.fuzzing import artefacts


@dataclass(frozen=True)
class Reader:
    """`make` writes a valid input into a folder, `load` reads it, `save` (where there is one) writes what was read.

    `again`: what was saved must load as an equal object. `weight`: how often, relative to others, it is fuzzed.
    """

    name: str
    make: Callable[[Path], object]
    load: Callable[[Path], Any]
    save: Callable[[Any, Path], object] | None = None
    weight: float = 1.0


PARALLEL = {"de": ["Hallo, Welt", 'Er sagt "ja"', "Drei"], "en": ["Hello, world", 'He says "yes"', "Three"]}
LOG = (
    "S-1\t__de__ Hallo Welt\nT-1\tHello world\nH-1\t-0.25\tHello , world\nD-1\t-0.25\tHello world\n"
    "S-0\t__de__ Gut .\nT-0\tGood .\nH-0\t-1.5e-1\tGood .\nP-0\t-0.1 -0.2\n"
    "Generate test with beam=5: BLEU4 = 35.07, 64.3/41.2\n"
)
YAML_TASK = (
    "name: capitals\nsource: {country: country.tsv, capital: capital.tsv}\n"
    "prompt: {de: 'Die Hauptstadt von {country} ist', en: 'The capital of {country} is'}\nanswer: '{capital}'\n"
)
YAML_ROWS = (
    "name: labels\nrows: rows.jsonl\nprompt: '{text}?'\nanswer: '{label}'\noptions: [a, b]\nlicence: CC0\n"
    "verbalisers: {de: {a: ja, b: nein}, en: {a: 'yes', b: 'no'}}\n"
)
PMI_YAML = (
    "recipe: pmi\nmodels: [lab]\ncorpus: lab\ntask: iso_date\noriginals: [de, sw]\nlanguages: [en, fr, es]\n"
    "parallel: [0, 1, 2]\ncontrols: [pivot, repeated]\nlimit: 3\nmetric: exact-match\n"
)
ROWS = [{"language": g, "id": str(n), "text": f"{g} {n}", "label": "ab"[n % 2]} for g in ("de", "en") for n in range(3)]
BODY = {"model": "m", "prompt": "p"}
RESPONSE = {
    "choices": [{"message": {"content": "Ja."}, "text": "Ja.", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "error": {"code": "context_length_exceeded"},
}  # fmt: skip
REPORT = {
    "schema_version": 1, "title": "A run", "headline": {
        "rows": 3, "unit": "nats", "diagonal": 0.5, "off_diagonal": None, "random": 0.1,
        "intervals": {"diagonal": [0.4, 0.6], "off_diagonal": [None, None], "random": [0, 0.2]},
    },
    "sections": [{"signature": {"model": "lab", "corpus": "held-out"}}],
}  # fmt: skip


def files(**texts: str | bytes) -> Callable[[Path], object]:
    """A writer of files; in names `__` is a slash and the last `_` a full stop."""

    def make(folder: Path) -> None:
        for name, content in texts.items():
            path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def used(corpus: Any) -> Any:
    """A corpus or task, its hash taken: what was read can be used."""
    assert corpus.hash
    return corpus


def make_cache(folder: Path) -> None:
    Cache(folder).put(key_of("u", BODY), Answer("Ja.", "stop", 3, 2))


def make_translated(folder: Path) -> None:
    original = corpora.corpus.Corpus("c", ("a", "b"), {"de": ("Eins", "Zwei")}, "CC0", 1)
    columns = {"en": (Completion("One", None, 3, 2), None), "fr": (Completion(None, "timeout"), Completion("Deux"))}
    Translated(original, columns, Signature.of(model="m", seed=0, temperature=0.5)).save(folder / "t.jsonl")


def make_generated(folder: Path) -> None:
    texts, prompts = {"de": ("Eins", ""), "en": ("One", "Two")}, {"de": ("1", "2"), "en": ("1", "2")}
    GeneratedTexts(("a", "b"), texts, prompts, Signature.of(model="m", seed=0)).save(folder / "g.jsonl")


def make_lab(folder: Path) -> None:
    (folder / lab.HELD_OUT).write_text(task_writing.json_lines([{"id": "a", "de": "Eins", "en": "One"}] * 1))
    task = {"task": "t", "id": "a", "prompts": {"de": "Eins", "en": "One"}, "answers": {"de": " 1", "en": " 1"}}
    (folder / lab.TASKS).write_text(task_writing.json_lines([task]))
    from safetensors.torch import save_file
    from torch import zeros

    save_file({"w": zeros(2)}, folder / lab.MODEL, {"format": "pt", "seed": "0"})


def make_run(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "report.json").write_text(json.dumps(REPORT))
    (folder / "a" / "config.json").write_text("{}")


def indexed(folder: Path) -> object:
    runs = find_runs(folder)
    if runs:
        index_table(runs), write_index(folder)
    return runs


def served(folder: Path) -> object:
    """The file's content is the address asked for."""
    address = (folder / "address.txt").read_bytes().decode("utf-8", "surrogateescape")
    path = file_to_serve(folder.resolve(), address)
    assert path is None or path.resolve().is_relative_to(folder.resolve())
    return path and path.read_bytes()


def parsed(folder: Path) -> object:
    content = (folder / "response.json").read_bytes()
    return parse(content, True), parse(content, False), says_over_length(content)


def scored(folder: Path) -> object:
    files = {"hypotheses": folder / "sys.txt", "references": (folder / "ref.txt",)}
    return Score(**files, metrics=("accuracy",), language="en").read(Identity()).texts


def described(folder: Path) -> None:
    files(task_yaml=YAML_TASK, country_tsv="de\ten\nPeru\tPeru\nKenia\tKenya\n")(folder)
    files(capital_tsv="de\ten\nLima\tLima\nNairobi\tNairobi\n")(folder)


def tables() -> list[Reader]:
    """One file with a column a language, in each format."""
    kinds = {"tsv": writing.tsv, "csv": writing.csv_file, "jsonl": writing.jsonl, "parquet": writing.parquet}
    return [
        Reader(f"corpus {name}", partial(write, texts=PARALLEL), lambda f, n=name: used(corpora.load(f / f"wide.{n}")))
        for name, write in kinds.items()
    ]


def folders() -> list[Reader]:
    """A folder with one file a language, in each layout."""
    kinds = {"lines": writing.lines, "mgsm": writing.mgsm, "msvamp": writing.msvamp, "xquad": writing.xquad}
    return [
        Reader(f"corpus {name}", partial(write, texts=PARALLEL), lambda f: used(corpora.load(f, on_missing="drop")))
        for name, write in kinds.items()
    ]


def tasks() -> list[Reader]:
    kinds: dict[str, tuple[Callable[[Path], object], str]] = {
        "mpararel": (task_writing.facts, ""), "mgsm": (task_writing.sums, ""), "xquad": (task_writing.passages, ""),
        "xnli": (task_writing.inference, ""), "mzsre": (task_writing.edits, ""), "described": (described, "task.yaml"),
        "rows": (files(task_yaml=YAML_ROWS, rows_jsonl=task_writing.json_lines(ROWS)), "task.yaml"),
    }  # fmt: skip
    return [
        Reader(f"task {name}", make, lambda f, n=file: used(load_task(f / n, on_missing="drop")), weight=0.5)
        for name, (make, file) in kinds.items()
    ]


READERS: tuple[Reader, ...] = (
    *(Reader(*one) for one in artefacts.KINDS),
    *tables(), *folders(), *tasks(),
    Reader("parallel inputs", lambda f: released_writing.write(f, released_writing.rte()),
           lambda f: used(read_released(f, "RTE")), weight=0.3),
    Reader("audit", lambda f: released_writing.write(f, released_writing.rte()), audit_released, weight=0.1),
    Reader("generate log", files(log_txt=LOG), lambda f: read_generate_log(f / "log.txt")),
    Reader("score files", files(sys_txt=LOG, ref_txt="Good .\nHello world\n"), scored),
    Reader("translated", make_translated, lambda f: Translated.load(f / "t.jsonl"), lambda x, f: x.save(f / "t.jsonl")),
    Reader("cache", make_cache, lambda f: Cache(f).get(key_of("u", BODY))),
    Reader("protocol", files(response_json=json.dumps(RESPONSE)), parsed),
    Reader("lab texts", make_lab, lambda f: (used(lab.held_out(f)), lab.tasks(f), lab.read_header(f))),
    Reader("runs", make_run, indexed),
    Reader("serving", files(address_txt="/sub/page.html", sub__page_html="<p>", secret="x"), served),
    Reader("recipe", files(pmi_yaml=PMI_YAML), lambda f: load_recipe(f / "pmi.yaml", all_recipes()).to_json()),
    Reader("generated", make_generated, lambda f: GeneratedTexts.load(f / "g.jsonl"),
           lambda x, f: x.save(f / "g.jsonl")),
)  # fmt: skip
