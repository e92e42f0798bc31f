"""ModelView: where the neurons of this model are, the only way to tap them, and what the model can be asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import InterventionError, UnsupportedModelError
from neuroglot.headers import Chosen
from neuroglot.layout import Layer, Layout, Site
from neuroglot.models.families import Family
from neuroglot.models.offloaded import is_offloaded
from neuroglot.models.open_interventions import Intervention, Named, opened
from neuroglot.models.points import Point, Routing, Tap
from neuroglot.showing import Described

Ability = Literal["next-token predictions", "generated text"]
_INSTEAD: dict[Ability, tuple[str, str]] = {
    "next-token predictions": (
        "Expected a decoder, such as Llama or GPT-2.",
        "Encoder–decoders are recorded, selected on and switched off by direction of translation (--directions), and "
        "write with `neuroglot translate`; T5's answers are scored with neurons off by `neuroglot ablate --task`. "
        "Encoders are scored on text, by masked tokens.",
    ),
    "generated text": (
        "Expected a decoder or an encoder–decoder model that has transformers' `generate` and a generation config.",
        "Let a class of your own inherit from transformers.GenerationMixin; `model.generation_config = "
        "transformers.GenerationConfig()` where that is None. Encoders are recorded, and read no answers.",
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class ModelView(Described):
    """The layers of one model in layout order; it reads and changes activations, and has no `forward` of its own."""

    model: PreTrainedModel
    family: Family
    layout: Layout
    points: Mapping[Layer, Point]

    def _facts(self) -> list[str]:
        name = str(self.model.config.name_or_path or type(self.model).__name__)
        kind = f"{self.family.kind} {self.family.model_type}"
        return [name, kind, str(self.layout), f"{self.layout.neuron_count:,} neurons"]

    @contextmanager
    def tapping(
        self, site: Site, tap: Tap, layers: Collection[Layer] | None = None, name: Named | None = None,
        chosen: Sequence[Chosen] = (),
    ) -> Iterator[None]:  # fmt: skip
        """Call `tap(layer, activation, routing)` at each forward of these layers, with `activation [rows, N]`.

        Rows are the flattened token positions, text by text, and `routing` is None; in a layer of experts they are
        pairs of token and expert, which `routing` names, and N is the width of one expert. A tap that returns None
        only reads; one that returns a tensor of the same shape replaces the activation. Several taps act in the order
        in which they were installed. Everything is removed when the block ends, on exceptions too.

        `name` tells signatures what the tap changes. A tap that replaces activations without a name gets another one in
        each block, so that no number measured under it passes for comparable with one measured elsewhere. `chosen` are
        the neurons and values that it uses, so that rows on which they were chosen are refused as a proof. Raises
        `InterventionError` in a forward of the model that does not reach one of the layers, and
        `UnsupportedModelError` where a layer lacks the site.
        """
        wanted = tuple(self.layout.layers if layers is None else layers)
        reached: set[Layer] = set()
        intervention = Intervention(name, chosen=tuple(chosen))

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
        """A function that runs the model without its head, as far as the last tapped site of the last layer.

        What lies behind that site is not computed, unless `whole=True` or parts of the model lie in another memory
        than its device's. Raises as `tapping` does.
        """
        sites, passed, stops = len(taps) * len(self.layout.layers), 0, not is_offloaded(self.model)

        def counted(tap: Tap) -> Tap:
            def noted(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
                nonlocal passed
                tap(layer, activation, routing)
                passed += 1
                if passed == sites and stops:
                    raise _AllRead

            return noted

        def forward(whole: bool = False, **inputs: Any) -> None:
            nonlocal passed
            passed = sites if whole else 0  # never reaches the number of sites again
            with suppress(_AllRead):
                self.model.base_model(**inputs)

        with ExitStack() as tapped:
            for site, tap in taps.items():
                tapped.enter_context(self.tapping(site, counted(tap)))
            yield forward

    def require(self, ability: Ability) -> None:
        """Raise `UnsupportedModelError`, with what to use instead, unless the model gives this."""
        if ability == "next-token predictions":
            given = self.family.predicts_next
        else:
            has_config = getattr(self.model, "generation_config", None) is not None
            given = self.family.generates and self.model.can_generate() and has_config
        if not given:
            kind = f"{'an' if self.family.kind[0] in 'aeiou' else 'a'} {self.family.kind}"
            raise UnsupportedModelError(
                f"{type(self.model).__name__} gives no {ability}: {self.family.model_type} is {kind}.",
                *_INSTEAD[ability],
            )

    def value_vectors(self, layer: Layer) -> Tensor:
        """What each neuron of the layer writes when its coefficient is 1: `[N, D]`, the rows of the down projection."""
        return self.points[layer].value_vectors()


class _AllRead(Exception):
    """Every tapped site was passed: nothing behind it is wanted."""
