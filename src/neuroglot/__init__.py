"""neuroglot: which feed-forward neurons of a language model work for which language, and the proof.

The public names load their module when they are first used, so that `import neuroglot` and `neuroglot --help` do not
wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuroglot import activity as activity
    from neuroglot import attribution as attribution
    from neuroglot import corpora as corpora
    from neuroglot import experiments as experiments
    from neuroglot import generation as generation
    from neuroglot import hub as hub
    from neuroglot import interventions as interventions
    from neuroglot import lab as lab
    from neuroglot import metrics as metrics
    from neuroglot import models as models
    from neuroglot import neurons as neurons
    from neuroglot import prompting as prompting
    from neuroglot import recipes as recipes
    from neuroglot import reports as reports
    from neuroglot import runs as runs
    from neuroglot import tokens as tokens
    from neuroglot import training as training
    from neuroglot.activity.activity import Activity as Activity
    from neuroglot.activity.generated import record_generation as record_generation
    from neuroglot.activity.record import record as record
    from neuroglot.activity.record import record_several as record_several
    from neuroglot.activity.record import record_sharing as record_sharing
    from neuroglot.activity.recording import Recording as Recording
    from neuroglot.activity.rows import record_rows as record_rows
    from neuroglot.activity.sharing import Sharing as Sharing
    from neuroglot.attribution.attribution import Attribution as Attribution
    from neuroglot.attribution.recording import attribute as attribute
    from neuroglot.corpora.corpus import Corpus as Corpus
    from neuroglot.corpora.corpus import Task as Task
    from neuroglot.errors import NeuroglotError as NeuroglotError
    from neuroglot.experiments.deactivation import deactivate as deactivate
    from neuroglot.experiments.evaluation import ablation_matrix as ablation_matrix
    from neuroglot.experiments.evaluation import evaluate as evaluate
    from neuroglot.experiments.scoreboard import compare_selectors as compare_selectors
    from neuroglot.generation.decoding import Decoding as Decoding
    from neuroglot.generation.decoding import Generation as Generation
    from neuroglot.generation.decoding import generate as generate
    from neuroglot.metrics.deactivation import Deactivation as Deactivation
    from neuroglot.metrics.metrics import Evaluation as Evaluation
    from neuroglot.metrics.scoreboard import Scoreboard as Scoreboard
    from neuroglot.models.view import ModelView as ModelView
    from neuroglot.models.view import view as view
    from neuroglot.neurons.neuronset import NeuronSet as NeuronSet
    from neuroglot.reports.report import Report as Report

_ROOMS = {
    "activity", "attribution", "corpora", "experiments", "generation", "hub", "interventions", "lab", "metrics",
    "models", "neurons", "prompting", "recipes", "reports", "runs", "tokens", "training",
}  # fmt: skip
_HOMES = {
    "Activity": "activity.activity",
    "Attribution": "attribution.attribution",
    "Corpus": "corpora.corpus",
    "Deactivation": "metrics.deactivation",
    "Decoding": "generation.decoding",
    "Evaluation": "metrics.metrics",
    "Generation": "generation.decoding",
    "ModelView": "models.view",
    "NeuroglotError": "errors",
    "NeuronSet": "neurons.neuronset",
    "Recording": "activity.recording",
    "Report": "reports.report",
    "Scoreboard": "metrics.scoreboard",
    "Sharing": "activity.sharing",
    "Task": "corpora.corpus",
    "ablation_matrix": "experiments.evaluation",
    "attribute": "attribution.recording",
    "compare_selectors": "experiments.scoreboard",
    "deactivate": "experiments.deactivation",
    "evaluate": "experiments.evaluation",
    "generate": "generation.decoding",
    "record": "activity.record",
    "record_generation": "activity.generated",
    "record_rows": "activity.rows",
    "record_several": "activity.record",
    "record_sharing": "activity.record",
    "view": "models.view",
}
_REPLACED = {  # names of 0.1 and what does their job now
    "AnalysisConfig": "neuroglot.recipes.Analyze(model=..., corpus=...)",
    "analyze": "neuroglot.recipes.Analyze(model=..., corpus=...).run(out)",
}

__all__ = sorted(_ROOMS | set(_HOMES))


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"neuroglot.{name}")
    if name in _HOMES:
        return getattr(import_module(f"neuroglot.{_HOMES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("neuroglot")
    if name in _REPLACED:
        raise AttributeError(f"neuroglot.{name} is no more: use {_REPLACED[name]}.")
    raise AttributeError(f"module 'neuroglot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
