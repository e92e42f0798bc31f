"""Several processes that share one job, as `torchrun` and `accelerate launch` start them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as processes
from torch import Tensor

from neuroglot.errors import ProcessError


def rank() -> int:
    """This process's number, from 0."""
    return processes.get_rank() if _together() else 0


def started_first() -> bool:
    """Whether a launcher started this process as the first of the job, or nobody started others."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes share the job."""
    return processes.get_world_size() if _together() else 1


@contextmanager
def sharing_the_job(patience_minutes: float = 30.0) -> Iterator[None]:
    """Within the block, processes that a launcher started know each other; without a launcher nothing happens.

    `patience_minutes` is how long one waits for another before the job ends with `ProcessError`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _Job.is_shared:
        yield
        return
    if processes.is_initialized():
        with _shared():
            yield
        return
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else None
    if device is not None:
        torch.cuda.set_device(device)
    with _as_process_error():
        processes.init_process_group(timeout=timedelta(minutes=patience_minutes))
    try:
        with _shared():
            yield
    finally:
        processes.destroy_process_group()


def combine(tensors: Iterable[tuple[Tensor, bool]]) -> None:
    """Replace each tensor, in every process, by the sum over all processes, or by the maximum where its flag is set."""
    if not _together():
        return
    with _as_process_error():
        for tensor, is_maximum in tensors:
            held = tensor.to(_device_of_all(tensor.device))
            processes.all_reduce(held, processes.ReduceOp.MAX if is_maximum else processes.ReduceOp.SUM)
            tensor.copy_(held)


def dealt(number: int) -> bool:
    """Whether the piece of work with this number is this process's: they are dealt in turn."""
    return number % process_count() == rank()


def from_first(decision: bool) -> bool:
    """What the first process has decided, in all of them: others may see its files sooner or later than it does."""
    return bool(number_from_first(int(decision)))


def number_from_first(number: int) -> int:
    """A whole number of the first process, in all of them."""
    if not _together():
        return number
    shared = torch.tensor(number, device=_device_of_all(torch.device("cpu")))
    with _as_process_error():
        processes.broadcast(shared, 0)
    return int(shared)


def wait_for_all() -> None:
    """Return when every process has come here."""
    if _together():
        with _as_process_error():
            processes.barrier()


class _Job:
    """Whether processes share it: those that hold one model between them, as in tensor parallelism, do not."""

    is_shared = False


@contextmanager
def _shared() -> Iterator[None]:
    _Job.is_shared = True
    try:
        yield
    finally:
        _Job.is_shared = False


@contextmanager
def while_together() -> Iterator[None]:
    """Within the block, what torch says of a process that is gone becomes `ProcessError`; other errors stay."""
    try:
        yield
    except RuntimeError as error:
        if not _together() or not _is_of_a_peer(error):
            raise
        raise _gone(error) from error


def _is_of_a_peer(error: RuntimeError) -> bool:
    said = str(error).lower()
    return isinstance(error, processes.DistError) or any(name in said for name in ("gloo", "nccl", "by peer"))


def _device_of_all(own: torch.device) -> torch.device:
    """Where a tensor must lie to be sent: NCCL sends from accelerators only."""
    return torch.device("cuda") if processes.get_backend() == "nccl" and own.type == "cpu" else own


def _together() -> bool:
    return _Job.is_shared and processes.is_initialized()


@contextmanager
def _as_process_error() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed has no class of its own for a peer that is gone
        raise _gone(error) from error


def _gone(error: RuntimeError) -> ProcessError:
    return ProcessError(
        f"Another process of the job ended or did not answer ({str(error).splitlines()[0]}).",
        "Expected all of them to finish their share.",
        "Start the job again with --resume, on any number of processes: what is in the run folder is kept.",
    )
