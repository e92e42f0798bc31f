"""Changing neurons, reversibly."""

from neuroglot.interventions.folding import fold as fold
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
from neuroglot.interventions.switching import ablating as ablating
from neuroglot.interventions.switching import deactivating as deactivating
