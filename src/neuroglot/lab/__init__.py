"""The lab: a small multilingual decoder that ships with its recipe, its held-out texts and its in-language questions.

`load`, `held_out` and `tasks` read what is shipped; `make_corpus` and `train` make it again and need the extra `lab`.
"""

from typing import TYPE_CHECKING, Any

from neuroglot.lab.artefacts import SHIPPED, held_out, load, read_header, tasks
from neuroglot.lab.config import LabConfig

if TYPE_CHECKING:
    from neuroglot.lab.generator import LabCorpus, make_corpus
    from neuroglot.lab.questions import lab_questions
    from neuroglot.lab.training import train

__all__ = [
    "SHIPPED",
    "LabConfig",
    "LabCorpus",
    "make_corpus",
    "held_out",
    "lab_questions",
    "load",
    "read_header",
    "tasks",
    "train",
]

_HOMES = {"make_corpus": "generator", "LabCorpus": "generator", "lab_questions": "questions", "train": "training"}


def __getattr__(name: str) -> Any:
    """Import the generator and the training loop when they are first asked for: reading needs neither."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
