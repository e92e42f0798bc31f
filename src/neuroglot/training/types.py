"""How a model is trained: Training, Lora and TuningConfig."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.tokens.examples import End, Unfit

FULL_RATE, ADAPTER_RATE = 2e-5, 1e-4  # adapters and deltas begin at zero and take larger steps
Save = Literal["merged", "adapter"]
Tracker = Literal["none", "wandb", "tensorboard"]
RateSchedule = Literal["linear", "cosine", "constant", "inverse_sqrt"]
OnStep = Callable[[int, int, float], None]  # step (from 1), steps in all, loss in nats per learned token


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


@dataclass(frozen=True, kw_only=True)
class Training:
    """`steps` updates by AdamW on `batch_size * accumulation` examples each, in the order in which they are given.

    When all examples were read they are read again from the first. The rate rises over the steps of `warmup` and then
    follows the `schedule`. With `bf16` the forward is autocast. `checkpoint_every` so many steps what is needed to go
    on is kept, if there is a place for it.
    """

    steps: int
    learning_rate: float
    batch_size: int = 8
    accumulation: int = 1
    schedule: RateSchedule = "linear"
    warmup: int = 0
    weight_decay: float = 0.0
    beta2: float = 0.999
    label_smoothing: float = 0.0
    seed: int = 0
    bf16: bool = False
    gradient_checkpointing: bool = False
    checkpoint_every: int | None = None
    report_to: Tracker = "none"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation"):
            _require(self, name, getattr(self, name) >= 1, "1 or more")
        _require(self, "learning_rate", self.learning_rate > 0, "more than 0")
        _require(self, "warmup", 0 <= self.warmup <= self.steps, f"0 to {self.steps}, the steps")
        _require(self, "weight_decay", self.weight_decay >= 0, "0 or more")
        _require(self, "beta2", 0 <= self.beta2 < 1, "0 or more, and below 1")
        _require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "0 or more, and below 1")
        _require(self, "checkpoint_every", self.checkpoint_every is None or self.checkpoint_every >= 1, "1 or more")
        for name, choice in {"schedule": RateSchedule, "report_to": Tracker}.items():
            _require(self, name, getattr(self, name) in get_args(choice), f"one of {', '.join(get_args(choice))}")


@dataclass(frozen=True)
class TuningConfig:
    """Supervised fine-tuning of a decoder on answers; what it shares with any training is in `training`.

    All parameters are tuned, or with `lora` adapters, with `neurons` their rows and columns, with `modules` those of
    the modules of these names (`embeddings` and `unembedding`, or as the model calls them, at the end of their path);
    `frozen` modules are left as they are. The `learning_rate` is by default 1e-4 for adapters and neurons and 2e-5
    otherwise (`rate` says which is used). Each completion ends with the tokenizer's end of text (`eos`), a `newline`,
    or nothing more. Examples of more than `max_tokens` tokens, or whose prompt has other tokens when the answer
    follows, are refused, or dropped and counted (`unfit`); nothing is cut. With `pack` the examples of a batch share
    sequences, where none sees another; what is learned is the same. With `label_smoothing` ε a token's label is that
    token by 1 − ε, and every token of the vocabulary by ε / V (Szegedy et al. 2016). `log_choices` keeps the running
    mean of the probabilities of tokens, which trajectory inversion reads. `save` says whether adapters, or the deltas
    of neurons, are merged into the weights. With `four_bits` the linear layers below adapters are held in 4 bits while
    these are trained (QLoRA), and what is merged are the weights that the 4 bits stand for.
    """

    steps: int
    learning_rate: float | None = None
    batch_size: int = 8
    accumulation: int = 1
    schedule: RateSchedule = "linear"
    warmup: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    lora: Lora | None = None
    four_bits: bool = False
    neurons: NeuronSet | None = None
    modules: tuple[str, ...] | None = None
    frozen: tuple[str, ...] = ()
    end: End = "eos"
    max_tokens: int = 1024
    unfit: Unfit = "refuse"
    pack: bool = False
    save: Save = "merged"
    log_choices: bool = False
    seed: int = 0
    bf16: bool = False
    gradient_checkpointing: bool = False
    checkpoint_every: int | None = None
    report_to: Tracker = "none"

    def __post_init__(self) -> None:
        _ = self.training  # refuses what makes no sense
        _require(self, "max_tokens", self.max_tokens >= 1, "1 or more")
        few = self.lora is not None or self.neurons is not None
        _require(self, "save", self.save == "merged" or few, "'merged' where there is no adapter")
        _require(self, "four_bits", not self.four_bits or self.lora is not None, "False where there is no adapter")
        _require(self, "neurons", self.neurons is None or self.lora is None, "none beside adapters")
        _require(
            self, "modules", self.modules is None or (bool(self.modules) and not few), "none beside others, or one"
        )
        _require(self, "frozen", not (few and self.frozen), "none where adapters or neurons alone are tuned")
        for name, choice in {"end": End, "unfit": Unfit, "save": Save}.items():
            _require(self, name, getattr(self, name) in get_args(choice), f"one of {', '.join(get_args(choice))}")

    @property
    def rate(self) -> float:
        """The highest learning rate that is used."""
        if self.learning_rate is not None:
            return self.learning_rate
        return FULL_RATE if self.lora is None and self.neurons is None else ADAPTER_RATE

    @property
    def training(self) -> Training:
        """How the weights are updated."""
        return Training(
            steps=self.steps, learning_rate=self.rate, batch_size=self.batch_size, accumulation=self.accumulation,
            schedule=self.schedule, warmup=self.warmup, weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing, seed=self.seed, bf16=self.bf16,
            gradient_checkpointing=self.gradient_checkpointing, checkpoint_every=self.checkpoint_every,
            report_to=self.report_to,
        )  # fmt: skip


def _require(config: object, name: str, holds: bool, expected: str) -> None:
    """Raise `ConfigError` for an option that makes no sense."""
    if not holds:
        raise ConfigError(f"Training got {name}={getattr(config, name)!r}.", f"Expected {expected}.")
