"""Folders in the layout of data sets of the hub, such as a downloaded one: a card that lists configs, or tables whose
names or folders say the split. `hub` reads them, through the same library.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from neuroglot.corpora.sources import layout_of
from neuroglot.corpora.tables import TABLES
from neuroglot.corpora.textfiles import data_suffix

FRONT_MATTER = re.compile(r"---\n(.*?)\n---", re.DOTALL)
SPLIT = re.compile(  # the names by which `datasets` knows a split, alone or beside other words
    r"(?:.*[-._ \d])?(?:train(?:ing)?|valid(?:ation)?|val|dev|test(?:ing)?|eval(?:uation)?)(?:[-._ \d].*)?"
)
DEEPEST_TABLE = 3  # config/split/0000.parquet
MOST_LOOKED_AT = 10_000


def parse_folder(source: str) -> tuple[Path, str | None, str | None] | None:
    """Folder, config and split of `folder`, `folder:config`, `folder:config:split` or `folder::split`.

    None if no such folder is there, or it is not in the hub's layout.
    """
    for parts in (1, 2, 3):
        folder, *chosen = source.rsplit(":", parts - 1)
        path = Path(folder).expanduser()
        if folder and len(chosen) == parts - 1 and _is_folder(path) and in_hub_layout(path):
            config, split = ([*chosen, "", ""])[:2]
            return path, config or None, split or None
    return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def in_hub_layout(folder: Path) -> bool:
    """Whether a card lists the data files, or tables lie there by split."""
    return lists_files(folder) or any(_by_split(path.relative_to(folder)) for path in _tables(folder))


def lists_files(folder: Path) -> bool:
    """Whether the folder's card says which files are which config's."""
    try:
        card = FRONT_MATTER.match((folder / "README.md").read_text("utf-8"))
        header = yaml.safe_load(card[1]) if card else None
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(header, Mapping) and "configs" in header


def folders_of_configs(folder: Path) -> list[str]:
    """The folders that are configs where no card lists them: those with tables, whose name is no split's."""
    if lists_files(folder):
        return []
    tables = [path.relative_to(folder) for path in _tables(folder)]
    names = {path.parts[0] for path in tables if len(path.parts) > 1}
    return sorted(name for name in names if name != "data" and not SPLIT.fullmatch(name))


def _by_split(path: Path) -> bool:
    """Whether name or folder say the split: `train.jsonl`, `data/train-0.parquet`, `config/train/0000.parquet`."""
    *folders, name = path.parts
    named = [bool(SPLIT.fullmatch(word)) for word in (*folders, name.partition(".")[0])]
    return layout_of(name) is None and any(named) and (len(folders) < 2 or named[1])


def _tables(folder: Path) -> Iterator[Path]:
    """The tables in a folder and below it, hidden ones left out."""
    looked_at = 0
    for depth in range(1, DEEPEST_TABLE + 1):
        for path in sorted(folder.glob("/".join("*" * depth))):
            looked_at += 1
            if looked_at > MOST_LOOKED_AT:
                return
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if data_suffix(path) in {*TABLES, ".json"} and path.is_file() and not hidden:
                yield path
