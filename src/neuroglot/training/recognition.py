"""Training a recogniser of sign language on the training core: CTC is its model's own loss; a teacher is data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from neuroglot.corpora.clips import Clips, GlossVocabulary
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.generation.glosses import vocabulary_of
from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC
from neuroglot.models.architectures.tscm.config import BLANK_GLOSS
from neuroglot.models.complete import require_each_once, stored_names
from neuroglot.storage import NOTHING_KEPT, Kept, parse_json, write_whole
from neuroglot.tokens.clips import ClipReader, ClipRow, ClipRows
from neuroglot.training.sharing import Collate
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep, Training

TRUNK = "resnet."  # of the names of weights: all others are heads


def new_recogniser(config: TSCMConfig, vocabulary: GlossVocabulary, seed: int, start: Path | None = None) -> TSCMForCTC:
    """A network for these glosses, drawn with the seed, or begun from the trunk of a checkpoint: of a ResNet of
    transformers, or of another recogniser, whose heads are taken too where they say the very same glosses, and drawn
    otherwise. Raises `ArtifactError` where there is none, `ConfigError` where it does not fit.
    """
    labels = {0: BLANK_GLOSS, **dict(enumerate(vocabulary.glosses, 1))}
    config.id2label, config.label2id = labels, {gloss: number for number, gloss in labels.items()}
    torch.manual_seed(seed)
    drawn = TSCMForCTC(config)
    if start is None:
        return drawn
    load: Any = TSCMForCTC.from_pretrained
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "ignore_mismatched_sizes": True}
    try:
        model, found = load(start, config=config, output_loading_info=True, **options)
    except Exception as error:  # what the library raises of files that lack or are damaged
        raise ArtifactError(
            f"{start} holds no network to begin from ({error}).", "Expected a folder with config.json and safetensors."
        ) from error
    missing = [name for name in found["missing_keys"] if name.startswith(TRUNK)]
    wrong = [name for name, *_ in found["mismatched_keys"] if str(name).startswith(TRUNK)]
    if missing or wrong:
        raise ConfigError(
            f"{start} lacks {len(missing)} of the trunk's weights, and {len(wrong)} are of another shape.",
            "Expected a ResNet, or a recogniser, of the same depth and widths.",
        )
    require_each_once(model, stored_names(str(start)), str(start))
    trained: TSCMForCTC = model
    if not says(start, vocabulary):
        heads = {name: part for name, part in drawn.state_dict().items() if not name.startswith(TRUNK)}
        trained.load_state_dict(heads, strict=False)
    return trained


def says(start: Path, vocabulary: GlossVocabulary) -> bool:
    """Whether a folder is of a recogniser whose heads say these glosses, in this order: equally many are not enough."""
    try:
        config = parse_json((start / "config.json").read_bytes())
        labels = {int(number): gloss for number, gloss in (config.get("id2label") or {}).items()}
        is_recogniser = config.get("model_type") == TSCMConfig.model_type
        with safe_open(start / "model.safetensors", "pt") as weights:
            has_heads = "classifier.weight" in weights.keys()  # noqa: SIM118 (no mapping); a trunk alone has none
    except (OSError, ValueError, AttributeError, SafetensorError):
        return False
    return is_recogniser and has_heads and labels == dict(enumerate((BLANK_GLOSS, *vocabulary.glosses)))


def train_recogniser(
    model: TSCMForCTC,
    clips: Clips,
    reader: ClipReader,
    training: Training,
    *,
    teacher: TSCMForCTC | None = None,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> tuple[float, ...]:
    """Train in place on the clips, drawn anew each time that all were read; returns the loss of each step.

    The loss is in nats a clip, summed over levels, with what a teacher adds. Raises as `trainer.fit`, and `CorpusError`
    by name for clips that are damaged or too short.
    """
    rows = ClipRows(clips, training.steps * training.batch_size * training.accumulation, training.seed)
    collate: Collate = reader.batch if teacher is None else TeacherBatches(teacher, reader)
    return fit(model, rows, collate, training, kept=kept, on_step=on_step)


@dataclass(frozen=True, eq=False)
class TeacherBatches:
    """Batches with what a frozen teacher says of them: it reads the `larger` view of the same frames.

    It is evaluated without gradients, so that nothing of it changes, statistics of batch norm included.
    """

    teacher: TSCMForCTC
    reader: ClipReader

    def __post_init__(self) -> None:
        self.teacher.requires_grad_(False).eval()
        if (theirs := vocabulary_of(self.teacher)) != self.reader.vocabulary:
            own = len(self.reader.vocabulary.glosses)
            raise ConfigError(
                f"The teacher knows {len(theirs.glosses)} glosses, and others than the {own} of the student.",
                "Expected the same, in the same order.",
                "Train both on the same clips.",
            )

    def __call__(self, rows: Sequence[ClipRow]) -> dict[str, Any]:
        batch: dict[str, Tensor] = self.reader.batch(rows)
        larger = batch.pop("larger", batch["pixel_values"])
        device = self.teacher.device
        with torch.no_grad():
            said = self.teacher.eval()(larger.to(device), batch["frame_mask"].to(device))
        batch["teacher_features"] = said.frame_features.cpu()
        batch["teacher_logits"] = said.last_logits.cpu()
        return batch


@dataclass(eq=False)
class Watched:
    """An `on_step` that also measures something every so many steps, and at the end, and tells it.

    What was measured is kept with the training, so that a job that goes on has all of it.
    """

    inner: Callable[..., None]
    every: int
    measure: Callable[[], float]
    said: str
    kept: Kept = NOTHING_KEPT
    values: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self._path is not None and self._path.is_file():
            stored = parse_json(self._path.read_bytes())
            self.values = {int(step): float(value) for step, value in stored.items()}

    @property
    def _path(self) -> Path | None:
        return None if self.kept.folder is None else self.kept.folder / "watched.json"

    def __call__(self, step: int, steps: int, loss: float) -> None:
        if step % self.every == 0 or step == steps:
            state = torch.get_rng_state()
            self.values[step] = self.measure()
            torch.set_rng_state(state)
            if self._path is not None:
                write_whole(self._path, json.dumps(self.values) + "\n")
        last = f", {self.said} {self.values[max(self.values)]:.1f}" if self.values else ""
        self.inner(step, steps, loss, last)
