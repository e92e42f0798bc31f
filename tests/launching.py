"""Processes as `torchrun` starts them, without a GPU and with a thread each."""

import os
import subprocess
import sys
from pathlib import Path

import neuroglot

ROOT = Path(__file__).parents[1]
SOURCE = Path(neuroglot.__file__).parents[1]  # what is tested, which is a copy where mutations are made in one
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{SOURCE}{os.pathsep}{ROOT}", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip


def on_two_processes(module: str, *arguments: Path | str) -> None:
    """Run a module of the tests in two processes, and fail with what they said."""
    command = [*LAUNCHER, "2", "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
