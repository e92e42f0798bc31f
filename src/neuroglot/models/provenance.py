"""Provenance: the signature that every result begins with, made in one way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from neuroglot.models.fingerprints import (
    config_fingerprint,
    template_fingerprint,
    tokenizer_fingerprint,
    weights_fingerprint,
)
from neuroglot.models.open_interventions import open_interventions
from neuroglot.models.view import ModelView
from neuroglot.signature import HASH_DIGITS, Signature, versions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CLOCK = "strftime_now"  # how a chat template reads the time
# Options of generation that ours replace, or that the computation alone depends on.
REPLACED = {"max_new_tokens", "max_length", "do_sample", "num_beams", "temperature", "top_p", "top_k", "pad_token_id"}
REPLACED |= {"use_cache", "transformers_version", "_from_model_config"}


class Data(Protocol):
    """Rows with a name and a hash of their content: a corpus, a task, inputs of prompts."""

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def __len__(self) -> int: ...


def made_with(
    view: ModelView | PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    data: Data | None = None,
    *,
    rows: int | None = None,
    dropped: int = 0,
) -> Signature:
    """What every result says of how it was made: model, tokenizer, data, rows that were used (by default all) and
    dropped, interventions that are open now, and versions; of a part that is None, nothing.

    All is read anew at each call, weights to the last bit, which takes as long as reading them from memory once.
    """
    made = Signature()
    if view is not None:
        made |= model_signature(view)
    if tokenizer is not None:
        made |= tokenizer_signature(tokenizer)
    if data is not None:
        count = len(data) if rows is None else rows
        made |= Signature.of(corpus=data.name, corpus_hash=data.hash, rows=count, rows_dropped=dropped)
    if view is not None:
        made |= Signature.of(interventions="; then ".join(open_interventions(_model(view))) or None)
    return made | versions()


def model_signature(view: ModelView | PreTrainedModel) -> Signature:
    """Which model this is: name, revision where the hub gave one, hashes of config and weights, precision, device."""
    model = _model(view)
    return Signature.of(
        model=model_name(model),
        revision=getattr(model.config, "_commit_hash", None),
        config=config_fingerprint(model),
        weights=weights_fingerprint(model) if model.device.type != "meta" else None,
        dtype=_precision(model),
        device=model.device.type,
    )


def model_name(view: ModelView | PreTrainedModel) -> str:
    """`lab`, the last part of the folder or hub id, or the name of the class."""
    model = _model(view)
    source = Path(model.config.name_or_path or "")
    return "lab" if source.parts[-2:] == ("lab", "shipped") else source.name or type(model).__name__


def tokenizer_signature(tokenizer: PreTrainedTokenizerBase) -> Signature:
    """Hashes of what decides the tokens of a text, and of the chat template, and whether that reads the clock."""
    template = template_fingerprint(tokenizer)
    if template and reads_clock(tokenizer):
        template = f"{template} (reads the clock)"
    return Signature.of(tokenizer=tokenizer_fingerprint(tokenizer), chat_template=template)


def reads_clock(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template writes the time into prompts, so that those of another time are others."""
    return CLOCK in json.dumps(getattr(tokenizer, "chat_template", None))


def prompts_signature(tokenizer: PreTrainedTokenizerBase, prompts: Iterable[str]) -> Signature:
    """A hash of prompts as the chat template wrote them; it names the clock where the template reads that."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(json.dumps(prompt).encode())
    clock = " (the chat template reads the clock)" if reads_clock(tokenizer) else ""
    return Signature.of(prompts=digest.hexdigest()[:HASH_DIGITS] + clock)


def generation_signature(model: PreTrainedModel) -> Signature:
    """What the model's own generation config adds to how texts are decoded: all that differs from transformers'
    defaults and is not replaced by `Decoding`, sorted by name.
    """
    config: Any = getattr(model, "generation_config", None)
    if config is None:
        return Signature.of(generation=None)
    defaults = config._get_default_generation_params()
    differing = {
        name: value
        for name, value in config.to_dict().items()
        if name not in REPLACED and value not in (None, defaults.get(name)) and not name.startswith("output_")
    }
    written = (f"{name}={json.dumps(value, default=str)}" for name, value in sorted(differing.items()))
    return Signature.of(generation=",".join(written) or None)


def _model(view: ModelView | PreTrainedModel) -> PreTrainedModel:
    return view.model if isinstance(view, ModelView) else view


def _precision(model: PreTrainedModel) -> str:
    """The dtype of the weights, and what makes products coarser than that."""
    said, kind = str(model.dtype).removeprefix("torch."), model.device.type
    if kind != "meta" and torch.is_autocast_enabled(kind):
        said += f", autocast to {str(torch.get_autocast_dtype(kind)).removeprefix('torch.')}"
    products = torch.get_float32_matmul_precision()
    return said if products == "highest" else f"{said}, float32 products {products}"
