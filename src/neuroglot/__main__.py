"""The program `neuroglot`: from its first line on, an interrupt ends it with one sentence."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130  # exit code; other signals give 128 and their number


class Stopped(KeyboardInterrupt):
    """The process was asked to end by another signal than Ctrl-C; handled alike."""

    code = INTERRUPTED


def _stop(number: int, _: FrameType | None) -> None:
    stopped = Stopped()
    stopped.code = 128 + number
    raise stopped


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; an interrupt is one sentence."""
    try:
        from neuroglot.cli import run_app

        run_app(arguments)
    except KeyboardInterrupt as stop:
        print(f"neuroglot: interrupted; {str(stop) or 'a run that was begun goes on with --resume.'}", file=sys.stderr)  # noqa: T201
        return getattr(stop, "code", INTERRUPTED)
    return 0


def main() -> None:
    """The program: other signals that ask a process to end are handled like Ctrl-C."""
    # Threads of OpenMP that wait for each other spin, and stop each other where another process is busy too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        for name in ("SIGTERM", "SIGHUP"):  # the latter is not on Windows
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, _stop)
        code = run(sys.argv[1:])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter's own end is not interrupted
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) == _stop:
                signal.signal(number, signal.SIG_DFL)  # a launcher's, say, when another process died: no traceback
    sys.exit(code)


if __name__ == "__main__":
    main()
