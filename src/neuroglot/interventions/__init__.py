"""Changing neurons, reversibly."""

from neuroglot.interventions.ablating import ablating as ablating
from neuroglot.interventions.deactivating import deactivating as deactivating
