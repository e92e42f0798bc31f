"""Imports point only to lower floors, and what is arithmetic only never imports a model."""

import ast
import re
from pathlib import Path

import neuroglot

PACKAGE = Path(neuroglot.__file__).parent
FLOORS = {
    "errors": 0, "distribution": 0.5, "extras": 0.5, "layout": 0.5, "showing": 0.4, "signature": 0.5, "storage": 0.6,
    "headers": 0.7, "progress": 0.5, "forms": 0.8,
    "corpora": 1, "models": 1,
    "prompting": 2,
    "tokens": 3,
    "generation": 4,
    "activity": 5,
    "neurons": 6,
    "interventions": 7, "metrics": 7,
    "training": 7.5, "decisions": 7.6,
    "attribution": 8, "lab": 8,
    "experiments": 9,
    "reports": 10,
    "hub": 11, "runs": 11,
    "recipes": 12,
    "cli": 13,
    "__main__": 14,
}  # fmt: skip
WITH_A_CIRCLE = {"activity", "runs"}  # a signature that rows borrow from record; recipes and what runs them
UPWARDS = {("showing.py", "neuroglot.reports.notebook")}  # a result asks for its report, when it is asked to show it
ARITHMETIC_ONLY = {"neurons", "metrics", "reports"}
MODEL_SIDE = ("transformers.", "neuroglot.models.", "neuroglot.experiments.evaluation.", "neuroglot.activity.record.")


def imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"]


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in SOURCES} == set(FLOORS)
    assert len(SOURCES) > 40


def test_imports_point_only_downwards() -> None:
    upwards = set()
    for path in SOURCES:
        for name in imported(path):
            if name.startswith("neuroglot."):
                target = name.split(".")[1]
                if target != room(path) and FLOORS[target] >= FLOORS[room(path)]:
                    upwards.add((str(path.relative_to(PACKAGE)), name.rpartition(".")[0]))
    assert upwards == UPWARDS


def test_what_points_upwards_is_imported_in_functions_only() -> None:
    for file, module in UPWARDS:
        top = [node for node in ast.parse((PACKAGE / file).read_text()).body if isinstance(node, ast.ImportFrom)]
        assert module not in {node.module for node in top}


def modules_imported(path: Path) -> set[Path]:
    """The files of the package that a file imports, also in functions and for type checkers only."""
    found = set()
    for name in imported(path):
        parts = name.split(".")[1:] if name.startswith("neuroglot.") else []
        candidates = [PACKAGE.joinpath(*parts[:end]).with_suffix(".py") for end in range(1, len(parts) + 1)]
        found |= {file for file in candidates if file.is_file()}
    return found


def test_no_two_files_of_a_room_import_each_other_not_even_around_a_corner() -> None:
    """The faces of rooms (`__init__`) are left out: they import every file of the room."""
    waiting = {
        path: {other for other in modules_imported(path) - {path} if room(other) == room(path)}
        for path in SOURCES
        if path.stem != "__init__" and room(path) not in WITH_A_CIRCLE
    }
    assert sum(map(len, waiting.values())) > 150
    while free := {path for path, needed in waiting.items() if not needed & set(waiting)}:
        waiting = {path: needed for path, needed in waiting.items() if path not in free}
    assert not {str(path.relative_to(PACKAGE)) for path in waiting}


def test_arithmetic_rooms_never_import_a_model() -> None:
    for path in SOURCES:
        if room(path) in ARITHMETIC_ONLY:
            wrong = [name for name in imported(path) if f"{name}.".startswith(MODEL_SIDE)]
            assert not wrong, f"{path} imports {wrong}"


def test_reports_draw_nothing() -> None:
    statistics = ("resampled_sums", "resampled_means", "scores_from", "mean_scores", "interval", "torch.Generator")
    sources = [path for path in SOURCES if room(path) == "reports"]
    assert len(sources) > 15
    for path in sources:
        text = path.read_text()
        assert not [name for name in statistics if re.search(rf"\b{re.escape(name)}\b\(", text)], path


def test_no_source_file_is_too_long_to_read_in_one_sitting() -> None:
    assert {path.name: length for path in SOURCES if (length := len(path.read_text().splitlines())) > 400} == {}


def test_the_public_names_are_all_there() -> None:
    assert len(neuroglot.__all__) >= 20
    for name in neuroglot.__all__:
        assert getattr(neuroglot, name) is not None


def public_names(path: Path) -> set[str]:
    """Classes, functions and aliases of a module; constants, in capitals, are the module's own."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_") and not name.isupper()}


def test_no_public_name_of_what_is_read_and_written_stands_for_two_things() -> None:
    homes: dict[str, list[str]] = {}
    for path in SOURCES:
        if room(path) in {"corpora", "prompting", "tokens", "generation", "activity"}:
            for name in public_names(path) - {"log"}:
                homes.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    assert len(homes) > 250
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}
