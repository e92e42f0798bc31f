"""Two processes that share a command's rows end with the files of one."""

from pathlib import Path

import pytest

from tests.launching import on_two_processes
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
