"""Recording while a model reads a corpus: firing counts and sharings, several of them in one pass.

Runs are saved as they go on, and processes that a launcher started share the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.generated import read_again
from neuroglot.activity.passes import Pass, automatic_token_budget, can_share_prefixes
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.activity.tallies import ActivityTally, SharingTally, Tally
from neuroglot.corpora.directed import Parallel
from neuroglot.corpora.seen import sorted_hashes
from neuroglot.errors import ConfigError
from neuroglot.generation.decoding import Generation
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.pairs import PairReading
from neuroglot.tokens.reading import GivenTexts, Reading, read_as, reading_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def record(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    recording: Recording | None = None,
    *,
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Activity:
    """Count on how many tokens of each language every neuron fires, in one pass.

    Of a `Directed`, the "languages" are the directions: an encoder reads the source and its decoder the translation, of
    which it is given all tokens before the next; a decoder alone reads both in a prompt. Each stack counts its own
    tokens, without tokens that name a language or an end unless special tokens count; `tokens` are those of the
    encoder, or of the only stack.

    Texts are padded on the right and padding never counts; `token_budget` (padded tokens a batch) is chosen by the
    device's memory where it is None, and changes no count. Rows with a text longer than the model's context are left
    out in all languages and counted in the signature. The counts are saved in `kept`, from which a killed job goes on.
    Processes that a launcher started share the corpus, and each returns the whole. Raises `CorpusError` if nothing is
    left to record, `ConfigError` if another job is kept there.
    """
    (activity,) = record_several(
        view,
        tokenizer,
        corpus,
        [recording or Recording()],
        token_budget=token_budget,
        kept=kept,
    )
    return activity


def record_several(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    recordings: Sequence[Recording],
    *,
    token_budget: int | None = None,
    count_padding: bool = False,
    kept: Kept = NOTHING_KEPT,
) -> tuple[Activity, ...]:
    """Several recordings (sites, tokens, statistics) in one pass; each equals what `record` gives alone.

    `count_padding` counts the padding of translation pairs too, as `activity.translation.collect` says why.
    """
    require_tokens_of_a_corpus(recordings)
    languages, device = len(corpus.languages), view.model.device
    tallies = [ActivityTally(view.layout, languages, recording, device) for recording in recordings]
    exact = not any("histogram" in recording.statistics for recording in recordings)  # its sample knows rows
    reading = count_corpus(
        view, tokenizer, corpus, tallies, order="language", share_prefixes=exact and can_share_prefixes(view),
        token_budget=token_budget, count_padding=count_padding, kept=kept,
    )  # fmt: skip
    made = made_with(view, tokenizer, corpus, rows=len(reading.rows), dropped=len(reading.dropped)) | reading.unknown
    told = read_as(corpus, f"counted in batches of {reading.token_budget} tokens" if count_padding else "not counted")
    read = torch.from_numpy(sorted_hashes(corpus))
    return tuple(
        Activity(
            view.layout,
            corpus.languages,
            tally.recording,
            **{name: total.cpu() for name, total in tally.totals.items() if name in ("fired", "tokens", "reached")},
            signature=made | tally.recording.signature | told,
            statistics={measure.name: tally.totals[measure.name].cpu() for measure in tally.measures},
            read=read,
        )
        for tally in tallies
    )


def require_tokens_of_a_corpus(recordings: Sequence[Recording]) -> None:
    """Raise `ConfigError` for recordings that need generated text."""
    for recording in recordings:
        if recording.tokens not in ("all", "last"):
            raise ConfigError(
                f"The recording's tokens are {recording.tokens!r}.",
                "A corpus has 'all' or the 'last' one.",
                "Where text is generated, use `record_generation`.",
            )


def count_corpus(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    tallies: Sequence[Tally],
    *,
    order: Literal["language", "row"],
    token_budget: int | None,
    kept: Kept,
    share_prefixes: bool = False,
    count_padding: bool = False,
) -> Reading | PairReading:
    """One pass over a corpus into tallies, taken up from what is kept of it.

    Raises `ConfigError` for a token budget below 1.
    """
    if token_budget is not None and token_budget < 1:
        raise ConfigError(f"Got a token budget of {token_budget}.", "Expected one token or more.")
    budget = token_budget or automatic_token_budget(view)
    reading = reading_of(view, tokenizer, corpus, order, budget, share_prefixes, count_padding=count_padding)
    counted = "; ".join(f"{tally.recording.signature} {','.join(tally.recording.statistics)}" for tally in tallies)
    options = Signature.of(order=order, counted=counted, token_budget=budget, shared_prefixes=share_prefixes)
    read = Signature.of(languages=",".join(corpus.languages), count_padding=count_padding) | read_as(corpus)
    job = made_with(view, tokenizer, corpus) | options | read
    Pass(view, reading, tallies, Checkpoints.of(kept, job)).run()
    return reading


def record_sharing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    recording: Recording | None = None,
    *,
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Sharing:
    """Count in how many languages every neuron fires on the same parallel row.

    A neuron fires on a text at its last token, as in the paper, or with `tokens="all"` at one token or more; of a
    `Directed`, an encoder's text is the source, and a decoder's the translation, or prompt and translation. The other
    options are those of `record`. Source: Wang et al. 2024 (Sharing Matters), §3. Raises `ConfigError` for fewer than
    two languages, several thresholds, or other statistics.
    """
    (sharing,) = record_several_sharings(
        view,
        tokenizer,
        corpus,
        [recording or Recording.sharing_matters()],
        token_budget=token_budget,
        kept=kept,
    )
    return sharing


def record_several_sharings(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    recordings: Sequence[Recording],
    *,
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> tuple[Sharing, ...]:
    """Several thresholds, sites or tokens in one pass; each equals what `record_sharing` gives alone."""
    require_tokens_of_a_corpus(recordings)
    _require_defined(recordings, corpus.languages)
    languages, device = len(corpus.languages), view.model.device
    tallies = [SharingTally(view.layout, languages, recording, len(corpus), device) for recording in recordings]
    reading = count_corpus(
        view, tokenizer, corpus, tallies, order="row",
        token_budget=token_budget, kept=kept,
    )  # fmt: skip
    made = made_with(view, tokenizer, corpus, rows=len(reading.rows), dropped=len(reading.dropped)) | reading.unknown
    return tuple(
        _sharing(view, corpus.languages, tally, reading.rows, made | tally.recording.signature | read_as(corpus))
        for tally in tallies
    )


def record_generated_sharing(
    view: ModelView, generation: Generation, recordings: Sequence[Recording], *, token_budget: int = TOKEN_BUDGET
) -> tuple[Sharing, ...]:
    """The same over generated texts: their `generated` tokens, their `prompt`, `all`, or the `last` of the prompt."""
    _require_defined(recordings, generation.languages)
    languages, rows = len(generation.languages), len(generation.ids)
    tallies = [SharingTally(view.layout, languages, recording, rows, view.model.device) for recording in recordings]
    Pass(view, GivenTexts(generation.read, languages, token_budget, order="row"), tallies).run()
    made = read_again(view, generation)
    return tuple(
        _sharing(view, generation.languages, tally, range(rows), made | tally.recording.signature) for tally in tallies
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
