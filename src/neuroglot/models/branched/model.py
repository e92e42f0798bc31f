"""BranchedSeq2Seq: a shared embedding, a main pair, and encoders and decoders of groups, over transformers' M2M-100."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, GenerationMixin, M2M100ForConditionalGeneration
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.m2m_100.modeling_m2m_100 import (
    M2M100Decoder,
    M2M100Encoder,
    M2M100PreTrainedModel,
    shift_tokens_right,
)

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.branched.config import MAIN, SIDES, BranchedConfig, Side
from neuroglot.models.branched.stacks import EMBEDDING, copied, joined_pair, module_key, new_embedding, prefix_of
from neuroglot.models.branched.writing import save_pieces


class BranchedSeq2Seq(M2M100PreTrainedModel, GenerationMixin):
    """Many encoders and decoders around one embedding; each pair of them is an ordinary M2M-100.

    The config's `encoders` and `decoders` are the branches in memory. `save_pretrained` writes a file for each, which
    `BranchedFolder` reads one by one and `from_pretrained` as a whole. Called, it is the pair `encoder`, `decoder`.
    """

    config_class = BranchedConfig
    config: BranchedConfig  # type: ignore[assignment]  # the base's is that of one pair

    def __init__(self, config: BranchedConfig) -> None:
        super().__init__(config)
        base: Any = config.base
        self.shared = new_embedding(base)
        self.encoders = nn.ModuleDict({module_key(name): M2M100Encoder(base) for name in config.branches("encoder")})
        self.decoders = nn.ModuleDict({module_key(name): M2M100Decoder(base) for name in config.branches("decoder")})
        self._called: dict[tuple[str, str], M2M100ForConditionalGeneration] = {}
        self.post_init()
        self.generation_config = GenerationConfig.from_model_config(base)

    @classmethod
    def from_model(cls, model: M2M100ForConditionalGeneration, groups: Mapping[str, Sequence[str]]) -> BranchedSeq2Seq:
        """The model as main pair, whose weights are shared with it, and a copy of it for each group.

        Raises `UnsupportedModelError` for anything but M2M-100 or NLLB without experts whose embeddings are tied.
        """
        config = config_from(model, groups)
        with torch.device("meta"):
            branched = cls(without_branches(config))
        branched.shared = model.model.shared
        branched.generation_config = copy.deepcopy(model.generation_config)
        for side in SIDES:
            stack: Any = getattr(model.model, side)
            branched.attach(side, MAIN, stack)
            for name in groups:
                branched.attach(side, name, copied(stack))
        return branched.train(model.training)

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Every stack looks its tokens up in the one embedding."""
        return {
            f"{prefix_of(side, name)}embed_tokens.weight": EMBEDDING
            for side in SIDES
            for name in self.config.branches(side)
        }

    def branch(self, side: Side, name: str = MAIN) -> M2M100PreTrainedModel:
        """One encoder or decoder; raises `ConfigError` if it is not in memory."""
        there = self.config.branches(side)
        if name not in there:
            raise ConfigError(
                f"The {side} {name!r} was asked for.",
                f"Expected one in memory: {', '.join(there) or 'there is none'}.",
                "Load it: BranchedFolder(folder).load(...).",
            )
        stack: M2M100PreTrainedModel = getattr(self, f"{side}s")[module_key(name)]
        return stack

    def attach(self, side: Side, name: str, stack: Any) -> None:
        """Take a branch in, in place of one of that name; it shares the embedding from now on.

        Raises `ConfigError` for a name of no group.
        """
        names = [*(each for each in self.config.branches(side) if each != name), name]
        if name not in (MAIN, *self.config.members):
            raise ConfigError(f"The {side} {name!r} is of no group.", f"Expected {', '.join(self.config.members)}.")
        stack.embed_tokens.weight = self.shared.weight
        getattr(self, f"{side}s")[module_key(name)] = stack
        self._set(side, names)

    def detach(self, side: Side, name: str) -> M2M100PreTrainedModel:
        """Give a branch away: it is no longer a part of the model, and in memory only as long as somebody holds it."""
        stack = self.branch(side, name)
        del getattr(self, f"{side}s")[module_key(name)]
        self._set(side, [each for each in self.config.branches(side) if each != name])
        return stack

    def _set(self, side: Side, names: list[str]) -> None:
        setattr(self.config, f"{side}s", names)
        self.all_tied_weights_keys = self.get_expanded_tied_weights_keys()
        self._keys_to_ignore_on_save = list(self.all_tied_weights_keys)
        self._called.clear()

    def select(self, encoder: str = MAIN, decoder: str = MAIN) -> M2M100ForConditionalGeneration:
        """The ordinary model of one encoder and one decoder, which shares their weights and the embedding.

        Its configs are its own. Raises `ConfigError` for a branch that is not in memory.
        """
        return joined_pair(
            self.config.base, self.shared, self.branch("encoder", encoder), self.branch("decoder", decoder),
            self.generation_config, str(self.config.name_or_path or ""),
        ).train(self.training)  # fmt: skip

    def get_encoder(self, modality: str | None = None) -> M2M100PreTrainedModel:
        """The main encoder."""
        return self.branch("encoder")

    def get_input_embeddings(self) -> nn.Module:
        """The one embedding."""
        return self.shared

    def generate(self, *given: Any, encoder: str = MAIN, decoder: str = MAIN, **options: Any) -> Any:
        """Texts of one pair, as transformers generates them."""
        pair: Any = self.select(encoder, decoder)
        return pair.generate(*given, **options)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        encoder: str = MAIN,
        decoder: str = MAIN,
        num_items_in_batch: Tensor | int | None = None,
        **options: Any,
    ) -> Seq2SeqLMOutput:
        """What the pair gives: logits `[B, U, V]`, and of `labels` the mean loss in nats a token.

        With `num_items_in_batch`, the tokens of a whole step, the loss is their sum over that number, so that batches
        of several flows add up to the mean over all of their tokens.
        """
        if labels is not None and decoder_input_ids is None and "decoder_inputs_embeds" not in options:
            start = self.config.base.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, self.config.base.pad_token_id, start)
        if (encoder, decoder) not in self._called:
            self._called[encoder, decoder] = self.select(encoder, decoder)
        outputs: Any = self._called[encoder, decoder](
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, **options
        )
        if labels is not None:
            total = nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten(), reduction="sum")
            outputs["loss"] = total / ((labels != -100).sum() if num_items_in_batch is None else num_items_in_batch)
        return outputs

    def save_pretrained(self, save_directory: Any, *_: Any, **__: Any) -> None:
        """Write config and generation config, and a safetensors file for each branch in memory and the embedding.

        Of transformers' other options none has a meaning here. Raises `ArtifactError` if they cannot be written.
        """
        save_pieces(self, Path(save_directory))


def config_from(model: Any, groups: Mapping[str, Sequence[str]]) -> BranchedConfig:
    """The config of a branched model of this one; raises as `BranchedSeq2Seq.from_model`."""
    if not isinstance(model, M2M100ForConditionalGeneration) or not model.config.tie_word_embeddings:
        raise UnsupportedModelError(
            f"Branches were to be made of a {type(model).__name__}.",
            "Expected M2M-100 or NLLB (M2M100ForConditionalGeneration) with tied embeddings.",
        )
    config = BranchedConfig(
        base=copy.deepcopy(model.config), groups={name: list(codes) for name, codes in groups.items()}
    )
    config.name_or_path = model.config.name_or_path
    config.source = Path(config.name_or_path or "").name or None
    return config


def without_branches(config: BranchedConfig) -> BranchedConfig:
    """The config with no branch in memory, which are attached one by one."""
    config.encoders, config.decoders = [], []
    return config
