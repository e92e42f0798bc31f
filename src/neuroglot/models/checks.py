"""Proof, at load, that the modules found are the neurons: against the config, and in one dummy forward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.families import StackPlan

if TYPE_CHECKING:
    from neuroglot.models.view import ModelView

WRITE_IDENTITY_TOLERANCE = 0.02  # of the output's largest value; half-precision products differ in their order of sums


def check_config(config: Any, plan: StackPlan, writes: Sequence[nn.Module]) -> None:
    """Compare located down projections with the depth and the width that the config states."""
    depth = getattr(config, plan.depth, None)
    if len(writes) != depth:
        raise _mismatch(config, plan, f"{len(writes)} layers", f"{plan.depth} = {depth}")
    width = getattr(config, plan.width, None) if plan.width else None
    width = width or 4 * config.hidden_size
    for index, write in enumerate(writes):
        got = getattr(write, "in_features", None) or getattr(write, "nx", None)
        if got != width:
            raise _mismatch(
                config, plan, f"width {got} in layer {index}", f"{plan.width or '4 × hidden_size'} = {width}"
            )


def check_sites(view: ModelView) -> None:
    """One dummy forward: each site fires once a layer, and the write identity `Σ_i m_i v_i + b = output` holds."""
    fired: Counter[tuple[str, Layer]] = Counter()
    coefficients: dict[Layer, Tensor] = {}

    def note(site: str, layer: Layer, activation: Tensor) -> None:
        fired[site, layer] += 1
        if site == "write":
            coefficients[layer] = activation.detach()
        elif activation.shape[-1] != layer.width:
            raise _refusal(view, f"site {site} of layer {layer.index} is {activation.shape[-1]} wide", f"{layer.width}")

    outputs = _dummy_forward(view, note)
    for layer in view.layout.layers:
        for site in ("post_act", "write"):
            if fired[site, layer] != 1:
                raise _refusal(view, f"site {site} of layer {layer.index} fired {fired[site, layer]} times", "once")
        _check_write_identity(view, layer, coefficients[layer], outputs[layer])


def _dummy_forward(view: ModelView, note: Any) -> dict[Layer, Tensor]:
    """Run four tokens through the model without its head; returns the down projections' outputs."""
    outputs: dict[Layer, Tensor] = {}
    model, was_training = view.model, view.model.training
    token_ids = torch.arange(4, device=model.device)[None] % model.config.vocab_size
    handles = [
        modules.write.register_forward_hook(lambda _, __, output, layer=layer: outputs.__setitem__(layer, output))
        for layer, modules in view.modules.items()
    ]
    try:
        model.eval()
        with (
            torch.no_grad(),
            view.tapping("post_act", lambda layer, activation: note("post_act", layer, activation)),
            view.tapping("write", lambda layer, activation: note("write", layer, activation)),
        ):
            model.base_model(input_ids=token_ids, use_cache=False)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return outputs


def _check_write_identity(view: ModelView, layer: Layer, coefficients: Tensor, output: Tensor) -> None:
    bias = getattr(view.modules[layer].write, "bias", None)
    expected = coefficients.float() @ view.value_vectors(layer).float() + (0 if bias is None else bias.float())
    got = output.detach().float().reshape(expected.shape)
    if not torch.allclose(got, expected, rtol=0, atol=WRITE_IDENTITY_TOLERANCE * float(got.abs().max()) + 1e-12):
        raise _refusal(
            view,
            f"layer {layer.index} writes something else than the sum of its value vectors",
            "coefficients times value vectors, plus bias",
        )


def _refusal(view: ModelView, got: str, expected: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"In one forward of {type(view.model).__name__}, {got}.",
        f"Expected {expected}.",
        "The model is not built the way neuroglot's table says; please report it.",
    )


def _mismatch(config: Any, plan: StackPlan, got: str, expected: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The {plan.name} of this {config.model_type!r} model has {got}.",
        f"Its config says {expected}.",
        "The model is not built the way neuroglot's table says; please report it.",
    )
