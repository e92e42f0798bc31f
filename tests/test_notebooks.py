"""The notebooks are small, hold no outputs, and run from the first cell to the last, without Jupyter; what their cells
end with is shown as Jupyter would.
"""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
WRITES = {
    "quickstart": {"quickstart.html"},
    "your_own_model": {"my-model", "my-texts.tsv", "my-run"},
    "comparing_two_models": {"comparison.html"},
}
SMALLER = {"take(range(60))": "take(range(12))", "range(20)": "range(6)"}


def cells(notebook: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == kind]


def test_the_notebooks_are_found() -> None:
    assert {notebook.stem for notebook in NOTEBOOKS} == set(WRITES)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_plain(notebook: Path) -> None:
    stored = json.loads(notebook.read_text())
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in stored["cells"]}) == len(stored["cells"])
    assert {cell["cell_type"] for cell in stored["cells"]} == {"code", "markdown"}
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(notebook, "code"))
    assert notebook.stat().st_size < 10_000
    assert stored["cells"][0]["source"][0].startswith("# ")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown: list[str] = []
    for number, cell in enumerate(cells(notebook, "code")):
        code = "".join(cell["source"])
        for given, taken in SMALLER.items():
            code = code.replace(given, taken)
        shown += ran(code, f"{notebook.name}, code cell {number}", namespace)
    assert {path.name for path in tmp_path.iterdir()} == WRITES[notebook.stem]
    assert capsys.readouterr().out
    assert any(page.startswith("<iframe") and "figure" in page for page in shown)


def ran(code: str, name: str, namespace: dict[str, Any]) -> list[str]:
    """Run a cell; what a notebook shows of the value that it ends with, if it has a page or a table of its own."""
    body = ast.parse(code).body
    if not isinstance(body[-1], ast.Expr):
        exec(compile(ast.Module(body, []), name, "exec"), namespace)
        return []
    body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], body[-1].value), body[-1])
    exec(compile(ast.fix_missing_locations(ast.Module(body, [])), name, "exec"), namespace)
    return [namespace["_"]._repr_html_()] if hasattr(namespace["_"], "_repr_html_") else []
