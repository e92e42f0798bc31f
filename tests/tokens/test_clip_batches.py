"""From clips to batches: order, looks, sizes, and clips that are too short."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from neuroglot.corpora.clips import Clips, GlossVocabulary, MadeClips, make_clips
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.tokens.clips import (
    AUGMENTATIONS,
    Augmentation,
    ClipReader,
    ClipRow,
    ClipRows,
    augmentation_named,
    middle_look,
    positions_needed,
    random_look,
    require_fit,
)

MADE = make_clips(MadeClips(train=5, dev=1, test=1, languages=("made-a",)))
KNOWN = GlossVocabulary.of(MADE)


def test_rows_are_all_clips_in_a_new_order_each_time() -> None:
    rows = ClipRows(MADE.of("train"), 12, seed=3)
    ids = [row.clip.id for row in rows]
    assert sorted(ids[:5]) == sorted(ids[5:10]) == sorted(clip.id for clip in MADE.of("train").clips)
    assert [row.seed for row in rows[4:7]] == [ClipRows(MADE.of("train"), 12, seed=3)[row].seed for row in (4, 5, 6)]
    assert len({row.seed for row in rows}) == 12
    turns = [row.clip.id for row in ClipRows(MADE.of("train"), 30, seed=3)]
    assert len({tuple(turns[start : start + 5]) for start in range(0, 30, 5)}) > 3
    with pytest.raises(IndexError):
        rows[12]


def test_a_batch_has_padding_on_the_right_and_labels() -> None:
    rows = [ClipRow(clip) for clip in MADE.of("train").clips]
    batch = ClipReader(KNOWN, 16).batch(rows)
    for row, frames, mask, labels in zip(
        rows, batch["pixel_values"], batch["frame_mask"], batch["labels"], strict=True
    ):
        raw = row.clip.source.read()
        assert int(mask.sum()) == len(raw)
        assert not mask[len(raw) :].any()
        expected = torch.from_numpy(raw).permute(0, 3, 1, 2).float() / 127.5 - 1
        torch.testing.assert_close(frames[: len(raw)], expected)
        assert labels[labels != -100].tolist() == KNOWN.encoded(row.clip)


def test_teacher_and_student_see_the_same() -> None:
    """The small view is the mean of the large one where sizes are multiples."""
    look = random_look(20, Augmentation(crop=1.0, flip=1.0), 1, 1, random.Random(0))
    frames = make_clips(MadeClips(size=32, languages=("made-a",), train=1, dev=1, test=1)).clips[0].source.read()[:20]
    large, small = look.seen(frames, 32), look.seen(frames, 8)
    assert look.mirrored
    means = torch.nn.functional.avg_pool2d(large, 4)
    assert (small - means).abs().max() < 0.35  # another filter than the mean, of the same places
    assert torch.corrcoef(torch.stack([small.flatten(), means.flatten()]))[0, 1] > 0.98
    rows = [ClipRow(clip, seed) for seed, clip in enumerate(MADE.of("train").clips)]
    both = ClipReader(KNOWN, 8, augmentation=AUGMENTATIONS["phoenix"], also=16).batch(rows)
    alone = ClipReader(KNOWN, 16, augmentation=AUGMENTATIONS["phoenix"]).batch(rows)
    assert torch.equal(both["larger"], alone["pixel_values"])
    assert torch.equal(both["frame_mask"], alone["frame_mask"])


def test_lengths_are_rescaled_to_a_multiple_of_four_within_bounds() -> None:
    phoenix = AUGMENTATIONS["phoenix"]
    lengths = set()
    for seed in range(60):
        look = random_look(100, phoenix, 1, 3, random.Random(seed))
        lengths.add(len(look.frames))
        assert list(look.frames) == sorted(look.frames)
        assert 0 <= min(look.frames) <= max(look.frames) < 100
    assert min(lengths) >= 80
    assert max(lengths) <= 120
    assert len(lengths) > 5
    assert all(length % 4 == 0 for length in lengths)
    csl = [random_look(40, AUGMENTATIONS["csl"], 4, 1, random.Random(seed)).frames for seed in range(20)]
    assert {frames[0] for frames in csl} == {0, 1, 2, 3}
    assert all(set(np.diff(frames)) == {4} for frames in csl)
    assert middle_look(9, phoenix, 4).frames == (0, 4, 8)


def test_clips_that_are_too_short_for_their_glosses_are_refused_by_name() -> None:
    clip = replace(MADE.clips[0], id="hasty", glosses=("EAST", "EAST", "WEST"))
    assert positions_needed(clip.glosses) == 4
    assert [positions_needed(glosses) for glosses in ([], [1], [1, 1, 1])] == [0, 1, 5]
    require_fit(Clips("one", (clip,)), [13], 1)
    with pytest.raises(CorpusError, match=r"1 of 1 clips are too short.*hasty \(12 frames, 13 needed\)"):
        require_fit(Clips("one", (clip,)), [12], 1)
    with pytest.raises(CorpusError, match=r"hasty \(13 frames, 25 needed\)"):
        require_fit(Clips("one", (clip,)), [13], 2)
    with pytest.raises(ConfigError, match="no augmentation 'wild'"):
        augmentation_named("wild")


def test_a_look_is_mirrored_left_to_right_and_evaluation_sees_the_middle() -> None:
    frames = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    middle = middle_look(1, Augmentation(crop=0.5))
    expected = torch.from_numpy(frames[:, 2:6, 2:6]).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert torch.equal(middle.seen(frames, 4), expected)
    assert torch.equal(replace(middle, mirrored=True).seen(frames, 4), expected.flip(3))
