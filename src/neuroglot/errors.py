"""Every error neuroglot raises on purpose: what was got, what was expected, what to do next.

Each class also inherits the built-in it refines, so `except ValueError` keeps working. To add one, subclass
`NeuroglotError` together with that built-in; the command line prints any of them as one message, without a traceback.
"""

from collections.abc import Sequence


class NeuroglotError(Exception):
    """Base of all errors; its text is one sentence on what was got, one on what was expected, one on what to do."""

    def __init__(self, got: str, expected: str = "", next_step: str = "") -> None:
        self.got, self.expected, self.next_step = got, expected, next_step
        super().__init__(" ".join(part for part in (got, expected, next_step) if part))


class ConfigError(NeuroglotError, ValueError):
    """An option or an argument has a value that neuroglot does not accept."""


class CorpusError(NeuroglotError, ValueError):
    """A corpus cannot be read, or its rows are not parallel."""


class UnsupportedModelError(NeuroglotError, ValueError):
    """The architecture is unknown, not built the way its entry in the table says, or gives not what was asked for."""


class LayoutMismatchError(NeuroglotError, ValueError):
    """Two things that must describe the neurons of one layout do not."""


class ArtifactError(NeuroglotError, ValueError):
    """A saved file is damaged, foreign, or would be overwritten."""


class InterventionError(NeuroglotError, RuntimeError):
    """An intervention was installed but did not take effect."""


class MissingExtraError(NeuroglotError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class EndpointError(NeuroglotError, RuntimeError):
    """An endpoint answers no more; what it has answered is kept, and the job can go on later."""


class ProcessError(NeuroglotError, RuntimeError):
    """A process that shares the job is gone, or too slow."""


class MemoryLimitError(NeuroglotError, MemoryError):
    """Something does not fit into memory or onto the disk, even in the smallest parts."""


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are: `a, b, c and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
