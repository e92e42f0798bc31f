"""`neuroglot models`: which architectures are known, and where the neurons of one model are."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neuroglot.cli.options import Json, ModelOptions

if TYPE_CHECKING:
    from neuroglot.models import ModelView


MODELS_EXAMPLES = """Examples:

    neuroglot models
    neuroglot models lab
    neuroglot models Qwen/Qwen3-0.6B --json"""


def models(
    model: Annotated[str | None, Parameter(show_default=False)] = None,
    /,
    *,
    loading: ModelOptions = ModelOptions(),
    json: Json = False,
) -> None:
    """List the architectures that neuroglot knows, or show the layout of one model, or why it is refused.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub; without it, all known architectures are listed.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.models import describe_families

    if model is None:
        families = describe_families()
        print_json({"families": families}) if json else _print_table(families)
        return
    view, _ = loading.load(model)
    described = _described(view)
    if json:
        print_json(described)
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
