"""Whether a checkpoint gave a model every weight, and once: transformers draws those that it lacks at random, and takes
one of those that it holds twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, dot_natural_key, rename_source_key
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file, get_checkpoint_shard_files

from neuroglot.errors import UnsupportedModelError, listed
from neuroglot.models.families import Family


def require_complete(model: PreTrainedModel, said: Mapping[str, Any], family: Family, name: str) -> None:
    """Raise `UnsupportedModelError` where a weight of the model is random; `said` is transformers' loading info.

    A pooler may be missing, because nothing reads it, and heads of other tasks may be left over.
    """
    missing = [key for key in said["missing_keys"] if "pooler" not in key]
    layers = tuple(f"{stack.layers}." for stack in family.stacks)
    left = [key for key in said["unexpected_keys"] if any(place in key for place in layers)]
    other = [f"{key} {list(stored)} for {list(built)}" for key, stored, built in said["mismatched_keys"]]
    wrong = {"lacks": missing, "has other shapes of": other, "has besides": left}
    if found := [f"{what} {listed(sorted(keys))}" for what, keys in wrong.items() if keys]:
        raise UnsupportedModelError(
            f"The checkpoint of {name!r} {'; '.join(found)}.",
            f"Expected the weights of {type(model).__name__}, each once, because others would be random.",
            "Load the whole checkpoint; one that was saved from a wrapper has its names under another prefix.",
        )
    require_tied(model, name)


def require_each_once(
    model: PreTrainedModel, names: Iterable[str], name: str, conversions: Sequence[Any] | None = None
) -> None:
    """Raise `UnsupportedModelError` where two of a checkpoint's `names` are of one weight: one would be taken unseen.

    Names are those of all files together, and so twice where two files hold one. `conversions` are those by which the
    model is loaded, by default those registered for it. Tensors of which a weight is put together are its parts.
    """
    if conversions is None:
        conversions = get_model_conversion_mapping(model, hf_quantizer=getattr(model, "hf_quantizer", None))
    renamings = [each for each in conversions if isinstance(each, WeightRenaming)]
    converters = [each for each in conversions if isinstance(each, WeightConverter)]
    own, prefix = model.state_dict(), model.base_model_prefix
    stored: dict[str, list[str]] = {}
    for key in sorted(names, key=dot_natural_key):  # in the library's order, on which some renamings depend
        weight, part_of = rename_source_key(key, renamings, converters, prefix, own)
        if weight not in own and key in own:
            weight, part_of = rename_source_key(key, [], [], prefix, own)
        if weight in own:
            stored.setdefault(weight if part_of is None else f"{key} of {weight}", []).append(key)
    if twice := {weight: keys for weight, keys in stored.items() if len(keys) > 1}:
        weight, keys = next(iter(twice.items()))
        raise UnsupportedModelError(
            f"The checkpoint of {name!r} holds {len(twice)} of its weights twice, such as {weight}: "
            f"{' and '.join(keys) if len(set(keys)) > 1 else 'in several files'}.",
            "Expected each once, because one of the two would be taken unseen.",
            "Remove from the checkpoint the one that is not meant.",
        )


def require_tied(model: PreTrainedModel, name: str) -> None:
    """Raise `UnsupportedModelError` where a checkpoint has two values for a weight that its config says is shared."""
    stated, tied = model.get_expanded_tied_weights_keys(all_submodels=True), model.all_tied_weights_keys
    if apart := sorted(set(stated) - set(tied)):
        raise UnsupportedModelError(
            f"The checkpoint of {name!r} has other values for {apart[0]} than for {stated[apart[0]]}, "
            "and its config says that they are one weight.",
            "Expected equal values, or one of the two.",
            "Remove the one that is not meant, or say tie_word_embeddings=false in config.json if both are.",
        )


def stored_names(source: str, revision: str | None = None) -> list[str]:
    """The names of all tensors in the safetensors files of a folder or hub id; none where there are no such files."""
    place: dict[str, Any] = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    if (single := cached_file(source, SAFE_WEIGHTS_NAME, **place)) is not None:
        return tensors_in([single])
    index = cached_file(source, SAFE_WEIGHTS_INDEX_NAME, **place)
    return [] if index is None else tensors_in(get_checkpoint_shard_files(source, index, revision=revision)[0])


def tensors_in(files: Iterable[str | Path]) -> list[str]:
    """The names of the tensors in safetensors files, each as often as there are files with it."""
    names: list[str] = []
    for path in files:
        with safe_open(path, "pt") as file:
            names += file.keys()
    return names
