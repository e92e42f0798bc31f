"""The program `neuroglot`: from its first line on, an interrupt ends it with one sentence."""

from __future__ import annotations

import signal
import sys
from types import FrameType

INTERRUPTED, TERMINATED, HUNG_UP = 130, 143, 129


class Stopped(KeyboardInterrupt):
    """The process was asked to end by another signal than Ctrl-C; handled alike."""

    code = INTERRUPTED


def _stop(number: int, _: FrameType | None) -> None:
    stopped = Stopped()
    stopped.code = 128 + number
    raise stopped


def main() -> None:
    """Run the command line."""
    code = INTERRUPTED
    try:
        for name in ("SIGTERM", "SIGHUP"):  # the latter is not on Windows
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, _stop)
        from neuroglot.cli import run_app

        run_app(sys.argv[1:])
        return
    except KeyboardInterrupt as stop:
        code = getattr(stop, "code", INTERRUPTED)
        said = str(stop) or "no partial output was left."
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is not interrupted again
    print(f"neuroglot: interrupted; {said}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
