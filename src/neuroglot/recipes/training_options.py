"""Options that recipes which train a model have; each stands once, here, with its help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt

from neuroglot.recipes.options import Positive
from neuroglot.runs.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Checkpointed(Recipe):
    """What is kept of a training until it is finished."""

    heading: ClassVar[str] = "Training"

    checkpoint_every: Positive = 500
    """Keep, so many steps apart, what is needed to go on, until the run is finished."""


@dataclass(frozen=True, kw_only=True)
class Computed(Checkpointed):
    """How a large model is trained, and who follows it."""

    heading: ClassVar[str] = "Training"

    bf16: bool = False
    """Autocast the forward to bfloat16."""

    gradient_checkpointing: bool = False
    """Compute activations again in the backward, which takes time and spares memory."""

    report_to: Literal["none", "wandb", "tensorboard"] = "none"
    """Where else the losses go."""


@dataclass(frozen=True, kw_only=True)
class Trained(Checkpointed):
    """How long a model is trained."""

    heading: ClassVar[str] = "Training"

    steps: Positive
    """Updates of the weights."""

    batch_size: Positive = 32
    """Examples read at once."""


@dataclass(frozen=True, kw_only=True)
class Unlearned(Recipe):
    """On which rows a model may be judged."""

    heading: ClassVar[str] = "Texts"

    same_rows: Literal["refuse", "allow"] = "refuse"
    """Judge a model on rows that it was trained on: `refuse`, or `allow` it, which the report says first."""


@dataclass(frozen=True, kw_only=True)
class Scheduled(Recipe):
    """How a step learns."""

    heading: ClassVar[str] = "Training"

    schedule: Literal["linear", "cosine", "constant", "inverse_sqrt"] = "linear"
    """How the learning rate falls."""

    accumulation: Positive = 1
    """Batches a step."""

    lora_alpha: Annotated[float, Gt(0)] = 16.0
    """Updates of adapters are scaled by this over the rank."""


@dataclass(frozen=True, kw_only=True)
class Shaped(Recipe):
    """How large a model that is trained from nothing is."""

    heading: ClassVar[str] = "Model"

    hidden: Positive = 96
    """Width of the model."""

    layers: Positive = 4
    """Layers; of an encoder and of its decoder so many each."""

    heads: Positive = 4
    """Attention heads a layer."""

    ffn: Positive = 384
    """Feed-forward neurons a layer."""

    vocabulary: Positive = 4096
    """Tokens that the tokenizer learns, at most."""
