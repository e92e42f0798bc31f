"""Prefix beam search against every text that a few frames can say."""

import math

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.generation.ctc import BeamOptions, prefix_beam_search
from tests.models.test_ctc import probabilities_of_texts, random_log_probs

ALL = BeamOptions(width=1000, candidates=None)


@pytest.mark.parametrize("blank", [0, 2])
def test_a_beam_that_holds_all_finds_the_probability_of_every_text(blank: int) -> None:
    log_probs, frames = random_log_probs(3, 5, 3, seed=blank), torch.tensor([5, 1, 4])
    for row, found in enumerate(prefix_beam_search(log_probs, frames, blank, ALL)):
        texts = probabilities_of_texts(log_probs[row, : frames[row]], blank)
        assert {each.symbols for each in found} == set(texts)
        for each in found:
            assert math.exp(each.log_prob) == pytest.approx(texts[each.symbols], rel=1e-9)
        ranked = sorted(texts, key=lambda text: -texts[text])
        assert [each.symbols for each in found] == ranked


def test_the_best_text_is_not_that_of_the_best_path() -> None:
    frame = torch.tensor([0.4, 0.3, 0.3]).log()  # the blank is likeliest in each frame, and no text in sum
    (found,) = prefix_beam_search(frame.expand(1, 2, 3), torch.tensor([2]), 0, ALL)
    assert found[0].symbols == (1,)
    assert math.exp(found[0].log_prob) == pytest.approx(0.3 * 0.3 + 2 * 0.4 * 0.3)


def test_a_narrow_beam_gives_lower_bounds_of_texts_in_their_order() -> None:
    log_probs = random_log_probs(2, 6, 4, seed=5)
    for row, found in enumerate(prefix_beam_search(log_probs, torch.tensor([6, 6]), 0, BeamOptions(3, 2))):
        texts = probabilities_of_texts(log_probs[row], 0)
        assert 1 <= len(found) <= 3
        assert all(math.exp(each.log_prob) <= texts[each.symbols] + 1e-12 for each in found)
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_a_batch_and_its_padding_change_nothing() -> None:
    log_probs, frames = random_log_probs(3, 5, 4, seed=2), torch.tensor([5, 2, 3])
    together = prefix_beam_search(log_probs, frames, 1, BeamOptions(5))
    for row, length in enumerate(frames.tolist()):
        alone = prefix_beam_search(log_probs[row : row + 1, :length], frames[row : row + 1], 1, BeamOptions(5))
        assert alone == together[row : row + 1]
    log_probs[1, 2:] = torch.nan
    assert prefix_beam_search(log_probs, frames, 1, BeamOptions(5)) == together


def test_a_language_model_is_added_by_symbol_and_at_the_end() -> None:
    def scorer(prefix: tuple[int, ...], symbol: int | None) -> float:
        return -1.0 - len(prefix) if symbol is None else -0.5 * symbol - 0.1 * len(prefix)

    log_probs = random_log_probs(1, 4, 3, seed=7)
    (found,) = prefix_beam_search(log_probs, torch.tensor([4]), 0, BeamOptions(1000, None, scorer, 0.7))
    texts = probabilities_of_texts(log_probs[0], 0)

    def score(text: tuple[int, ...]) -> float:
        said = sum(scorer(text[:place], symbol) for place, symbol in enumerate(text)) + scorer(text, None)
        return math.log(texts[text]) + 0.7 * said

    assert [each.symbols for each in found] == sorted(texts, key=lambda text: -score(text))
    for each in found:
        assert each.score == pytest.approx(score(each.symbols), rel=1e-9)
        assert each.log_prob == pytest.approx(math.log(texts[each.symbols]), rel=1e-9)


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected log-probabilities"):
        prefix_beam_search(torch.ones(1, 2, 3), torch.tensor([2]), 0)
    with pytest.raises(ConfigError, match="a width of 0"):
        BeamOptions(0)


def test_a_symbol_that_is_no_candidate_of_a_frame_still_goes_on() -> None:
    log_probs = torch.tensor([[[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]]], dtype=torch.float64).log()
    (found,) = prefix_beam_search(log_probs, torch.tensor([2]), 0, BeamOptions(9, 1))
    assert {each.symbols: pytest.approx(math.exp(each.log_prob)) for each in found} == {
        (): 0.1 * 0.2, (1,): 0.8 * (0.2 + 0.3), (1, 2): 0.8 * 0.5, (2,): 0.1 * 0.5,
    }  # fmt: skip


def test_a_language_model_has_its_say_before_prefixes_are_left_out() -> None:
    log_probs = torch.tensor([[[0.1, 0.5, 0.4]]]).log()
    options = BeamOptions(1, None, lambda _, symbol: {1: -9.0, 2: 0.0}.get(symbol or 0, -9.0 * (symbol == 0)))
    assert [each.symbols for each in prefix_beam_search(log_probs, torch.tensor([1]), 0, options)[0]] == [(2,)]


def test_a_symbol_that_goes_on_counts_though_it_is_no_candidate_and_the_scorer_ranks_what_is_kept() -> None:
    log_probs = torch.tensor([[[0.1, 0.8, 0.1], [0.7, 0.2, 0.1]]]).log()
    (found,) = prefix_beam_search(log_probs, torch.tensor([2]), 0, BeamOptions(candidates=1))
    assert found[0].symbols == (1,)
    assert found[0].log_prob == pytest.approx(math.log(0.8 * (0.7 + 0.2)))
    liked = BeamOptions(width=1, scorer=lambda _, symbol: 9.0 if symbol == 2 else 0.0)
    assert prefix_beam_search(log_probs[:, :1], torch.tensor([1]), 0, liked)[0][0].symbols == (2,)
