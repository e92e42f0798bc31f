"""How often each neuron fires in each direction of translation, as Neuron Specialization counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuroglot.activity.activity import Activity
from neuroglot.activity.record import record_several
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.models.view import ModelView
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.language_tokens import Tags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECORDING = Recording.neuron_specialization()


def collect(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    *,
    like_reference: bool = False,
    tags: Tags | None = None,
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Activity:
    """`record` the corpus in these directions: on how many tokens every neuron fires while the model translates.

    The "languages" of the Activity are the directions, `en-de`. A neuron fires where the input of the down projection
    is above 0 (Neuron Specialization, Tan et al. 2024: ≠ 0, which is the same behind a ReLU; behind other
    nonlinearities nearly everything is ≠ 0, and above 0 is what we count). Special tokens count.

    Padding does not count; `like_reference` counts it too, as the reference does: counts then depend on the
    `token_budget`, and are not those of the reference, whose padding stands elsewhere. Otherwise the budget changes
    nothing. `kept` as in `record`. Raises as `encode_pairs` does, and `ConfigError` for a budget below 1.
    """
    read = Directed(corpus, tuple(directions), tags or {})  # type: ignore[arg-type]  # or their texts
    (activity,) = record_several(
        view, tokenizer, read, [RECORDING], token_budget=token_budget, count_padding=like_reference, kept=kept
    )
    return activity
