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
        **_: Any,
    ) -> BaseModelOutputWithPast:
        """States of all tokens. `attention_mask` `[B, T]` or `[B, past + T]` is 0 for padding, wherever it stands.

        Without a mask, positions that do not go on by one begin a new document, as `DataCollatorWithFlattening` packs
        them. Raises `ConfigError` for a mask or a cache of another kind.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ConfigError("The model was given both or neither of input_ids and inputs_embeds.", "Expected one.")
        states = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        past = self._cache(past_key_values, use_cache)
        inputs = self._layer_inputs(states, attention_mask, position_ids, past)
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

    def _cache(self, past: TransNormerCache | None, use_cache: bool | None) -> TransNormerCache | None:
        """The cache that is given, or a new one where one is wanted; by default none in training."""
        if past is not None and not isinstance(past, TransNormerCache):
            raise ConfigError(
                f"The model was given a cache of the class {type(past).__name__}.",
                "Expected a TransNormerCache, because states are no keys and values.",
            )
        wanted = self.config.use_cache and not self.training if use_cache is None else use_cache
        if self.gradient_checkpointing and self.training:
            return None
        return TransNormerCache(self.config) if past is None and wanted else past

    def _layer_inputs(
        self, states: Tensor, mask: Tensor | None, position_ids: Tensor | None, past: TransNormerCache | None
    ) -> LayerInputs:
        length, seen = states.shape[1], 0 if past is None else past.get_seq_length()
        if mask is not None and (mask.dim() != 2 or mask.shape[1] not in (length, seen + length)):
            raise ConfigError(
                f"The attention mask has the shape {tuple(mask.shape)}.",
                f"Expected one number a token: (rows, {length}) or (rows, {seen + length}).",
            )
        real = None if mask is None else mask[:, -length:].bool()
        if real is not None and length > 1 and not torch.compiler.is_compiling() and bool(real.all()):
            real = None
        begins = _begins(position_ids) if mask is None else None
        clock = Clock.of(length, states.device, real, begins)
        if position_ids is None:
            position_ids = clock.count - 1 + (0 if past is None else past.counted)
        causal_mask = self._causal_mask(states, mask, position_ids, past)
        if past is not None:
            past.count(clock.count)
        return LayerInputs(clock, position_ids, causal_mask)

    def _causal_mask(
        self, states: Tensor, mask: Tensor | None, position_ids: Tensor, past: TransNormerCache | None
    ) -> Tensor | None:
        if "full_attention" not in (self.config.layer_types or ()):
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
            given._is_user_defined = True  # generation then hands it back
        elif generation_config.use_cache is not False:
            model_kwargs["past_key_values"] = TransNormerCache(self.config)


def _begins(position_ids: Tensor | None) -> Tensor | None:
    """Where positions do not go on by one; None where they all do, or there is one."""
    if position_ids is None or position_ids.shape[1] == 1:
        return None
    jumps = position_ids.diff(dim=1, prepend=position_ids[:, :1] - 1) != 1
    if not torch.compiler.is_compiling() and not bool(jumps.any()):
        return None
    return jumps
