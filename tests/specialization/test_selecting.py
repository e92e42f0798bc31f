"""Selection against a loop over sorted counts in exact arithmetic."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.activity.activity import Activity
from neuroglot.activity.translation import RECORDING
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.rules.by_direction import Coverage, select_masks
from neuroglot.signature import Signature

TOY = [10, 0, 5, 3, 1, 1]


def activity_of(counts: list[list[int]], layout: Layout, directions: tuple[str, ...]) -> Activity:
    fired = torch.tensor(counts, dtype=torch.int64)[None]
    most = fired.max().clamp(min=1)
    tokens, reached = most.expand(len(directions)).clone(), most.expand(len(directions), len(layout.layers)).clone()
    return Activity(layout, directions, RECORDING, fired, tokens, reached, Signature.of(model="toy"))


def smallest_prefix(counts: list[int], percent: int) -> set[int]:
    """The rule of the reference; ties by place."""
    order = sorted(range(len(counts)), key=lambda neuron: (-counts[neuron], neuron))
    threshold, reached, chosen = Fraction(percent, 100) * sum(counts), 0, set()
    for neuron in order:
        chosen.add(neuron)
        reached += counts[neuron]
        if reached >= threshold:
            break
    return chosen


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, {0}), (50, {0}), (70, {0, 2}), (90, {0, 2, 3}), (95, {0, 2, 3, 4}), (100, {0, 2, 3, 4, 5})],
)
def test_the_worked_example_of_the_specification(percent: int, expected: set[int]) -> None:
    layout = Layout((("encoder", (6,)), ("decoder", (6,))))
    masks = select_masks(activity_of([TOY + TOY], layout, ("en-de",)), percent)
    assert masks.kept[0].reshape(2, 6).tolist() == [[neuron in expected for neuron in range(6)]] * 2


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=9, max_size=9), min_size=2, max_size=2),
    st.tuples(*[st.integers(0, 100)] * 4),
)
def test_random_counts(counts: list[list[int]], percents: tuple[int, int, int, int]) -> None:
    layout = Layout((("encoder", (4,)), ("decoder", (3, 2))))
    masks = select_masks(activity_of(counts, layout, ("en-de", "de-en")), Coverage(*percents))
    for place in range(2):
        encoder, decoder = percents[2 * place], percents[2 * place + 1]
        parts = (counts[place][:4], encoder), (counts[place][4:7], decoder), (counts[place][7:], decoder)
        for (part, percent), (_, kept) in zip(parts, layout.by_layer(masks.kept[place]), strict=True):
            assert set(kept.nonzero()[:, 0].tolist()) == smallest_prefix(part, percent)


def test_a_silent_layer_keeps_its_first_neuron_and_large_counts_are_exact() -> None:
    layout = Layout((("encoder", (3,)), ("decoder", (3,))))
    large = 10**12
    counts = [[0, 0, 0, 19 * large, large, 0], [0, 0, 0, 19 * large - 1, large + 1, 0]]
    masks = select_masks(activity_of(counts, layout, ("en-de", "en-fr")), 95)
    assert masks.kept.int().tolist() == [[1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0]]


def test_zero_shot_directions_take_the_encoders_and_decoders_own_numbers() -> None:
    coverage = Coverage(1, 2, 3, 4)
    texts = ("en-de", "de-en", "de-fr")
    assert [coverage.percents(Direction.parse(text)) for text in texts] == [(1, 2), (3, 4), (3, 2)]


@pytest.mark.parametrize("wrong", [-1, 101, 95.0, True])
def test_other_numbers_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="whole percents"):
        Coverage(en2x_enc=wrong)  # type: ignore[arg-type]


def test_an_activity_of_languages_is_refused() -> None:
    layout = Layout((("decoder", (3,)),))
    with pytest.raises(ConfigError, match="'de' is no direction"):
        select_masks(activity_of([[1, 2, 3]], layout, ("de",)))
