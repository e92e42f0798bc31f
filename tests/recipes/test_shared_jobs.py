"""Two processes that share a command's rows end with the files of one."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.launching import ENVIRONMENT, LAUNCHER, ROOT, on_two_processes
from tests.recipes.sharing_a_job import SELECTORS, main


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What one process wrote, and what two did."""
    alone, shared = (tmp_path_factory.mktemp(name) for name in ("alone", "shared"))
    main(alone)
    on_two_processes("tests.recipes.sharing_a_job", shared)
    return alone, shared


@pytest.mark.parametrize("name", [*SELECTORS, "ablate", "task", "sharing", "attribute", "scoreboard", "analyze"])
def test_files_are_those_of_one_process(name: str, folders: tuple[Path, Path]) -> None:
    alone, shared = (folder / name for folder in folders)
    files = sorted(path.relative_to(alone) for path in alone.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(shared) for path in shared.rglob("*") if path.is_file())
    for file in files:
        one, two = (
            (folder / file).read_bytes().replace(str(root).encode(), b"OUT")
            for folder, root in zip((alone, shared), folders, strict=True)
        )
        assert one == two, file


def test_a_dry_run_is_priced_and_printed_by_the_first_alone() -> None:
    command = ["record", "lab", "--corpus", "lab", "--languages", "en", "de", "--limit", "4", "--dry-run", "--json"]
    launched = [*LAUNCHER, "2", "-m", "neuroglot", *command]
    done = subprocess.run(launched, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["dry_run"] is True
