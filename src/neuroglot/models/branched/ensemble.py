"""FlowEnsemble: several translation models of one vocabulary that decide on each token by the mean of what they say."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, M2M100ForConditionalGeneration
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.models.m2m_100.modeling_m2m_100 import M2M100PreTrainedModel

from neuroglot.errors import ConfigError


class EnsembleCache(Cache):
    """The caches of all members, kept in step."""

    def __init__(self, members: Sequence[EncoderDecoderCache]) -> None:
        self.members = list(members)

    def __len__(self) -> int:
        return len(self.members[0])

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many tokens of the answer were read."""
        return int(self.members[0].get_seq_length(layer_idx))

    def reorder_cache(self, beam_idx: Any) -> None:
        """Follow the beams."""
        for member in self.members:
            member.reorder_cache(beam_idx)

    @property
    def is_compileable(self) -> bool:
        return False


class _Encoders(nn.Module):
    """All encoders as one, whose states stand side by side, `[B, T, K·D]`; one that two members share runs once."""

    main_input_name = "input_ids"

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(encoders)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutput:
        states: dict[int, Tensor] = {}
        for member in self.members:
            if id(member) not in states:
                states[id(member)] = member(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return BaseModelOutput(last_hidden_state=torch.cat([states[id(member)] for member in self.members], dim=-1))


class FlowEnsemble(M2M100PreTrainedModel, GenerationMixin):
    """K models whose next token has the mean of their distributions, log (1/K) Σ_k p_k; `generate` works as of one.

    As in the released code (fairseq's ensembles). Raises `ConfigError` for fewer than two models, or other
    vocabularies.
    """

    base_model_prefix = ""

    def __init__(self, models: Sequence[M2M100ForConditionalGeneration]) -> None:
        if len(models) < 2 or len({model.config.vocab_size for model in models}) > 1:
            raise ConfigError(f"An ensemble was made of {len(models)} model(s).", "Expected two, of one vocabulary.")
        super().__init__(models[0].config)
        self.models: Any = nn.ModuleList(models)
        self.encoder: Any = _Encoders([model.model.encoder for model in models])
        self.generation_config = copy.deepcopy(models[0].generation_config)
        self.eval()

    def get_encoder(self, modality: str | None = None) -> Any:
        """All encoders as one."""
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        """The embedding of the first model."""
        found: nn.Module = self.models[0].get_input_embeddings()
        return found

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """Logarithms of the mean distribution, `[B, U, V]`."""
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        states = encoder_outputs[0].chunk(len(self.models), dim=-1)
        if use_cache and past_key_values is None:
            past_key_values = self._new_cache()
        logs = []
        for place, (model, read) in enumerate(zip(self.models, states, strict=True)):
            outputs = model(
                attention_mask=attention_mask, decoder_input_ids=decoder_input_ids,
                encoder_outputs=BaseModelOutput(last_hidden_state=read.contiguous()),
                past_key_values=None if past_key_values is None else past_key_values.members[place],
                use_cache=bool(use_cache),
            )  # fmt: skip
            logs.append(outputs.logits.log_softmax(-1))
        mean = torch.stack(logs).logsumexp(0) - math.log(len(logs))
        return Seq2SeqLMOutput(
            logits=mean, past_key_values=past_key_values, encoder_last_hidden_state=encoder_outputs[0]
        )

    def _new_cache(self) -> EnsembleCache:
        return EnsembleCache([
            EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))
            for model in self.models
        ])  # fmt: skip

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *_: Any, **__: Any
    ) -> Any:
        """Put a cache for all members where generation looks for it."""
        if generation_config.use_cache is not False and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = self._new_cache()
