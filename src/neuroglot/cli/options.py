"""Options that many commands have: which texts are read, how the model is loaded, and what is read of a neuron."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus
    from neuroglot.models import ModelView


@Parameter(name="*")
@dataclass(frozen=True)
class CorpusOptions:
    """How a parallel corpus is read."""

    languages: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")] = None
    """Languages to compare, by code; all of the corpus by default."""

    on_missing: Literal["refuse", "drop"] = "refuse"
    """What to do where a language lacks a text: `refuse` the corpus, or `drop` the whole row."""

    column: str | None = None
    """The column that holds the text, where a corpus has several."""

    def load(self, corpus: str) -> Corpus:
        from neuroglot import corpora

        return corpora.load(corpus, languages=self.languages, on_missing=self.on_missing, column=self.column)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """How a model is loaded."""

    revision: str | None = None
    """Branch, tag or commit of a hub model."""

    device: str | None = None
    """For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the model; the checkpoint's own by default."""

    def load(self, model: str) -> tuple[ModelView, PreTrainedTokenizerBase]:
        from neuroglot import models

        return models.load(model, revision=self.revision, device=self.device, dtype=self.dtype)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@Parameter(name="*")
@dataclass(frozen=True)
class RecordingOptions:
    """What is read of a neuron, and when it fires."""

    site: Literal["post_act", "write"] = "post_act"
    """Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection."""

    tokens: Literal["all", "last"] = "all"
    """Read `all` tokens, or the `last` one of each text."""

    fires: float = 0.0
    """A neuron fires where its value is greater than this."""

    special_tokens: Annotated[bool, Parameter(negative="")] = False
    """Count tokens that the tokenizer adds, such as `<s>`."""

    @property
    def recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, self.tokens, (self.fires,), self.special_tokens)
