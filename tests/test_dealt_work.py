"""Work that processes share: each does its part and no other, and what they combine is what one process has."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.activity.record import record
from neuroglot.attribution import gradients
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.experiments import scoring
from neuroglot.experiments.evaluation import evaluate
from neuroglot.metrics.metrics import NatsPerToken
from neuroglot.models.view import view
from neuroglot.neurons import NeuronSet
from neuroglot.runs.identity import Identity
from neuroglot.runs.run import Run
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus().head(9)
SMALL = 40  # tokens a batch, so that there are several


def recorded() -> None:
    record(view(tiny_model("llama")), tiny_tokenizer(), CORPUS)


def differentiated() -> None:
    gradient_times_activation(view(tiny_model("llama")), tiny_tokenizer(), CORPUS)


def scored() -> None:
    evaluate(view(tiny_model("llama")), tiny_tokenizer(), CORPUS, NatsPerToken())


JOBS = (recorded, differentiated, scored)


def combined(job: Callable[[], None], rank: int, count: int, patch: pytest.MonkeyPatch) -> list[tuple[Tensor, bool]]:
    """What a process gives to be combined, with whether the most is taken, where others have their parts."""
    given: list[tuple[Tensor, bool]] = []

    def note(tensors: Iterable[tuple[Tensor, bool]]) -> None:
        given.extend((tensor.clone(), is_maximum) for tensor, is_maximum in tensors)

    patch.setattr(distribution, "dealt", lambda number: number % count == rank)
    patch.setattr(distribution, "combine", note)
    job()
    return given


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("count", [2, 3])
def test_parts_add_up_to_the_whole(job: Callable[[], None], count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuroglot.activity.passes.TOKEN_BUDGET", SMALL)
    monkeypatch.setattr(gradients, "GRADIENT_TOKEN_BUDGET", SMALL)
    monkeypatch.setattr(scoring, "token_budget_of", lambda _view: SMALL)
    whole = combined(job, 0, 1, monkeypatch)
    parts = [combined(job, rank, count, monkeypatch) for rank in range(count)]
    assert whole
    assert {len(part) for part in parts} == {len(whole)}
    assert all(any(bool(tensor.any()) for tensor, _ in part) for part in parts)  # each had something to do
    for number, (total, is_maximum) in enumerate(whole):
        shares = torch.stack([part[number][0] for part in parts])
        expected = shares.amax(0) if is_maximum else shares.sum(0)
        torch.testing.assert_close(expected, total, rtol=1e-5, atol=1e-6)


class Sent:
    """A tensor that is elsewhere than the processes can reach, as those of the memory for NCCL."""

    device = torch.device("cpu")

    def __init__(self, value: float) -> None:
        self.value, self.copied = value, None

    def to(self, _device: torch.device) -> Tensor:
        return torch.tensor(self.value)

    def copy_(self, value: Any) -> None:
        self.copied = float(value)  # type: ignore[assignment]


def test_what_was_sent_from_elsewhere_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_together", lambda: True)
    monkeypatch.setattr(distribution, "_device_of_all", lambda own: own)
    monkeypatch.setattr(distribution.processes, "all_reduce", lambda held, _how: held.add_(10))
    tensors = [Sent(1), Sent(2)]
    distribution.combine((tensor, False) for tensor in tensors)  # type: ignore[misc]
    assert [tensor.copied for tensor in tensors] == [11, 12]


@pytest.mark.parametrize(("rank", "files"), [(0, ["set.safetensors"]), (1, [])])
def test_the_first_process_alone_writes(tmp_path: Path, monkeypatch, rank: int, files: list[str]) -> None:
    monkeypatch.setattr(distribution, "rank", lambda: rank)
    (tmp_path / "files").mkdir()
    run = Run(tmp_path / "files", tmp_path / "state", Identity())
    run.save("set.safetensors", NeuronSet.of(view(tiny_model("llama")).layout, {("decoder", 0): [1]}))
    assert [path.name for path in (tmp_path / "files").iterdir()] == files
