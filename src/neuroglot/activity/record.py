"""Recording: what happens in a model's neurons while it reads a corpus, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neuroglot.activity.activity import Activity
from neuroglot.activity.budget import automatic_token_budget
from neuroglot.activity.checkpoints import SAVE_SECONDS, Checkpoints
from neuroglot.activity.passes import Pass, can_share_prefixes
from neuroglot.activity.recording import Recording
from neuroglot.activity.tallies import ActivityTally, Tally
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.reading import Reading
from neuroglot.corpora.tokenizing import context_limit
from neuroglot.errors import ConfigError
from neuroglot.models.loading import model_signature
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature, versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def record(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recording: Recording | None = None,
    *,
    token_budget: int | None = None,
    run_folder: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> Activity:
    """Count on how many tokens of each language every neuron fires, in one pass.

    Texts are padded on the right and padding never counts; `token_budget` (padded tokens a batch) is chosen by the
    device's memory where it is None, and changes no count. Rows with a text longer than the model's context are left
    out in all languages and counted in the signature. With a `run_folder` the counts are saved every `save_seconds`,
    and `resume` goes on where a killed job was. Processes that a launcher started share the corpus, and each returns
    the whole. Raises `CorpusError` where nothing is left to record, `ConfigError` where the folder holds another job.
    """
    (activity,) = record_several(
        view,
        tokenizer,
        corpus,
        [recording or Recording()],
        token_budget=token_budget,
        run_folder=run_folder,
        resume=resume,
        save_seconds=save_seconds,
    )
    return activity


def record_several(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recordings: Sequence[Recording],
    *,
    token_budget: int | None = None,
    run_folder: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> tuple[Activity, ...]:
    """Several recordings (sites, tokens, statistics) in one pass; each equals what `record` gives alone."""
    require_tokens_of_a_corpus(recordings)
    languages, device = len(corpus.languages), view.model.device
    tallies = [ActivityTally(view.layout, languages, recording, device) for recording in recordings]
    exact = not any("histogram" in recording.statistics for recording in recordings)  # its sample knows rows
    reading = read_corpus(
        view, tokenizer, corpus, tallies, order="language", share_prefixes=exact and can_share_prefixes(view),
        token_budget=token_budget, run_folder=run_folder, resume=resume, save_seconds=save_seconds,
    )  # fmt: skip
    return tuple(
        Activity(
            view.layout,
            corpus.languages,
            tally.recording,
            **{name: total.cpu() for name, total in tally.totals.items() if name in ("fired", "tokens", "reached")},
            signature=recorded_signature(view, reading, tally.recording),
            statistics={measure.name: tally.totals[measure.name].cpu() for measure in tally.measures},
        )
        for tally in tallies
    )


def recorded_signature(view: ModelView, reading: Reading, recording: Recording) -> Signature:
    """Model, corpus, recording and versions: all that can change a count."""
    corpus, rows = reading.corpus, len(reading.rows)
    return (
        model_signature(view.model)
        | Signature.of(corpus=corpus.name, corpus_hash=corpus.hash, rows=rows, rows_dropped=len(corpus) - rows)
        | recording.signature
        | versions()
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


def read_corpus(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    tallies: Sequence[Tally],
    *,
    order: Literal["language", "row"],
    token_budget: int | None,
    run_folder: Path | str | None,
    resume: bool,
    save_seconds: float,
    share_prefixes: bool = False,
) -> Reading:
    """One pass over a corpus into tallies, taken up from the run folder where there is one.

    Raises `ConfigError` for a token budget below 1 or a negative time between two savings.
    """
    if (token_budget is not None and token_budget < 1) or save_seconds < 0:
        raise ConfigError(
            f"Got a token budget of {token_budget} and {save_seconds:g} seconds between savings.",
            "Expected one token or more, and no negative time.",
        )
    budget = token_budget or automatic_token_budget(view)
    limit = context_limit(tokenizer, text_config(view.model))
    reading = Reading(tokenizer, corpus, limit, order, budget, share_prefixes)
    checkpoints = None if run_folder is None else Checkpoints(Path(run_folder), save_seconds)
    if checkpoints is not None:
        checkpoints.open(_job(view, reading, tallies), resume)
    Pass(view, reading, tallies, checkpoints).run()
    return reading


def _job(view: ModelView, reading: Reading, tallies: Sequence[Tally]) -> Signature:
    """All that must be the same for a job to go on: what changes a count, and what is counted of it."""
    counted = "; ".join(f"{tally.recording.signature} {','.join(tally.recording.statistics)}" for tally in tallies)
    return (
        model_signature(view.model)
        | Signature.of(corpus=reading.corpus.name, corpus_hash=reading.corpus.hash, order=reading.order)
        | Signature.of(counted=counted, token_budget=reading.token_budget, shared_prefixes=reading.share_prefixes)
        | versions()
    )
