"""The optional libraries of the generator, imported only when something is generated."""

from importlib import import_module
from types import ModuleType

from neuroglot.errors import MissingExtraError


def require(module: str) -> ModuleType:
    """Import a module that the extra `lab` brings; raises `MissingExtraError` where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Generating the lab's corpus needs {module.partition('.')[0]!r}, which is not installed.",
            "The shipped lab model and its texts load without it.",
            "Run: pip install 'neuroglot[lab]'",
        ) from error
