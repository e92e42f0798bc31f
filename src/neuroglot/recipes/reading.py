"""Texts as the options of a recipe ask for them, and what a run's identity and report say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus, Task
    from neuroglot.corpora.parallel_inputs import ParallelInputs
    from neuroglot.runs.identity import Identity

MissingText = Literal["refuse", "drop"]
Part = Literal["all", "selection", "rest"]
SuspiciousText = Literal["keep", "drop", "refuse"]
_Rows = TypeVar("_Rows", "Corpus", "Task")


class Asked(Protocol):
    """The options that say which rows of a corpus are read."""

    @property
    def on_missing(self) -> MissingText: ...
    @property
    def part(self) -> Part: ...
    @property
    def split(self) -> float: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def suspicious(self) -> SuspiciousText: ...


def read_corpus(options: Asked, corpus: str, languages: tuple[str, ...] | None, column: str | None = None) -> Corpus:
    """The rows of a corpus that the options ask for."""
    from neuroglot import corpora
    from neuroglot.recipes.artefacts import corpus_source

    rows = corpora.load(corpus_source(corpus), languages=languages, on_missing=options.on_missing, column=column)
    return first_sound(part_of(options, rows), options.limit, options.suspicious)


def part_of(options: Asked, rows: _Rows) -> _Rows:
    """All rows, or the part that the options ask for."""
    return rows if options.part == "all" else rows.split(options.split)[options.part == "rest"]


def first_sound(data: _Rows, limit: int | None, suspicious: SuspiciousText) -> _Rows:
    """The first rows; if suspicious ones are dropped, the first of the others."""
    from neuroglot.corpora.suspicion import sifted

    if suspicious == "drop":
        return sifted(data, "drop").head(limit)
    return sifted(data.head(limit), suspicious)


def read_task(options: Asked, corpus: str, name: str | None, languages: tuple[str, ...] | None) -> Task:
    """A task from files, or the lab's task `name`; raises `ConfigError` if there is none of this name."""
    from neuroglot import lab
    from neuroglot.corpora import load_task
    from neuroglot.errors import ConfigError

    if corpus != "lab":
        if name is not None:
            raise ConfigError(f"The task {name!r} was named for {corpus!r}.", "Only 'lab' holds several.")
        is_whole = options.part == "all" and options.suspicious != "drop"  # else the limit is of what is left
        limit = options.limit if is_whole else None
        task = load_task(corpus, languages=languages, on_missing=options.on_missing, limit=limit)
        return first_sound(part_of(options, task), options.limit, options.suspicious)
    tasks = {task.name: task for task in lab.tasks()}
    if name not in tasks:
        raise ConfigError(f"The lab's task {name!r} was asked for.", f"Expected task to be one of {', '.join(tasks)}.")
    task = tasks[name] if languages is None else tasks[name].select(languages)
    return first_sound(part_of(options, task), options.limit, options.suspicious)


def note_trained(identity: Identity, texts: Corpus, model: str) -> None:
    """Say how many texts that are translated the model was trained on: that is no proof, and not refused."""
    from neuroglot.corpora.trained import rows_trained_on

    if seen := len(rows_trained_on(texts, Path(model))):
        identity.remarks.append(f"The model was trained on {seen:,} of the {len(texts):,} texts, whose scores flatter.")


def note_data(identity: Identity, data: Corpus | Task | ParallelInputs, what: str = "data") -> None:
    """Note in the run's identity which rows were read, and for its report which of them are perhaps no text."""
    from neuroglot.corpora.suspicion import counted_suspicions, said
    from neuroglot.signature import Signature

    identity.note(what, Signature.of(name=data.name, hash=data.hash, rows=len(data)))
    for texts, remarks in _text_columns(data):
        identity.remarks += [*remarks, *said(counted_suspicions(texts)[0])]


def _text_columns(data: Corpus | Task | ParallelInputs) -> list[tuple[Mapping[str, Sequence[str]], tuple[str, ...]]]:
    """What is read in each language, and what was remarked when it was read; of parallel inputs field by field."""
    from neuroglot.corpora import Corpus, Task

    if isinstance(data, Corpus | Task):
        asked = data.prompts if isinstance(data, Task) else data
        return [(asked.texts, asked.remarks)]
    return [
        ({column: [item.fields[name][column] for item in data.items] for column in columns if "#" not in column}, ())
        for name, columns in data.columns.items()
    ]
