"""The shape of a TransNormerLLM, and how configs of the released checkpoints are read."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer.lightning import BLOCK_TOKENS
from neuroglot.models.architectures.transnormer.parallel import parallel_plan
from neuroglot.models.architectures.transnormer.positions import DECAYS

ATTENTION_ACTIVATIONS = ("silu", "1+elu", "none")
GLU_ACTIVATIONS = ("none", "silu")
NORMS = ("srms", "rms", "layer")
LAYER_TYPES = ("linear_attention", "full_attention")
STATE_DTYPES = ("float64", "float32")
NORMS_OVER = ("all heads", "own heads")
_SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "attention_size",
    "block_size",
)  # fmt: skip
_FLAGS = ("use_gate", "scale_embedding", "use_cache", "tie_word_embeddings")
_LAYERS = ("lrpe_layers", "decay_layers")

# Names in the configs of the released checkpoints, and here.
RELEASED_NAMES = {
    "decoder_embed_dim": "hidden_size",
    "decoder_layers": "num_hidden_layers",
    "decoder_attention_heads": "num_attention_heads",
    "glu_dim": "intermediate_size",
    "hidden_dim": "attention_size",
    "linear_act_fun": "attention_activation",
    "init_std": "initializer_range",
}
RELEASED_NORMS = {"simplermsnorm": "srms", "rmsnorm": "rms", "layernorm": "layer"}
RELEASED_ACTIVATIONS = {"swish": "silu"}


class TransNormerConfig(PreTrainedConfig):
    """A TransNormerLLM: its defaults are those of the released model with 385 million parameters.

    `layer_types` by layer is `linear_attention` (the default for all) or `full_attention`, which is softmax attention
    without a decay. `lrpe_layers` and `decay_layers` are the numbers of the layers with relative phases (by default the
    first) and with a decay (by default all). `decay` is the formula: `paper`, `hf` (the released weights), or `none`
    (alike in every layer). `attention_size` is the width of all heads together, `hidden_size` unless said otherwise.
    `norm_over` matters where heads are split among processes: over `all heads` is exact, over `own heads` another model
    that saves a sum over processes a layer.
    Raises `ConfigError` for a value that is not offered, and for biases, which this model has none of.
    """

    model_type = "transnormer"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 64000
    hidden_size: int = 1024
    intermediate_size: int = 2816
    num_hidden_layers: int = 24
    num_attention_heads: int = 8
    attention_size: int | None = None
    attention_activation: str = "silu"
    glu_activation: str = "none"
    norm: str = "srms"
    norm_eps: float = 1e-6
    use_gate: bool = True
    decay: str = "hf"
    decay_layers: list[int] | None = None
    lrpe_layers: list[int] | None = None
    layer_types: list[str] | None = None
    scale_embedding: bool = True
    block_size: int = BLOCK_TOKENS
    state_dtype: str = "float64"
    norm_over: str = "all heads"
    initializer_range: float = 0.02
    use_cache: bool = True
    tie_word_embeddings: bool = False
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2

    def __post_init__(self, **kwargs: Any) -> None:
        kwargs = self._read_released(kwargs)
        self.attention_size = self.hidden_size if self.attention_size is None else self.attention_size
        self._check_sizes()
        layers = range(self.num_hidden_layers)
        self.layer_types = [LAYER_TYPES[0] for _ in layers] if self.layer_types is None else self.layer_types
        self.lrpe_layers = list(layers[:1]) if self.lrpe_layers is None else self.lrpe_layers
        self.decay_layers = list(layers) if self.decay_layers is None else self.decay_layers
        self._check_layers()
        self._check_values()
        self.base_model_tp_plan = parallel_plan(4 if self.use_gate else 3)  # type: ignore[misc]
        super().__post_init__(**kwargs)

    @property
    def head_dim(self) -> int:
        """The width of one head."""
        assert self.attention_size is not None
        return self.attention_size // self.num_attention_heads

    def _read_released(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take over what a released config says under its own names; returns the other options."""
        for name, own in RELEASED_NAMES.items():
            if name in options:
                setattr(self, own, options.pop(name))
        if (by_layer := options.pop("linear_use_lrpe_list", None)) is not None:
            if not isinstance(by_layer, list | tuple) or len(by_layer) != self.num_hidden_layers:
                raise ConfigError(
                    f"The config says linear_use_lrpe_list={by_layer!r} of {self.num_hidden_layers} layers.",
                    "Expected 1 or 0 for each.",
                )
            self.lrpe_layers = [layer for layer, used in enumerate(by_layer) if used]
        if "no_scale_embedding" in options:
            unscaled = options.pop("no_scale_embedding")
            if not isinstance(unscaled, bool):
                raise ConfigError(f"The config says no_scale_embedding={unscaled!r}.", "Expected true or false.")
            self.scale_embedding = not unscaled
        if "norm_type" in options:
            norm = options.pop("norm_type")
            self.norm = RELEASED_NORMS.get(str(norm), norm)
        if isinstance(self.attention_activation, str):
            self.attention_activation = RELEASED_ACTIVATIONS.get(self.attention_activation, self.attention_activation)
        if options.pop("bias", False):
            raise ConfigError("The config says bias=True.", "Expected a TransNormerLLM without biases.")
        return options

    def _check_sizes(self) -> None:
        for name in _SIZES:
            if not _is_whole(value := getattr(self, name), least=1):
                raise ConfigError(f"The config says {name}={value!r}.", "Expected a whole number of at least 1.")
        assert self.attention_size is not None
        if self.attention_size % self.num_attention_heads:
            raise ConfigError(
                f"The heads share {self.attention_size} channels among {self.num_attention_heads}.",
                "Expected a number of channels that the number of heads divides.",
            )

    def _check_layers(self) -> None:
        kinds = self.layer_types
        if (
            not isinstance(kinds, list | tuple)
            or len(kinds) != self.num_hidden_layers
            or any(kind not in LAYER_TYPES for kind in kinds)
        ):
            raise ConfigError(
                f"The config says layer_types={kinds!r} of {self.num_hidden_layers} layers.",
                f"Expected {_either(LAYER_TYPES)} for each.",
            )
        for name in _LAYERS:
            layers = getattr(self, name)
            known = range(self.num_hidden_layers)
            if not isinstance(layers, list | tuple) or not all(_is_whole(at, 0) and at in known for at in layers):
                raise ConfigError(
                    f"The config says {name}={layers!r}.",
                    f"Expected a list of numbers of layers, from 0 to {self.num_hidden_layers - 1}.",
                )
            setattr(self, name, sorted(set(layers)))

    def _check_values(self) -> None:
        offered = {
            "attention_activation": ATTENTION_ACTIVATIONS, "glu_activation": GLU_ACTIVATIONS, "norm": NORMS,
            "decay": DECAYS, "state_dtype": STATE_DTYPES, "norm_over": NORMS_OVER,
        }  # fmt: skip
        for name, values in offered.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"The config says {name}={getattr(self, name)!r}.", f"Expected {_either(values)}.")
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"The config says {name}={getattr(self, name)!r}.", "Expected true or false.")
        if not _is_number(self.norm_eps) or self.norm_eps <= 0:
            raise ConfigError(
                f"The config says norm_eps={self.norm_eps!r}.",
                "Expected a number above 0: padding alone is normed too.",
            )
        if not _is_number(self.initializer_range) or self.initializer_range < 0:
            raise ConfigError(
                f"The config says initializer_range={self.initializer_range!r}.", "Expected a number of at least 0."
            )
        pad = self.pad_token_id
        if pad is not None and not (_is_whole(pad, least=0) and pad < self.vocab_size):
            raise ConfigError(
                f"The config says pad_token_id={pad!r} of {self.vocab_size} tokens.", "Expected one of these, or none."
            )


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(map(repr, values))
