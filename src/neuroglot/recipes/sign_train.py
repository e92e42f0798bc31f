"""`sign train`: a recogniser of continuous sign language, of 2-D convolutions that shift in time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

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


class _Inputs(NamedTuple):
    model: TSCMForCTC
    clips: Clips
    reader: ClipReader


@dataclass(frozen=True, kw_only=True)
class SignTrain(SignTrained):
    """Train a recogniser on the clips of the part `train` by CTC at three levels.

    The run folder is the model. Source: TSCM (2211.03387).
    """

    command = "sign train"
    group = USE
    examples = """
    neuroglot sign train made --steps 400 --out recogniser
    neuroglot sign train phoenix-2014 --network resnet-34 --start resnet \\
        --augmentation phoenix --batch-size 2 --learning-rate 1e-4 \\
        --weight-decay 1e-4 --steps 240000 --bf16 --watch-every 3000 --out run"""
    positional = ("corpus",)

    network: Literal["tiny", "resnet-18", "resnet-34", "resnet-50"] = "tiny"
    """What is trained: `tiny` is for made clips of 16 pixels, the others are over ResNets and read 224."""

    start: Path | None = None
    """Folder of a ResNet of transformers, or of a recogniser, whose trunk is begun from; heads are taken where the
    glosses are the same."""

    one_loss: bool = False
    """Learn from CTC at the last level alone."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.models.loading import move
        from neuroglot.models.provenance import model_signature
        from neuroglot.recipes.sign_options import require_watching
        from neuroglot.training.recognition import new_recogniser, says

        clips = self.load_clips(identity)
        if self.watch_every:
            require_watching(clips)
        config = self._config()
        reader = self.reader(clips, config.image_size)
        model = new_recogniser(config, reader.vocabulary, self.seed, self.start)
        if self.start is not None and not says(self.start, reader.vocabulary):
            identity.remarks.append(
                f"Of {self.start} the trunk was taken; the heads are new, because it does not say the same glosses."
            )
        move(model, self.device)
        identity.note("model", model_signature(model))
        return _Inputs(model, clips, reader)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        model, clips, reader = inputs
        made = made_with(None, None, clips.of("train"))
        made |= Signature.of(network=self.network, one_loss=self.one_loss, started=self.start is not None)
        before = () if self.start is None else (self.start,)
        results = self.fitted(run, model, clips, reader, made, "nats per clip", before=before)
        return Report(results, title=f"Sign language: {clips.name}, {self.network}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Evaluate the new recogniser."""
        return ("sign", "evaluate", str(out), *self.same_clips, "--out", f"{out}-evaluated")

    def price(self, inputs: _Inputs) -> Price:
        return self.training_price(*inputs)

    def _config(self) -> TSCMConfig:
        from neuroglot.models.architectures.tscm import TSCMConfig
        from neuroglot.recipes.sign_options import TINY

        shape = {**self.shape, "middle_losses": not self.one_loss}
        if self.network == "tiny":
            return TSCMConfig(**{**TINY, **shape})
        return TSCMConfig.resnet(int(self.network.partition("-")[2]), **shape)
