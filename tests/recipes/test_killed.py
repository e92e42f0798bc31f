"""Long jobs that are killed (SIGKILL) and killed again end with the same bytes as one that was not."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neuroglot.recipes import all_recipes
from tests.recipes.every import EXAMPLES, write_inputs

# The process kills itself as soon as it has kept so many files.
KILLED = """
import os, signal, sys
from pathlib import Path

left, real = int(sys.argv[1]), os.replace

def replace(source, target):
    global left
    kept = "/.unfinished/state/" in str(target) or ("/.unfinished/files/" in str(target) and not Path(target).exists())
    real(source, target)
    if kept:  # a file of the results that is written anew brings the job no further
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
import torch
torch.set_num_threads(1)
from neuroglot.recipes import all_recipes
from neuroglot.runs.files import load_recipe
load_recipe(Path("job.json"), all_recipes()).run("killed", resume=True)
"""
AFTER = {  # how many files each start keeps, and options that make the job long
    "generate": (1, {"max_new_tokens": 8, "limit": 24}),
    "translate": (1, {"into": ["en", "fr", "ru"], "temperature": 0.7}),
    "pmi": (1, {}),
    "specialize collect": (4, {"token_budget": 24, "save_seconds": 0.0}),
    "specialize evaluate": (2, {"token_budget": 80}),
    "lab train": (3, {"steps": 8}),
    "tune": (1, {"steps": 8}),
    "curriculum": (3, {}),
    "lego train": (12, {}),
    "specialize train": (1, {"steps": 8}),
    "specialize compare": (6, {}),
    "sga train": (2, {}),
}


TIMED = {"sga train"}  # their reports say how long something took


@pytest.mark.parametrize("command", AFTER)
def test_it_goes_on_and_ends_with_the_same_bytes(command: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    after, more = AFTER[command]
    job = all_recipes()[command].from_json({**EXAMPLES[command], **more})
    job.save(Path("job.json"))
    job.run("whole")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(after)], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert json.loads(Path("killed/.unfinished/job.json").read_text())["recipe"] == job.to_json()
    kept = [path for path in Path("killed/.unfinished").rglob("*.*") if path.is_file() and path.name != "job.json"]
    assert len(kept) >= min(2 * after, 2)
    job.run("killed", resume=True)
    files = [{path.relative_to(name) for path in Path(name).rglob("*")} for name in ("whole", "killed")]
    assert files[0] == files[1]
    for path in files[0]:
        if Path("whole", path).is_file() and not (command in TIMED and path.stem == "report"):
            assert Path("whole", path).read_bytes() == Path("killed", path).read_bytes(), path
