"""Evidence: what the selectors ask for, recorded in as few passes as that takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording, Statistic
from neuroglot.activity.text_means import Quantity, record_text_means
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.corpora.corpus import Corpus
from neuroglot.models.view import ModelView
from neuroglot.neurons.selectors import Evidence, Needs
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STATISTICS: tuple[Statistic, ...] = ("moments", "magnitude", "histogram")
TEXT_MEANS: dict[Needs, Quantity] = {"responses": "activation", "importance": "magnitude"}


def gather(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    needs: Collection[Needs],
    recording: Recording | None = None,
) -> Evidence:
    """Record what selectors need of a corpus: one pass for counts and statistics, one for texts, one for gradients.

    PLND's importance of a neuron for a text is Σ_t |up_proj(x_t)|, and there gates do not enter; ours is the mean of
    |a_t| at the recording's site, which ranks neurons of a text alike for ungated networks. Raises as the recorders do.
    """
    recording = recording or Recording()
    statistics = tuple(name for name in STATISTICS if name in needs)
    found: dict[str, Any] = {}
    if statistics or "counts" in needs:
        found["activity"] = record(view, tokenizer, corpus, replace(recording, statistics=statistics))
    if wanted := {name: quantity for name, quantity in TEXT_MEANS.items() if name in needs}:
        plain = replace(recording, statistics=())
        means = record_text_means(view, tokenizer, corpus, plain, quantities=list(wanted.values()))
        found |= {name: means.values[quantity] for name, quantity in wanted.items()}
        found["signature"] = means.signature
    if "gradients" in needs:
        found["gradients"] = gradient_times_activation(view, tokenizer, corpus)
    return Evidence(view.layout, corpus.languages, **{"signature": _signature(view, corpus), **found})


def needed_by(selectors: Sequence[Any]) -> tuple[Needs, ...]:
    """What several selectors need, each once."""
    return tuple(dict.fromkeys(selector.needs for selector in selectors))


def _signature(view: ModelView, corpus: Corpus) -> Signature:
    from neuroglot.models.loading import model_signature
    from neuroglot.signature import versions

    corpora = Signature.of(corpus=corpus.name, corpus_hash=corpus.hash, rows=len(corpus))
    return model_signature(view.model) | corpora | versions()
