"""What runs in the process of the cage: one form's comparisons, a line of JSON each, within limits."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from neuroglot.forms.table import FORMS
from neuroglot.forms.verdicts import (
    OUT_OF_MEMORY,
    Comparing,
    InvalidFormError,
    UndecidedError,
    Verdict,
    by_canonical,
    of_reference,
)

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # flags of unshare(2)
DIE_WITH_PARENT = 1  # an option of prctl(2)
BARRED = ("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.system", "os.spawn", "pty.", "ftplib.",
          "urllib.", "http.", "smtplib.", "webbrowser.", "os.kill")  # fmt: skip
BARRED_FROM_PROGRAMS = ("open", "import", "os.", "shutil.", "ctypes.", "sqlite3.", "sys._getframe", "gc.", "mmap.",
                        "code.__new__", "object.__getattr__", "sys.addaudithook", "resource.", "signal.")  # fmt: skip


def serve(code: str, seconds: float, memory: int, runs: bool) -> NoReturn:
    """Answer lines of `[answer, reference, context]` with verdicts until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    confine(memory)
    compare = _compare(code)
    if runs:
        programs = import_module("neuroglot.forms.programs")
        for module in (*programs.FOR_PROGRAMS, *programs.THEY_IMPORT):
            import_module(module)
    _tell(answers, {"ready": True})
    lock(runs)
    for line in sys.stdin:
        signal.alarm(int(seconds) + 1)  # the default of its signal ends the process, should nobody else
        _tell(answers, vars(judged_answer(compare, *json.loads(line))))
        signal.alarm(0)
    os._exit(0)


def confine(memory: int) -> None:
    """Limits of the system: memory, no files written, no core dumps; where it is allowed, no network either."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)
        libc.unshare(NEW_USER | NEW_NETWORK)


def lock(runs: bool) -> None:
    """From here on refuse sockets and processes, and to programs that are run also files and imports."""
    barred = BARRED + (BARRED_FROM_PROGRAMS if runs else ())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(barred):
            raise PermissionError(f"{event} is not allowed here")

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0) if runs else resource.getrlimit(resource.RLIMIT_NPROC))
    sys.addaudithook(hook)


def judged_answer(compare: Comparing, answer: str, reference: str, context: dict[str, str]) -> Verdict:
    """The verdict; whatever a comparison raises is invalid or undecided."""
    try:
        require_text(answer)
        of_reference(require_text, reference)
        return compare(answer, reference, context)
    except InvalidFormError as error:
        return Verdict("invalid", str(error))
    except UndecidedError as error:
        return Verdict("undecided", str(error))
    except MemoryError:
        return Verdict("undecided", OUT_OF_MEMORY)
    except Exception as error:  # a library's own, of a text that it was not made for
        return Verdict("undecided", f"{type(error).__name__}: {error}"[:200])


def require_text(text: str) -> None:
    """Raise `InvalidFormError` for what no file of text may hold: a zero byte, and half of a pair of surrogates."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidFormError("a zero byte or half a character")


def _compare(code: str) -> Comparing:
    form = FORMS[code]
    if form.package:
        import_module("rdkit.Chem" if form.package == "rdkit" else form.package)
    function: Callable[..., Any] = getattr(import_module(f"neuroglot.forms.{form.module}"), form.function)
    return by_canonical(function) if form.canonical else function


def _tell(file: Any, what: dict[str, Any]) -> None:
    file.write(json.dumps(what) + "\n")
    file.flush()
