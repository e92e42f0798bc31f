"""Text by pair of languages, and the release's result tables."""

from pathlib import Path

import pytest

from neuroglot.corpora.directions import Direction
from neuroglot.corpora.language_centric import is_by_pair, read_pairs
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.experiments.lego_tables import core_means, disagreements, read_table, read_tables


def test_moses_files_are_read_both_ways(tmp_path: Path) -> None:
    (tmp_path / "OPUS.de-en.de").write_text("eins\nzwei\n \neins\n")
    (tmp_path / "OPUS.de-en.en").write_text("one\ntwo\nthree\none\n")
    (tmp_path / "LICENSE").write_text("free")
    pairs = read_pairs(tmp_path)
    assert set(pairs) == {Direction("de", "en"), Direction("en", "de")}
    there = pairs[Direction("de", "en")]
    assert there.texts == {"de": ("eins", "zwei"), "en": ("one", "two")}
    assert there.dropped == 1  # blank; what is there twice is read once
    assert pairs[Direction("en", "de")].texts["en"] == ("one", "two")
    assert there.ids[1].endswith("OPUS.de-en.de:2")
    assert is_by_pair(tmp_path)
    assert not is_by_pair(tmp_path / "nothing")


def test_the_releases_files_say_in_each_line_which_languages_it_is_in(tmp_path: Path) -> None:
    for shard, rows in enumerate([(("eins", "de", "one"), ("un", "fr", "one")), (("deux", "fr", "two"),)], 1):
        folder = tmp_path / f"split_{shard}"
        folder.mkdir()
        (folder / "train.en-trg1.en").write_text("".join(f"__en__ {english}\n" for _, _, english in rows))
        (folder / "train.en-trg1.trg1").write_text("".join(f"__{code}__ {text}\n" for text, code, _ in rows))
        (folder / "valid.en-trg1.en").write_text("__en__ other\n")
        (folder / "valid.en-trg1.trg1").write_text("__sw__ ingine\n")
    pairs = read_pairs(tmp_path, "train")
    assert set(map(str, pairs)) == {"de-en", "en-de", "fr-en", "en-fr"}
    assert pairs[Direction("fr", "en")].texts == {"fr": ("un", "deux"), "en": ("one", "two")}
    assert set(map(str, read_pairs(tmp_path, "valid"))) == {"sw-en", "en-sw"}
    assert len(read_pairs(tmp_path)) == 6


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"t.de-en.de": "a\n"}, "the side de only"),
        ({"t.de-en.de": "a\n", "t.de-en.en": "a\nb\n"}, "has 1 lines"),
        ({"t.de-qqq.de": "a\n", "t.de-qqq.qqq": "a\n"}, "which is unknown"),
        ({"t.en-trg1.en": "a\n", "t.en-trg1.trg1": "__de__ a\n"}, "tag of its language"),
        ({"t.en-trg1.en": "__fr__ a\n", "t.en-trg1.trg1": "__de__ a\n"}, "tag of 'fr'"),
        ({"t.en-trg1.en": "__en__ a\n", "t.en-trg1.trg1": "__qqq__ a\n"}, "which is unknown"),
        ({"de.txt": "a\n"}, "no text by pair"),
    ],
)
def test_files_that_do_not_fit_are_refused(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=said):
        read_pairs(tmp_path)


def write_tables(folder: Path) -> dict[str, dict[tuple[str, str], float]]:
    """Two cores of four languages, as the release writes them; one direction between the cores differs."""
    folder.mkdir()
    scores = {
        (a, b): 3.0 * place + 7 * other for place, a in enumerate("wxyz") for other, b in enumerate("wxyz") if a != b
    }
    tables: dict[str, dict[tuple[str, str], float]] = {}
    for core in "wx":
        tables[f"from_{core}"] = {pair: value for pair, value in scores.items() if pair[0] == core}
        tables[f"to_{core}"] = {pair: value for pair, value in scores.items() if pair[1] == core}
    tables["to_x"]["w", "x"] = 50.0
    for name, table in tables.items():
        lines = [f"{a},{b},{value}" for (a, b), value in table.items()]
        (folder / f"{name}.csv").write_text("\n".join(["src,trg,spm-sacre", *lines]) + "\n")
    return tables


def test_means_are_those_of_each_cores_own_tables(tmp_path: Path) -> None:
    written = write_tables(tmp_path / "tables")
    read = read_tables(tmp_path / "tables")
    assert {name: len(table) for name, table in read.items()} == dict.fromkeys(written, 3)
    means = core_means(read, ["w", "x"])
    plain = {name: sum(table.values()) / 3 for name, table in written.items()}
    assert means.out_of == {"w": plain["from_w"], "x": plain["from_x"]}
    assert means.into == {"w": plain["to_w"], "x": plain["to_x"]}
    assert means.mean_out_of == (plain["from_w"] + plain["from_x"]) / 2
    assert means.mean == pytest.approx(sum(plain.values()) / 4)
    assert {str(each): scores for each, scores in disagreements(read).items()} == {"w-x": (7.0, 50.0)}
    with pytest.raises(ConfigError, match="0 tables have 'y'"):
        core_means(read, ["y"])
    with pytest.raises(ConfigError, match="2 tables have 'w' as the source"):
        core_means({**read, "again": read["from_w"]}, ["w"])


@pytest.mark.parametrize(
    "text",
    ["", "src,trg,bleu\na,b,1\n", "src,trg,spm-sacre\na,b\n", "src,trg,spm-sacre\na,b,x\n",
     "src,trg,spm-sacre\na,b,nan\n", "src,trg,spm-sacre\na,b,inf\n", "src,trg,spm-sacre\na,b,1\na,b,2\n"],
)  # fmt: skip
def test_tables_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises((ArtifactError, CorpusError)):
        read_table(path)
    with pytest.raises(ArtifactError, match="no table"):
        read_tables(tmp_path / "none")
