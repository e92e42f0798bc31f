"""Options that many recipes have: which texts are read, how a model is loaded, what is read of a neuron. Each stands
once, here, with its help.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from neuroglot.recipes.reading import MissingText, Part, SuspiciousText, note_data, read_corpus, read_task
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus, Task
    from neuroglot.corpora.directions import Direction
    from neuroglot.generation.decoding import Decoding
    from neuroglot.models import Family, ModelView
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.run import Run
    from neuroglot.storage import Kept

FIND, PROVE, USE, HELP = "Find", "Prove", "Use", "Help"  # groups of commands, as `neuroglot --help` lists them

SiteName = Literal["post_act", "write"]
Positive = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Draws = Annotated[int, Ge(1), Le(10_000)]
Beams = Annotated[int, Ge(1), Le(1000)]  # each is a row of the batch: more than that was mistyped
Share = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class Normalized(Recipe):
    """How answers are compared with those expected."""

    normalization: Literal["squad", "mlqa"] = "squad"
    """For exact-match and f1: of answers, as `squad` or as `mlqa` in the language."""

    form: str | None = None
    """For form and form-f1: the formal language of the answers, such as `x-sql`, where that of the texts is another."""

    databases: Path | None = None
    """For form: folder of the sqlite databases that prompts name in a line `Database: NAME`."""

    execute: bool = False
    """For form: run answers that are Python solutions (`x-maths`), in a process without files and network."""


@dataclass(frozen=True, kw_only=True)
class Placed(Recipe):
    """Where a model runs."""

    heading: ClassVar[str] = "Model"

    device: str | None = None
    """For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default."""


@dataclass(frozen=True, kw_only=True)
class Revised(Recipe):
    """Which version of a model is read."""

    heading: ClassVar[str] = "Model"

    revision: str | None = None
    """Branch, tag or commit of a hub model."""


@dataclass(frozen=True, kw_only=True)
class OnDevice(Revised, Placed):
    """Where models run, and how they are loaded."""

    heading: ClassVar[str] = "Model"

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the model; the checkpoint's own by default."""

    def family_of(self, name: str) -> Family:
        """What kind of model this is, before its weights are read."""
        from neuroglot.models.loading import require_known

        return require_known(name, self.revision)

    def load_model(
        self, identity: Identity, name: str, what: str = "model"
    ) -> tuple[ModelView, PreTrainedTokenizerBase]:
        """The view and the tokenizer of a model, noted under `what`."""
        from neuroglot import models
        from neuroglot.models.provenance import model_signature, tokenizer_signature

        view, tokenizer = models.load(name, revision=self.revision, device=self.device, dtype=self.dtype)
        identity.note(what, model_signature(view) | tokenizer_signature(tokenizer))
        return view, tokenizer


@dataclass(frozen=True, kw_only=True)
class OnModel(OnDevice):
    """Which model is read."""

    heading: ClassVar[str] = "Model"

    model: str
    """`lab`, a folder in the hub's layout, a GGUF file, or a hub id (`owner/model`, `owner/model/file.gguf`)."""


@dataclass(frozen=True, kw_only=True)
class Limited(Recipe):
    """How many rows are read."""

    heading: ClassVar[str] = "Texts"

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default."""


@dataclass(frozen=True, kw_only=True)
class Sifted(Limited):
    """What is done with what is perhaps no text."""

    heading: ClassVar[str] = "Texts"

    suspicious: SuspiciousText = "keep"
    """What to do with rows that are perhaps no text (untranslated, `<unk>`, reasoning, refusals, another script …):
    `keep` and count them, `drop` them, or `refuse` to go on."""


@dataclass(frozen=True, kw_only=True)
class OnLanguages(Sifted):
    """Which languages are read, and how many rows."""

    heading: ClassVar[str] = "Texts"

    languages: tuple[str, ...] | None = None
    """Languages to compare, by code; all that are there by default."""

    on_missing: MissingText = "refuse"
    """What to do where a language lacks a text: `refuse` to read, or `drop` the whole row."""

    part: Part = "all"
    """Read `all` rows, or a part, alike in every command: `selection` to select neurons on, `rest` to prove them."""

    split: Share = 0.5
    """Share of the rows that are in the part `selection`."""


@dataclass(frozen=True, kw_only=True)
class OnColumn(Recipe):
    """Which column of a corpus is read."""

    heading: ClassVar[str] = "Texts"

    column: str | None = None
    """The column that holds the text, where a corpus has several."""


@dataclass(frozen=True, kw_only=True)
class OnTexts(Sifted, OnColumn):
    """Which corpus is read, in one language or several."""

    heading: ClassVar[str] = "Texts"

    corpus: str
    """A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a folder in
    the layout of MGSM, MSVAMP or XQuAD, the run folder of `neuroglot translate`, or a data set id of the hub."""


@dataclass(frozen=True, kw_only=True)
class OnCorpus(OnTexts, OnLanguages):
    """Which parallel corpus is read."""

    heading: ClassVar[str] = "Texts"

    def same_texts(self) -> list[str]:
        """The options that say from which texts the rows are, as they are written on the command line."""
        return self.flags("corpus", "column", "on_missing", "suspicious", "split")

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
    """A task: a folder or file in the layout of mParaRel, XNLI, MzsRE, MGSM, MSVAMP, XQuAD or MLQA, a YAML file that
    describes your own, or `lab` with --task."""

    task: str | None = None
    """Which of the lab's tasks, where the corpus is `lab`."""

    def load_task(self, identity: Identity, languages: tuple[str, ...] | None = None) -> Task:
        """The task in the languages that are asked for, noted."""
        wanted = self.languages if languages is None else languages
        task = read_task(self, self.corpus, self.task, wanted)
        note_data(identity, task)
        return task


@dataclass(frozen=True, kw_only=True)
class OnSite(Recipe):
    """Where a neuron is read."""

    heading: ClassVar[str] = "Neurons"

    site: SiteName = "post_act"
    """Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection."""

    special_tokens: bool = False
    """Count tokens that the tokenizer adds, such as `<s>`."""


@dataclass(frozen=True, kw_only=True)
class OnNeurons(OnSite):
    """What is read of a neuron, and when it fires."""

    heading: ClassVar[str] = "Neurons"

    tokens: Literal["all", "last"] = "all"
    """Read `all` tokens, or the `last` one of each text."""

    fires: tuple[float, ...] = (0.0,)
    """A neuron fires where its value is greater than this; where several are given, the first is the main one."""

    @property
    def recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, self.tokens, self.fires, self.special_tokens)


@dataclass(frozen=True, kw_only=True)
class CountedOptions(Recipe):
    """How a long count is cut into batches and saved."""

    token_budget: Positive | None = None
    """Padded tokens a batch; by the device's memory if not given. Batches that do not fit are halved."""

    save_seconds: Annotated[float, Ge(0)] = 30.0
    """How often the counts are saved."""

    def kept_in(self, run: Run) -> Kept:
        """Where the counts are kept until the run is finished."""
        from dataclasses import replace

        return replace(run.kept("counts"), save_seconds=self.save_seconds)


@dataclass(frozen=True, kw_only=True)
class Seeded(Recipe):
    """What is drawn at random."""

    seed: int = 0
    """Seed of all that is drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Controlled(Seeded):
    """What stands beside each language's neurons."""

    random_draws: Draws = 5
    """Random sets, as large in every layer, for each language's set."""


@dataclass(frozen=True, kw_only=True)
class Proving(Recipe):
    """On which rows neurons may be judged."""

    heading: ClassVar[str] = "Texts"

    same_rows: Literal["refuse", "allow"] = "refuse"
    """Judge neurons on rows that they were selected on: `refuse`, or `allow` it, which the report says first."""


@dataclass(frozen=True, kw_only=True)
class Writing(Recipe):
    """How long a text may become."""

    heading: ClassVar[str] = "Decoding"

    max_new_tokens: Positive = 64
    """Longest text that is generated, in tokens."""


@dataclass(frozen=True, kw_only=True)
class Searching(Writing):
    """How many texts are followed at once."""

    heading: ClassVar[str] = "Decoding"

    beams: Beams = 1
    """Beams to search; more than one only without sampling."""


@dataclass(frozen=True, kw_only=True)
class Decoded(Searching, Seeded):
    """How the next token is chosen."""

    heading: ClassVar[str] = "Decoding"

    temperature: Annotated[float, Ge(0)] = 0.0
    """0 takes the likeliest token; above, tokens are drawn."""

    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    """Draw from the likeliest tokens that together have this probability."""

    @property
    def decoding(self) -> Decoding:
        from neuroglot.generation.decoding import Decoding

        return Decoding(self.max_new_tokens, self.temperature, self.top_p, self.beams, self.seed)


@dataclass(frozen=True, kw_only=True)
class OnPivot(Recipe):
    """Which language stands on one side of most directions."""

    heading: ClassVar[str] = "Texts"

    pivot: str = "en"
    """The language that stands on one side of most directions."""


@dataclass(frozen=True, kw_only=True)
class OnDirections(OnPivot):
    """Between which languages is translated."""

    heading: ClassVar[str] = "Texts"

    directions: tuple[str, ...] | None = None
    """Such as `en-de de-en`; by default out of the pivot into every other language, and back."""

    def directions_in(self, corpus: Corpus) -> tuple[Direction, ...]:
        """The directions that are asked for of a corpus."""
        from neuroglot.corpora.directions import as_direction, directions_of

        if self.directions is None:
            return directions_of(corpus.languages, self.pivot)
        return tuple(map(as_direction, self.directions))


@dataclass(frozen=True, kw_only=True)
class OnMasks(Recipe):
    """Which neurons each direction keeps."""

    heading: ClassVar[str] = "Neurons"

    masks: Path
    """Run folder of `neuroglot specialize select`, or its masks.safetensors."""

    semantics: Literal["activation", "weight row"] = "activation"
    """What a removed neuron does: it writes nothing (`activation`), or, its weights being zero, what its bias makes of
    it (`weight row`, as in the released code)."""

    def load_masks(self, identity: Identity) -> DirectionMasks:
        """The masks, noted."""
        from neuroglot.neurons.masks import DirectionMasks
        from neuroglot.recipes.artefacts import MASKS, artefact

        return identity.file("masks", artefact(self.masks, MASKS), DirectionMasks.load)
