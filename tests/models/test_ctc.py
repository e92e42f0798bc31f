"""CTC by its formula: every path of a few frames, and what it says."""

from itertools import product

import pytest
import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.models.ctc import collapse, collapsed, ctc_losses, frames_needed, padded_targets


def said(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    merged = [symbol for place, symbol in enumerate(path) if place == 0 or path[place - 1] != symbol]
    return tuple(symbol for symbol in merged if symbol != blank)


def probabilities_of_texts(log_probs: Tensor, blank: int) -> dict[tuple[int, ...], float]:
    """p of each text, the sum over all paths that say it, for one row `[T, V]`."""
    found: dict[tuple[int, ...], float] = {}
    frames, symbols = log_probs.shape
    for path in product(range(symbols), repeat=frames):
        text = said(path, blank)
        found[text] = found.get(text, 0.0) + float(sum(log_probs[t, s] for t, s in enumerate(path)).exp())
    return found


def random_log_probs(rows: int, frames: int, symbols: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(rows, frames, symbols, generator=generator, dtype=torch.float64)).log_softmax(-1)


@pytest.mark.parametrize("blank", [0, 3])
def test_the_loss_is_the_sum_over_all_paths_of_each_rows_own_frames(blank: int) -> None:
    log_probs = random_log_probs(3, 5, 4)
    frames, lengths = torch.tensor([5, 3, 4]), torch.tensor([2, 3, 0])
    targets = torch.tensor([[1, 1, 2], [1, 2, 1], [2, 2, 2]])
    losses = ctc_losses(log_probs, frames, targets, lengths, blank)
    for row in range(3):
        texts = probabilities_of_texts(log_probs[row, : frames[row]], blank)
        target = tuple(targets[row, : lengths[row]].tolist())
        assert losses[row].exp().reciprocal().item() == pytest.approx(texts[target], rel=1e-9)


def test_a_path_is_collapsed_as_by_hand() -> None:
    for path in product(range(3), repeat=5):
        assert tuple(collapse(list(path), 0)) == said(path, 0)
    paths = torch.tensor([[1, 1, 0, 1], [2, 2, 2, 1]])
    assert collapsed(paths, torch.tensor([4, 3]), 0) == [[1, 1], [2]]


def test_the_frames_that_a_target_needs_are_those_of_its_shortest_path() -> None:
    targets, lengths = torch.tensor([[1, 1, 2], [1, 2, 1], [2, 2, 2], [1, 1, 1]]), torch.tensor([3, 3, 3, 1])
    for row, needed in enumerate(frames_needed(targets, lengths).tolist()):
        target = tuple(targets[row, : lengths[row]].tolist())
        shortest = next(
            frames for frames in range(7) if any(said(p, 0) == target for p in product(range(3), repeat=frames))
        )
        assert needed == shortest


def test_targets_that_no_path_says_are_refused() -> None:
    log_probs = random_log_probs(1, 2, 4)
    with pytest.raises(ConfigError, match=r"row 0 needs 3 frames and has 2.*Leave the row out"):
        ctc_losses(log_probs, torch.tensor([2]), torch.tensor([[1, 1]]), torch.tensor([2]), 0)
    with pytest.raises(ConfigError, match="holds the blank, token 0"):
        ctc_losses(log_probs, torch.tensor([2]), torch.tensor([[0]]), torch.tensor([1]), 0)
    for symbol in (4, -1):  # torch reads beyond the frame, and says nothing
        with pytest.raises(ConfigError, match=rf"holds the symbol {symbol}\..*Expected symbols from 0 to 3"):
            ctc_losses(log_probs, torch.tensor([2]), torch.tensor([[symbol]]), torch.tensor([1]), 0)
    behind = torch.tensor([[2, 9]])  # what stands behind a target is not looked at
    assert ctc_losses(log_probs, torch.tensor([2]), behind, torch.tensor([1]), 0).isfinite()


def test_labels_are_symbols_with_padding_behind_them() -> None:
    targets, lengths = padded_targets(torch.tensor([[3, 0, 2], [1, -100, -100], [-100, -100, -100]]))
    assert targets.tolist() == [[3, 0, 2], [1, 0, 0], [0, 0, 0]]
    assert lengths.tolist() == [3, 1, 0]
    for labels, said in (
        (torch.tensor([[1, 2], [-100, 1]]), "In row 1 padding"),
        (torch.tensor([[1, -1]]), "Got the label -1"),
        (torch.tensor([1, 2]), r"labels torch.int64 \[2\]"),
        (torch.tensor([[1.0]]), "labels torch.float32"),
    ):
        with pytest.raises(ConfigError, match=said):
            padded_targets(labels)
