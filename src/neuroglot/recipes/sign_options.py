"""Options that recipes on sign language have: which clips are read, and which recogniser reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt

from neuroglot.recipes.options import Beams, Natural, Placed, Positive, Seeded, Share
from neuroglot.recipes.training_options import Computed, Trained
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.corpora.clips import Clip, Clips
    from neuroglot.models.architectures.tscm import TSCMForCTC
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature
    from neuroglot.tokens.clips import ClipReader
    from neuroglot.training import Training
    from neuroglot.training.recognition import Watched

ShiftName = Literal["tscm", "tsm", "none", "conv3d"]

# Small enough that two cores train them on made clips: a network for 16 pixels, and a student for 8.
TINY: dict[str, Any] = {
    "embedding_size": 8, "hidden_sizes": (8, 16, 32), "depths": (1, 2, 1), "strides": (1, 2, 2), "frame_blocks": 1,
    "stem": "low resolution", "image_size": 16,
}  # fmt: skip
TINY_STUDENT = TINY | {"strides": (1, 1, 2), "image_size": 8}


@dataclass(frozen=True, kw_only=True)
class OnClips(Recipe):
    """Which clips are read."""

    heading: ClassVar[str] = "Clips"

    corpus: tuple[str, ...]
    """`made` for made clips, or folders: RWTH-PHOENIX-2014, CSL, or a table `clips.tsv` over folders of images or
    videos. Several are read as one, each with its own sign languages."""

    on_fault: Literal["refuse", "drop"] = "refuse"
    """What to do with clips that are damaged, lack frames or are annotated wrongly; both name and count them."""

    csl_split: Literal["signer", "sentence"] = "signer"
    """How CSL is divided: by signer (split I) or by sentence (split II)."""

    dev_signers: tuple[str, ...] = ()
    """Divide the clips anew: those of these signers are for watching the training."""

    test_signers: tuple[str, ...] = ()
    """And those of these signers are for evaluation; all others are trained on."""

    clips: Positive | None = None
    """Read so many clips of each part and sign language, the first ones."""

    def load_clips(self, identity: Identity) -> Clips:
        """The clips that the options ask for, noted; what was left out becomes a remark."""
        from dataclasses import replace

        from neuroglot.corpora.clips import load_clips
        from neuroglot.corpora.clips.clip import joined_clips
        from neuroglot.signature import Signature

        found = joined_clips([
            load_clips(source, on_fault=self.on_fault, split=self.csl_split) for source in self.corpus
        ])  # fmt: skip
        if self.dev_signers or self.test_signers:
            found = found.by_signer(self.dev_signers, self.test_signers)
        if self.clips is not None:
            parts = dict.fromkeys(clip.part for clip in found.clips)
            few = tuple(clip for part in parts for clip in found.of(part).head(self.clips).clips)
            found = replace(found, clips=few)
        identity.note("clips", Signature.of(corpus=found.name, corpus_hash=found.hash, clips=len(found)))
        identity.remarks += found.remarks
        return found

    @property
    def same_clips(self) -> tuple[str, ...]:
        """The options by which another command reads the same clips, divided alike."""
        words = ["--corpus", *self.corpus]
        if self.on_fault != "refuse":
            words += ["--on-fault", self.on_fault]
        if self.csl_split != "signer":
            words += ["--csl-split", self.csl_split]
        for name, signers in (("--dev-signers", self.dev_signers), ("--test-signers", self.test_signers)):
            words += [name, *signers] if signers else []
        return tuple(words)


@dataclass(frozen=True, kw_only=True)
class OnRecogniser(Placed):
    """Which recogniser reads the clips."""

    heading: ClassVar[str] = "Model"

    model: Path
    """Run folder of `neuroglot sign train` or `neuroglot sign distil`."""

    def load_recogniser(self, identity: Identity, path: Path, what: str = "model") -> TSCMForCTC:
        """The recogniser in a folder, noted under `what`."""
        return load_recogniser(identity, path, self.device, what)


@dataclass(frozen=True, kw_only=True)
class Recognising(Recipe):
    """How glosses are read from what the network says."""

    heading: ClassVar[str] = "Reading"

    beam: Beams = 10
    """Readings that are followed at once (CTC prefix beam)."""


@dataclass(frozen=True, kw_only=True)
class Shifting(Recipe):
    """What is shifted in time."""

    heading: ClassVar[str] = "Model"

    shift: ShiftName = "tscm"
    """What the temporal blocks do before a convolution: `tscm`, or a control: `tsm`, `none`, or weights of all frames
    (`conv3d`)."""

    shift_frames: Positive = 3
    """Neighbouring frames that are superposed, an odd number."""

    edges: Literal["zeros", "repeat"] = "zeros"
    """What stands beyond the ends of a clip: `zeros`, or the edge frame again."""


@dataclass(frozen=True, kw_only=True)
class SignTrained(OnClips, Shifting, Computed, Trained, Placed, Seeded):
    """How a recogniser is trained."""

    heading: ClassVar[str] = "Training"

    batch_size: Positive = 8
    """Clips read at once."""

    learning_rate: Annotated[float, Gt(0)] = 3e-3
    """Highest learning rate; it falls linearly behind a tenth of the steps of warm-up."""

    weight_decay: Annotated[float, Ge(0)] = 1e-4
    """Weight decay of the optimiser."""

    gradient_share: Share = 0.5
    """Share of the frames of a batch that pass their gradient to the blocks that read single frames."""

    frame_step: Positive = 1
    """Read every so many-th frame; 4 for CSL."""

    augmentation: Literal["none", "phoenix", "csl"] = "none"
    """How frames are varied: not at all, or as in published recipes."""

    watch_every: Natural = 0
    """Measure the word error rate of the part `dev` every so many steps; 0 for never."""

    @property
    def training(self) -> Training:
        """How the weights are updated."""
        from neuroglot.training import Training

        return Training(
            steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size, warmup=self.steps // 10,
            weight_decay=self.weight_decay, seed=self.seed, bf16=self.bf16, report_to=self.report_to,
            gradient_checkpointing=self.gradient_checkpointing, checkpoint_every=self.checkpoint_every,
        )  # fmt: skip

    @property
    def shape(self) -> dict[str, Any]:
        """What these options say of a network."""
        from neuroglot.tokens.clips import augmentation_named

        return {
            "shift": self.shift, "shift_frames": self.shift_frames, "shift_edges": self.edges,
            "gradient_share": self.gradient_share, "frame_step": self.frame_step,
            "crop": augmentation_named(self.augmentation).crop,
        }  # fmt: skip

    def reader(self, clips: Clips, size: int, also: int | None = None) -> ClipReader:
        """How the clips are read for training, all of which are long enough."""
        from neuroglot.corpora.clips import GlossVocabulary
        from neuroglot.tokens.clips import ClipReader, augmentation_named, require_all_fit

        require_all_fit(clips.of("train"), self.frame_step)
        vocabulary = GlossVocabulary.of(clips)
        return ClipReader(vocabulary, size, self.frame_step, augmentation_named(self.augmentation), also)

    def fitted(
        self, run: Run, model: TSCMForCTC, clips: Clips, reader: ClipReader, made: Signature, what: str,
        teacher: TSCMForCTC | None = None, before: Sequence[Path] = (),
    ) -> list[Any]:  # fmt: skip
        """Train, write the model into the run with what it was trained on, and return what there is to report; `before`
        are the folders of recognisers that it learned from.
        """
        from dataclasses import replace

        from neuroglot import progress
        from neuroglot.corpora.trained import save_trained_on
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.metrics.signs import ErrorsByStep
        from neuroglot.signature import Signature
        from neuroglot.training.recognition import train_recogniser

        config = model.config
        made |= Signature.of(
            shift=config.shift, shift_frames=config.shift_frames, edges=config.shift_edges,
            image_size=config.image_size, frame_step=config.frame_step, gradient_share=config.gradient_share,
            steps=self.steps, batch_size=self.batch_size, learning_rate=self.learning_rate,
            weight_decay=self.weight_decay, augmentation=self.augmentation, bf16=self.bf16, seed=self.seed,
        )  # fmt: skip
        with progress.steps("training") as on_step:
            watched = self.watched(run, model, replace(reader, also=None), clips, on_step)
            losses = train_recogniser(
                model, clips.of("train"), reader, self.training, teacher=teacher, kept=run.kept("training"),
                on_step=watched or on_step,
            )  # fmt: skip
        save_recogniser(model, run.files)
        save_trained_on(run.files, "clips", (clip.hash for clip in clips.of("train").clips), before)
        curves: list[Any] = [LossCurve(losses, made, what)]
        return curves + ([ErrorsByStep(watched.values, made)] if watched else [])

    def training_price(self, model: TSCMForCTC, clips: Clips, reader: ClipReader) -> Price:
        """What the training would cost, by forward and backward over one batch."""
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.tokens.clips import ClipRow
        from neuroglot.training.trainer import read_once

        train = clips.of("train")
        rows = [ClipRow(clip) for clip in train.clips[: self.batch_size]]

        def run() -> int:
            read_once(model, rows, reader.batch, len(rows))
            return len(rows)

        size = 7 * sum(parameter.nbytes for parameter in model.parameters()) + REPORT_BYTES
        return sign_price(model, "Training", self.steps * self.batch_size, run, size)

    def watched(self, run: Run, model: TSCMForCTC, reader: ClipReader, clips: Clips, inner: Any) -> Watched | None:
        """What follows the word error rate of the part `dev`, if it is to be followed."""
        from neuroglot.generation.ctc import BeamOptions
        from neuroglot.generation.glosses import recognise
        from neuroglot.metrics.texts import Texts, score_texts
        from neuroglot.training.recognition import Watched

        if not self.watch_every:
            return None
        part = clips.of("dev")

        def measured() -> float:
            found = recognise(model, reader, part, BeamOptions(width=1))
            said, wanted = (tuple(map(" ".join, column)) for column in (found.hypotheses, found.references))
            return score_texts(Texts(said, (wanted,)), ["wer"])[0].score.value

        return Watched(inner, self.watch_every, measured, "WER", run.kept("watched"))


def require_watching(clips: Clips) -> None:
    """Raise early where a word error rate cannot be measured: no clips, or no library."""
    from neuroglot import extras

    clips.of("dev")
    extras.require("jiwer", extra="sign")


def load_recogniser(identity: Identity, path: Path, device: str | None, what: str = "model") -> TSCMForCTC:
    """The recogniser in a folder; raises `ArtifactError` where there is none, `UnsupportedModelError` for another."""
    from neuroglot.errors import ArtifactError, UnsupportedModelError, listed
    from neuroglot.generation.glosses import vocabulary_of
    from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC
    from neuroglot.models.complete import require_each_once, stored_names
    from neuroglot.models.loading import move
    from neuroglot.models.provenance import model_signature
    from neuroglot.storage import parse_json

    try:
        kind = parse_json((path / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{path} holds no recogniser ({error}).", "Expected a run folder of `neuroglot sign train`."
        ) from error
    if kind != TSCMConfig.model_type:
        raise UnsupportedModelError(f"{path} holds a model of the type {kind!r}.", "Expected a recogniser, 'tscm'.")
    try:
        load: Any = TSCMForCTC.from_pretrained
        model, said = load(path, use_safetensors=True, local_files_only=True, output_loading_info=True)
    except Exception as error:  # what the library raises of files that lack or are damaged
        raise ArtifactError(f"The recogniser in {path} cannot be read: {error}.", "Expected whole files.") from error
    if lacking := sorted(said["missing_keys"]):
        raise ArtifactError(f"The recogniser in {path} lacks the weights {listed(lacking)}.", "Expected whole files.")
    require_each_once(model, stored_names(str(path)), str(path))
    recogniser: TSCMForCTC = model.eval()
    vocabulary_of(recogniser)
    move(recogniser, device)
    identity.note(what, model_signature(recogniser))
    return recogniser


def trained_among(clips: Clips, *folders: Path) -> tuple[Clip, ...]:
    """The clips that a recogniser in one of the folders was trained on, as far as they say."""
    from neuroglot.corpora.trained import trained_on

    known = {hash for folder in folders for hash in trained_on(folder, "clips").tolist()}
    return tuple(clip for clip in clips.clips if clip.hash in known)


def save_recogniser(model: TSCMForCTC, folder: Path) -> None:
    """Write a recogniser in the hub's layout."""
    from neuroglot.storage import as_artifact_error

    with as_artifact_error(folder):
        model.save_pretrained(folder)
        for path in folder.iterdir():
            if path.is_file():
                path.chmod(0o644)


def sign_price(model: TSCMForCTC, what: str, clips: int, run: Callable[[], int], disk_bytes: int) -> Price:
    """What a job would cost that reads so many clips in all: `run` reads some of them, and says how many."""
    from neuroglot.models.provenance import model_name
    from neuroglot.runs.price import Price

    begun = perf_counter()
    read = run()
    seconds = (perf_counter() - begun) / read
    parameters = sum(parameter.numel() for parameter in model.parameters())
    remarks = (f"{what} reads {clips:,} clips with {parameters:,} parameters, in about {seconds * clips:.0f} s.",)
    size = sum(parameter.nbytes for parameter in model.parameters())
    return Price((model_name(model),), model.device.type, (), size, size, disk_bytes, (), remarks)
