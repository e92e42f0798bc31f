"""Clips: made ones, released layouts, faults that are named and counted, and what single frames tell."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from neuroglot.corpora.clips import Clip, Clips, GlossVocabulary, MadeClips, load_clips, make_clips
from neuroglot.corpora.clips.made import MadeFrames
from neuroglot.corpora.clips.sources import VideoFile
from neuroglot.errors import ConfigError, CorpusError, MissingExtraError
from tests.corpora.clips.writing import FEW, write_csl, write_frames, write_phoenix

SMALL = MadeClips(train=12, dev=2, test=3)


def test_made_clips_say_the_same_in_every_language_and_depend_on_the_seed_alone() -> None:
    made, again = make_clips(SMALL), make_clips(SMALL)
    assert made.hash == again.hash != make_clips(replace(SMALL, seed=1)).hash
    assert len(made) == 3 * (12 + 2 + 3)
    by_id: dict[str, list[Clip]] = {}
    for clip in made.clips:
        by_id.setdefault(clip.id, []).append(clip)
    for clips in by_id.values():
        meanings = {tuple(gloss.partition(":")[2] or gloss for gloss in clip.glosses) for clip in clips}
        assert len(clips) == 3
        assert len(meanings) == 1
        assert len({clip.source.read().tobytes() for clip in clips}) == 3  # other frames each
    glosses = {language: set(GlossVocabulary.of(made.of(None, language)).glosses) for language in made.languages}
    assert set.intersection(*glosses.values()) == {"EAST", "WEST", "NORTH", "SOUTH"}
    assert all(len(own) == 6 for own in glosses.values())
    frames = made.clips[0].source.read()
    assert frames.dtype == np.uint8
    assert frames.shape == (sum(length for _, length in made.clips[0].source.motions), 16, 16, 3)


@pytest.mark.parametrize(
    ("gloss", "reverse"),
    [("EAST", "WEST"), ("NORTH", "SOUTH"), ("made-a:GO", "made-a:COME"), ("made-b:GO", "made-b:COME")],
)
def test_a_gloss_shows_the_same_frames_as_its_reverse_in_another_order(gloss: str, reverse: str) -> None:
    there, back = (MadeFrames(((name, 9),), 0, 16, 0.0, 5).read().astype(int) for name in (gloss, reverse))
    assert np.abs(there - back[::-1]).max() <= 1
    assert np.abs(there - back).max() > 100


def test_circles_turn_one_way_and_the_other() -> None:
    for gloss, sign in (("made-c:GO", 1), ("made-c:COME", -1)):
        frames = MadeFrames(((gloss, 13),), 0, 32, 0.0, 3).read()[..., 0].astype(float) - 40
        at = [
            (
                (frame.sum(0) @ np.arange(32)) / frame.sum() - 15.5,
                (frame.sum(1) @ np.arange(32)) / frame.sum() - 15.5,
            )
            for frame in frames
        ]
        turns = [np.sign(x0 * y1 - x1 * y0) for (x0, y0), (x1, y1) in pairwise(at)]
        assert np.mean(turns) * sign > 0.5


def test_a_gloss_of_two_hands_is_the_sum_of_both_motions() -> None:
    made = make_clips(MadeClips(train=60, dev=1, test=1, languages=("made-a",), hands=2))
    assert len(GlossVocabulary.of(made).glosses) == 16
    pairs, reverse = (
        MadeFrames(((name, 9),), 0, 16, 0.0, 5).read().astype(int) for name in ("EAST+NORTH", "WEST+SOUTH")
    )
    assert np.abs(pairs - reverse[::-1]).max() <= 1
    one, same = (MadeFrames(((name, 9),), 0, 16, 0.0, 5).read().astype(int) for name in ("EAST+NORTH", "EAST+SOUTH"))
    assert np.abs(one - same)[..., 2].max() > 100  # the blue hand moves otherwise
    assert np.abs(one - same)[..., 0].max() < 30  # and the red one alike
    with pytest.raises(ConfigError, match="3 hands"):
        MadeClips(hands=3)


def test_vocabularies_know_the_clips_of_training_only() -> None:
    made = make_clips(SMALL)
    clip = replace(made.of("test").clips[0], glosses=("EAST", "NEW", "NEW", "OTHER"))
    known = GlossVocabulary.of(made)
    assert GlossVocabulary.of(replace(made, clips=(*made.of("train").clips, clip))) == known
    assert known.unknown([clip]) == {"NEW": 2, "OTHER": 1}
    with pytest.raises(CorpusError, match="'test-0' has the gloss NEW, NEW, OTHER"):
        known.encoded(clip)
    assert known.decoded(known.encoded(made.clips[0])) == made.clips[0].glosses
    assert min(known.encoded(made.clips[0])) >= 1


def test_parts_by_signer() -> None:
    made = make_clips(MadeClips(train=9, dev=1, test=1, languages=("made-a",)))
    split = made.by_signer(dev=["signer-0"], test=["signer-2"])
    assert {clip.signer for clip in split.of("train").clips} == {"signer-1"}
    assert {clip.signer for clip in split.of("test").clips} == {"signer-2"}
    for test, said in ((["nobody"], "no signer nobody"), (["signer-0", "signer-1", "signer-2"], "held out of 3")):
        with pytest.raises(ConfigError, match=said):
            made.by_signer(test=test)
    with pytest.raises(CorpusError, match="none for dev"):
        Clips("few", made.of("train").clips).of("dev")
    assert len(make_clips(SMALL).of("train").head(2)) == 6


def test_phoenix_is_read_as_it_is_released(tmp_path: Path) -> None:
    clips, made = load_clips(write_phoenix(tmp_path / "p2014")), make_clips(FEW)
    assert clips.languages == ("gsg",)
    assert [(c.id, c.signer, c.glosses, c.part) for c in clips.clips] == [
        (c.id, c.signer, c.glosses, c.part) for c in made.clips
    ]
    assert all(
        np.array_equal(one.source.read(), other.source.read())
        for one, other in zip(clips.clips, made.clips, strict=True)
    )
    assert not clips.remarks


def test_csl_is_divided_by_signer_or_by_sentence(tmp_path: Path) -> None:
    root = write_csl(tmp_path / "csl")
    by_signer, by_sentence = load_clips(root), load_clips(root, split="sentence")
    assert len(by_signer) == 8
    assert {clip.signer for clip in by_signer.of("train").clips} == {"P01"}
    assert {clip.signer for clip in by_signer.of("test").clips} == {"P02"}
    assert {clip.id.partition("/")[0] for clip in by_sentence.of("test").clips} == {"003"}
    assert by_signer.clips[0].glosses == make_clips(FEW).clips[0].glosses


def test_faults_are_named_and_counted_or_left_out(tmp_path: Path) -> None:
    root = write_phoenix(tmp_path / "p2014")
    frames = root / "features" / "fullFrame-210x260px" / "train"
    whole = sorted((frames / "train-0" / "1").iterdir())[3]
    whole.write_bytes(whole.read_bytes()[:60])
    sorted((frames / "train-1" / "1").iterdir())[4].unlink()
    for path in (frames / "train-2" / "1").iterdir():
        path.unlink()
    corpus = root / "annotations" / "manual" / "train.corpus.csv"
    corpus.write_text(corpus.read_text() + "a line without fields\nempty|train-3/1/*.png|signer|\n")
    with pytest.raises(CorpusError) as refused:
        load_clips(root)
    said = str(refused.value)
    assert said.startswith(
        "5 of 10 clips of 'p2014' have faults (train-0: frame train-0_fn000003-0.png is damaged; "[:50]
    )
    assert "train-0: frame train-0_fn000003-0.png is damaged" in said
    assert "--on-fault drop" in said
    kept = load_clips(root, on_fault="drop")
    assert [clip.id for clip in kept.of("train").clips] == ["train-3"]
    (remark,) = kept.remarks
    for kind in ("1 frames are missing: 1", "no frames: 1", "no gloss: 1", "no fields id|folder|signer|annotation: 1"):
        assert kind in remark


def test_frames_whose_pixels_are_damaged_are_named_when_they_are_read(tmp_path: Path) -> None:
    clip = make_clips(FEW).clips[0]
    write_frames(clip, tmp_path / "clips" / "a", ending="jpg")
    (tmp_path / "clips.tsv").write_text("id\tpath\tglosses\tpart\na\tclips/a\tEAST WEST\ttrain\n")
    loaded = load_clips(tmp_path).clips[0]
    assert loaded.language == tmp_path.name
    first = loaded.source.paths[0]
    first.write_bytes(first.read_bytes()[:200])
    with pytest.raises(CorpusError, match=rf"frame {first} is damaged"):
        loaded.source.read()
    (tmp_path / "clips.tsv").write_text("id\tpath\tglosses\nb\t../elsewhere\tEAST\n")
    with pytest.raises(CorpusError, match="b: a path out of the folder"):
        load_clips(tmp_path)


def test_what_is_no_folder_of_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no folder of clips.*label\.txt, clips\.tsv.*'made'"):
        load_clips(tmp_path)
    (tmp_path / "clips.tsv").write_text("id\tfile\n")
    with pytest.raises(CorpusError, match="Expected glosses, id, path"):
        load_clips(tmp_path)
    assert load_clips("made").name == "made"


def test_videos_are_read_frame_by_frame_and_damaged_ones_named(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="videos are read by PyAV, of the extra 'video'")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for brightness in (10, 120, 240):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), brightness, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = VideoFile(path).read()
    assert frames.shape == (3, 32, 32, 3)
    assert frames.mean((1, 2, 3)).tolist() == pytest.approx([10, 120, 240], abs=6)
    path.write_bytes(b"no film")
    assert VideoFile(path).fault() == "the video clip.mp4 is damaged"
    with pytest.raises(CorpusError, match=r"clip\.mp4 is damaged"):
        VideoFile(path).read()


def test_without_pyav_a_video_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neuroglot\[video\]'"):
        VideoFile(tmp_path / "clip.mp4").read()


def test_counts_that_make_no_clip_are_refused() -> None:
    for wrong in ({"train": 0}, {"least": 3}, {"languages": ("gsg",)}, {"languages": ()}):
        with pytest.raises(ConfigError, match="Expected"):
            MadeClips(**wrong)
    assert torch.from_numpy(make_clips(FEW).clips[0].source.read()).dtype == torch.uint8
