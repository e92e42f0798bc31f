"""Writing that is cut short at any call of the operating system: the old content or nothing, and no temporary files."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from neuroglot import storage
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.errors import ArtifactError
from neuroglot.signature import Signature
from neuroglot.storage import Kept, load_tensors, save_tensors, whole_folder, write_whole
from tests.fuzzing.artefacts import Tally, restored

CALLS = ((os, "fsync"), (os, "replace"), (Path, "open"))
FOLDER_CALLS = ((os, "replace"), (Path, "mkdir"))
FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = OSError(errno.EROFS, "Read-only file system")
at_every_call = pytest.mark.parametrize(("module", "name"), CALLS, ids=[name for _, name in CALLS])
TENSOR_CALLS = (*CALLS[:2], (storage, "save_file"))
at_every_call_of_tensors = pytest.mark.parametrize(
    ("module", "name"), TENSOR_CALLS, ids=[name for _, name in TENSOR_CALLS]
)
whatever_stops = pytest.mark.parametrize("stop", [FULL, READ_ONLY, KeyboardInterrupt(), MemoryError()], ids=repr)


def stopping(monkeypatch: pytest.MonkeyPatch, module: object, name: str, stop: BaseException, after: bool) -> None:
    """Make a call fail before it does anything, or just after it has."""
    real: Callable = getattr(module, name)

    def failing(*args, **options):
        if after:
            real(*args, **options)
        raise stop

    monkeypatch.setattr(module, name, failing)


def expected_of(stop: BaseException) -> type[BaseException]:
    return ArtifactError if isinstance(stop, OSError) else type(stop)


@at_every_call
@whatever_stops
def test_a_file_stays_as_it_was(tmp_path: Path, monkeypatch, module, name: str, stop: BaseException) -> None:
    write_whole(tmp_path / "a.json", "old")
    stopping(monkeypatch, module, name, stop, after=False)
    with pytest.raises(expected_of(stop)):
        write_whole(tmp_path / "a.json", "new")
    monkeypatch.undo()
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_interrupted_just_after_a_call_the_file_is_whole(tmp_path: Path, monkeypatch, name: str) -> None:
    write_whole(tmp_path / "a.json", "old")
    stopping(monkeypatch, os, name, KeyboardInterrupt(), after=True)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.json", "new")
    monkeypatch.undo()
    assert (tmp_path / "a.json").read_text() == ("new" if name == "replace" else "old")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@whatever_stops
def test_a_disk_that_fills_while_tensors_are_written(tmp_path: Path, monkeypatch, stop: BaseException) -> None:
    path = save_tensors(tmp_path / "a.safetensors", "activity", {"x": torch.ones(3)}, {"of": "old"})

    def full(_: dict, path: Path, metadata: dict) -> None:
        """As on a disk that has room for a few bytes more."""
        path.write_bytes(b"12345")
        raise stop

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(expected_of(stop)):
        save_tensors(path, "activity", {"x": torch.zeros(3)}, {"of": "new"})
    with pytest.raises(expected_of(stop)):
        save_tensors(tmp_path / "b.safetensors", "activity", {"x": torch.zeros(3)}, {})
    monkeypatch.undo()
    assert load_tensors(path, "activity")[1] == {"of": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(("module", "name"), FOLDER_CALLS, ids=[name for _, name in FOLDER_CALLS])
@whatever_stops
def test_a_new_folder_is_whole_or_not_there(tmp_path: Path, monkeypatch, module, name: str, stop) -> None:
    stopping(monkeypatch, module, name, stop, after=False)
    with pytest.raises(expected_of(stop)), whole_folder(tmp_path / "run") as folder:
        (folder / "a").write_text("new")
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


@whatever_stops
def test_what_fails_in_the_block_leaves_nothing(tmp_path: Path, stop: BaseException) -> None:
    with pytest.raises(type(stop)), whole_folder(tmp_path / "run") as folder:
        (folder / "a").write_text("new")
        raise stop
    assert not list(tmp_path.iterdir())


@at_every_call_of_tensors
@whatever_stops
def test_a_checkpoint_stays_as_it_was(tmp_path: Path, monkeypatch, module, name: str, stop: BaseException) -> None:
    Checkpoints.of(Kept(tmp_path), Signature.of(model="lab", rows=3))
    tally = Tally()
    tally.totals["fired"] += 1
    Checkpoints(tmp_path, 0, done={0}).save([tally])
    tally.totals["fired"] += 1
    stopping(monkeypatch, module, name, stop, after=False)
    with pytest.raises(expected_of(stop)):
        Checkpoints(tmp_path, 0, done={0, 1}).save([tally])
    monkeypatch.undo()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    done, totals = restored(tmp_path)
    assert done == [0]
    assert bool((totals["fired"] == 1).all())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a folder that is read-only")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_whole(tmp_path / "closed" / "a.json", "new")
