"""The documentation names what is there: links, public names with docstrings, errors, papers."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import neuroglot
from neuroglot import errors, neurons
from tests.test_docs import FENCED, ROOT, WRITTEN


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if not path.startswith("https://"):
            target = (page.parent / path) if path else page
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s:]+\.md)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links]
    assert {page.name for page in WRITTEN} - {page.name for page in reached} == set()


def public_names() -> dict[str, Any]:
    """Callables and classes that the package and its rooms export."""
    found = {}
    package = Path(neuroglot.__file__).parent
    for path in sorted(package.rglob("__init__.py")):
        room = ".".join(("neuroglot", *path.parent.relative_to(package).parts))
        if room.startswith("neuroglot.cli"):
            continue
        module = importlib.import_module(room)
        imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        named = {alias.name for node in imported for alias in node.names if alias.asname == alias.name}
        for name in named | set(getattr(module, "__all__", ())):
            found[f"{room}.{name}"] = getattr(module, name)
    return found


def test_every_public_name_has_a_docstring() -> None:
    described: dict[str, Callable[..., Any]] = {
        name: value for name, value in public_names().items() if inspect.isclass(value) or inspect.isfunction(value)
    }
    assert len(described) >= 160
    own = {
        name: vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        for name, value in described.items()
    }
    missing = [name for name, doc in own.items() if not doc or doc.startswith(f"{name.rpartition('.')[2]}(")]
    assert missing == []


def test_every_error_has_its_row() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(classes) == 11
    assert {name for name, _ in rows} == classes
    for name, builtin in rows:
        assert issubclass(getattr(errors, name), getattr(importlib.import_module("builtins"), builtin))


def test_papers_name_what_is_there() -> None:
    text = (ROOT / "docs" / "papers.md").read_text()
    assert set(re.findall(r"--selector ([\w-]+)", text)) <= set(neurons.SELECTORS)
    named = [
        name for row in re.findall(r"\| ([^|]*) \|$", text, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", row)
    ]
    assert len(named) == 25
    for name in named:
        value: Any = neuroglot
        for part in name.split("."):
            value = getattr(value, part, None) or import_module(f"{value.__name__}.{part}")
    listed = "LAPE, Sharing Matters, PMI, Neuron Specialization, NeuronXA, CRANE, PLND, Kojima, CLAS"
    assert [paper for paper in listed.split(", ") if f"| {paper}" not in text] == []


# ---- the API reference


def api_names() -> list[str]:
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    return [name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)]


def resolved(path: str) -> Any:
    """The object at a path, whose first parts are modules."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


def test_the_api_reference_names_what_is_there_each_once() -> None:
    names = api_names()
    assert len(names) == len(set(names)) > 150
    assert all(inspect.getdoc(resolved(name)) for name in names)


def test_the_api_reference_has_every_public_name_of_the_package_and_every_recipe() -> None:
    from neuroglot.recipes import all_recipes

    listed = [resolved(name) for name in api_names()]
    public = [getattr(neuroglot, name) for name in neuroglot.__all__]
    wanted = [thing for thing in public if not inspect.ismodule(thing)] + list(all_recipes().values())
    assert [thing for thing in wanted if not any(thing is each for each in listed)] == []
