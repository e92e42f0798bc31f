"""Whether a checkpoint gave a model every weight: transformers leaves those that it lacks random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedModel

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
