"""Options that many recipes have: which texts are read, how a model is loaded, what is read of a neuron. Each stands
once, here, with its help.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus, Task
    from neuroglot.models import ModelView
    from neuroglot.runs.identity import Identity

FIND, PROVE, USE, HELP = "Find", "Prove", "Use", "Help"  # groups of commands, as `neuroglot --help` lists them

OnMissing = Literal["refuse", "drop"]
SiteName = Literal["post_act", "write"]
Positive = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Share = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class OnDevice(Recipe):
    """Where models run."""

    heading: ClassVar[str] = "Model"

    device: str | None = None
    """For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the model; the checkpoint's own by default."""

    revision: str | None = None
    """Branch, tag or commit of a hub model."""

    def load_model(
        self, identity: Identity, name: str, what: str = "model"
    ) -> tuple[ModelView, PreTrainedTokenizerBase]:
        """The view and the tokenizer of a model, noted under `what`."""
        from neuroglot import models
        from neuroglot.models import model_signature

        view, tokenizer = models.load(name, revision=self.revision, device=self.device, dtype=self.dtype)
        identity.note(what, model_signature(view.model))
        return view, tokenizer


@dataclass(frozen=True, kw_only=True)
class OnModel(OnDevice):
    """Which model is read."""

    heading: ClassVar[str] = "Model"

    model: str
    """`lab`, a folder in the hub's layout, or a model id of the hub."""


@dataclass(frozen=True, kw_only=True)
class OnLanguages(Recipe):
    """Which languages are read, and how many rows."""

    heading: ClassVar[str] = "Texts"

    languages: tuple[str, ...] | None = None
    """Languages to compare, by code; all that are there by default."""

    on_missing: OnMissing = "refuse"
    """What to do where a language lacks a text: `refuse` to read, or `drop` the whole row."""

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default."""


@dataclass(frozen=True, kw_only=True)
class OnColumn(OnLanguages):
    """Which column of a corpus is read."""

    heading: ClassVar[str] = "Texts"

    column: str | None = None
    """The column that holds the text, where a corpus has several."""


@dataclass(frozen=True, kw_only=True)
class OnCorpus(OnColumn):
    """Which parallel corpus is read."""

    heading: ClassVar[str] = "Texts"

    corpus: str
    """A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a folder in
    the layout of MGSM, MSVAMP or XQuAD, or a data set id of the hub."""

    def load_corpus(self, identity: Identity, languages: tuple[str, ...] | None = None) -> Corpus:
        """The corpus in the languages that are asked for, noted."""
        rows = read_corpus(self, self.corpus, languages or self.languages, self.column)
        note_data(identity, rows)
        return rows


@dataclass(frozen=True, kw_only=True)
class OnTask(OnLanguages):
    """Which task is read."""

    heading: ClassVar[str] = "Texts"

    corpus: str
    """A task: a folder or file in the layout of mParaRel, XNLI, MzsRE, MGSM or XQuAD, a YAML file that describes your
    own, or `lab` with --task."""

    task: str | None = None
    """Which of the lab's tasks, where the corpus is `lab`."""

    def load_task(self, identity: Identity, languages: tuple[str, ...] | None = None) -> Task:
        """The task in the languages that are asked for, noted."""
        wanted = self.languages if languages is None else languages
        task = read_task(self.corpus, self.task, wanted, self.on_missing, self.limit)
        note_data(identity, task)
        return task


@dataclass(frozen=True, kw_only=True)
class OnNeurons(Recipe):
    """What is read of a neuron, and when it fires."""

    heading: ClassVar[str] = "Neurons"

    site: SiteName = "post_act"
    """Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection."""

    tokens: Literal["all", "last"] = "all"
    """Read `all` tokens, or the `last` one of each text."""

    fires: tuple[float, ...] = (0.0,)
    """A neuron fires where its value is greater than this; where several are given, the first is the main one."""

    special_tokens: bool = False
    """Count tokens that the tokenizer adds, such as `<s>`."""

    @property
    def recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, self.tokens, self.fires, self.special_tokens)


@dataclass(frozen=True, kw_only=True)
class Seeded(Recipe):
    """What is drawn at random."""

    seed: int = 0
    """Seed of all that is drawn at random."""


def read_corpus(
    options: OnLanguages, corpus: str, languages: tuple[str, ...] | None, column: str | None = None
) -> Corpus:
    """The rows of a corpus that the options ask for."""
    from neuroglot import corpora

    rows = corpora.load(corpus, languages=languages, on_missing=options.on_missing, column=column)
    return rows.head(options.limit)


def read_task(
    corpus: str,
    name: str | None,
    languages: tuple[str, ...] | None,
    on_missing: OnMissing,
    limit: int | None,
) -> Task:
    """A task from files, or the lab's task `name`; raises `ConfigError` if there is none of this name."""
    from neuroglot import lab
    from neuroglot.corpora import load_task
    from neuroglot.errors import ConfigError

    if corpus != "lab":
        if name is not None:
            raise ConfigError(f"The task {name!r} was named for {corpus!r}.", "Only 'lab' holds several.")
        return load_task(corpus, languages=languages, on_missing=on_missing, limit=limit)
    tasks = {task.name: task for task in lab.tasks()}
    if name not in tasks:
        raise ConfigError(f"The lab's task {name!r} was asked for.", f"Expected task to be one of {', '.join(tasks)}.")
    task = tasks[name] if languages is None else tasks[name].select(languages)
    return task.head(limit)


def note_data(identity: Identity, data: Corpus | Task, what: str = "data") -> None:
    """Note in the run's identity which rows were read."""
    from neuroglot.signature import Signature

    identity.note(what, Signature.of(name=data.name, hash=data.hash, rows=len(data)))
