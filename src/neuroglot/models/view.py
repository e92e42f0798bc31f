"""ModelView: where the neurons of this model are, and the only way to tap them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from neuroglot.errors import InterventionError, UnsupportedModelError
from neuroglot.layout import Layer, Layout, Site
from neuroglot.models.checks import check_config, check_sites
from neuroglot.models.families import FAMILIES, Family, StackPlan, family_of

Tap = Callable[[Layer, Tensor], Tensor | None]


@dataclass(frozen=True)
class LayerModules:
    """The two modules of one layer that are tapped: the nonlinearity and the down projection."""

    activation: nn.Module
    write: nn.Module


@dataclass(frozen=True, eq=False)
class ModelView:
    """The layers of one model in layout order; it reads and changes activations, and never has a `forward` of its
    own.
    """

    model: PreTrainedModel
    family: Family
    layout: Layout
    modules: Mapping[Layer, LayerModules]

    @contextmanager
    def tapping(self, site: Site, tap: Tap, layers: Collection[Layer] | None = None) -> Iterator[None]:
        """Call `tap(layer, activation)` at each forward of these layers, with `activation [B·T, N]` of that layer.

        Token positions are flattened, row by row. A tap that returns None only reads; one that returns a tensor of the
        same shape replaces the activation. Several taps act in the order in which they were installed. All hooks are
        removed when the block ends, on exceptions too. Raises `InterventionError` in the first forward of the model
        that does not reach one of the layers.
        """
        wanted = tuple(self.layout.layers if layers is None else layers)
        reached: set[Layer] = set()

        def noted(layer: Layer, activation: Tensor) -> Tensor | None:
            reached.add(layer)
            flat = activation.reshape(-1, activation.shape[-1])
            changed = tap(layer, flat)
            return None if changed is None else changed.reshape(activation.shape)

        def check(*_: Any) -> None:
            missed = [layer for layer in wanted if layer not in reached]
            if missed:
                raise InterventionError(
                    f"A forward of {type(self.model).__name__} did not pass {site} of layer {missed[0].index}.",
                    f"Expected all of {len(wanted)} tapped layers to be reached.",
                )

        with ExitStack() as hooks:
            for layer in wanted:
                hooks.callback(_install(self.modules[layer], site, layer, noted).remove)
            hooks.callback(self.model.base_model.register_forward_hook(check).remove)
            yield

    def value_vectors(self, layer: Layer) -> Tensor:
        """What each neuron of the layer writes when its coefficient is 1: `[N, D]`, the rows of the down projection."""
        module = self.modules[layer].write
        weight = module.weight
        if not isinstance(weight, Tensor):
            raise UnsupportedModelError(f"{type(module).__name__} has no weight tensor.", "Expected a linear layer.")
        return weight if type(module).__name__ == "Conv1D" else weight.T  # GPT-2 keeps value vectors as rows


def view(model: PreTrainedModel) -> ModelView:
    """Find the feed-forward neurons of a Hugging Face model, or refuse it.

    The architecture must stand in `models/families.py`. Located layers are compared with the config, and one dummy
    forward checks that each site fires once a layer and that value vectors times coefficients give the layer's output.
    Raises `UnsupportedModelError` with what was got, what was expected and what to do next.
    """
    family = _known_family(model)
    modules: dict[Layer, LayerModules] = {}
    layout_stacks = []
    for plan in family.stacks:
        found = _stack_modules(model, plan)
        check_config(model.config, plan, [write for _, write in found])
        layout_stacks.append((plan.name, tuple(_width(write) for _, write in found)))
    layout = Layout(tuple(layout_stacks))
    places = iter(layout.layers)
    for plan in family.stacks:
        for activation, write in _stack_modules(model, plan):
            modules[next(places)] = LayerModules(activation, write)
    located = ModelView(model, family, layout, modules)
    check_sites(located)
    return located


def _known_family(model: PreTrainedModel) -> Family:
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type is None:
        raise UnsupportedModelError(
            f"Got {type(model).__name__}, which has no config.", "Expected a Hugging Face transformers model."
        )
    family = family_of(model_type)
    if family is None:
        raise UnsupportedModelError(
            f"The architecture {model_type!r} ({type(model).__name__}) is not in neuroglot's table.",
            f"It knows {', '.join(known.model_type for known in FAMILIES)}.",
            "To add it, write one entry in models/families.py and one tiny config in tests/families.py.",
        )
    return family


def _stack_modules(model: PreTrainedModel, plan: StackPlan) -> list[tuple[nn.Module, nn.Module]]:
    try:
        layers = model.base_model.get_submodule(plan.layers)
        return [(layer.get_submodule(plan.activation), layer.get_submodule(plan.write)) for layer in layers.children()]
    except AttributeError as error:
        raise UnsupportedModelError(
            f"{type(model).__name__} of type {model.config.model_type!r} lacks a module: {error}.",
            f"Expected {plan.layers}.*.{plan.activation} and {plan.layers}.*.{plan.write}.",
            "This version of transformers may build it otherwise; please report it.",
        ) from error


def _width(write: nn.Module) -> int:
    return int(getattr(write, "in_features", None) or getattr(write, "nx"))  # noqa: B009 (Conv1D calls it nx)


def _install(modules: LayerModules, site: Site, layer: Layer, tap: Tap) -> RemovableHandle:
    """Hook one layer: the output of the nonlinearity, or the input of the down projection."""

    def after(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        return tap(layer, output)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        changed = tap(layer, inputs[0])
        return None if changed is None else (changed, *inputs[1:])

    if site == "post_act":
        return modules.activation.register_forward_hook(after)
    return modules.write.register_forward_pre_hook(before)
