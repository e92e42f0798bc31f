"""The shape of a network of 2-D convolutions that recognises sign language, and of its small student."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm.shift import ShiftPlan

STEMS = ("resnet", "low resolution")
RESIDUAL_BLOCKS = ("basic", "bottleneck")
RECOVERED = ("no", "bilinear")
BLANK_GLOSS = "<blank>"

# Depth: blocks a stage, kind of block, widths, and how many blocks of the third stage read single frames.
RESNETS: dict[int, tuple[tuple[int, ...], str, tuple[int, ...], int]] = {
    18: ((2, 2, 2, 2), "basic", (64, 128, 256, 512), 1),
    34: ((3, 4, 6, 3), "basic", (64, 128, 256, 512), 2),
    50: ((3, 4, 6, 3), "bottleneck", (256, 512, 1024, 2048), 2),
}


class TSCMConfig(PreTrainedConfig):
    """A TSCM network: its defaults are those of a ResNet-34, as in `TSCMConfig.resnet(34)`.

    `hidden_sizes`, `depths` and `strides` are by stage. All stages but the last two, and the first `frame_blocks` of
    the last but one, read each frame alone; the other blocks shift in time (`shift`, `shift_frames`, `shift_period` and
    `shift_edges` are those of a `ShiftPlan`), and each of the last two stages ends in a temporal max-pooling by 2.
    `stem` is that of a ResNet (stride 4), or a 3×3 convolution that keeps the scale, for `low resolution`.
    `gradient_share` of the frames of a batch pass their gradient to the part that reads single frames (random gradient
    stop); 1 stops none. `middle_losses` adds CTC at T and T/2 to that at T/4 (multi-level CTC).

    What a teacher says of a batch enters the loss by `feature_weight` (α), `logit_weight` (γ) and `temperature` (τ);
    with `recover` the features are first enlarged to the teacher's scale, and `teacher_channels` other than the own
    ones are met by a 1×1 convolution that nothing but this loss reads. `image_size` is that of the frames in pixels,
    `frame_step` n reads every n-th frame, and of each frame the middle `crop` of width and height. Raises `ConfigError`
    for a value that is not offered.
    """

    model_type = "tscm"
    main_input_name: ClassVar[str] = "pixel_values"

    num_channels: int = 3
    embedding_size: int = 64
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512)
    depths: list[int] | tuple[int, ...] = (3, 4, 6, 3)
    strides: list[int] | tuple[int, ...] = (1, 2, 2, 2)
    frame_blocks: int = 2
    layer_type: str = "basic"
    hidden_act: str = "relu"
    downsample_in_bottleneck: bool = False
    stem: str = "resnet"
    shift: str = "tscm"
    shift_frames: int = 3
    shift_period: int | None = None
    shift_edges: str = "zeros"
    gradient_share: float = 0.5
    middle_losses: bool = True
    feature_weight: float = 5.0
    logit_weight: float = 25.0
    temperature: float = 8.0
    recover: str = "no"
    teacher_channels: int | None = None
    image_size: int = 224
    frame_step: int = 1
    crop: float = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes, self.depths, self.strides = (
            list(self.hidden_sizes), list(self.depths), list(self.strides)
        )  # fmt: skip
        self._check()
        super().__post_init__(**kwargs)

    @classmethod
    def resnet(cls, depth: int = 34, **options: Any) -> TSCMConfig:
        """Over a ResNet of 18, 34 or 50 layers, whose checkpoints it can be begun from."""
        if depth not in RESNETS:
            raise ConfigError(f"A ResNet of {depth} layers was asked for.", "Expected 18, 34 or 50.")
        depths, layer_type, widths, frame_blocks = RESNETS[depth]
        shape = {"depths": depths, "layer_type": layer_type, "hidden_sizes": widths, "frame_blocks": frame_blocks}
        return cls(**{**shape, **options})

    @classmethod
    def lrinet(cls, **options: Any) -> TSCMConfig:
        """The student of a ResNet-34 or -18: frames of 56 pixels become features of the scale that its have at 224."""
        shape: dict[str, Any] = {
            "embedding_size": 32, "hidden_sizes": (64, 128, 256, 512), "depths": (1, 1, 3, 2), "strides": (2, 2, 1, 2),
            "frame_blocks": 1, "stem": "low resolution", "image_size": 56,
        }  # fmt: skip
        return cls(**{**shape, **options})

    @property
    def plan(self) -> ShiftPlan:
        """What is shifted, and how."""
        return ShiftPlan(self.shift, self.shift_frames, self.shift_period, self.shift_edges)  # type: ignore[arg-type]

    @property
    def feature_channels(self) -> int:
        """Width of the features of single frames."""
        return self.hidden_sizes[-2] if self.frame_blocks else self.hidden_sizes[-3]

    @property
    def shifts(self) -> tuple[int, int]:
        """Convolutions that shift at T and at T/2."""
        each = 2 if self.layer_type == "basic" else 1
        return each * (self.depths[-2] - self.frame_blocks), each * self.depths[-1]

    @property
    def look_ahead(self) -> int:
        """Frames behind the four of a position of the last level that it depends on; as many before them."""
        first, second = self.shifts
        return self.plan.reach * (first + 2 * second)

    def _check(self) -> None:
        offered = {"stem": STEMS, "layer_type": RESIDUAL_BLOCKS, "recover": RECOVERED}
        for name, values in offered.items():
            if getattr(self, name) not in values:
                raise ConfigError(
                    f"The config says {name}={getattr(self, name)!r}.", f"Expected {' or '.join(map(repr, values))}."
                )
        stages = {len(self.hidden_sizes), len(self.depths), len(self.strides)}
        if len(stages) != 1 or min(stages) < 2 or min(*self.hidden_sizes, *self.depths, *self.strides) < 1:
            raise ConfigError(
                f"The config has the widths {self.hidden_sizes}, depths {self.depths} and strides {self.strides}.",
                "Expected as many of each, for two stages or more.",
            )
        if not 0 <= self.frame_blocks <= self.depths[-2] or (not self.frame_blocks and len(self.depths) < 3):
            raise ConfigError(
                f"The config says frame_blocks={self.frame_blocks}.",
                f"Expected 0 to {self.depths[-2]}, the blocks of the last stage but one, and 1 where it is the first.",
            )
        for name in ("gradient_share", "crop"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"The config says {name}={getattr(self, name)}.", "Expected above 0, at most 1.")
        weights = self.feature_weight, self.logit_weight
        finite = all(map(math.isfinite, (*weights, self.temperature)))
        if not finite or min(weights) < 0 or self.temperature <= 0 or min(self.image_size, self.frame_step) < 1:
            raise ConfigError(
                f"The config has the weights {weights}, the temperature {self.temperature}, frames of "
                f"{self.image_size} pixels and every {self.frame_step}.",
                "Expected weights from 0, and the others above 0.",
            )
        _ = self.plan  # refuses what is no shift
