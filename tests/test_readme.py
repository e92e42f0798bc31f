"""The README's Python example runs in a fresh process, and its figures are true; the rest is in test_docs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neuroglot.models import describe_families

NUMBER = re.compile(r"\d+(?:\.\d+)?")
README = Path(__file__).parents[1] / "README.md"


def test_the_python_examples_run(tmp_path) -> None:
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(examples) == 1
    for example in examples:
        done = subprocess.run(
            [sys.executable, "-c", example],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert NUMBER.sub("", done.stdout) == NUMBER.sub("", output)
        numbers = [list(map(float, NUMBER.findall(text))) for text in (done.stdout, output)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01)
    assert (tmp_path / "german.html").stat().st_size > 5 * 10**5


def test_the_number_of_architectures_is_current() -> None:
    assert f"[{len(describe_families())} architectures](docs/models.md)" in README.read_text()
