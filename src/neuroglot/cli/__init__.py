"""The command line: parse, call, print; no logic."""

import os
import sys

from cyclopts import App

from neuroglot.cli.ablation import ABLATE_EXAMPLES, ablate
from neuroglot.cli.alignment import ALIGN_EXAMPLES, align
from neuroglot.cli.analysis import ANALYZE_EXAMPLES, DEMO_EXAMPLES, analyze, demo
from neuroglot.cli.attribution import ATTRIBUTE_EXAMPLES, attribute
from neuroglot.cli.checking import DOCTOR_EXAMPLES, doctor
from neuroglot.cli.deactivation import DEACTIVATE_EXAMPLES, deactivate
from neuroglot.cli.generation import EXPORT_EXAMPLES, GENERATE_EXAMPLES, export, generate
from neuroglot.cli.harness import HARNESS_EXAMPLES, harness
from neuroglot.cli.identifying import IDENTIFY_EXAMPLES, identify
from neuroglot.cli.lab import lab_app
from neuroglot.cli.models import MODELS_EXAMPLES, models
from neuroglot.cli.options import FIND, HELP, PROVE, USE
from neuroglot.cli.pmi import PMI_EXAMPLES, pmi
from neuroglot.cli.recording import RECORD_EXAMPLES, record
from neuroglot.cli.reporting import REPORT_EXAMPLES, report
from neuroglot.cli.scoreboard import SCOREBOARD_EXAMPLES, scoreboard
from neuroglot.cli.scoring import SCORE_EXAMPLES, score
from neuroglot.cli.selecting import SELECT_EXAMPLES, select
from neuroglot.cli.sharing import COMPARE_EXAMPLES, SHARING_EXAMPLES, compare, sharing
from neuroglot.cli.specialized_training import specialize_app
from neuroglot.cli.steering import STEER_EXAMPLES, steer
from neuroglot.cli.translating import TRANSLATE_EXAMPLES, translate
from neuroglot.cli.tuning import TUNE_EXAMPLES, tune

EXIT_CODES = """Begin with `neuroglot demo`, then `neuroglot analyze --help`. `neuroglot doctor` says what is missing.

Exit codes: 0 done, 1 refused (bad input, unknown model, a file in the way),
2 unknown command or option, 130 interrupted."""

LONGEST_MESSAGE = 4000  # characters: names in a file may be of any length

app = App(
    name="neuroglot",
    help="Find which neurons of a language model work for which language, and prove it by switching them off.",
    help_format="plaintext",  # 50 ms faster than Markdown, and examples can be copied
    help_epilogue=EXIT_CODES,
    suppress_keyboard_interrupt=False,  # `main` says what was left behind
)
app.command(demo, group=HELP, help_epilogue=DEMO_EXAMPLES)
app.command(analyze, group=FIND, help_epilogue=ANALYZE_EXAMPLES)
app.command(record, group=FIND, help_epilogue=RECORD_EXAMPLES)
app.command(sharing, group=FIND, help_epilogue=SHARING_EXAMPLES)
app.command(attribute, group=PROVE, help_epilogue=ATTRIBUTE_EXAMPLES)
app.command(deactivate, group=PROVE, help_epilogue=DEACTIVATE_EXAMPLES)
app.command(compare, group=FIND, help_epilogue=COMPARE_EXAMPLES)
app.command(select, group=FIND, help_epilogue=SELECT_EXAMPLES)
app.command(ablate, group=PROVE, help_epilogue=ABLATE_EXAMPLES)
app.command(scoreboard, group=PROVE, help_epilogue=SCOREBOARD_EXAMPLES)
app.command(align, group=FIND, help_epilogue=ALIGN_EXAMPLES)
app.command(steer, group=USE, help_epilogue=STEER_EXAMPLES)
app.command(generate, group=USE, help_epilogue=GENERATE_EXAMPLES)
app.command(export, group=USE, help_epilogue=EXPORT_EXAMPLES)
app.command(translate, group=USE, help_epilogue=TRANSLATE_EXAMPLES)
app.command(pmi, group=FIND, help_epilogue=PMI_EXAMPLES)
app.command(tune, group=USE, help_epilogue=TUNE_EXAMPLES)
app.command(specialize_app)
app.command(identify, group=PROVE, help_epilogue=IDENTIFY_EXAMPLES)
app.command(score, group=USE, help_epilogue=SCORE_EXAMPLES)
app.command(harness, group=USE, help_epilogue=HARNESS_EXAMPLES)
app.command(models, group=HELP, help_epilogue=MODELS_EXAMPLES)
app.command(report, group=HELP, help_epilogue=REPORT_EXAMPLES)
app.command(doctor, group=HELP, help_epilogue=DOCTOR_EXAMPLES)
app.command(lab_app)
app.register_install_completion_command(help="Install shell completion for bash, zsh or fish.")
for _group, _names in ((HELP, ("--help", "--version", "--install-completion")), (USE, ("specialize",))):
    for _name in _names:
        app[_name].group = _group


def main() -> None:
    """Run the command; print an error that neuroglot raised on purpose as one message, without a traceback.

    Its exit codes are `EXIT_CODES`.
    """
    from neuroglot.errors import NeuroglotError

    if sys.stderr.isatty():
        import logging

        logging.basicConfig(format="%(message)s")
        logging.getLogger("neuroglot").setLevel(logging.INFO)
    else:  # the libraries that load models draw bars into pipes and log files
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app(sys.argv[1:])
    except NeuroglotError as error:
        print(f"neuroglot: {str(error)[:LONGEST_MESSAGE]}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        left = stop.args[0] if stop.args else "nothing half-written was left."
        print(f"neuroglot: interrupted; {left}", file=sys.stderr)
        sys.exit(130)
