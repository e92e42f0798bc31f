"""One random draw cannot tell how draws differ: what depends on it has no interval, and all else keeps its own."""

import math
from dataclasses import replace

from tests.reports import making


def test_own_effects_keep_their_intervals_beside_one_draw() -> None:
    several = making.loss_matrix(("en", "de", "fr"), own=0.8, other=0.2, control=0.05)
    one = replace(several, random=several.random[:1])
    for before, after in zip(several.effects(), one.effects(), strict=True):
        assert list(map(str, after)) == list(map(str, before))
    wanted, found = several.headline(), one.headline()
    for name in ("diagonal", "off_diagonal"):
        assert str(getattr(found, name)) == str(getattr(wanted, name))
        assert getattr(found, name).low < getattr(found, name).value < getattr(found, name).high
    assert math.isnan(found.random.low)
    assert math.isnan(found.random.high)
    assert math.isfinite(found.random.value)


def test_one_draw_claims_nothing_of_random_neurons() -> None:
    matrix = making.accuracy_matrix(("en", "de"))
    one = replace(matrix, random=matrix.random[:1])
    assert math.isnan(one.headline().random.low)
    assert not math.isnan(one.headline().diagonal.low)
