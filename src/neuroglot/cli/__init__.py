"""The command line: its commands are the recipes, beside a few that are no jobs. Parse, call, print; no logic."""

import os
import sys

from cyclopts import App, Group

from neuroglot.cli.commands import pasteable, summary_of, usage_of
from neuroglot.cli.doctor import DOCTOR_EXAMPLES, doctor
from neuroglot.cli.harness import HARNESS_EXAMPLES, harness
from neuroglot.cli.init import INIT_EXAMPLES, init
from neuroglot.cli.lazy import attribute_of
from neuroglot.cli.models import MODELS_EXAMPLES, SELECTORS_EXAMPLES, models, selectors
from neuroglot.cli.reporting import REPORT_EXAMPLES, report
from neuroglot.cli.run import RUN_EXAMPLES, run
from neuroglot.recipes import all_recipes
from neuroglot.recipes.options import FIND, HELP, PROVE, USE

EXIT_CODES = """Begin with `neuroglot demo`, then `neuroglot analyze --help`. `neuroglot doctor` says what is missing.

Exit codes: 0 done, 1 refused (bad input, unknown model, a file in the way),
2 unknown command or option, 130 interrupted, 143 terminated."""

SEVERAL = {  # commands of two words stand below the first
    "specialize": (USE, "Neuron Specialization: each direction of translation has its own neurons."),
    "sga": (USE, "SGA: an encoder that reads learns to write."),
    "sign": (
        USE,
        "Sign languages: recognisers, small ones, what a clip says, and which channels serve whom.",
    ),
    "lego": (USE, "Lego-MT: translation by an encoder and a decoder for each group of languages."),
    "lab": (HELP, "The lab: a small multilingual model that is shipped with its recipe."),
}
LONGEST_MESSAGE = 4000  # characters: names in a file may be of any length

GROUPS = {name: Group(name, sort_key=rank) for rank, name in enumerate((FIND, PROVE, USE, HELP))}

app = App(
    name="neuroglot",
    help="Find which neurons of a language model work for which language, and prove it by switching them off.",
    help_format="plaintext",  # 50 ms faster than Markdown, and examples can be copied
    help_epilogue=EXIT_CODES,
    suppress_keyboard_interrupt=False,  # `main` says what was left behind
)
for _name, (_group, _help) in SEVERAL.items():
    app.command(App(name=_name, group=GROUPS[_group], help=_help))
for _command, _recipe in all_recipes().items():
    _first, _, _second = _command.partition(" ")
    _parent = app[_first] if _second else app
    _parent.command(
        f"neuroglot.cli.lazy:{attribute_of(_command)}",
        name=_second or _first,
        help=summary_of(_recipe),
        group=None if _second else GROUPS[_recipe.group],
        usage=usage_of(_recipe),
        help_epilogue=pasteable(f"Examples:\n{_recipe.examples}"),
    )
app.command(run, group=GROUPS[USE], help_epilogue=pasteable(RUN_EXAMPLES))
app.command(init, group=GROUPS[FIND], help_epilogue=pasteable(INIT_EXAMPLES))
app.command(harness, group=GROUPS[USE], help_epilogue=pasteable(HARNESS_EXAMPLES))
app.command(models, group=GROUPS[HELP], help_epilogue=pasteable(MODELS_EXAMPLES))
app.command(selectors, group=GROUPS[HELP], help_epilogue=pasteable(SELECTORS_EXAMPLES))
app.command(report, group=GROUPS[HELP], help_epilogue=pasteable(REPORT_EXAMPLES))
app.command(doctor, group=GROUPS[HELP], help_epilogue=pasteable(DOCTOR_EXAMPLES))
app.register_install_completion_command(help="Install shell completion for bash, zsh or fish.")
for _name in ("--help", "--version", "--install-completion"):
    app[_name].group = GROUPS[HELP]


def run_app(arguments: list[str]) -> None:
    """Run the command; print an error that neuroglot raised on purpose as one message, without a traceback.

    Its exit codes are `EXIT_CODES`.
    """
    import logging

    from neuroglot.cli.habits import as_meant
    from neuroglot.errors import NeuroglotError

    logging.basicConfig(format="%(message)s")
    logging.getLogger("neuroglot.corpora").setLevel(logging.INFO)  # what was recognised of files is always said
    if sys.stderr.isatty():
        logging.getLogger("neuroglot").setLevel(logging.INFO)
    else:  # the libraries that load models draw bars into pipes and log files
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app(list(as_meant(arguments)))
    except NeuroglotError as error:
        print(f"neuroglot: {str(error)[:LONGEST_MESSAGE]}", file=sys.stderr)
        sys.exit(1)
