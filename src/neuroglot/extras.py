"""Optional packages: imported in one place, which says what to install if one is missing."""

from importlib import import_module
from types import ModuleType

from neuroglot.errors import MissingExtraError


def require(module: str, *, extra: str = "", package: str = "", note: str = "") -> ModuleType:
    """Import an optional module that neuroglot's `extra`, or else a `package` of its own, brings.

    Raises `MissingExtraError` with the command that installs it, and the `note`, if it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        is_missing = isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == name
        raise MissingExtraError(
            f"The package {name!r} {'is not installed' if is_missing else f'cannot be imported: {error}'}.",
            note,
            f"Run: pip install '{f'neuroglot[{extra}]' if extra else package}'",
        ) from error
