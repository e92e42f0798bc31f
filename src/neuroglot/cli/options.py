"""Options that many commands have: which texts are read, how the model is loaded, what is read of a neuron, and how a
command answers. Each is described once, here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus, Task
    from neuroglot.models import ModelView

FIND, PROVE, USE, HELP = (  # commands, as `neuroglot --help` lists them
    Group(name, sort_key=place) for place, name in enumerate(("Find", "Prove", "Use", "Help"))
)
TEXTS, MODEL, NEURONS, OUTPUT = (
    Group(name, sort_key=place) for place, name in enumerate(("Texts", "Model", "Neurons", "Output"), 10)
)

Several = Parameter(consume_multiple=True, negative="")
Thresholds = Annotated[
    tuple[float, ...],
    Parameter(
        group=NEURONS,
        consume_multiple=True,
        negative="",
        show_default=lambda many: " ".join(f"{threshold:g}" for threshold in many),
    ),
]
Flag = Parameter(negative="", show_default=False)

ModelName = Annotated[str, Parameter(help="`lab`, a folder in the hub's layout, or a model id of the hub.")]
CorpusName = Annotated[
    str,
    Parameter(
        help="A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a "
        "folder in the layout of MGSM, MSVAMP or XQuAD, or a data set id of the hub."
    ),
]
TaskName = Annotated[
    str,
    Parameter(
        help="A task: a folder or file in the layout of mParaRel, XNLI, MzsRE, MGSM or XQuAD, a YAML file that "
        "describes one of your own, or `lab` with --task."
    ),
]
Limit = Annotated[int | None, Parameter(group=TEXTS, help="Read so many rows, the first ones; all by default.")]
Site = Annotated[
    Literal["post_act", "write"],
    Parameter(
        group=NEURONS,
        help="Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down "
        "projection.",
    ),
]
Tokens = Annotated[
    Literal["all", "last"], Parameter(group=NEURONS, help="Read `all` tokens, or the `last` one of each text.")
]
SpecialTokens = Annotated[
    bool,
    Parameter(
        group=NEURONS, negative="", show_default=False, help="Count tokens that the tokenizer adds, such as `<s>`."
    ),
]
Overwrite = Annotated[
    bool, Parameter(group=OUTPUT, negative="", show_default=False, help="Replace the run folder of an earlier run.")
]
Json = Annotated[
    bool,
    Parameter(
        group=OUTPUT,
        negative="",
        show_default=False,
        help="Print one JSON object, and nothing else, on standard output.",
    ),
]
DryRun = Annotated[
    bool,
    Parameter(
        group=OUTPUT,
        negative="",
        show_default=False,
        help="Print what the job would cost in tokens, time, memory and disk, and stop. Each step is timed on a few "
        "rows; nothing is written.",
    ),
]


@Parameter(name="*", group=TEXTS)
@dataclass(frozen=True)
class LanguageOptions:
    """Which languages are read."""

    languages: Annotated[tuple[str, ...] | None, Several] = None
    """Languages to compare, by code; all that are there by default."""

    on_missing: Literal["refuse", "drop"] = "refuse"
    """What to do where a language lacks a text: `refuse` to read, or `drop` the whole row."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@Parameter(name="*", group=TEXTS)
@dataclass(frozen=True)
class CorpusOptions(LanguageOptions):
    """How a parallel corpus is read."""

    column: str | None = None
    """The column that holds the text, where a corpus has several."""

    def load(self, corpus: str) -> Corpus:
        from neuroglot import corpora

        return corpora.load(corpus, languages=self.languages, on_missing=self.on_missing, column=self.column)


@Parameter(name="*", group=TEXTS)
@dataclass(frozen=True)
class TaskOptions(LanguageOptions):
    """How a task is read."""

    task: str | None = None
    """Which of the lab's tasks, where the corpus is `lab`."""

    limit: Limit = None

    def load(self, corpus: str) -> Task:
        from neuroglot.cli.tasks import read_task

        return read_task(corpus, self.task, self.languages, self.on_missing, self.limit)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True)
class DeviceOptions:
    """Where a model runs."""

    device: str | None = None
    """For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the model; the checkpoint's own by default."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True)
class ModelOptions(DeviceOptions):
    """How a model is loaded."""

    revision: str | None = None
    """Branch, tag or commit of a hub model."""

    def load(self, model: str) -> tuple[ModelView, PreTrainedTokenizerBase]:
        from neuroglot import models

        return models.load(model, revision=self.revision, device=self.device, dtype=self.dtype)


@Parameter(name="*", group=NEURONS)
@dataclass(frozen=True)
class RecordingOptions:
    """What is read of a neuron, and when it fires."""

    site: Site = "post_act"
    tokens: Tokens = "all"

    fires: float = 0.0
    """A neuron fires where its value is greater than this."""

    special_tokens: SpecialTokens = False

    @property
    def recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, self.tokens, (self.fires,), self.special_tokens)
