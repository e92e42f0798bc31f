"""One name, one thing: no public name of a module stands in two rooms with different meanings."""

import ast
from collections import defaultdict
from pathlib import Path

import neuroglot

PACKAGE = Path(neuroglot.__file__).parent
LEFT_OUT = ("cli", "__main__.py", "__init__.py")  # commands, and faces of rooms, which export what stands in them

# Names that stand in several rooms, and why they may.
ALLOWED = {
    "load": "one verb in three rooms, always called with the room's name: corpora.load, models.load, lab.load",
    "PHRASEBOOK": "one table for each language of the lab",
    "Score": "a recipe is called like the result it gives",
    "Scoreboard": "a recipe is called like the result it gives",
    "Sharing": "a recipe is called like the result it gives",
}
FINISHED = {"models", "neurons", "interventions", "metrics", "attribution", "experiments", "reports"}


def assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def homes() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] in LEFT_OUT or place.name in LEFT_OUT:
            continue
        for node in ast.parse(path.read_text()).body:
            for name in assigned(node):
                if not name.startswith("_"):
                    found[name].append(place)
    return found


def doubles() -> dict[str, list[str]]:
    return {name: [str(place) for place in places] for name, places in homes().items() if len(places) > 1}


def test_no_public_name_means_two_things() -> None:
    assert len(homes()) > 900
    assert {name: places for name, places in doubles().items() if name not in ALLOWED} == {}


def test_what_is_allowed_is_still_needed() -> None:
    assert not set(ALLOWED) - set(doubles())


def test_within_the_finished_rooms_every_name_stands_once() -> None:
    within = {
        name: [place for place in places if place.split("/")[0] in FINISHED] for name, places in doubles().items()
    }
    assert {name: places for name, places in within.items() if len(places) > 1} == {}
