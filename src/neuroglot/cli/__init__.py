"""The command line: parse, call, print; no logic."""

import logging
import os
import sys

from cyclopts import App

from neuroglot.cli.ablation import ABLATE_EXAMPLES, ablate
from neuroglot.cli.alignment import ALIGN_EXAMPLES, align
from neuroglot.cli.analysis import ANALYZE_EXAMPLES, analyze, demo
from neuroglot.cli.attribution import ATTRIBUTE_EXAMPLES, attribute
from neuroglot.cli.deactivation import DEACTIVATE_EXAMPLES, deactivate
from neuroglot.cli.generation import EXPORT_EXAMPLES, GENERATE_EXAMPLES, export, generate
from neuroglot.cli.harness import HARNESS_EXAMPLES, harness
from neuroglot.cli.lab import lab_app
from neuroglot.cli.models import models
from neuroglot.cli.recording import RECORD_EXAMPLES, record
from neuroglot.cli.scoreboard import SCOREBOARD_EXAMPLES, scoreboard
from neuroglot.cli.scoring import SCORE_EXAMPLES, score
from neuroglot.cli.selecting import SELECT_EXAMPLES, select
from neuroglot.cli.sharing import COMPARE_EXAMPLES, SHARING_EXAMPLES, compare, sharing
from neuroglot.cli.steering import STEER_EXAMPLES, steer

app = App(
    name="neuroglot",
    help="Find which neurons of a language model work for which language, and prove it by switching them off.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # `main` says what was left behind
)
app.command(demo)
app.command(analyze, help_epilogue=ANALYZE_EXAMPLES)
app.command(record, help_epilogue=RECORD_EXAMPLES)
app.command(sharing, help_epilogue=SHARING_EXAMPLES)
app.command(attribute, help_epilogue=ATTRIBUTE_EXAMPLES)
app.command(deactivate, help_epilogue=DEACTIVATE_EXAMPLES)
app.command(compare, help_epilogue=COMPARE_EXAMPLES)
app.command(select, help_epilogue=SELECT_EXAMPLES)
app.command(ablate, help_epilogue=ABLATE_EXAMPLES)
app.command(scoreboard, help_epilogue=SCOREBOARD_EXAMPLES)
app.command(align, help_epilogue=ALIGN_EXAMPLES)
app.command(steer, help_epilogue=STEER_EXAMPLES)
app.command(generate, help_epilogue=GENERATE_EXAMPLES)
app.command(export, help_epilogue=EXPORT_EXAMPLES)
app.command(score, help_epilogue=SCORE_EXAMPLES)
app.command(harness, help_epilogue=HARNESS_EXAMPLES)
app.command(models)
app.command(lab_app)


def main() -> None:
    """Run the command; print an error that neuroglot raised on purpose as one message, without a traceback.

    Exit codes: 0 done, 1 refused (bad input, unknown model, a file in the way), 2 unknown option, 130 interrupted.
    """
    from neuroglot.errors import NeuroglotError

    if sys.stderr.isatty():
        logging.basicConfig(format="%(message)s")
        logging.getLogger("neuroglot").setLevel(logging.INFO)
    else:  # the libraries that load models draw bars into pipes and log files
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app(sys.argv[1:])
    except NeuroglotError as error:
        print(f"neuroglot: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        left = stop.args[0] if stop.args else "nothing half-written was left."
        print(f"neuroglot: interrupted; {left}", file=sys.stderr)
        sys.exit(130)
