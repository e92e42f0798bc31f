"""Trajectory inversion of what a training kept."""

from __future__ import annotations

from neuroglot.decisions.transforms import Inversion
from neuroglot.errors import ConfigError
from neuroglot.training.trajectory import Trajectory


def inversion_of(trajectory: Trajectory) -> Inversion:
    """The transform that reads the output bias behind a training, and gives how often each token was chosen.

    It is exact for plain SGD on that bias. Raises `ConfigError` for a trajectory without steps.
    """
    if not trajectory.total_rate > 0:
        raise ConfigError(
            "A trajectory of no step was to be inverted.", "Expected one step or more, at a rate above 0."
        )
    start, mean = (tuple(part.tolist()) for part in (trajectory.start, trajectory.mean_choice))
    return Inversion(start, mean, trajectory.total_rate)
