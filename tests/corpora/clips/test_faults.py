"""Corpus files as they should not be: paths out of the folder, shifted lines, odd fields, frames out of order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neuroglot.corpora.clips import load_clips, make_clips
from neuroglot.errors import CorpusError
from tests.corpora.clips.writing import FEW, write_csl, write_frames, write_phoenix

TRAIN = "annotations/manual/train.corpus.csv"


@pytest.fixture
def phoenix(tmp_path: Path) -> Path:
    return write_phoenix(tmp_path / "p2014")


def first_frames(root: Path) -> list[Path]:
    return sorted((root / "features/fullFrame-210x260px/train/train-0/1").iterdir())


def with_line(root: Path, line: str) -> Path:
    path = root / TRAIN
    path.write_text(path.read_text() + line)
    return root


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x|../test/test-0/1/*.png|s|EAST\n", "x: a path out of the folder"),
        ("x|../../../../../*.png|s|EAST\n", "x: a path out of the folder"),
        (f"x|{'a' * 5000}/*.png|s|EAST\n", "x: no frames"),
        ("x|train\0-0/*.png|s|EAST\n", "x: no frames"),
        ("train-0|train-1/1/*.png|s|EAST\n", "train-0: its id stands twice"),
        ("\n\nno fields\n", "train.corpus.csv line 8: no fields"),
    ],
)
def test_a_wrong_line_of_phoenix_is_one_fault(phoenix: Path, line: str, said: str) -> None:
    whole = load_clips(phoenix).hash
    with pytest.raises(CorpusError, match=rf"1 of 9 clips .*\({said}"):
        load_clips(with_line(phoenix, line))
    kept = load_clips(phoenix, on_fault="drop")
    assert kept.hash == whole
    assert said in kept.remarks[0]


def test_a_gloss_may_have_any_character_but_a_space(phoenix: Path) -> None:
    with_line(phoenix, 'x|train-0/1/*.png|s|"A  B,C\x0b你好\u2028<blank>\n')
    assert load_clips(phoenix).clips[4].glosses == ('"A', "B,C", "你好", "<blank>")


def spoil(mode: str, size: tuple[int, int]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        image = pytest.importorskip("PIL.Image", reason="images are written by Pillow, of the extra 'sign'")
        image.new(mode, size).save(path)

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (spoil("I;16", (16, 16)), "more than 8 bits a channel"),
        (spoil("1", (4097, 4096)), "more than 16,777,216 pixels"),
        (spoil("RGB", (15, 16)), "another size"),
        (lambda path: path.write_bytes(b""), "is damaged"),
    ],
)
def test_frames_that_would_not_be_read_as_they_are_are_named(phoenix: Path, write, said: str) -> None:  # type: ignore[no-untyped-def]
    write(path := first_frames(phoenix)[3])
    with pytest.raises(CorpusError, match=rf"train-0: frame {path.name} (has|is) .*{said.split()[-1]}") as refused:
        load_clips(phoenix)
    assert said in str(refused.value)


def test_frame_10_stands_behind_frame_2(phoenix: Path) -> None:
    expected = load_clips(phoenix).clips[0].source.read()
    for number, path in enumerate(first_frames(phoenix)):
        path.rename(path.with_name(f"{number}.png"))
    first_frames(phoenix)[0].with_name("._0.png").write_bytes(b"what another system leaves behind")
    assert np.array_equal(load_clips(phoenix).clips[0].source.read(), expected)


def labels(root: Path, change: Callable[[list[str]], list[str]]) -> Path:
    path = root / "label.txt"
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))
    return root


def test_sentences_of_csl_are_found_by_their_number(tmp_path: Path) -> None:
    whole = [clip.glosses for clip in load_clips(write_csl(tmp_path / "csl")).clips]
    csl = labels(tmp_path / "csl", lambda lines: ["", *reversed(lines)])
    assert [clip.glosses for clip in load_clips(csl).clips] == whole
    labels(csl, lambda lines: [*lines, lines[-1]])
    with pytest.raises(CorpusError, match="has the sentence 0 twice"):
        load_clips(csl)


def test_sentences_of_csl_without_numbers_are_found_by_line(tmp_path: Path) -> None:
    csl = write_csl(tmp_path / "2015")  # no number of a sentence
    labels(csl, lambda lines: [line.split(" ", 1)[1] for line in lines])
    labels(csl, lambda lines: [lines[0], "", f"3 {lines[2]}", lines[3]])
    (csl / "color" / "²" / "P01_").mkdir(parents=True)
    with pytest.raises(CorpusError, match=r"2 of 8 clips .*1/P01_s1_01_0: label.txt has 3 sentences, and not this one"):
        load_clips(csl)
    kept = load_clips(csl, on_fault="drop")
    assert [clip.id[:3] for clip in kept.clips] == ["000", "000", "002", "002", "003", "003"]
    assert kept.clips[2].glosses[0] == "3"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1\ta\tA\tvalid\n", r"1: the part 'valid', which is none of train, dev, test"),
        ("1\ta\tA\ttrain\tmore\n", "clips.tsv line 3: too many fields"),
        ("1\ta\n", "clips.tsv line 3: too few fields"),
        ("\ta\tA\n", "clips.tsv line 3: no id or no path"),
        ("1\t\tA\n", "clips.tsv line 3: no id or no path"),
        ("1\t/etc\tA\n", "1: a path out of the folder"),
        (f"1\t{'a' * 300}\tA\n", "1: no frames"),
        ("0\ta\tA\n", "0: its id stands twice"),
    ],
)
def test_a_wrong_line_of_a_table_is_one_fault(tmp_path: Path, lines: str, said: str) -> None:
    write_frames(make_clips(FEW).clips[0], tmp_path / "a")
    (tmp_path / "clips.tsv").write_text(f'id\tpath\tglosses\tpart\n0\ta\t"A B\ttrain\n{lines}')
    with pytest.raises(CorpusError, match=rf"1 of 2 clips .*\({said}\)"):
        load_clips(tmp_path)
    assert [clip.glosses for clip in load_clips(tmp_path, on_fault="drop").clips] == [('"A', "B")]


@pytest.mark.parametrize("text", ["id\tid\tpath\tglosses\n1\t1\ta\tA\n", f"id\tpath\tglosses\n1\ta\t{'A ' * 70_000}\n"])
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "clips.tsv").write_text(text)
    with pytest.raises(CorpusError, match=r"clips.tsv (lacks a column or rows, or has a column twice|cannot be read)"):
        load_clips(tmp_path)
