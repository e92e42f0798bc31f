"""The notebooks are small, hold no outputs, and run from the first cell to the last, without Jupyter."""

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
    for number, cell in enumerate(cells(notebook, "code")):
        code = "".join(cell["source"])
        for given, taken in SMALLER.items():
            code = code.replace(given, taken)
        exec(compile(ast.parse(code), f"{notebook.name}, code cell {number}", "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} == WRITES[notebook.stem]
    assert capsys.readouterr().out
