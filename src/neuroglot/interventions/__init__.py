"""Changing neurons, reversibly."""

from typing import Any

from neuroglot.interventions.folding import fold_out as fold_out
from neuroglot.interventions.operators import Step as Step
from neuroglot.interventions.operators import Values as Values
from neuroglot.interventions.operators import add as add
from neuroglot.interventions.operators import language_arithmetic as language_arithmetic
from neuroglot.interventions.operators import multiply as multiply
from neuroglot.interventions.operators import set_to as set_to
from neuroglot.interventions.operators import two_set_scaling as two_set_scaling
from neuroglot.interventions.operators import values_of as values_of
from neuroglot.interventions.steering import Steering as Steering
from neuroglot.interventions.steering import steering as steering
from neuroglot.interventions.switching import switch_off as switch_off
from neuroglot.interventions.transplanting import other_tokens as other_tokens
from neuroglot.interventions.transplanting import transplant_rows as transplant_rows

_RENAMED = {"ablating": switch_off, "fold": fold_out}  # names of 0.1 that are called as before
_REPLACED = {"deactivating": "switch_off(view, masks, value, positions=positions)"}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        return _RENAMED[name]
    if name in _REPLACED:  # no AttributeError, whose text `from … import …` would drop
        raise ImportError(f"neuroglot.interventions.{name} is no more. Use {_REPLACED[name]}.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
