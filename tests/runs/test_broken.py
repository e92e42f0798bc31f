"""What somebody broke: each of these was a wrong number, lost work, or a traceback."""

import gzip
import json
import math
from pathlib import Path

import pytest
import torch

from neuroglot import corpora
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation.decoding import Decoding
from neuroglot.models import load
from neuroglot.recipes import Record
from neuroglot.storage import Kept
from neuroglot.training.trainer import require_finite


def test_what_is_kept_comes_back_in_the_order_in_which_it_was_made(tmp_path: Path) -> None:
    made = {name: torch.full((1,), number) for number, name in enumerate(["specific", "all-shared", "none", "Zulu"])}
    kept = Kept(tmp_path)
    assert list(kept.once("members", lambda: made)) == list(made)
    again = kept.once("members", lambda: pytest.fail("was made already"))
    assert [(name, int(value)) for name, value in again.items()] == [(name, int(made[name])) for name in made]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    Record(model="lab", corpus="lab", languages=("de",), limit=2).run(out)
    return out


RECORD = Record(model="lab", corpus="lab", languages=("de",), limit=2)


def test_a_finished_run_that_lost_a_file_says_so(finished: Path) -> None:
    kept = (finished / "activity.safetensors").read_bytes()
    (finished / "activity.safetensors").unlink()
    with pytest.raises(ArtifactError, match="lacks activity.safetensors"):
        RECORD.run(finished, resume=True)
    (finished / "activity.safetensors").write_bytes(kept)
    RECORD.run(finished, resume=True)


def test_foreign_files_in_the_place_of_unfinished_work_stay(tmp_path: Path) -> None:
    (tmp_path / "target" / "files").mkdir(parents=True)
    (tmp_path / "target" / "files" / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".unfinished").symlink_to(tmp_path / "target")
    (tmp_path / "plain" / ".unfinished" / "files").mkdir(parents=True)
    (tmp_path / "plain" / ".unfinished" / "files" / "precious").write_text("mine")
    for name in ("run", "plain"):
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(ArtifactError, match="no run of neuroglot"):
                RECORD.run(tmp_path / name, **options)
    assert len(list(tmp_path.rglob("precious"))) == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("neuroglot-run.json", {"format": 1, "files": []}, "does not say which job"),
        (".unfinished/job.json", {"x": 1}, "does not say which job"),
        (".unfinished/moves.json", {}, "moves.json is damaged"),
        (".unfinished/moves.json", {"marker": {"files": ["../x"]}, "old": []}, "moves.json is damaged"),
        (".unfinished/moves.json", {"marker": {"files": []}, "old": ["../x"]}, "moves.json is damaged"),
    ],
)
def test_odd_run_folders_are_one_message(tmp_path: Path, name: str, content: dict, words: str) -> None:
    (tmp_path / "x").write_text("mine")
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=words):
        RECORD.run(tmp_path / "run", resume=True)
    assert (tmp_path / "x").read_text() == "mine"


def test_a_name_that_is_too_long_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written"):
        RECORD.run(tmp_path / ("a" * 300))


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_a_training(loss: float) -> None:
    with pytest.raises(ConfigError, match="loss of step 3"):
        require_finite(loss, 3)
    require_finite(0.0, 3)


def test_no_language_of_a_folder_is_left_out_unseen(tmp_path: Path) -> None:
    (tmp_path / "de.txt.gz").write_bytes(gzip.compress(b"a\n"))
    (tmp_path / "en.txt").write_text("b\n")
    assert corpora.load(tmp_path).languages == ("de", "en")
    (tmp_path / "train.fr").write_text("c\n")
    with pytest.raises(CorpusError, match="'train.fr'"):
        corpora.load(tmp_path)
    (tmp_path / "train.fr").unlink()
    (tmp_path / "de.txt").write_text("a\n")
    with pytest.raises(CorpusError, match="both German"):
        corpora.load(tmp_path)


def test_native_markup_of_tmx_is_no_text(tmp_path: Path) -> None:
    segment = 'Ein <bpt i="1">&lt;b&gt;</bpt><hi>Wort</hi><ept i="1">&lt;/b&gt;</ept><ph>{0}</ph>.'
    unit = f'<tu><tuv xml:lang="de"><seg>{segment}</seg></tuv><tuv xml:lang="en"><seg>A word.</seg></tuv></tu>'
    (tmp_path / "a.tmx").write_text(f"<tmx><body>{unit}</body></tmx>")
    assert corpora.load(tmp_path / "a.tmx").texts["de"] == ("Ein Wort.",)


def test_a_name_twice_in_a_line_of_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"de": "a", "de": "b", "en": "c"}\n')
    with pytest.raises(CorpusError, match="a name stands twice"):
        corpora.load(tmp_path / "a.jsonl")


def test_options_beyond_what_can_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="temperature"):
        Decoding(temperature=1e-300)
    with pytest.raises(ConfigError, match="Only the hub has revisions"):
        load("lab", revision="nonsense")
