"""`neuroglot models`: which architectures are known, and where the neurons of one model are."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neuroglot.cli.commands import Json

if TYPE_CHECKING:
    from neuroglot.models import ModelView


MODELS_EXAMPLES = """Examples:

    neuroglot models
    neuroglot models lab
    neuroglot models Qwen/Qwen3-0.6B --json"""

SELECTORS_EXAMPLES = """Examples:

    neuroglot selectors
    neuroglot selectors --json"""


def models(
    model: Annotated[str | None, Parameter(show_default=False)] = None,
    /,
    *,
    revision: str | None = None,
    json: Json = False,
) -> None:
    """List the architectures that neuroglot knows, or show the layout of one model, or why it is refused.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, a GGUF file, or a hub id; without it, all known architectures are listed.
    revision:
        Branch, tag or commit of a hub model.
    """
    from neuroglot.cli.printing import print_json
    from neuroglot.models import describe_families, load

    if model is None:
        families = describe_families()
        print_json({"families": families}) if json else _print_table(families)
        return
    view, _ = load(model, revision=revision)
    described = _described(view)
    if json:
        print_json(described)
    else:
        print("\n".join(f"{name + ':':14}{value}" for name, value in described.items()))


def selectors(*, json: Json = False) -> None:
    """List the rules that select neurons, what they need, which options they take, and where they are from."""
    from neuroglot.cli.printing import print_json
    from neuroglot.neurons.rules.table import describe_selectors

    rows = describe_selectors()
    print_json({"selectors": rows}) if json else _print_table(rows)


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


def _print_table(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row.values()))  # brackets are no markup
    Console().print(table)
