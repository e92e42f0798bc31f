"""Peak memory of one pass beyond what was held before it: of the process, or of the accelerator."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


def peak_beyond_start(run: Callable[[], Any], device: str) -> int:
    """Bytes; the process should have run nothing before."""
    gc.collect()
    return _accelerator_peak(run) if device == "cuda" else _process_peak(run)


def _accelerator_peak(run: Callable[[], Any]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - start


def _process_peak(run: Callable[[], Any]) -> int:
    with suppress(OSError):  # "5" makes the kernel forget the peak of loading; without it the peak may be that one
        Path("/proc/self/clear_refs").write_text("5")
    start = _status("VmRSS")
    run()
    return _status("VmHWM") - start


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))
