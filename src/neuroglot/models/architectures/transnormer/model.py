"""TransNormerLLM as a model of transformers: with and without its head, loaded by the Auto classes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer.cache import TransNormerCache
from neuroglot.models.architectures.transnormer.config import TransNormerConfig
from neuroglot.models.architectures.transnormer.layers import (
    LRPE,
    LayerInputs,
    TransNormerLayer,
    TransNormerNorm,
)
from neuroglot.models.architectures.transnormer.lightning import Clock
from neuroglot.models.architectures.transnormer.positions import lrpe_frequencies
from neuroglot.models.complete import require_each_once, require_tied, tensors_in


class TransNormerPreTrainedModel(PreTrainedModel):
    """What both models say of themselves to transformers."""

    config_class = TransNormerConfig
    config: TransNormerConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["TransNormerLayer"]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _keep_in_fp32_modules_strict = ["theta"]  # noqa: RUF012
    _is_stateful = True  # a state cannot be taken back: assisted generation is refused

    @staticmethod
    def _load_pretrained_model(
        model: Any, state_dict: Any, checkpoint_files: Any, load_config: Any, *args: Any, **options: Any
    ) -> Any:
        """As any model of transformers; raises `UnsupportedModelError` for a weight that stands in it twice."""
        files = [path for path in checkpoint_files or () if str(path).endswith(".safetensors")]
        names = tensors_in(files) if state_dict is None else list(state_dict)
        require_each_once(model, names, str(model.config.name_or_path), load_config.weight_mapping)
        return PreTrainedModel._load_pretrained_model(
            model, state_dict, checkpoint_files, load_config, *args, **options
        )

    def tie_weights(self, missing_keys: set[str] | None = None, recompute_mapping: bool = True) -> None:
        """As any model of transformers; raises `UnsupportedModelError` where a checkpoint has two values for one."""
        super().tie_weights(missing_keys, recompute_mapping)
        if missing_keys is not None:
            require_tied(self, str(self.config.name_or_path))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LRPE):
            init.copy_(module.theta, lrpe_frequencies(self.config.num_attention_heads, self.config.head_dim))
        if isinstance(module, TransNormerNorm) and module.weight is not None:
            init.ones_(module.weight)
        if isinstance(module, TransNormerNorm) and module.bias is not None:
            init.zeros_(module.bias)


class TransNormerModel(TransNormerPreTrainedModel):
    """The layers of a TransNormerLLM: token ids `[B, T]` to states `[B, T, D]`."""

    def __init__(self, config: TransNormerConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(TransNormerLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.final_norm = TransNormerNorm(config.norm, config.hidden_size, config.norm_eps)
        self.scale = math.sqrt(config.hidden_size) if config.scale_embedding else 1.0
        self.gradient_checkpointing = False
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: TransNormerCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPast:
        """States of all tokens. `attention_mask` `[B, T]` or `[B, past + T]` is 0 for padding, wherever it stands.

        Without a mask, positions that do not go on by one begin a new document, as `DataCollatorWithFlattening` packs
        them; so does position 0 behind what a cache has read. With layers of softmax attention, a mask is of the past
        too, and packed documents are read without a cache.
        Raises `ConfigError` for a mask, positions or a cache that do not fit, and where attentions are asked for.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ConfigError("The model was given both or neither of input_ids and inputs_embeds.", "Expected one.")
        states = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if self.config.output_attentions if output_attentions is None else output_attentions:
            raise ConfigError(
                "The weights of attention were asked for.", "Expected output_attentions=False: states have none."
            )
        self._check_cache(past_key_values)
        self._check_shapes(states, attention_mask, position_ids, past_key_values)
        begins = None if attention_mask is not None else _begins(position_ids, past_key_values)
        past = self._cache(past_key_values, use_cache, begins)
        inputs = self._layer_inputs(states, attention_mask, position_ids, past, begins)
        states = states * self.scale
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        all_states = [states]
        for layer in self.layers:
            states = layer(states, inputs, past_key_values=past)
            all_states.append(states)
        states = self.final_norm(states).to(states.dtype)
        return BaseModelOutputWithPast(
            last_hidden_state=states,
            past_key_values=past,
            hidden_states=(*all_states[:-1], states) if wanted else None,
        )

    @property
    def _has_softmax(self) -> bool:
        return "full_attention" in (self.config.layer_types or ())

    def _check_cache(self, past: TransNormerCache | None) -> None:
        if past is None:
            return
        if not isinstance(past, TransNormerCache):
            raise ConfigError(
                f"The model was given a cache of the class {type(past).__name__}.",
                "Expected a TransNormerCache, because states are no keys and values.",
            )
        past.check(self.config)
        if self.gradient_checkpointing and self.training:
            raise ConfigError(
                "The model was given a cache while it trains with gradient checkpointing.",
                "Expected none: a layer that is computed twice would read its tokens twice.",
            )

    def _check_shapes(
        self, states: Tensor, mask: Tensor | None, position_ids: Tensor | None, past: TransNormerCache | None
    ) -> None:
        if states.dim() != 3:
            raise ConfigError(
                f"The model was given states of {states.dim()} axes.",
                "Expected ids of rows and tokens, (B, T), or states (B, T, D).",
                "Put one text alone in a row: ids[None].",
            )
        rows, length, seen = states.shape[0], states.shape[1], 0 if past is None else past.get_seq_length()
        lengths = {seen + length} if self._has_softmax else {length, seen + length}
        if mask is not None and (mask.dim() != 2 or len(mask) != rows or mask.shape[1] not in lengths):
            raise ConfigError(
                f"The attention mask has the shape {tuple(mask.shape)}.",
                f"Expected one number a token: {' or '.join(str((rows, each)) for each in sorted(lengths))}.",
            )
        if (
            mask is not None
            and length > 1
            and not torch.compiler.is_compiling()
            and not bool((mask * mask == mask).all())
        ):
            raise ConfigError(
                f"The attention mask has values from {float(mask.min()):g} to {float(mask.max()):g}.",
                "Expected 1 for each real token and 0 for padding, no numbers of documents, nothing added to scores.",
                "Give packed documents by their position_ids, and no mask.",
            )
        if mask is None and self._has_softmax and past is not None and past.padded:
            raise ConfigError(
                "The cache has read padding, and no attention mask was given.",
                f"Expected one of the past too, {(rows, seen + length)}, since softmax layers look back at all tokens.",
            )
        if position_ids is not None and (position_ids.dim() != 2 or tuple(position_ids.shape) not in _shapes(states)):
            raise ConfigError(
                f"The positions have the shape {tuple(position_ids.shape)}.",
                f"Expected one number a token: {(rows, length)} or {(1, length)}.",
            )

    def _cache(
        self, past: TransNormerCache | None, use_cache: bool | None, begins: Tensor | None
    ) -> TransNormerCache | None:
        """The cache that is given, or a new one where one is wanted; by default none in training."""
        if begins is not None and self._has_softmax:
            asked = past is not None or use_cache
            if asked and torch.compiler.is_compiling():  # which cannot look at positions; generation goes on by one
                return TransNormerCache(self.config) if past is None else past
            if asked:
                raise ConfigError(
                    "Documents that follow one another in a row were to be remembered by layers of softmax attention.",
                    "Expected use_cache=False, or one document a row: such layers look back at all that they remember.",
                )
            return None
        wanted = self.config.use_cache and not self.training if use_cache is None else use_cache
        if self.gradient_checkpointing and self.training:
            return None
        return TransNormerCache(self.config) if past is None and wanted else past

    def _layer_inputs(
        self,
        states: Tensor,
        mask: Tensor | None,
        position_ids: Tensor | None,
        past: TransNormerCache | None,
        begins: Tensor | None,
    ) -> LayerInputs:
        length = states.shape[1]
        real = None if mask is None else mask[:, mask.shape[1] - length :].bool()
        if real is not None and length > 1 and not torch.compiler.is_compiling() and bool(real.all()):
            real = None
        clock = Clock.of(length, states.device, real, begins)
        if position_ids is None:
            position_ids = clock.count - 1 + (0 if past is None else past.next_position)
        causal_mask = self._causal_mask(states, mask, position_ids, past)
        if past is not None:
            past.read(position_ids, real)
        return LayerInputs(clock, position_ids, causal_mask)

    def _causal_mask(
        self, states: Tensor, mask: Tensor | None, position_ids: Tensor, past: TransNormerCache | None
    ) -> Tensor | None:
        if not self._has_softmax:
            return None
        causal: Any = create_causal_mask(
            config=self.config,
            inputs_embeds=states,
            attention_mask=mask,
            past_key_values=past,
            position_ids=position_ids,
        )
        return causal


class TransNormerForCausalLM(TransNormerPreTrainedModel, GenerationMixin):
    """A TransNormerLLM with its head: token ids `[B, T]` to logits `[B, T, V]`."""

    _tp_plan = {"lm_head": "colwise_gather_output"}  # noqa: RUF012
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: TransNormerConfig) -> None:
        super().__init__(config)
        self.model = TransNormerModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: TransNormerCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of the last `logits_to_keep` tokens (0: all), and the mean loss in nats of the `labels`, if given."""
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **options)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
        )

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *_: Any, **__: Any
    ) -> Any:
        """Put a new cache where generation looks for it, unless one is given or none is wanted."""
        if generation_config.cache_implementation not in (None, "dynamic"):
            raise ConfigError(
                f"Generation was asked for the cache {generation_config.cache_implementation!r}.",
                "Expected none: a TransNormerLLM has a cache of its own, constant in length.",
            )
        given = model_kwargs.get("past_key_values")
        if given is not None:
            self.model._check_cache(given)
            _refuse_unread(given, generation_config.use_cache, model_kwargs.get("position_ids"))
            given._is_user_defined = True  # generation then hands it back
        elif generation_config.use_cache is not False:
            model_kwargs["past_key_values"] = TransNormerCache(self.config)


def _begins(position_ids: Tensor | None, past: TransNormerCache | None) -> Tensor | None:
    """Where positions do not go on by one, or are 0 behind those of the past; None where they all go on."""
    if position_ids is None or not position_ids.shape[1]:
        return None
    jumps = position_ids.diff(dim=1, prepend=position_ids[:, :1] - 1) != 1
    if past is not None and past.get_seq_length():
        jumps = torch.cat([position_ids[:, :1] == 0, jumps[:, 1:]], dim=1)
    if not torch.compiler.is_compiling() and not bool(jumps.any()):
        return None
    return jumps


def _shapes(states: Tensor) -> set[tuple[int, ...]]:
    return {(states.shape[0], states.shape[1]), (1, states.shape[1])}


def _refuse_unread(past: TransNormerCache, use_cache: bool | None, position_ids: Tensor | None) -> None:
    """Raise `ConfigError` unless generation goes on behind what a cache has read."""
    if use_cache is False:
        raise ConfigError(
            "Generation was given a cache and use_cache=False.", "Expected one of them.", "Leave one of the two out."
        )
    if position_ids is not None and past.get_seq_length() >= position_ids.shape[-1]:
        raise ConfigError(
            f"The cache has read {past.get_seq_length()} tokens, and the text has {position_ids.shape[-1]}.",
            "Expected a text that begins with what the cache has read, and goes on.",
            "Where only what is new is given, give an attention mask of all.",
        )
