"""The shape of a TransNormerLLM, and how configs of the released checkpoints are read."""

from __future__ import annotations

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
        layers = range(self.num_hidden_layers)
        self.attention_size = self.attention_size or self.hidden_size
        self.layer_types = self.layer_types or [LAYER_TYPES[0] for _ in layers]
        self.lrpe_layers = list(layers[:1]) if self.lrpe_layers is None else list(self.lrpe_layers)
        self.decay_layers = list(layers) if self.decay_layers is None else list(self.decay_layers)
        self._check()
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
        if by_layer := options.pop("linear_use_lrpe_list", None):
            self.lrpe_layers = [layer for layer, used in enumerate(by_layer) if used]
        if "no_scale_embedding" in options:
            self.scale_embedding = not options.pop("no_scale_embedding")
        if "norm_type" in options:
            norm = options.pop("norm_type")
            self.norm = RELEASED_NORMS.get(norm, norm)
        if options.pop("bias", False):
            raise ConfigError("The config says bias=True.", "Expected a TransNormerLLM without biases.")
        return options

    def _check(self) -> None:
        offered = {
            "attention_activation": ATTENTION_ACTIVATIONS, "glu_activation": GLU_ACTIVATIONS, "norm": NORMS,
            "decay": DECAYS, "state_dtype": STATE_DTYPES, "norm_over": NORMS_OVER,
        }  # fmt: skip
        for name, values in offered.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"The config says {name}={getattr(self, name)!r}.", f"Expected {_either(values)}.")
        assert self.attention_size is not None
        assert self.layer_types is not None
        if min(self.num_hidden_layers, self.num_attention_heads, self.block_size) < 1:
            raise ConfigError("The config has no layers, no heads or empty blocks.", "Expected at least 1 of each.")
        if self.attention_size % self.num_attention_heads:
            raise ConfigError(
                f"The heads share {self.attention_size} channels among {self.num_attention_heads}.",
                "Expected a number of channels that the number of heads divides.",
            )
        if len(self.layer_types) != self.num_hidden_layers or set(self.layer_types) - set(LAYER_TYPES):
            raise ConfigError(
                f"The config says layer_types={self.layer_types} of {self.num_hidden_layers} layers.",
                f"Expected {_either(LAYER_TYPES)} for each.",
            )
        for name in ("lrpe_layers", "decay_layers"):
            if set(getattr(self, name)) - set(range(self.num_hidden_layers)):
                raise ConfigError(
                    f"The config says {name}={getattr(self, name)}.",
                    f"Expected numbers of layers, from 0 to {self.num_hidden_layers - 1}.",
                )


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(map(repr, values))
