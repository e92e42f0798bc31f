"""ModelView: where the neurons of this model are, and the only way to tap them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import InterventionError
from neuroglot.layout import Layer, Layout, Site
from neuroglot.models.checks import check_sites
from neuroglot.models.families import Family
from neuroglot.models.locating import known_family, locate
from neuroglot.models.open_interventions import Intervention, Named, opened
from neuroglot.models.points import Point, Routing, Tap


@dataclass(frozen=True, eq=False)
class ModelView:
    """The layers of one model in layout order; it reads and changes activations, and has no `forward` of its own."""

    model: PreTrainedModel
    family: Family
    layout: Layout
    points: Mapping[Layer, Point]

    @contextmanager
    def tapping(
        self, site: Site, tap: Tap, layers: Collection[Layer] | None = None, name: Named | None = None
    ) -> Iterator[None]:
        """Call `tap(layer, activation, routing)` at each forward of these layers, with `activation [rows, N]`.

        Rows are the flattened token positions, text by text, and `routing` is None; in a layer of experts they are
        pairs of token and expert, which `routing` names, and N is the width of one expert. A tap that returns None
        only reads; one that returns a tensor of the same shape replaces the activation. Several taps act in the order
        in which they were installed. Everything is removed when the block ends, on exceptions too.

        `name` tells signatures what the tap changes. A tap that replaces activations without a name gets another one in
        each block, so that no number measured under it passes for comparable with one measured elsewhere. Raises
        `InterventionError` in a forward of the model that does not reach one of the layers, and
        `UnsupportedModelError` where a layer lacks the site.
        """
        wanted = tuple(self.layout.layers if layers is None else layers)
        reached: set[Layer] = set()
        intervention = Intervention(name)

        def noted(layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor | None:
            reached.add(layer)
            flat = activation.reshape(-1, activation.shape[-1])
            changed = tap(layer, flat, routing)
            intervention.replaces = bool(intervention.replaces) or changed is not None
            return None if changed is None else changed.reshape(activation.shape)

        def check(*_: Any) -> None:
            missed = [layer for layer in wanted if layer not in reached]
            if missed:
                raise InterventionError(
                    f"A forward of {type(self.model).__name__} did not pass {site} of layer {missed[0].index}.",
                    f"Expected all of {len(wanted)} tapped layers to be reached.",
                )

        with ExitStack() as hooks:
            if wanted:
                hooks.enter_context(opened(self.model, intervention))
            for layer in wanted:
                self.points[layer].install(site, layer, noted, hooks)
            hooks.callback(self.model.base_model.register_forward_hook(check).remove)
            yield

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients; afterwards the model is in the mode it was in."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train(was_training)

    @contextmanager
    def reading(self, taps: Mapping[Site, Tap]) -> Iterator[Callable[..., None]]:
        """A function that runs the model without its head, as far as the last tapped place of the last layer.

        What lies behind that place is not computed, unless `whole=True` or parts of the model lie in another memory
        than its device's. Raises as `tapping` does.
        """
        places, passed, stops = len(taps) * len(self.layout.layers), 0, not _is_offloaded(self.model)

        def counted(tap: Tap) -> Tap:
            def noted(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
                nonlocal passed
                tap(layer, activation, routing)
                passed += 1
                if passed == places and stops:
                    raise _AllRead

            return noted

        def forward(whole: bool = False, **inputs: Any) -> None:
            nonlocal passed
            passed = places if whole else 0  # never reaches the number of places again
            with suppress(_AllRead):
                self.model.base_model(**inputs)

        with ExitStack() as tapped:
            for site, tap in taps.items():
                tapped.enter_context(self.tapping(site, counted(tap)))
            yield forward

    def value_vectors(self, layer: Layer) -> Tensor:
        """What each neuron of the layer writes when its coefficient is 1: `[N, D]`, the rows of the down projection."""
        return self.points[layer].value_vectors()


class _AllRead(Exception):
    """Every tapped place was passed: nothing behind it is wanted."""


def view(model: PreTrainedModel) -> ModelView:
    """Find the feed-forward neurons of a Hugging Face model, or refuse it.

    The architecture must stand in `models/families.py`. Located layers are compared with the config, and one dummy
    forward checks that each site fires once a layer and that value vectors times coefficients give the layer's
    output. Raises `UnsupportedModelError` with what was got, what was expected and what to do next.
    """
    model = _without_adapter_wrapper(model)
    family = known_family(model)
    layout, points = locate(model, family)
    located = ModelView(model, family, layout, points)
    check_sites(located)
    return located


def _without_adapter_wrapper(model: Any) -> Any:
    """The transformers model inside a PEFT model; its layers hold the adapters, so that nothing is lost."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def _is_offloaded(model: PreTrainedModel) -> bool:
    """Whether weights are fetched from memory or disk for each forward, by hooks that must see it end."""
    places = {str(place) for place in (getattr(model, "hf_device_map", None) or {}).values()}
    return bool(places & {"cpu", "disk"}) and len(places) > 1
