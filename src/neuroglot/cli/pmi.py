"""`neuroglot pmi`: parallel multilingual input, from one YAML file to one report."""

from pathlib import Path

from neuroglot.cli.options import Json
from neuroglot.cli.running import print_report

PMI_EXAMPLES = """Examples:

    neuroglot pmi experiment.yaml --out run
    neuroglot pmi experiment.yaml --out run      # again, after it was stopped: goes on where it was

    models: [lab]              # experiment.yaml
    data: lab
    task: iso_date
    originals: [de, sw]
    languages: [en, fr, es]
    parallel: [0, 1, 3]"""


def pmi(config: Path, /, *, out: Path, json: Json = False) -> None:
    """Ask the same questions in one language and in several, beside controls: score, neurons that fire, and cost.

    Settings that are done are kept in the run folder, and not done again.

    Parameters
    ----------
    config:
        YAML file with models, data, originals, languages and options; docs/pmi.md lists them.
    out:
        Run folder for report.html, report.json, config.json and the settings' results.
    """
    from neuroglot.recipes.pmi_ import PmiConfig, run_pmi

    print_report(run_pmi(PmiConfig.load(config), out), out, json)
