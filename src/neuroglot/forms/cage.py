"""The cage: comparisons run in a process of their own, which has little time and memory, writes no file, opens no
connection, and is killed with all that it started.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from neuroglot import extras
from neuroglot.errors import ProcessError
from neuroglot.forms.table import form_of
from neuroglot.forms.verdicts import OUT_OF_MEMORY, FormContext, Verdict

SECONDS = 2.0  # of a comparison
MEMORY = 512 * 2**20  # bytes of addresses
STARTING = 60.0  # seconds to import what a form needs
_ENDING = 0.05  # seconds for a process that has closed its pipe to be gone
_LONGEST = 100_000  # characters of an answer
REPLY = 2**16  # bytes
BEGIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from neuroglot.forms.worker import serve; "
    "serve(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == 'True')"
)
_PACKAGES = str(Path(__file__).parents[2])
_PLAIN = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass
class Cage:
    """Compares answers with references in one formal language, as a context manager.

    A process serves many comparisons and is started anew after one that did not end. If `runs`, programs may be run,
    each in a process of its own. Raises `MissingExtraError` if the form needs a package that is not there.
    """

    form: str
    runs: bool = False
    seconds: float = SECONDS
    memory: int = MEMORY
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        form = form_of(self.form)
        self.runs = self.runs and form.runs
        if form.package:
            extras.require(form.package, extra="symbols", note=f"{form.name} cannot be compared without it.")

    def __enter__(self) -> Cage:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kill()

    def compare(self, answer: str, reference: str, context: FormContext | None = None) -> Verdict:
        """The verdict on one answer, undecided where it takes more time or memory than there is."""
        if len(answer) > _LONGEST:
            return Verdict("undecided", f"{len(answer)} characters, where at most {_LONGEST} are read")
        line = json.dumps([answer, reference, {**(context or {}), "run": "yes" if self.runs else ""}])
        was_there = self._process is not None
        reply = self._asked(self._process or self._start(), line)
        if was_there and self._is_spent(reply):  # what came before may have spent it: it is asked anew
            self._kill()
            reply = self._asked(self._start(), line)
        if reply is None or self.runs:
            self._kill()
        return _verdict(reply)

    def _is_spent(self, reply: dict[str, Any] | None) -> bool:
        """Whether the process has ended, or has no memory left; one that merely takes long is still there."""
        if reply is not None:
            return reply.get("reason") == OUT_OF_MEMORY
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING)
        return self._process.returncode is not None

    def _start(self) -> subprocess.Popen[bytes]:
        """A new process that is ready; raises `ProcessError` if it does not come to be."""
        options = [_PACKAGES, self.form, str(self.seconds), str(self.memory), str(self.runs)]
        self._process = process = subprocess.Popen(
            [sys.executable, "-I", "-c", BEGIN, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True, env=_PLAIN, cwd="/",
        )  # fmt: skip
        if _line(process, STARTING) is None:
            self._kill()
            raise ProcessError(
                f"The process that compares {form_of(self.form).name} did not start.",
                f"Expected it within {STARTING:.0f} s and {self.memory // 2**20} MiB.",
            )
        return process

    def _asked(self, process: subprocess.Popen[bytes], line: str) -> dict[str, Any] | None:
        assert process.stdin is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return None
        return _line(process, self.seconds)

    def _kill(self) -> None:
        """End the process and its group; the pipes are closed."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _line(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """A line of the process as JSON, or None if none comes in time."""
    assert process.stdout is not None
    end, read = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not read.endswith(b"\n"):
            if not selector.select(max(0.0, end - time.monotonic())):
                return None
            part = os.read(process.stdout.fileno(), REPLY)
            read += part
            if not part or len(read) > REPLY:
                return None
    try:
        told = json.loads(read)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _verdict(reply: dict[str, Any] | None) -> Verdict:
    if reply is None:
        return Verdict("undecided", "it took more time or memory than there is")
    try:
        return Verdict(**reply)
    except TypeError:
        return Verdict("undecided", "the process answered something else")


def verdicts(form: str, rows: Iterable[tuple[str, str, FormContext]], runs: bool = False) -> list[Verdict]:
    """The verdict on each row of answer, reference and context, in one form."""
    with Cage(form, runs) as cage:
        return [cage.compare(*row) for row in rows]
