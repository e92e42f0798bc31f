"""The table of architectures: one entry a family says where its feed-forward neurons are.

Paths are relative to the model without its head (`model.base_model`) and, inside a stack, to one layer. Widths and
depths name config attributes that the located modules are checked against. Nothing is guessed: what has no entry is
refused.
"""

from dataclasses import dataclass
from typing import Any

import transformers

from neuroglot.models.inputs import DECODER, ENCODER, PAIR, Inputs, PairInputs


@dataclass(frozen=True)
class Dense:
    """One feed-forward network a layer.

    `path` is the down projection, whose input is the coefficient of each value vector (site `write`); `activation`
    is the module of the nonlinearity (site `post_act`), None where the model calls a function; `gated` says that a
    product lies between the two. `width` is a config attribute, a product of some, or alternatives of which the
    first known one holds.
    """

    activation: str | None
    path: str
    gated: bool = False
    width: str = "intermediate_size"


@dataclass(frozen=True)
class Experts:
    """Many networks a layer, fused into 3-D parameters; `path` is their common module.

    With `scaled_inputs`, as in Llama 4, `path` is the block that holds router and experts, and each expert is given
    every token, scaled by the router.
    """

    path: str = "mlp.experts"
    width: str = "moe_intermediate_size"
    count: str = "num_experts or num_local_experts or n_routed_experts or moe_num_experts"
    scaled_inputs: bool = False


@dataclass(frozen=True)
class StackPlan:
    """One stack: its name, where its layers are, what each holds, and the config attribute that counts the layers.

    `partial` stacks have something in some layers only; those that are `main` must cover every layer between them.
    """

    name: str
    layers: str
    network: Dense | Experts
    depth: str = "num_hidden_layers"
    partial: bool = False
    main: bool = True


@dataclass(frozen=True)
class Family:
    """One architecture: its `model_type` in the config, its stacks, what it reads, and the class that loads it.

    `model_class` is the name of an auto class of transformers, or a `PreTrainedModel` of your own.
    """

    model_type: str
    stacks: tuple[StackPlan, ...]
    reads: Inputs = DECODER
    model_class: str | type[transformers.PreTrainedModel] = "AutoModelForCausalLM"

    @property
    def kind(self) -> str:
        """What such a model is called: decoder, encoder, encoder-decoder, or what its inputs say."""
        return self.reads.name

    @property
    def predicts_next(self) -> bool:
        """Whether each position predicts the next token of what is read."""
        return self.reads.predicts_next

    @property
    def generates(self) -> bool:
        """Whether such a model writes text."""
        return self.reads.generates

    @property
    def loader(self) -> Any:
        """The class whose `from_pretrained` loads a model."""
        return getattr(transformers, self.model_class) if isinstance(self.model_class, str) else self.model_class

    @property
    def config_loader(self) -> Any:
        """The class whose `from_pretrained` loads a config."""
        return transformers.AutoConfig if isinstance(self.model_class, str) else self.model_class.config_class

    def new_model(self, config: Any, dtype: Any = None) -> transformers.PreTrainedModel:
        """A model of the config with random weights; code that comes with a config is never run."""
        options = {"trust_remote_code": False} if isinstance(self.model_class, str) else {}
        make = self.loader.from_config if isinstance(self.model_class, str) else self.loader._from_config
        model: transformers.PreTrainedModel = make(config, dtype=dtype, **options)
        return model


def _decoder(network: Dense, layers: str = "layers", depth: str = "num_hidden_layers") -> tuple[StackPlan, ...]:
    return (StackPlan("decoder", layers, network, depth),)


def _experts(
    experts: Experts | None = None, dense: Dense | None = None, shared: Dense | None = None, layers: str = "layers"
) -> tuple[StackPlan, ...]:
    """Experts in every layer, or dense networks in some layers instead; beside the experts, shared ones."""
    stacks = [StackPlan("experts", layers, experts or Experts(), partial=dense is not None)]
    if dense is not None:
        stacks.insert(0, StackPlan("decoder", layers, dense, partial=True))
    if shared is not None:
        stacks.append(StackPlan("shared experts", layers, shared, partial=True, main=False))
    return tuple(stacks)


def _two_stacks(
    network: Dense, encoder_width: str, decoder_width: str, depths: tuple[str, str]
) -> tuple[StackPlan, ...]:
    def at(width: str) -> Dense:
        return Dense(network.activation, network.path, network.gated, width)

    return (
        StackPlan("encoder", "encoder.layers", at(encoder_width), depths[0]),
        StackPlan("decoder", "decoder.layers", at(decoder_width), depths[1]),
    )


def _t5(gated: bool) -> tuple[StackPlan, ...]:
    def block(place: int) -> Dense:
        return Dense(f"layer.{place}.DenseReluDense.act", f"layer.{place}.DenseReluDense.wo", gated, "d_ff")

    return (
        StackPlan("encoder", "encoder.block", block(1), "num_layers"),
        StackPlan("decoder", "decoder.block", block(2), "num_decoder_layers"),
    )


def _encoder(network: Dense, layers: str = "encoder.layer", depth: str = "num_hidden_layers") -> tuple[StackPlan, ...]:
    return (StackPlan("encoder", layers, network, depth),)


_GATED = Dense("mlp.act_fn", "mlp.down_proj", gated=True)
_UNGATED = Dense("mlp.act_fn", "mlp.down_proj")
_FUSED_GATE = Dense("mlp.activation_fn", "mlp.down_proj", gated=True)
_TWO_LAYERS = Dense("mlp.activation_fn", "mlp.fc2")
_CONV1D = Dense("mlp.act", "mlp.c_proj", width="n_inner or 4*hidden_size")
_FOUR_TIMES = Dense("mlp.gelu_impl", "mlp.dense_4h_to_h", width="4*hidden_size")
_NEOX = Dense("mlp.act", "mlp.dense_4h_to_h")
_GPTJ = Dense("mlp.act", "mlp.fc_out", width="n_inner or 4*hidden_size")
_FAIRSEQ = Dense("activation_fn", "fc2", width="ffn_dim")
_DISTILBERT = Dense("ffn.activation", "ffn.lin2", width="hidden_dim")
_BERT = Dense("intermediate.intermediate_act_fn", "output.dense")
_SHARED = Dense(
    "mlp.shared_experts.act_fn", "mlp.shared_experts.down_proj", True, "moe_intermediate_size*n_shared_experts"
)
_SHARED_QWEN = Dense("mlp.shared_expert.act_fn", "mlp.shared_expert.down_proj", True, "shared_expert_intermediate_size")
_LLAMA4 = _experts(
    Experts("feed_forward", "intermediate_size", scaled_inputs=True),
    Dense("feed_forward.activation_fn", "feed_forward.down_proj", True, "intermediate_size_mlp"),
    Dense("feed_forward.shared_expert.activation_fn", "feed_forward.shared_expert.down_proj", True),
    layers="model.layers",
)
_LANGUAGE_TOWER = _decoder(_GATED, "language_model.layers")
_FAIRSEQ_PAIR = _two_stacks(_FAIRSEQ, "encoder_ffn_dim", "decoder_ffn_dim", ("encoder_layers", "decoder_layers"))


def _rows(stacks: tuple[StackPlan, ...], *model_types: str, **options: Any) -> tuple[Family, ...]:
    """Families that are built alike."""
    return tuple(Family(model_type, stacks, **options) for model_type in model_types)


_IS_ENCODER = {"reads": ENCODER, "model_class": "AutoModelForMaskedLM"}
_IS_PAIR = {"reads": PAIR, "model_class": "AutoModelForSeq2SeqLM"}
_IS_PAIR_FROM_LAST = _IS_PAIR | {"reads": PairInputs(first="last token")}
_IS_VISION_LANGUAGE = {"model_class": "AutoModelForImageTextToText"}

FAMILIES: tuple[Family, ...] = (
    # Decoders
    *_rows(_decoder(_GATED), "llama", "mistral", "ministral", "ministral3", "qwen2", "qwen3", "gemma", "gemma2"),
    *_rows(_decoder(_GATED), "gemma3_text", "gemma4_text", "olmo", "olmo2", "olmo3", "granite", "cohere", "cohere2"),
    *_rows(_decoder(_GATED), "stablelm", "smollm3", "exaone4", "seed_oss", "helium", "internlm3", "minicpm3"),
    *_rows(_decoder(_GATED), "hunyuan_v1_dense", "ernie4_5", "cwm", "bitnet", "diffllama", "hyperclovax"),
    *_rows(_decoder(_UNGATED), "nemotron", "arcee", "apertus"),
    *_rows(_decoder(_FUSED_GATE), "phi3", "glm", "glm4"),
    *_rows(_decoder(_TWO_LAYERS), "phi", "nanochat"),
    *_rows(_decoder(_CONV1D, "h"), "gpt2", "gpt_bigcode"),
    *_rows(_decoder(_NEOX), "gpt_neox", "persimmon"),
    *_rows(_decoder(_GPTJ, "h"), "gptj", "codegen"),
    *_rows(_decoder(Dense("mlp.act", "mlp.c_proj", width="intermediate_size or 4*hidden_size"), "h"), "gpt_neo"),
    *_rows(_decoder(_FOUR_TIMES, "h"), "bloom"),
    *_rows(_decoder(Dense("mlp.act", "mlp.dense_4h_to_h", width="ffn_hidden_size"), "h"), "falcon"),
    *_rows(_decoder(Dense("ffn.act", "ffn.down_proj", width="4*hidden_size"), "blocks"), "mpt"),
    *_rows(_decoder(Dense("mlp.act", "mlp.c_proj")), "starcoder2"),
    *_rows(_decoder(_FAIRSEQ), "xglm"),
    *_rows(_decoder(Dense("activation_fn", "fc2")), "biogpt"),
    *_rows(_decoder(_FAIRSEQ, "decoder.layers"), "opt"),
    # Decoders with experts
    *_rows(_experts(Experts(width="intermediate_size")), "mixtral", "olmoe", "gpt_oss", "phimoe"),
    *_rows(_experts(dense=_GATED), "qwen3_moe"),
    *_rows(_experts(dense=_GATED, shared=_SHARED_QWEN), "qwen2_moe"),
    *_rows(_experts(shared=_SHARED_QWEN), "qwen3_5_moe_text"),
    *_rows(_experts(dense=_GATED, shared=_SHARED), "deepseek_v2", "deepseek_v3", "glm4_moe"),
    *_rows(_experts(Experts("block_sparse_moe.experts", "intermediate_size")), "granitemoe"),
    *_rows(_LLAMA4, "llama4_text", "llama4"),
    # Encoders and decoders
    *_rows(_FAIRSEQ_PAIR, "m2m_100", "marian", "bart", "pegasus", **_IS_PAIR),
    *_rows(_FAIRSEQ_PAIR, "mbart", **_IS_PAIR_FROM_LAST),
    *_rows(_t5(gated=False), "t5", **_IS_PAIR),
    *_rows(_t5(gated=True), "mt5", "umt5", **_IS_PAIR),
    # Encoders
    *_rows(_encoder(_BERT), "bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra", **_IS_ENCODER),
    *_rows(_encoder(_BERT), "deberta", "deberta-v2", "rembert", "roformer", **_IS_ENCODER),
    *_rows(_encoder(_DISTILBERT, "transformer.layer"), "distilbert", **_IS_ENCODER),
    *_rows(_encoder(Dense("mlp.act", "mlp.Wo", gated=True), "layers"), "modernbert", **_IS_ENCODER),
    *_rows(_encoder(_GATED, "layers"), "eurobert", **_IS_ENCODER),
    # The language model inside vision-language models
    *_rows(_LANGUAGE_TOWER, "llava", "gemma3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", **_IS_VISION_LANGUAGE),
)  # fmt: skip
