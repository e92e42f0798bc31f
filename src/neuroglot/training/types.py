"""How a model is tuned: Lora and TuningConfig."""

from dataclasses import dataclass
from typing import Literal, get_args

from neuroglot.errors import ConfigError
from neuroglot.tokens.examples import End, Unfit

FULL_RATE, ADAPTER_RATE = 2e-5, 1e-4  # adapters begin at zero and take larger steps
Save = Literal["merged", "adapter"]
Tracker = Literal["none", "wandb", "tensorboard"]


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al. 2022); `targets` are names of modules, by default all linear ones but the
    unembedding. Updates are scaled by alpha / rank.
    """

    rank: int = 8
    alpha: float = 16
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.targets is not None:
            object.__setattr__(self, "targets", tuple(self.targets))
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1 or self.targets == ():
            raise ConfigError(
                f"Got {self}.", "Expected a rank from 1, alpha above 0, a dropout below 1, and a target or None."
            )


@dataclass(frozen=True)
class TuningConfig:
    """Supervised fine-tuning with AdamW: `steps` updates on `batch_size * accumulation` examples each.

    Examples are read in their order, and again from the first when all were. Without `lora` all parameters are tuned.
    The `learning_rate` is by default 1e-4 for adapters and 2e-5 for all parameters (`rate` says which is used).
    Each completion ends with the tokenizer's end of text (`eos`), a `newline`, or nothing more. Examples of more than
    `max_tokens` tokens, or whose prompt has other tokens when the answer follows, are refused, or dropped and counted
    (`unfit`); nothing is cut. The warm-up counts steps. With `bf16` the forward is autocast. `checkpoint_every` so many
    steps what is needed to go on is kept beside the output until that is written. `save` says whether adapters are
    merged into the weights.
    """

    steps: int
    learning_rate: float | None = None
    batch_size: int = 8
    accumulation: int = 1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: int = 0
    weight_decay: float = 0.0
    lora: Lora | None = None
    end: End = "eos"
    max_tokens: int = 1024
    unfit: Unfit = "refuse"
    save: Save = "merged"
    seed: int = 0
    bf16: bool = False
    gradient_checkpointing: bool = False
    checkpoint_every: int | None = None
    report_to: Tracker = "none"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation", "max_tokens"):
            self._require(name, getattr(self, name) >= 1, "1 or more")
        self._require("learning_rate", self.rate > 0, "more than 0")
        self._require("warmup", 0 <= self.warmup <= self.steps, f"0 to {self.steps}, the steps")
        self._require("weight_decay", self.weight_decay >= 0, "0 or more")
        self._require("checkpoint_every", self.checkpoint_every is None or self.checkpoint_every >= 1, "1 or more")
        self._require("save", self.save == "merged" or self.lora is not None, "'merged' where there is no adapter")
        choices = {"end": End, "unfit": Unfit, "save": Save, "report_to": Tracker}
        for name, choice in (choices | {"schedule": Literal["linear", "cosine", "constant"]}).items():
            self._require(name, getattr(self, name) in get_args(choice), f"one of {', '.join(get_args(choice))}")

    @property
    def rate(self) -> float:
        """The highest learning rate that is used."""
        if self.learning_rate is not None:
            return self.learning_rate
        return FULL_RATE if self.lora is None else ADAPTER_RATE

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"Tuning got {name}={getattr(self, name)!r}.", f"Expected is {expected}.")
