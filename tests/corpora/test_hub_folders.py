"""Folders in the hub's layout: with a card and without, by config, by split, by language, and what is not one."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars
import pytest

from neuroglot import corpora
from neuroglot.corpora.hub import choices
from neuroglot.corpora.hub_folders import in_hub_layout, lists_files, parse_folder
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.recipes.starting import write_recipe

datasets = pytest.importorskip("datasets")
TEXTS = {"de": ["eins", "zwei", "drei", "vier"], "en": ["one", "two", "three", "four"]}
OTHERS = {"de": ["fünf"], "en": ["five"]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    datasets.disable_progress_bars()


def put(name: str, columns: Mapping[str, list[str]]) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        polars.DataFrame(columns).write_parquet(path)
        return
    rows = [json.dumps({"translation": dict(zip(columns, row))}) for row in zip(*columns.values())]
    path.write_text("".join(f"{row}\n" for row in rows))


def card(folder: str, *configs: str) -> None:
    lines = ["configs:"]
    for config in configs:
        lines += [f"- config_name: {config}", "  data_files:"]
        lines += [f"  - {{split: {split}, path: '{config}/{split}-*'}}" for split in ("train", "test")]
    Path(folder, "README.md").write_text("\n".join(["---", "license: mit", *lines, "---", "# Texts", ""]))


def texts(source: str, **options: str) -> dict[str, list[str]]:
    return {code: list(column) for code, column in corpora.load(source, **options).texts.items()}  # type: ignore[arg-type]


def test_a_split_is_chosen_of_a_folder_without_a_card() -> None:
    put("mine/data/train-00000-of-00001.parquet", TEXTS)
    put("mine/data/test-00000-of-00001.parquet", OTHERS)
    assert texts("mine::train") == texts("mine:default:train") == texts("mine/data::train") == TEXTS
    assert texts("./mine::test") == texts(str(Path("mine").absolute()) + "::test") == OTHERS
    assert corpora.load("mine::test").name == "mine::test"
    with pytest.raises(ConfigError, match=r"'mine' has 2 splits: train, test.*Give mine:default:SPLIT"):
        corpora.load("mine")
    with pytest.raises(CorpusError, match=r"'mine' could not be read: Unknown split .*Check config and split"):
        corpora.load("mine::dev")


def test_the_only_split_needs_no_choice_and_shards_are_one() -> None:
    put("mine/train-00000-of-00002.parquet", TEXTS)
    put("mine/train-00001-of-00002.parquet", OTHERS)
    assert texts("mine") == {code: TEXTS[code] + OTHERS[code] for code in TEXTS}


def test_folders_are_configs_where_no_card_lists_them() -> None:
    put("pairs/de-en/train.jsonl", TEXTS)
    put("pairs/de-sw/train/0000.parquet", {"de": ["eins"], "sw": ["moja"]})
    assert texts("pairs:de-en") == texts("pairs/de-en") == TEXTS
    assert texts("pairs:de-sw:train") == {"de": ["eins"], "sw": ["moja"]}
    assert choices(Path("pairs")) == ["pairs:de-en:train", "pairs:de-sw:train"]
    with pytest.raises(ConfigError, match="2 configs: de-en, de-sw"):
        corpora.load("pairs")


@pytest.mark.parametrize("listed", [True, False])
def test_each_config_is_a_language(listed: bool) -> None:
    for language in TEXTS:
        put(f"many/{language}/train-0.parquet", {"sentence": TEXTS[language], "topic": ["a"] * 4})
        put(f"many/{language}/test-0.parquet", {"sentence": OTHERS[language], "topic": ["a"]})
    if listed:
        card("many", *TEXTS)
    assert texts("many::test", column="sentence") == OTHERS
    assert choices(Path("many")) == ["many::train", "many::test"]
    with pytest.raises(ConfigError, match=r"2 splits: train, test.*Give many::SPLIT"):
        corpora.load("many", column="sentence")
    with pytest.raises(ConfigError, match=r"2 configs: de, en.*--column NAME"):
        corpora.load("many::test")


def test_what_is_of_another_layout_stays_it() -> None:
    for language, column in TEXTS.items():
        put(f"mgsm/mgsm_{language}.tsv", {"de": column})
        Path("lines", language).mkdir(parents=True)
        Path("lines", language, "train.txt").write_text("\n".join(column) + "\n")
        Path("moses").mkdir(exist_ok=True)
        Path("moses", f"train.{language}").write_text("\n".join(column) + "\n")
    put("svamp/test_German.json", TEXTS)
    assert not any(in_hub_layout(Path(name)) for name in ("mgsm", "lines", "moses", "svamp"))
    assert texts("lines") == texts("moses") == TEXTS
    assert parse_folder("mine") is parse_folder("") is parse_folder("a:b:c:d") is parse_folder("x" * 5000) is None


def test_init_lists_each_split() -> None:
    put("mine/train.parquet", TEXTS)
    put("mine/test.parquet", OTHERS)
    path, known = write_recipe(Path("mine"))
    assert [(part.kind, part.path.name) for part in known if part.kind] == [("texts", "mine:default:train")]
    assert 'corpus: "mine:default:train"' in path.read_text().replace("./", "")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("train/more/a.parquet", False),
        ("more/train/a.parquet", True),
        ("train/a.parquet", True),
        ("more/a.parquet", False),
    ],
)
def test_deep_tables_have_their_split_as_the_second_folder(name: str, is_one: bool, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"x")
    assert in_hub_layout(tmp_path) == is_one


@pytest.mark.parametrize(("header", "lists"), [("license: mit", False), ("configs: []", True), ("- configs", False)])
def test_a_card_lists_files_if_it_has_configs(header: str, lists: bool, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{header}\n---\n")
    assert lists_files(tmp_path) == lists
