"""Recording of sharing: in how many languages a neuron fires on the same parallel row, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot.activity.checkpoints import SAVE_SECONDS
from neuroglot.activity.generated import GivenTexts
from neuroglot.activity.passes import Pass
from neuroglot.activity.record import read_corpus, recorded_signature, require_tokens_of_a_corpus
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.activity.tallies import SharingTally
from neuroglot.corpora.batches import TOKEN_BUDGET
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.generation import Generation
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def record_sharing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recording: Recording | None = None,
    *,
    token_budget: int | None = None,
    run_folder: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> Sharing:
    """Count in how many languages every neuron fires on the same parallel row.

    A neuron fires on a text at its last token, as in the paper, or with `tokens="all"` at one token or more. The other
    options are those of `record`. Source: Wang et al. 2024 (Sharing Matters), §3. Raises `ConfigError` for fewer than
    two languages, several thresholds, or other statistics.
    """
    (sharing,) = record_several_sharings(
        view,
        tokenizer,
        corpus,
        [recording or Recording.sharing_matters()],
        token_budget=token_budget,
        run_folder=run_folder,
        resume=resume,
        save_seconds=save_seconds,
    )
    return sharing


def record_several_sharings(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recordings: Sequence[Recording],
    *,
    token_budget: int | None = None,
    run_folder: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> tuple[Sharing, ...]:
    """Several thresholds, sites or tokens in one pass; each equals what `record_sharing` gives alone."""
    require_tokens_of_a_corpus(recordings)
    _require_defined(recordings, corpus.languages)
    languages, device = len(corpus.languages), view.model.device
    tallies = [SharingTally(view.layout, languages, recording, len(corpus), device) for recording in recordings]
    reading = read_corpus(
        view, tokenizer, corpus, tallies, order="row",
        token_budget=token_budget, run_folder=run_folder, resume=resume, save_seconds=save_seconds,
    )  # fmt: skip
    return tuple(
        _sharing(view, corpus.languages, tally, reading.rows, recorded_signature(view, reading, tally.recording))
        for tally in tallies
    )


def record_generated_sharing(
    view: ModelView, generation: Generation, recordings: Sequence[Recording], *, token_budget: int = TOKEN_BUDGET
) -> tuple[Sharing, ...]:
    """The same over generated texts: their `generated` tokens, their `prompt`, `all`, or the `last` of the prompt."""
    _require_defined(recordings, generation.languages)
    languages, rows = len(generation.languages), len(generation.ids)
    tallies = [SharingTally(view.layout, languages, recording, rows, view.model.device) for recording in recordings]
    Pass(view, GivenTexts(generation, token_budget, order="row"), tallies).run()
    return tuple(
        _sharing(view, generation.languages, tally, range(rows), generation.signature | tally.recording.signature)
        for tally in tallies
    )


def _sharing(
    view: ModelView, languages: tuple[str, ...], tally: SharingTally, rows: Sequence[int], signature: Signature
) -> Sharing:
    histogram, fired, by_row, active = (total.cpu() for total in tally.totals.values())
    kept = list(rows)
    return Sharing(view.layout, languages, tally.recording, histogram, fired, by_row[kept], active[kept], signature)


def _require_defined(recordings: Sequence[Recording], languages: tuple[str, ...]) -> None:
    for recording in recordings:
        if len(recording.fires) != 1 or recording.statistics or len(languages) < 2:
            raise ConfigError(
                f"Sharing was asked for {recording.signature} in {len(languages)} language(s).",
                "It is defined for one threshold, no other statistics, and two languages or more.",
            )
