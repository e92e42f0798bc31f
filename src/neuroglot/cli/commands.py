"""Commands from recipes: flags, help, --config, --dry-run and all else that every job has, derived from its fields."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter

from neuroglot.runs.recipe import Recipe, help_of

INDENT = " " * 4
HEADINGS = ("Texts", "Model", "Neurons")  # groups of flags that several commands share, below their own
OUTPUT = Group("Output", sort_key=99)


def _of_runs(text: str) -> Parameter:
    return Parameter(group=OUTPUT, negative="", show_default=False, help=text)


Out = Annotated[
    Path | None, _of_runs("Run folder for the report, the artefacts and recipe.json; it must be new or empty.")
]
Resume = Annotated[bool, _of_runs("Go on with the run in the folder, if there is one, where it was stopped.")]
Overwrite = Annotated[bool, _of_runs("Replace the run in the folder.")]
DryRun = Annotated[
    bool, _of_runs("Print what the job would cost in tokens, time, memory and disk, and stop; nothing is written.")
]
Json = Annotated[bool, _of_runs("Print one JSON object, and nothing else, on standard output.")]
ConfigFile = Annotated[
    Path | None, _of_runs("YAML or JSON file with options, as recipe.json has them; flags have the last word.")
]
RUN_OPTIONS: dict[str, tuple[Any, Any]] = {  # of every job: type and default
    "out": (Out, None),
    "resume": (Resume, False),
    "overwrite": (Overwrite, False),
    "dry_run": (DryRun, False),
    "json": (Json, False),
    "config": (ConfigFile, None),
}


def command_of(recipe: type[Recipe]) -> Callable[..., None]:
    """The function that the command line calls: its parameters are the recipe's options and those of every run.

    None is required by the parser, because a file named by --config may hold it; the recipe says what it lacks.
    """
    parameters = [*_own_parameters(recipe), *_run_parameters(recipe)]
    signature = inspect.Signature(parameters)

    def command(*args: Any, **options: Any) -> None:
        given = signature.bind(*args, **options).arguments
        how = {name: given.pop(name, default) for name, (_, default) in RUN_OPTIONS.items()}
        run_command(recipe, given, **how)

    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = summary_of(recipe)
    return command


def summary_of(recipe: type[Recipe]) -> str:
    """A recipe's docstring with each paragraph on one line, so that a terminal of any width wraps it well."""
    paragraphs = inspect.cleandoc(recipe.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def pasteable(examples: str, width: int = 0) -> str:
    """Examples whose lines fit a terminal of this width, or of this one's: longer commands go on behind a backslash, so
    that they can be pasted as they are shown.
    """
    width = width or shutil.get_terminal_size().columns
    commands = re.sub(r" *\\\n *", " ", examples).splitlines()
    return "\n".join(_broken(command, width) if command.startswith(INDENT) else command for command in commands)


def _broken(command: str, width: int) -> str:
    """One command in lines that fit, broken between its words."""
    lines = [INDENT[:-1]]
    for word in re.findall(r"""(?:"[^"]*"|'[^']*'|\S)+""", command):
        if len(lines[-1]) + len(word) + 3 > width and lines[-1].strip():  # a space, and room for ` \`
            lines.append(f"{INDENT}   ")
        lines[-1] += f" {word}"
    return " \\\n".join(lines)


def usage_of(recipe: type[Recipe]) -> str:
    """The line above a command's help: what it needs, in the order in which people write it."""
    needed = [field.name for field in fields(recipe) if field.default is MISSING]
    words = [name.upper() if name in needed else f"[{name.upper()}]" for name in recipe.positional]
    words += [f"--{name.replace('_', '-')} {name.upper()}" for name in needed if name not in recipe.positional]
    if recipe.default_out is None:
        words.append("--out FOLDER" if recipe.keeping == "folder" else "[--out FOLDER]")
    return " ".join(("Usage: neuroglot", recipe.command, *words, "[OPTIONS]"))


def run_command(recipe: type[Recipe], options: Mapping[str, Any], *, config: Path | None, **how: Any) -> None:
    """Run a recipe with the options of a file, if one is named, and those that were given."""
    stored = {} if config is None else options_in(config, recipe)
    run_job(recipe.from_json({**stored, **options}), **how)


def run_job(job: Recipe, *, out: Path | None, resume: bool, overwrite: bool, dry_run: bool, json: bool) -> None:
    """Run a recipe and print its report, or print its price."""
    from neuroglot.cli.printing import print_finished, print_price
    from neuroglot.distribution import rank, sharing_the_job, started_first
    from neuroglot.errors import ConfigError

    out = out or job.default_out
    if out is None and job.keeping == "folder" and not dry_run:
        raise ConfigError(f"No run folder was named for {job.command!r}.", "Expected --out FOLDER.")
    if dry_run:  # not shared: how often a step is tried depends on the clock, and processes would wait for each other
        if started_first():
            print_price(job.estimate(out, resume=resume, overwrite=overwrite), json)
        return
    with sharing_the_job():
        report = job.run(out, resume=resume, overwrite=overwrite)
        if rank() == 0:
            print_finished(report, out, json, () if out is None else job.following(out))


def options_in(path: Path, recipe: type[Recipe]) -> dict[str, Any]:
    """The options in a file; raises `ConfigError` if it is of another recipe."""
    from neuroglot.errors import ConfigError
    from neuroglot.runs.files import read_options

    stored = read_options(path)
    name = stored.pop("recipe", recipe.command)
    if name != recipe.command:
        raise ConfigError(f"{path} is of the recipe {name!r}.", f"Expected {recipe.command!r}.")
    return stored


def _own_parameters(recipe: type[Recipe]) -> Iterator[inspect.Parameter]:
    """Positional options first, as Python wants it; then required ones, then the recipe's own, then shared ones."""
    texts, types = help_of(recipe), get_type_hints(recipe)  # bounds are the recipe's to check
    for field in sorted(fields(recipe), key=lambda field: _rank(recipe, field)):
        required = field.default is MISSING
        text = texts[field.name] + (" [required]" if required else "")
        annotation, default = (types[field.name] | None, None) if required else (types[field.name], field.default)
        described = {"help": text, **_heading_of(recipe, field.name)}
        yield _parameter(field.name, annotation, default, described, field.name in recipe.positional)


def _rank(recipe: type[Recipe], field: Field[Any]) -> tuple[bool, bool, bool, bool]:
    own = field.name in inspect.get_annotations(recipe)
    return field.name not in recipe.positional, field.default is not MISSING, not own, field.name == "seed"


def _run_parameters(recipe: type[Recipe]) -> Iterator[inspect.Parameter]:
    for name, (annotation, default) in RUN_OPTIONS.items():
        if name == "out" and recipe.default_out is not None:
            default = recipe.default_out
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(
    name: str, annotation: Any, default: Any, described: dict[str, Any], is_positional: bool = False
) -> inspect.Parameter:
    """One parameter with the habits of this command line: --no-flag only for what is on, several values behind a flag.

    Defaults are shown as one would type them.
    """
    habits: dict[str, Any] = {} if default is True else {"negative": ""}
    if isinstance(default, bool) or default in (None, (), ""):
        habits["show_default"] = default is True
    elif isinstance(default, tuple):
        habits["show_default"] = _joined
    elif isinstance(default, str) and not default.isprintable():
        habits["show_default"] = repr
    if _is_several(annotation):
        habits["consume_multiple"] = True
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_ONLY if is_positional else inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, Parameter(**habits | described)],
    )


def _heading_of(recipe: type[Recipe], name: str) -> dict[str, Any]:
    """The group of flags in which an option stands: that of the class that first had it."""
    owners = [owner for owner in recipe.__mro__ if name in inspect.get_annotations(owner)]
    heading = next((owner.__dict__["heading"] for owner in owners if "heading" in owner.__dict__), None)
    if heading is None:
        return {}
    return {"group": Group(heading, sort_key=10 + (HEADINGS.index(heading) if heading in HEADINGS else len(HEADINGS)))}


def _is_several(annotation: Any) -> bool:
    if get_origin(annotation) is tuple:
        return True
    return any(_is_several(part) for part in get_args(annotation) if not isinstance(part, str))


def _joined(values: Any) -> str:
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
