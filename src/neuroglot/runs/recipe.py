"""Recipe: a job as data, whose fields are its options on the command line, in Python, and in a YAML or JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from neuroglot.errors import ConfigError

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

RECIPE = "recipe"  # the key that says in a file which recipe the options are of
Keeping = Literal["folder", "optional"]

_types: dict[type, dict[str, Any]] = {}  # made once for each recipe
_adapters: dict[tuple[type, str], Any] = {}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A job that can be run, saved and run again; subclasses are frozen dataclasses, one a file in `recipes/`.

    A subclass has fields, each with its help as the docstring below it, and three methods: `read` loads all that the
    job reads and notes what that was, `work` does the job, and `price` says what it would cost. `command` is its name,
    `positional` the fields that the command line takes without a flag, and `keeping` whether a run folder is needed.
    """

    command: ClassVar[str]
    group: ClassVar[str]
    examples: ClassVar[str]
    positional: ClassVar[tuple[str, ...]] = ()
    keeping: ClassVar[Keeping] = "folder"
    default_out: ClassVar[Path | None] = None  # the run folder if none is named
    shares_rows: ClassVar[bool] = False  # whether several processes can share the job

    def __post_init__(self) -> None:
        for name, value in _values(self).items():
            object.__setattr__(self, name, _checked(type(self), name, value))

    def read(self, identity: Identity) -> Any:
        """Load all that the job reads, note in `identity` what it was, and refuse what does not fit."""
        raise NotImplementedError

    def work(self, run: Run, inputs: Any) -> Report:
        """Do the job with what `read` gave; artefacts go into the run, results into the report."""
        raise NotImplementedError

    def compare(self, identity: Identity) -> None:
        """Note what `work` reads beside `read`, such as a second model, without doing the job."""

    def price(self, inputs: Any) -> Price:
        """What `work` would cost."""
        raise NotImplementedError

    def following(self, out: Path) -> tuple[str, ...]:
        """The words of a command that goes on with what the run folder `out` holds; none if there is none to name."""
        return ()

    def flags(self, *names: str) -> list[str]:
        """These options as they are written on the command line, without those that have their default."""
        defaults = {field.name: field.default for field in fields(self)}
        words: list[str] = []
        for name in names:
            value = getattr(self, name)
            if value != defaults[name]:
                given = [] if value is True else value if isinstance(value, tuple) else [value]
                words += [f"--{name.replace('_', '-')}", *map(str, given)]
        return words

    def run(self, out: Path | str | None = None, *, resume: bool = False, overwrite: bool = False) -> Report:
        """Do the job and write the run folder `out`, whole or not at all; without `out` only the report is returned.

        With `resume` an unfinished run of the same job in `out` goes on, and a finished one is read back; `overwrite`
        replaces a run folder, and nothing that neuroglot did not write. Raises `ArtifactError` before the work if
        `out` is in the way or cannot be written, `ConfigError` if it holds another job, and what the parts raise.
        """
        from neuroglot.runs.running import run_recipe

        return run_recipe(self, None if out is None else Path(out), resume=resume, overwrite=overwrite)

    def estimate(self, out: Path | str | None = None, *, resume: bool = False, overwrite: bool = False) -> Price:
        """What `run` would cost, after the same refusals; nothing is written."""
        from neuroglot.runs.running import price_recipe

        return price_recipe(self, None if out is None else Path(out), resume=resume, overwrite=overwrite)

    def to_json(self) -> dict[str, Any]:
        """The recipe's name and all its options, as a file holds them."""
        return {RECIPE: self.command} | {name: _plain(value) for name, value in _values(self).items()}

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Recipe:
        """The recipe with these options; raises `ConfigError` if one is unknown, missing, or of another type."""
        given = {name: value for name, value in options.items() if name != RECIPE}
        known = {field.name: field for field in fields(cls)}
        unknown = [name for name in given if name not in known]
        missing = [
            name for name, field in known.items()
            if name not in given and field.default is MISSING and field.default_factory is MISSING
        ]  # fmt: skip
        if unknown:
            raise ConfigError(
                f"The recipe {cls.command!r} has no option {unknown[0]!r}.", f"Expected {', '.join(known)}."
            )
        if missing:
            raise ConfigError(f"The recipe {cls.command!r} lacks {', '.join(missing)}.", "Expected a value for each.")
        return cls(**given)

    def save(self, path: Path) -> Path:
        """Write the options as JSON, from which `neuroglot run` starts the job again."""
        from neuroglot.storage import write_whole

        return write_whole(path, json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n")


def _values(recipe: Recipe) -> dict[str, Any]:
    return {field.name: getattr(recipe, field.name) for field in fields(recipe)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def option_types(recipe: type[Recipe]) -> dict[str, Any]:
    """The type of each option, with its bounds."""
    if recipe not in _types:
        hints = get_type_hints(recipe, include_extras=True)
        _types[recipe] = {field.name: hints[field.name] for field in fields(recipe)}
    return _types[recipe]


def help_of(recipe: type[Recipe]) -> dict[str, str]:
    """The docstrings below the fields, each from the class that has the last word."""
    from docstring_parser import parse_from_object

    owners = [owner for owner in reversed(recipe.__mro__) if issubclass(owner, Recipe)]
    documented = [part for owner in owners for part in parse_from_object(owner).params]
    return {part.arg_name: " ".join((part.description or "").split()) for part in documented}


def _adapter(recipe: type[Recipe], name: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    if (recipe, name) not in _adapters:
        strict = ConfigDict(strict=True, allow_inf_nan=False)
        _adapters[recipe, name] = TypeAdapter(option_types(recipe)[name], config=strict)
    return _adapters[recipe, name]


def _checked(recipe: type[Recipe], name: str, value: Any) -> Any:
    """The value as its field's type; raises `ConfigError` on anything that is not of it."""
    from pydantic import ValidationError

    try:
        return _adapter(recipe, name).validate_python(_converted(option_types(recipe)[name], value))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
        raise ConfigError(
            f"{name}{where} of {recipe.command!r} is {first['input']!r:.80}.",
            f"Expected {first['msg'].removeprefix('Input should be ')}.",
        ) from None


def _converted(kind: Any, value: Any) -> Any:
    """What a file or a user of Python may write for it: a list or one value for several, a text for a path."""
    kinds = _alternatives(kind)
    if any(get_origin(part) is tuple for part in kinds):
        several = next(part for part in kinds if get_origin(part) is tuple)
        inner = get_args(several)[0]
        if isinstance(value, list | tuple):
            return tuple(_converted(inner, part) for part in value)
        return value if value is None else (_converted(inner, value),)
    if isinstance(value, str) and Path in kinds and str not in kinds:
        return Path(value)
    return value


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a union allows, without what annotates them."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(part for inner in get_args(kind) for part in _alternatives(inner))
    if hasattr(kind, "__metadata__"):
        return _alternatives(get_args(kind)[0])
    return (kind,)
