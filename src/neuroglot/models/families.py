"""The table of architectures: one entry a family says where its feed-forward neurons are.

Paths are relative to the model without its head (`model.base_model`). `width` and `depth` name the config attributes
that the located modules are checked against. Nothing is guessed: what has no entry is refused.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StackPlan:
    """Where one stack's layers are and what a layer's feed-forward network is made of.

    `activation` is the module of the nonlinearity (site `post_act`); `write` is the down projection, whose input is the
    coefficient of each value vector (site `write`). `gated` says that a product lies between the two. A `width` of
    None, or one that names an attribute which is None, means four times the hidden size.
    """

    name: str
    layers: str
    activation: str
    write: str
    gated: bool
    width: str | None = "intermediate_size"
    depth: str = "num_hidden_layers"


@dataclass(frozen=True)
class Family:
    """One architecture: its `model_type` in the config and its stacks."""

    model_type: str
    stacks: tuple[StackPlan, ...]


_GATED = StackPlan("decoder", "layers", "mlp.act_fn", "mlp.down_proj", gated=True)
_FUSED_GATE = StackPlan("decoder", "layers", "mlp.activation_fn", "mlp.down_proj", gated=True)
_GPT2 = StackPlan("decoder", "h", "mlp.act", "mlp.c_proj", gated=False, width="n_inner")
_BLOOM = StackPlan("decoder", "h", "mlp.gelu_impl", "mlp.dense_4h_to_h", gated=False, width=None)
_NEOX = StackPlan("decoder", "layers", "mlp.act", "mlp.dense_4h_to_h", gated=False)
_XGLM = StackPlan("decoder", "layers", "activation_fn", "fc2", gated=False, width="ffn_dim")
_OPT = StackPlan("decoder", "decoder.layers", "activation_fn", "fc2", gated=False, width="ffn_dim")
_PHI = StackPlan("decoder", "layers", "mlp.activation_fn", "mlp.fc2", gated=False)

FAMILIES: tuple[Family, ...] = (
    Family("bloom", (_BLOOM,)),
    Family("gemma", (_GATED,)),
    Family("gemma2", (_GATED,)),
    Family("gemma3_text", (_GATED,)),
    Family("gpt2", (_GPT2,)),
    Family("gpt_neox", (_NEOX,)),
    Family("llama", (_GATED,)),
    Family("mistral", (_GATED,)),
    Family("olmo2", (_GATED,)),
    Family("opt", (_OPT,)),
    Family("phi", (_PHI,)),
    Family("phi3", (_FUSED_GATE,)),
    Family("qwen2", (_GATED,)),
    Family("qwen3", (_GATED,)),
    Family("xglm", (_XGLM,)),
)


def family_of(model_type: str) -> Family | None:
    """The entry for a config's `model_type`, or None."""
    return next((family for family in FAMILIES if family.model_type == model_type), None)
