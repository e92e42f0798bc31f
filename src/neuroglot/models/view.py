"""The way to a ModelView: find the family of a model, locate its neurons, and prove that they are where it says."""

from typing import Any

from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.models.checks import check_sites
from neuroglot.models.families import Family
from neuroglot.models.locating import known_family, locate
from neuroglot.models.modelview import ModelView as ModelView


def view(model: PreTrainedModel, family: Family | None = None) -> ModelView:
    """Find the feed-forward neurons of a Hugging Face model, or refuse it.

    The architecture must stand in `models/families.py`, be one of `models/architectures/`, or be described by a
    `family` of your own. Located layers are compared with the config, and one dummy forward checks that each site fires
    once a layer and that value vectors times coefficients give the layer's output. Raises `UnsupportedModelError` with
    what was got, what was expected and what to do next.
    """
    model = _without_adapter_wrapper(model)
    known = known_family(model, family)
    if model.device.type == "meta":
        raise UnsupportedModelError(
            f"All weights of the {type(model).__name__} are kept elsewhere (offloaded), or nowhere.",
            "Expected a model whose embedding is in memory.",
            "Load it with device_map='auto' (device='auto'), which offloads only what does not fit.",
        )
    layout, points = locate(model, known)
    located = ModelView(model, known, layout, points)
    check_sites(located)
    return located


def view_of_form(model: PreTrainedModel, family: Family) -> ModelView:
    """Where the neurons of a model without weights would be; without a forward nothing is proved."""
    return ModelView(model, family, *locate(model, family))


def _without_adapter_wrapper(model: Any) -> Any:
    """The transformers model inside a PEFT model; its layers hold the adapters, so that nothing is lost."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model
