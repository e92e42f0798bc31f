"""Proof, at load, that the places found are the neurons: one dummy forward in which every site and sum is looked at."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.finite import not_finite
from neuroglot.models.modelview import ModelView
from neuroglot.models.points import Routing

WRITE_IDENTITY_TOLERANCE = 0.02  # of the output's largest value; half-precision products differ in their order of sums


def check_sites(view: ModelView) -> None:
    """One dummy forward: each site fires once a layer, and the write identity `Σ_i m_i v_i + b = output` holds."""
    fired: Counter[tuple[str, Layer]] = Counter()
    written: dict[Layer, tuple[Tensor, Routing | None]] = {}

    def note(site: str, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        fired[site, layer] += 1
        if site == "write":
            written[layer] = activation.detach(), routing
        width = layer.width // layer.experts
        if activation.shape[-1] != width:
            raise _refusal(view, f"site {site} of layer {layer.index} is {activation.shape[-1]} wide", f"{width}")

    sites = available_sites(view)
    outputs = _dummy_forward(view, sites, note)
    for layer in view.layout.layers:
        for site in sites:
            if fired[site, layer] != 1:
                raise _refusal(view, f"site {site} of layer {layer.index} fired {fired[site, layer]} times", "once")
        _check_write_identity(view, layer, *written[layer], outputs[layer])


def available_sites(view: ModelView) -> tuple[str, ...]:
    """The sites that can be tapped in every layer: both, or only `write` where a gated network calls a function."""
    try:
        with ExitStack() as hooks:
            for layer, point in view.points.items():
                point.install("post_act", layer, lambda *_: None, hooks)
    except UnsupportedModelError as error:
        if "'post_act' cannot be tapped" not in str(error):
            raise
        return ("write",)
    return ("post_act", "write")


def _dummy_forward(
    view: ModelView, sites: tuple[str, ...], note: Callable[[str, Layer, Tensor, Routing | None], None]
) -> dict[Layer, Tensor]:
    """Run made-up rows through the model without its head; returns what each layer's networks wrote."""
    outputs: dict[Layer, Tensor] = {}
    model, was_training = view.model, view.model.training
    with ExitStack() as hooks:
        hooks.callback(model.train, was_training)
        for layer, point in view.points.items():
            hooks.callback(point.output_module.register_forward_hook(_keep(outputs, layer)).remove)
        for site in sites:
            hooks.enter_context(view.tapping(site, _at(note, site)))  # type: ignore[arg-type]
        model.eval()
        with torch.no_grad():
            model.base_model(**view.family.reads.dummy(model))
    return outputs


def _keep(outputs: dict[Layer, Tensor], layer: Layer) -> Callable[..., None]:
    def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
        outputs[layer] = output.detach().clone()  # some models add to it in place

    return hook


def _at(note: Callable[..., None], site: str) -> Callable[..., None]:
    return lambda layer, activation, routing: note(site, layer, activation, routing)


def _check_write_identity(
    view: ModelView, layer: Layer, coefficients: Tensor, routing: Routing | None, output: Tensor
) -> None:
    got = view.points[layer].written(output.float())
    try:
        expected = _sum_of_value_vectors(view, layer, coefficients.float(), routing, len(got)).to(got.device)
    except (RuntimeError, NotImplementedError) as error:  # weights in a form that cannot be read as a matrix
        weights = type(view.points[layer].output_module).__name__
        raise _refusal(view, f"the weights of layer {layer.index} ({weights}) cannot be read", "a matrix") from error
    if not bool(got.isfinite().all()):
        raise not_finite(view.model, f"In one forward of made-up tokens, what layer {layer.index} writes is")
    tolerance = WRITE_IDENTITY_TOLERANCE * float(got.abs().max()) + 1e-12
    if got.shape != expected.shape or not torch.allclose(got, expected, rtol=0, atol=tolerance):
        raise _refusal(
            view,
            f"layer {layer.index} writes something else than the sum of its value vectors",
            "coefficients times value vectors, plus bias",
        )


def _sum_of_value_vectors(
    view: ModelView, layer: Layer, coefficients: Tensor, routing: Routing | None, tokens: int
) -> Tensor:
    """`Σ_i m_i v_i + b` for every token: `[tokens, D]`, over all experts that a token was routed to."""
    point = view.points[layer]
    vectors, biases = point.value_vectors().float(), point.biases()
    if routing is None:
        return coefficients @ vectors + (0 if biases is None else biases.float())
    by_expert = vectors.reshape(layer.experts, -1, vectors.shape[-1])
    total = torch.zeros(tokens, vectors.shape[-1], device=vectors.device)
    for row, (token, expert) in enumerate(zip(routing.tokens.tolist(), routing.experts.tolist(), strict=True)):
        wrote = coefficients[row] @ by_expert[expert] + (0 if biases is None else biases[expert].float())
        total[token] += routing.weights[row].float() * wrote
    return total


def _refusal(view: ModelView, got: str, expected: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"In one forward of {type(view.model).__name__}, {got}.",
        f"Expected {expected}.",
        "The model is not built the way neuroglot's table says; please report it.",
    )
