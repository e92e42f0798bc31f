"""Changing neurons, reversibly."""

from neuroglot.interventions.ablating import ablating as ablating
