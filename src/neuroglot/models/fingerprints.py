"""Fingerprints: short hashes of all that makes a model compute what it computes, and a tokenizer read what it reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from neuroglot.models.offloaded import fetched
from neuroglot.models.split import whole
from neuroglot.signature import HASH_DIGITS, short_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHUNK = 2**12  # words of 8 bytes under one pair of sums
# Words at once, by whether a processor reads them: it keeps so few to one thread, because threads that wait for each
# other at every block are ten times as slow beside a busy process.
BLOCK = {True: 7 * CHUNK, False: 2**22}
# What a config says of where it is from, and of the dtype, which each weight has for itself.
ORIGINS = {"_name_or_path", "_commit_hash", "architectures", "dtype", "torch_dtype", "transformers_version"}
# Plain attributes of a tokenizer that change no token: where it is from, and how others pad and cut.
ASIDE = {"name_or_path", "verbose", "padding_side", "truncation_side", "backend", "chat_template", "_processor_class"}


def weights_fingerprint(model: PreTrainedModel) -> str:
    """A hash over every bit of the state dict (tied tensors once) and over which adapters are active.

    Each tensor's bytes enter as sums that no change of a single value leaves as they are, made on its own device.
    Tensors that are kept in another memory or on disk are read from there where the model says how; the fingerprint
    then says how many are `offloaded`, and how many of these could not be read.
    """
    digest, names, offloaded, unread = hashlib.sha256(), dict[int, str](), 0, 0
    for name, held in sorted(model.state_dict(keep_vars=True).items()):
        first = names.setdefault(id(held), name)
        digest.update(f"{name}={first}\n".encode())
        if first != name:
            continue
        if isinstance(held, Tensor) and held.is_meta:
            offloaded += 1
            path, _, own = name.rpartition(".")
            elsewhere = fetched(model.get_submodule(path), own)
            unread += elsewhere is None
            held = held if elsewhere is None else elsewhere
        for part in _content(whole(held)):
            digest.update(part)
    digest.update("".join(_adapters(model)).encode())
    aside = f" ({offloaded} tensors offloaded, {unread} of them unread)" if offloaded else ""
    return digest.hexdigest()[:HASH_DIGITS] + aside


def _adapters(model: PreTrainedModel) -> Iterator[str]:
    """Which of its adapters each layer adds, and how strongly: no tensor says so."""
    for name, module in model.named_modules():
        if hasattr(module, "active_adapters") and hasattr(module, "base_layer"):
            state = [getattr(module, part, None) for part in ("active_adapters", "scaling", "merged")]
            yield f"{name} {state} {getattr(module, 'disable_adapters', None)}\n"


def _content(held: Any) -> Iterator[bytes]:
    """A tensor's form and sums; those of its parts where it is a class of its own, as quantised weights are."""
    if not isinstance(held, Tensor):
        yield repr(held).encode()
    elif hasattr(held, "__tensor_flatten__"):
        parts, form = held.__tensor_flatten__()
        yield f"{type(held).__name__} {form}\n".encode()
        for part in parts:
            yield from _content(getattr(held, part))
    else:
        yield f"{tuple(held.shape)} {held.dtype}\n".encode()
        if not held.is_meta:
            yield chunk_sums(held).cpu().numpy().tobytes()


def chunk_sums(tensor: Tensor) -> Tensor:
    """Two sums over every `CHUNK` words of a tensor's bytes, the last ones filled up with zeros: int64 `[2, chunks]`.

    With w the words, h their upper halves and m the chunk's multipliers: Σ w·m and Σ h·m, mod 2⁶⁴. As each m is odd, a
    change of any one word changes the first; changes of sign bits, which m moves out at the top, change the second.
    """
    data = tensor.detach().contiguous().view(-1).view(torch.uint8)
    whole = len(data) - len(data) % (8 * CHUNK)
    rest = pad(data[whole:], (0, -len(data) % (8 * CHUNK)))
    return torch.cat([_sums(data[:whole]), _sums(rest)], dim=1)


def _sums(data: Tensor) -> Tensor:
    if data.data_ptr() % 8 or data.storage_offset() % 8:
        data = data.clone()  # words begin where a multiple of 8 bytes does
    chunks, multipliers = data.view(torch.int64).view(-1, CHUNK), _multipliers(data.device)
    dot = _dot if data.is_cpu else _dot_on_accelerators
    blocks = chunks.split(BLOCK[data.is_cpu] // CHUNK)
    return torch.cat([torch.stack([dot(words, multipliers), dot(words >> 32, multipliers)]) for words in blocks], dim=1)


def _dot(chunks: Tensor, multipliers: Tensor) -> Tensor:
    return torch.mv(chunks, multipliers)


def _dot_on_accelerators(chunks: Tensor, multipliers: Tensor) -> Tensor:
    return (chunks * multipliers).sum(1)  # they have no product of integer matrices


@cache
def _multipliers(device: torch.device) -> Tensor:
    """The words' multipliers, odd: SplitMix64 (Steele et al. 2014) of their places in the chunk."""
    mixed = np.arange(1, CHUNK + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return torch.from_numpy(((mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)).view(np.int64)).to(device)


def config_fingerprint(model: PreTrainedModel) -> str:
    """A hash of the options that the model computes by, which are no weights: angles, norms, windows, caps, kernels."""
    config: Any = model.config
    kernels = [getattr(config, f"_{part}_implementation", None) for part in ("attn", "experts")]
    return short_hash(json.dumps([_without_origins(config.to_dict()), kernels], sort_keys=True, default=str))


def _without_origins(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {str(key): _without_origins(value) for key, value in config.items() if key not in ORIGINS}
    return config


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of all that decides which tokens a text becomes; the chat template has one of its own.

    Of the vocabulary with its merges it is made once for each object and size, because there are large ones; all else
    is read anew.
    """
    backend = getattr(tokenizer, "_tokenizer", None)
    is_fast = hasattr(backend, "pre_tokenizer")
    parts = _fast_parts(backend) if is_fast else [_vocabulary_digest(tokenizer)]
    # tokenizers of other libraries lack some
    special = [str(getattr(tokenizer, name, None)) for name in ("special_tokens_map", "added_tokens_decoder")]
    settings = {name: value for name, value in vars(tokenizer).items() if _matters(name, value)}
    return short_hash(*parts, *special, type(tokenizer).__name__, repr(sorted(settings.items())))


def template_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """A hash of the chat template, or of all where there are several; None without one."""
    template = getattr(tokenizer, "chat_template", None)
    return None if template is None else short_hash(json.dumps(template, sort_keys=True))


def _matters(name: str, value: object) -> bool:
    return isinstance(value, str | int | float | bool) and name not in ASIDE and not name.endswith(("_file", "_path"))


def _fast_parts(backend: Any) -> list[str | bytes]:
    """What a tokenizer of the library `tokenizers` consists of, without its state of padding and truncation."""
    steps = (backend.normalizer, backend.pre_tokenizer, backend.post_processor, backend.decoder)
    model = backend.model
    options = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    plain = {name: value for name, value in options.items() if not callable(value)}
    added = repr(sorted(backend.get_added_tokens_decoder().items()))
    state = f"{added} {plain} {backend.encode_special_tokens}"
    return [_vocabulary_digest(backend), *map(_serialised, steps), state]


def _serialised(step: Any) -> str | bytes:
    """A step of tokenising as JSON; one that is Python code has none, and is told by its place in memory."""
    try:
        return "none" if step is None else bytes(step.__getstate__())
    except Exception:  # the library raises nothing more precise
        return repr(step)


_VOCABULARIES: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()


def _vocabulary_digest(holder: Any) -> str:
    """That of the vocabulary of a `tokenizers.Tokenizer` or of a slow tokenizer, made anew where its size changed."""
    fast = hasattr(holder, "get_vocab_size")
    size = holder.get_vocab_size() if fast else len(holder)
    known = _VOCABULARIES.get(holder)
    if known is None or known[0] != size:
        content = [_serialised(holder.model)] if fast else list(_slow_vocabulary(holder))
        known = _VOCABULARIES[holder] = size, short_hash(*content)
    return known[1]


def _slow_vocabulary(tokenizer: Any) -> Iterator[str | bytes]:
    """Pieces with their numbers, and merges or scores where the tokenizer keeps them."""
    yield json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=False)
    for name, value in sorted(vars(tokenizer).items()):
        if hasattr(value, "serialized_model_proto"):  # SentencePiece
            yield value.serialized_model_proto()
        elif name == "bpe_ranks":
            yield repr(sorted(value.items()))
