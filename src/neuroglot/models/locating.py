"""From an entry of the table to the modules of one model, compared with its config."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer, Layout, Width
from neuroglot.models.architectures import own_families
from neuroglot.models.families import FAMILIES, Dense, Experts, Family, StackPlan
from neuroglot.models.points import DensePoint, ExpertsPoint, Point
from neuroglot.models.scaled_experts import ScaledExpertsPoint


def known_family(model: PreTrainedModel, given: Family | None = None) -> Family:
    """The family that is `given`, or the model's entry in the table; raises `UnsupportedModelError` if it has none."""
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type is None:
        raise UnsupportedModelError(
            f"Got {type(model).__name__}, which has no config.", "Expected a Hugging Face transformers model."
        )
    return given or require_family(model_type, type(model).__name__)


def require_family(model_type: str, name: str) -> Family:
    """The entry of an architecture, in the table or among our own; raises `UnsupportedModelError` that says how to add
    one.
    """
    known = {family.model_type: family for family in FAMILIES}
    if model_type not in known:
        known |= {family.model_type: family for family in own_families()}
    if model_type == "sga":
        raise UnsupportedModelError(
            f"{name} is an encoder that writes (sga), whose neurons are those of its encoder.",
            "Expected a model with neurons of its own.",
            "Use `neuroglot sga translate` and `neuroglot sga neurons`; in Python, view(model.backbone).",
        )
    if model_type == "branched_m2m_100":
        raise UnsupportedModelError(
            f"{name!r} is a branched translation model, many models in one.",
            "Expected one encoder and one decoder.",
            "Take a pair, BranchedFolder(folder).select(encoder, decoder), and save that; or use `neuroglot lego`.",
        )
    if model_type not in known:
        raise UnsupportedModelError(
            f"The architecture {model_type!r} ({name}) is not in neuroglot's table.",
            f"It knows {', '.join(known)}.",
            "Describe it by a Family and give that as family=…, or add one entry in models/families.py and one tiny "
            "config in tests/families.py.",
        )
    return known[model_type]


def describe_families() -> list[dict[str, str]]:
    """One entry a family: its name, kind, loader, stacks and sites. All of them pass every invariant of the tests."""
    return [_described(family) for family in (*FAMILIES, *own_families())]


def _described(family: Family) -> dict[str, str]:
    networks = [plan.network for plan in family.stacks]
    gates = {network.gated for network in networks if isinstance(network, Dense)} or {True}
    return {
        "family": family.model_type,
        "kind": family.kind,
        "loads with": family.loader.__name__,
        "stacks": ", ".join(plan.name for plan in family.stacks),
        "gated": " and ".join("yes" if gated else "no" for gated in sorted(gates)),
        "down projection": ", ".join(dict.fromkeys(f"{plan.layers}.*.{plan.network.path}" for plan in family.stacks)),
    }


def locate(model: PreTrainedModel, family: Family) -> tuple[Layout, dict[Layer, Point]]:
    """The layout and the points of all stacks; raises `UnsupportedModelError` where the model is built otherwise."""
    found = [dict(_points(model, plan)) for plan in family.stacks]
    depths = [_depth(model, plan) for plan in family.stacks]
    _require_every_layer(model, family, found, depths)
    layout = Layout(
        tuple(
            (plan.name, tuple(_width(points.get(index)) for index in range(depth)))
            for plan, points, depth in zip(family.stacks, found, depths)
        )
    )
    stacks = {plan.name: points for plan, points in zip(family.stacks, found)}
    return layout, {layer: stacks[layer.stack][layer.index] for layer in layout.layers}


def text_config(model: PreTrainedModel) -> Any:
    """The config of the language model, which is a part of the config in vision-language models."""
    return model.config.get_text_config()


def _points(model: PreTrainedModel, plan: StackPlan) -> Iterator[tuple[int, Point]]:
    """Number and point of each layer that has what the plan describes."""
    for index, layer in enumerate(_layers(model, plan)):
        marker = f"{plan.network.path}.experts" if _is_scaled(plan.network) else plan.network.path
        if plan.partial and not _has(layer, marker):
            continue
        point = _point(model, plan, layer)
        _check_width(model, plan, index, point)
        yield index, point


def _point(model: PreTrainedModel, plan: StackPlan, layer: nn.Module) -> Point:
    network = plan.network
    try:
        if isinstance(network, Experts):
            module = layer.get_submodule(network.path)
            return ScaledExpertsPoint(module) if network.scaled_inputs else ExpertsPoint(module)
        activation = layer.get_submodule(network.activation) if network.activation else None
        return DensePoint(activation, layer.get_submodule(network.path), network.gated)
    except AttributeError as error:
        raise _built_otherwise(model, f"lacks a module: {error}", f"{plan.layers}.*.{network.path}") from error


def _layers(model: PreTrainedModel, plan: StackPlan) -> list[nn.Module]:
    try:
        return list(model.base_model.get_submodule(plan.layers).children())
    except AttributeError as error:
        raise _built_otherwise(model, f"lacks a module: {error}", f"layers at {plan.layers}") from error


def _depth(model: PreTrainedModel, plan: StackPlan) -> int:
    stated, found = getattr(text_config(model), plan.depth, None), len(_layers(model, plan))
    if stated != found:
        raise _built_otherwise(model, f"has {found} layers at {plan.layers}", f"{plan.depth} = {stated} in its config")
    return found


def _require_every_layer(
    model: PreTrainedModel, family: Family, found: list[dict[int, Point]], depths: list[int]
) -> None:
    """Plans that each cover some layers must together cover all of them."""
    for plan, depth in zip(family.stacks, depths):
        covered = {
            index
            for other, points in zip(family.stacks, found)
            if other.layers == plan.layers and other.main
            for index in points
        }
        if covered != set(range(depth)):
            missing = min(set(range(depth)) - covered)
            raise _built_otherwise(model, f"has no known feed-forward network in layer {missing}", "one in every layer")


def _check_width(model: PreTrainedModel, plan: StackPlan, index: int, point: Point) -> None:
    stated, found = _stated_width(text_config(model), plan.network), _width(point)
    if stated != found:
        raise _built_otherwise(
            model,
            f"has width {_written(found)} in layer {index} of its {plan.name}",
            f"{plan.network.width} = {_written(stated)} in its config",
        )


def _stated_width(config: Any, network: Dense | Experts) -> Width | None:
    width = _first_known(config, network.width)
    if isinstance(network, Dense) or width is None:
        return width
    return _first_known(config, network.count) or 0, width


def _first_known(config: Any, expression: str) -> int | None:
    """The value of an expression like `n_inner or 4*hidden_size`: the first alternative whose factors are all known."""
    for alternative in expression.split(" or "):
        value = 1
        for factor in alternative.split("*"):
            known = int(factor) if factor.isdigit() else getattr(config, factor, None)
            if not isinstance(known, int):
                break
            value *= known
        else:
            return value
    return None


def _width(point: Point | None) -> Width:
    return 0 if point is None else point.width


def _is_scaled(network: Dense | Experts) -> bool:
    return isinstance(network, Experts) and network.scaled_inputs


def _has(layer: nn.Module, path: str) -> bool:
    try:
        layer.get_submodule(path)
    except AttributeError:
        return False
    return True


def _written(width: Width | None) -> str:
    return "×".join(map(str, width)) if isinstance(width, tuple) else str(width)


def _built_otherwise(model: PreTrainedModel, got: str, expected: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{type(model).__name__} of type {model.config.model_type!r} {got}.",
        f"Expected {expected}.",
        "It is not built the way neuroglot's table says; please report it.",
    )
