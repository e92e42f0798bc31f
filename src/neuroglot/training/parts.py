"""Which parameters of a model are trained: those of modules by name, or all but some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

from neuroglot.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EMBEDDINGS, UNEMBEDDING = "embeddings", "unembedding"
_NAMES = 12  # names of modules that a message lists


@contextmanager
def training_only(
    model: PreTrainedModel, modules: Sequence[str] | None = None, frozen: Sequence[str] = ()
) -> Iterator[None]:
    """Train the parameters of these modules (all by default) but not those of `frozen` ones.

    A name is `embeddings`, `unembedding`, or the end of a module's path, such as `mlp` or `layers.0.mlp`. Shared
    weights are one parameter: a model that shares its embeddings trains and freezes both sides together. Afterwards the
    parameters take gradients as before. Raises `ConfigError` for a name that the model lacks, and if nothing is left.
    """
    left_out = {id(parameter) for name in frozen for parameter in _parameters(model, name)}
    chosen = (
        {id(parameter) for parameter in model.parameters()}
        if modules is None
        else {id(parameter) for name in modules for parameter in _parameters(model, name)}
    ) - left_out
    if not chosen:
        raise ConfigError(
            "No parameter is left to be trained.", "Expected modules with parameters that are not frozen."
        )
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        if modules is not None or frozen:
            for parameter in before:
                parameter.requires_grad_(id(parameter) in chosen)
        yield
    finally:
        for parameter, required in before.items():
            parameter.requires_grad_(required)


def _parameters(model: PreTrainedModel, name: str) -> list[nn.Parameter]:
    parameters = [parameter for module in _modules(model, name) for parameter in module.parameters()]
    if not parameters:
        known = dict.fromkeys(path.rpartition(".")[2] for path, _ in model.named_modules() if path)
        names = [known_name for known_name in known if not known_name.isdecimal()]
        raise ConfigError(
            f"{type(model).__name__} has no module {name!r} with parameters.",
            f"Expected {EMBEDDINGS}, {UNEMBEDDING}, or the end of a path, such as {', '.join(names[:_NAMES])}.",
        )
    return parameters


def _modules(model: PreTrainedModel, name: str) -> list[nn.Module]:
    if name == EMBEDDINGS:
        return [model.get_input_embeddings()]
    if name == UNEMBEDDING:
        unembedding = model.get_output_embeddings()
        return [] if unembedding is None else [unembedding]
    return [module for path, module in model.named_modules() if f".{path}".endswith(f".{name}")]
