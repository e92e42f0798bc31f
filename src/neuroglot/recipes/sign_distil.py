"""`sign distil`: a small student that reads small frames learns from a recogniser of large ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt

from neuroglot.recipes.options import USE
from neuroglot.recipes.sign_options import SignTrained

if TYPE_CHECKING:
    from neuroglot.corpora.clips import Clips
    from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.tokens.clips import ClipReader

Weight = Annotated[float, Ge(0)]


class _Inputs(NamedTuple):
    student: TSCMForCTC
    teacher: TSCMForCTC
    clips: Clips
    reader: ClipReader


@dataclass(frozen=True, kw_only=True)
class SignDistil(SignTrained):
    """Train a student on small frames by CTC, by the features of a frozen teacher on large ones, and by its logits.

    The run folder is the student. Weights of 0 are the controls. Source: LRINet (2303.06820); the form is ours.
    """

    command = "sign distil"
    group = USE
    examples = """
    neuroglot sign distil recogniser --corpus made --steps 400 --out student
    neuroglot sign distil recogniser --corpus made --steps 400 --recover \\
        --out recovered
    neuroglot sign distil recogniser --corpus made --steps 400 \\
        --feature-weight 0 --logit-weight 0 --out undistilled"""
    positional = ("teacher",)

    teacher: Path
    """Run folder of `neuroglot sign train`."""

    student: Literal["tiny", "lrinet"] = "tiny"
    """What is trained: `tiny` reads made clips at 8 pixels, `lrinet` reads 56."""

    recover: bool = False
    """A control: a student that lowers the scale as its teacher does, and whose features are enlarged for the loss."""

    feature_weight: Weight = 5.0
    """Weight of the squared distance of the features of single frames."""

    logit_weight: Weight = 25.0
    """Weight of the divergence of the glosses, without the blank."""

    temperature: Annotated[float, Gt(0)] = 8.0
    """Softens both sides' glosses in that divergence."""

    def read(self, identity: Identity) -> _Inputs:
        from dataclasses import replace

        from neuroglot.errors import ConfigError, CorpusError, listed
        from neuroglot.generation.glosses import vocabulary_of
        from neuroglot.models.loading import move
        from neuroglot.models.provenance import model_signature
        from neuroglot.recipes.sign_options import load_recogniser, require_watching
        from neuroglot.training.recognition import new_recogniser

        clips = self.load_clips(identity)
        if self.watch_every:
            require_watching(clips)
        teacher = load_recogniser(identity, self.teacher, self.device, "teacher")
        config = self._config(teacher)
        known = vocabulary_of(teacher)
        if unknown := known.unknown(clips.of("train").clips):
            raise CorpusError(
                f"The clips have {unknown.total()} glosses, of {len(unknown)} kinds, which the vocabulary lacks of the "
                f"teacher: {listed(list(unknown))}.",
                "Expected clips of the glosses that it was trained on.",
            )
        if teacher.config.frame_step != self.frame_step:
            raise ConfigError(
                f"The teacher reads every {teacher.config.frame_step}. frame, the student every {self.frame_step}.",
                "Expected the same.", f"Say --frame-step {teacher.config.frame_step}.",
            )  # fmt: skip
        reader = self.reader(clips, config.image_size, also=teacher.config.image_size)
        reader = replace(reader, vocabulary=known)
        student = new_recogniser(config, reader.vocabulary, self.seed)
        move(student, self.device)
        identity.note("student", model_signature(student))
        return _Inputs(student, teacher, clips, reader)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        student, teacher, clips, reader = inputs
        made = made_with(None, None, clips.of("train")) | Signature.of(
            teacher=str(run.identity.noted["teacher"]["weights"]), student=self.student, recover=self.recover,
            feature_weight=self.feature_weight, logit_weight=self.logit_weight, temperature=self.temperature,
        )  # fmt: skip
        unit = "nats per clip, and what the teacher adds"
        results = self.fitted(run, student, clips, reader, made, unit, teacher, (self.teacher,))
        return Report(results, title=f"Sign language: {clips.name}, a student of {self.teacher.name}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Evaluate the student beside its teacher."""
        beside = ("--baseline", str(self.teacher))
        return ("sign", "evaluate", str(out), *self.same_clips, *beside, "--out", f"{out}-evaluated")

    def price(self, inputs: _Inputs) -> Price:
        from dataclasses import replace

        return self.training_price(inputs.student, inputs.clips, replace(inputs.reader, also=None))

    def _config(self, teacher: TSCMForCTC) -> TSCMConfig:
        from neuroglot.models.architectures.tscm import TSCMConfig
        from neuroglot.recipes.sign_options import TINY, TINY_STUDENT

        shape: dict[str, Any] = {
            **self.shape, "temperature": self.temperature, "feature_weight": self.feature_weight,
            "logit_weight": self.logit_weight, "recover": "bilinear" if self.recover else "no",
            "teacher_channels": teacher.config.feature_channels,
        }  # fmt: skip
        if self.student == "tiny":
            tiny = {**TINY, "image_size": TINY_STUDENT["image_size"]} if self.recover else TINY_STUDENT
            return TSCMConfig(**{**tiny, **shape})
        if self.recover:
            shape |= {"stem": "resnet", "embedding_size": 64, "strides": (1, 2, 2, 2)}
        return TSCMConfig.lrinet(**shape)
