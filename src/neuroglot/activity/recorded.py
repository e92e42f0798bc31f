"""A recording in a run folder: begun, taken up again, finished."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot import distribution
from neuroglot.activity.activity import Activity
from neuroglot.activity.checkpoints import SAVE_SECONDS
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.models.loading import model_signature
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import check_free

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "activity.safetensors"
CHECKPOINTS = "unfinished"


def record_into(
    out: Path | str,
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recording: Recording,
    *,
    resume: bool = False,
    token_budget: int | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Activity:
    """Record into the folder `out` as `activity.safetensors`; what is counted before that lies in `out/unfinished`.

    Killed at any moment, it goes on with `resume`, and the file is the same to the last byte as without the
    interruption. A finished folder is read back. Raises `ArtifactError` where `out` holds something and `resume` is not
    set, and `ConfigError` where it holds another job.
    """
    out = Path(out)
    if resume and (out / FILE).is_file():
        finished = _same_job(Activity.load(out / FILE), view, corpus, recording)
        _clean(out)
        return finished
    if not resume:
        check_free(out)
        distribution.wait_for_all()  # before another process has written anything
    activity = record(
        view,
        tokenizer,
        corpus,
        recording,
        token_budget=token_budget,
        run_folder=out / CHECKPOINTS,
        resume=resume,
        save_seconds=save_seconds,
    )
    if distribution.rank() == 0:
        activity.save(out / FILE)
        _clean(out)
    distribution.wait_for_all()
    return activity


def _clean(out: Path) -> None:
    """Remove what is needed no more, with what a killed process was just writing."""
    if distribution.rank() == 0:
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
        for unfinished in out.glob(f".{FILE}.*"):
            unfinished.unlink()


def _same_job(finished: Activity, view: ModelView, corpus: Corpus, recording: Recording) -> Activity:
    wanted = model_signature(view.model) | Signature.of(corpus_hash=corpus.hash) | recording.signature
    found = finished.signature.to_json()
    differing = [key for key, value in wanted.fields if found.get(key) != value]
    if differing or finished.languages != corpus.languages or finished.recording != recording:
        raise ConfigError(
            f"The run folder holds a finished recording of another job ({', '.join(differing) or 'its options'}).",
            "Expected the same model, corpus and options.",
            "Name another folder.",
        )
    return finished
