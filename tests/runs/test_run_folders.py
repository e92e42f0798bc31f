"""A run folder is whole or goes on; it replaces nothing that is not a run, and is used by one process at a time."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.reports import Report
from neuroglot.runs.folder import MARKER, UNFINISHED
from neuroglot.runs.identity import Identity
from neuroglot.runs.run import Run
from neuroglot.signature import Signature, versions
from neuroglot.storage import write_whole
from tests.runs.toys import Toy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_has_its_files_and_its_marker(tmp_path):
    Toy().run(tmp_path / "run")
    names = {"recipe.json", "report.html", "report.json", "numbers.safetensors"}
    assert set(contents(tmp_path / "run")) == names | {MARKER}
    marker = json.loads((tmp_path / "run" / MARKER).read_text())
    assert set(marker["files"]) == names
    assert marker["identity"] == {"data": {"name": "a"}, "versions": versions().to_json()}


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = Toy().run()
    assert report.title == "Toy"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["config.json", "notes.txt", "report.json", ".hidden", "sub/file"])
@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_a_foreign_folder_is_never_touched(tmp_path, there, how):
    path = tmp_path / "model" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ArtifactError, match="no run of neuroglot"):
        Toy().run(tmp_path / "model", **how)
    assert contents(tmp_path) == before


def test_overwriting_keeps_what_the_marker_does_not_list(tmp_path):
    out = tmp_path / "run"
    Toy().run(out)
    (out / "notes.txt").write_text("mine")
    (out / "sub").mkdir()
    (out / "sub" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds a finished run"):
        Toy(steps=4).run(out)
    Toy(steps=4).run(out, overwrite=True)
    assert json.loads((out / "recipe.json").read_text())["steps"] == 4
    assert (out / "notes.txt").read_text() == (out / "sub" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["../victim", "/etc/passwd", "sub/../../victim", ""])
def test_a_forged_marker_deletes_nothing_outside_the_folder(tmp_path, name):
    (tmp_path / "victim").write_text("mine")
    out = tmp_path / "run"
    Toy().run(out)
    marker = json.loads((out / MARKER).read_text())
    write_whole(out / MARKER, json.dumps(marker | {"files": [name]}))
    with pytest.raises(ArtifactError, match="damaged"):
        Toy(steps=4).run(out, overwrite=True)
    assert (tmp_path / "victim").read_text() == "mine"


def test_files_behind_a_link_are_not_deleted(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    out = tmp_path / "run"
    Toy().run(out)
    (out / "sub").symlink_to(tmp_path / "elsewhere")
    marker = json.loads((out / MARKER).read_text())
    write_whole(out / MARKER, json.dumps(marker | {"files": [*marker["files"], "sub/mine.txt"]}))
    Toy(steps=4).run(out, overwrite=True)
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "mine"


def test_a_file_in_the_way_loses_nothing(tmp_path):
    """A file of the user's with the name of an artefact, put there while the job runs."""
    out = tmp_path / "run"

    class Meddled(Toy):
        def work(self, run, inputs):
            (out / "report.html").write_text("mine")
            return super().work(run, inputs)

    with pytest.raises(ArtifactError, match=r"report\.html is in the way"):
        Meddled().run(out)
    assert (out / "report.html").read_text() == "mine"
    (out / "report.html").unlink()
    Toy().run(out, resume=True)
    assert (out / MARKER).exists()


def test_an_error_leaves_what_the_job_goes_on_from(tmp_path, monkeypatch):
    counter, out = tmp_path / "counter", tmp_path / "run"
    with pytest.raises(ArtifactError, match="No space left on device"):
        Toy(fail_at=2, counter=counter).run(out)
    assert counter.read_text() == "0\n1\n"
    assert not (out / MARKER).exists()
    with pytest.raises(ArtifactError, match="not finished"):
        Toy(fail_at=2, counter=counter).run(out)
    monkeypatch.setenv("TOY_MENDED", "1")
    Toy(fail_at=2, counter=counter).run(out, resume=True)
    assert counter.read_text() == "0\n1\n2\n"
    assert not (out / UNFINISHED).exists()
    Toy(fail_at=2, counter=counter).run(tmp_path / "other")
    resumed, straight = contents(out), contents(tmp_path / "other")
    assert resumed == straight


def test_an_error_before_any_step_leaves_nothing(tmp_path):
    with pytest.raises(ArtifactError, match="No space left"):
        Toy(fail_at=0).run(tmp_path / "deep" / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_how_to_go_on(tmp_path):
    class Interrupted(Toy):
        def _step(self, step):
            if step == 1:
                raise KeyboardInterrupt
            return super()._step(step)

    with pytest.raises(KeyboardInterrupt, match=r"go on with --resume --out .*run"):
        Interrupted().run(tmp_path / "run")


@pytest.mark.parametrize(
    ("other", "said"), [({"steps": 4}, "steps: 3 there, 4 here"), ({"data": "b"}, "data: a there, b here")]
)
def test_another_job_does_not_go_on(tmp_path, other, said):
    Toy().run(tmp_path / "run")
    with pytest.raises(ConfigError, match=said):
        Toy(**other).run(tmp_path / "run", resume=True)
    with pytest.raises(ArtifactError, match="No space"):
        Toy(fail_at=1).run(tmp_path / "half")
    with pytest.raises(ConfigError, match=said):
        Toy(fail_at=1, **other).run(tmp_path / "half", resume=True)


@pytest.mark.parametrize("finished", [True, False])
def test_other_data_under_the_same_name_do_not_go_on(tmp_path, monkeypatch, finished):
    toy = Toy(fail_at=None if finished else 1)
    if finished:
        toy.run(tmp_path / "run")
    else:
        with pytest.raises(ArtifactError):
            toy.run(tmp_path / "run")
    monkeypatch.setenv("TOY_DATA", "changed")
    with pytest.raises(ConfigError, match="another data"):
        toy.run(tmp_path / "run", resume=True)


def test_a_finished_run_is_read_back(tmp_path):
    counter = tmp_path / "counter"
    first = Toy(counter=counter).run(tmp_path / "run")
    before = contents(tmp_path / "run")
    again = Toy(counter=counter).run(tmp_path / "run", resume=True)
    assert counter.read_text().count("\n") == 3
    assert again.to_json() == first.to_json()
    assert contents(tmp_path / "run") == before


def test_the_folder_may_be_the_current_one_a_link_or_deep(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Toy().run(".")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Toy().run(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    Toy().run(tmp_path / "a" / "b" / "c")
    for folder in ("here", "real", "a/b/c"):
        assert (tmp_path / folder / MARKER).exists()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="link to nothing"):
        Toy().run(tmp_path / "dangling")
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ArtifactError):
            Toy().run(path)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    counter = tmp_path / "counter"
    with pytest.raises(ArtifactError, match="cannot be written"):
        Toy(counter=counter).run("/proc/neuroglot")
    assert not counter.exists()


def test_one_process_at_a_time(tmp_path):
    out = tmp_path / "run"
    first = threading.Thread(target=lambda: Toy(until=tmp_path / "go").run(out))
    first.start()
    while not (out / UNFINISHED / "job.json").exists():
        pass
    script = f"from tests.runs.toys import Toy; Toy().run({str(out)!r}, overwrite=True)"
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    (tmp_path / "go").touch()
    first.join()
    assert f"Another process ({os.getpid()}) is working in" in second.stderr
    assert (out / MARKER).exists()


def test_moves_that_were_begun_are_completed(tmp_path, monkeypatch):
    """Killed after the first of the moves: whoever opens the folder next makes the others."""
    out = tmp_path / "run"
    Toy().run(out)
    Toy(steps=4).run(tmp_path / "expected")
    moved = []

    def dying(source, target, real=os.replace):
        if Path(target).parent == out and Path(source).parent.name == "files":
            if moved:
                raise KeyboardInterrupt
            moved.append(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        Toy(steps=4).run(out, overwrite=True)
    monkeypatch.undo()
    assert not (out / MARKER).exists()
    Toy(steps=4).run(out, resume=True)
    assert contents(out) == contents(tmp_path / "expected")


def test_damaged_state_is_made_again(tmp_path, monkeypatch):
    counter, out = tmp_path / "counter", tmp_path / "run"
    with pytest.raises(ArtifactError):
        Toy(fail_at=2, counter=counter).run(out)
    for path in (out / UNFINISHED / "state").rglob("0.safetensors"):
        path.write_bytes(path.read_bytes()[:20])
    monkeypatch.setenv("TOY_MENDED", "1")
    Toy(fail_at=2, counter=counter).run(out, resume=True)
    assert counter.read_text() == "0\n1\n0\n2\n"


def test_options_are_checked_by_type_and_name():
    for options, said in (
        ({"steps": "3"}, "steps .* is '3'"),
        ({"step": 3}, "no option 'step'"),
        ({"steps": 1.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"pause": float("nan")}, "pause"),
        ({"data": 3}, "data"),
    ):
        with pytest.raises(ConfigError, match=said):
            Toy.from_json(options)
    assert Toy.from_json({"recipe": "toy", "counter": "x"}) == Toy(counter=Path("x"))


def test_a_file_is_told_by_all_its_bytes(tmp_path):
    told, file = set(), tmp_path / "file"
    for ending in (b"", b"a", b"b"):
        file.write_bytes(bytes(2**20) + ending)
        identity = Identity()
        assert identity.file("file", file, Path.read_bytes) == file.read_bytes()
        assert identity.noted["file"] == {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}
        told.add(identity.noted["file"]["sha256"])
    assert len(told) == 3


class Late(Toy):
    """Reads something only when half of the work is done."""

    def work(self, run, inputs):
        run.kept("steps").once("0", lambda: self._step(0))
        run.identity.note("late", Signature.of(name=os.environ.get("TOY_LATE", "x")))
        return super().work(run, inputs)


def test_what_is_read_late_must_be_the_same_when_a_killed_run_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with pytest.raises(ArtifactError, match="No space"):
        Late(fail_at=1).run(out)
    assert json.loads((out / UNFINISHED / "job.json").read_text())["identity"]["late"] == {"name": "x"}
    monkeypatch.setenv("TOY_MENDED", "1")
    monkeypatch.setenv("TOY_LATE", "y")
    with pytest.raises(ConfigError, match="another late"):
        Late(fail_at=1).run(out, resume=True)


@pytest.mark.parametrize(
    ("part", "key", "said"), [("identity", "more", "made with more as well"), ("recipe", "older", "older: 1 there")]
)
def test_a_finished_run_of_more_than_this_job_is_not_its_own(tmp_path, part, key, said):
    Toy().run(tmp_path / "run")
    marker = json.loads((tmp_path / "run" / MARKER).read_text())
    marker[part][key] = 1 if part == "recipe" else {"name": "x"}
    (tmp_path / "run" / MARKER).write_text(json.dumps(marker))
    with pytest.raises(ConfigError, match=said):
        Toy().run(tmp_path / "run", resume=True)


def test_an_option_that_the_stored_run_does_not_know_is_another_job(tmp_path):
    Toy().run(tmp_path / "run")
    marker = json.loads((tmp_path / "run" / MARKER).read_text())
    del marker["recipe"]["steps"]
    (tmp_path / "run" / MARKER).write_text(json.dumps(marker))
    with pytest.raises(ConfigError, match="steps: None there, 3 here"):
        Toy().run(tmp_path / "run", resume=True)


def test_what_goes_on_is_the_unfinished_run_not_the_finished_one_that_it_replaces(tmp_path, monkeypatch):
    counter, out = tmp_path / "counter", tmp_path / "run"
    Toy(steps=2).run(out)
    job = Toy(steps=4, fail_at=3, counter=counter)
    with pytest.raises(ArtifactError, match="No space"):
        job.run(out, overwrite=True)
    monkeypatch.setenv("TOY_MENDED", "1")
    job.run(out, resume=True)
    assert counter.read_text() == "0\n1\n2\n3\n"
    assert json.loads((out / MARKER).read_text())["recipe"]["steps"] == 4


def test_a_refusal_in_the_middle_keeps_what_was_done(tmp_path):
    class Refusing(Toy):
        def _step(self, step):
            if step == 2:
                raise ConfigError("No.", "Expected something else.")
            return super()._step(step)

    with pytest.raises(ConfigError, match="No"):
        Refusing().run(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".unfinished"]


class Staged(Toy):
    """A job with another one as a part."""

    def work(self, run, inputs):
        return Report.load(run.stage("part", Toy(steps=self.steps)) / "report.json")


def test_what_replaces_a_job_replaces_its_stages(tmp_path):
    out = tmp_path / "run"
    Staged(steps=2).run(out)
    Staged(steps=4).run(out, overwrite=True)
    assert json.loads((out / "part" / MARKER).read_text())["recipe"]["steps"] == 4
    again = Staged(steps=4).run(out, resume=True)
    assert again.sections[0].sentence == "4 steps."


@pytest.mark.parametrize("place", ["state", "files"])
def test_whatever_was_finished_is_worth_keeping(tmp_path, place):
    run = Run(tmp_path / "files", tmp_path / "state", Identity())
    assert not run.is_worth_keeping
    (tmp_path / place / "deep").mkdir(parents=True)
    assert not run.is_worth_keeping
    (tmp_path / place / "deep" / "file").touch()
    assert run.is_worth_keeping


def test_steps_of_different_names_keep_apart(tmp_path):
    run = Run(tmp_path / "files", tmp_path / "state", Identity())
    first, second = (
        run.kept(name).once("counts", lambda name=name: {"n": torch.tensor(len(name))}) for name in ("a", "bb")
    )
    assert (int(first["n"]), int(second["n"])) == (1, 2)


def test_files_in_folders_are_published_and_replaced(tmp_path):
    class Deep(Toy):
        def work(self, run, inputs):
            (run.files / "sub").mkdir(exist_ok=True)
            (run.files / "sub" / f"{self.steps}.txt").write_text("x")
            return super().work(run, inputs)

    Deep(steps=1).run(tmp_path / "run")
    assert (tmp_path / "run" / "sub" / "1.txt").exists()
    Deep(steps=2).run(tmp_path / "run", overwrite=True)
    assert [path.name for path in (tmp_path / "run" / "sub").iterdir()] == ["2.txt"]
