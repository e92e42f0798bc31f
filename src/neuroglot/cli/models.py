"""`neuroglot models`: which architectures are known, and where the neurons of one model are."""

import json as json_format
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from neuroglot.models import ModelView


def models(
    model: str | None = None,
    /,
    *,
    revision: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List the architectures that neuroglot knows, or show the layout of one model, or why it is refused.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub; without it, all known architectures are listed.
    revision:
        Branch, tag or commit of a hub model.
    json:
        Print JSON.
    """
    from neuroglot.models import describe_families, load

    if model is None:
        families = describe_families()
        _print_table(families) if not json else print(json_format.dumps({"families": families}, indent=1))
        return
    view, _ = load(model, revision=revision)
    described = _described(view)
    if json:
        print(json_format.dumps(described, indent=1))
    else:
        print("\n".join(f"{name + ':':14}{value}" for name, value in described.items()))


def _described(view: "ModelView") -> dict[str, Any]:
    from neuroglot.models import model_signature
    from neuroglot.models.checks import available_sites

    return {
        "family": view.family.model_type,
        "kind": view.family.kind,
        "layout": str(view.layout),
        "neurons": view.layout.neuron_count,
        "sites": ", ".join(available_sites(view)),
        "signature": str(model_signature(view.model)),
    }


def _print_table(families: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*families[0], box=None, header_style="bold")
    for family in families:
        table.add_row(*family.values())
    Console().print(table)
