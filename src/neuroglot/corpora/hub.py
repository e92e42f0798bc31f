"""Datasets of the Hugging Face Hub, by the `datasets` library (the extra `hub`); no code of a dataset is ever run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from neuroglot import extras
from neuroglot.corpora.columns import TextColumn
from neuroglot.corpora.hub_folders import folders_of_configs
from neuroglot.corpora.languages import choose, known_code
from neuroglot.corpora.sources import Source, find_source
from neuroglot.corpora.storing import stored_if_large
from neuroglot.corpora.tables import ID, RawTable, columns_of, ids_of, text_column
from neuroglot.errors import ConfigError, CorpusError

HUB_ID = re.compile(r"(?P<dataset>[\w.-]+/[\w.-]+)(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?")
TRANSLATION = "translation"
OR_COLUMN = ", or, where each config is a language, the column with the text: --column NAME (column='NAME')"
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Wanted:
    """A data set, on the hub or in a folder, and what is read of it."""

    dataset: str
    config: str | None
    split: str | None
    revision: str | None = None
    folders: Sequence[str] = ()  # those that are configs, where no card lists any


def read_hub(
    name: str, languages: Sequence[str] | None, column: str | None, revision: str | None
) -> dict[str, TextColumn]:
    """Columns by language of a known corpus or of `org/name`, `org/name:config`, `org/name:config:split`.

    Languages are the configs (then `column` names the text, unless the corpus is known), the columns of a table, or
    the keys of its column `translation`. Raises `CorpusError` where the hub or the dataset does not give that,
    `ConfigError` where a choice is missing, `MissingExtraError` without `datasets`.
    """
    match = HUB_ID.fullmatch(name)
    dataset, config, split = match.group("dataset", "config", "split") if match else (name, None, None)
    source = find_source(dataset)
    return _read(_Wanted(source.hub if source else dataset, config, split, revision), source, languages, column)


def read_hub_folder(
    folder: Path, config: str | None, split: str | None, languages: Sequence[str] | None, column: str | None
) -> dict[str, TextColumn]:
    """As `read_hub`, of a folder in the layout of the hub's data sets."""
    wanted = _Wanted(str(folder), config, split, folders=folders_of_configs(folder))
    return _read(wanted, None, languages, column)


def choices(folder: Path) -> list[str]:
    """Each config and split of a folder in the layout of the hub's data sets, as `load` takes them.

    Where each config is a language, each split of the first.
    """
    datasets = extras.require("datasets", extra="hub", note=f"{folder} is in the layout of the hub's data sets.")
    dataset, folders = str(folder), folders_of_configs(folder)
    configs = folders or _ask(dataset, datasets.get_dataset_config_names, dataset)
    places = {config: (f"{dataset}/{config}", "default") if folders else (dataset, config) for config in configs}
    splits = {config: _ask(dataset, datasets.get_dataset_split_names, *place) for config, place in places.items()}
    if _language_configs(configs, None):
        return [f"{dataset}::{split}" for split in splits[configs[0]]]
    return [f"{dataset}:{config}:{split}" for config in configs for split in splits[config]]


def _read(
    wanted: _Wanted, source: Source | None, languages: Sequence[str] | None, column: str | None
) -> dict[str, TextColumn]:
    dataset, note = wanted.dataset, f"{wanted.dataset!r} is read as the hub's data sets are; other files are not."
    datasets = extras.require("datasets", extra="hub", note=note)
    config = wanted.config
    if not config:
        configs = wanted.folders or _ask(dataset, datasets.get_dataset_config_names, dataset, revision=wanted.revision)
        by_language = _language_configs(configs, source)
        text, witness = (column or source.column, source.witness) if source else (column, "")
        if by_language and text:
            names = choose(by_language, languages, dataset)
            wanted = replace(wanted, split=wanted.split or (source.split if source else None))
            fetched = {code: (name, _rows(datasets, wanted, name, "")) for code, name in names.items()}
            return {code: _text(rows, f"{dataset}:{name}", text, witness) for code, (name, rows) in fetched.items()}
        config = _only(configs, dataset, "config", "CONFIG", OR_COLUMN if by_language else "")
    return columns_of(_table(_rows(datasets, wanted, config, config), f"{dataset}:{config}", column), languages)


def _ask(dataset: str, function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    """Calls the library; whatever it raises (network, gate, script, format: dozens of types) becomes one message."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        problem = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        local = Path(dataset).is_dir()
        raise CorpusError(
            f"The dataset {dataset!r} could not be read{'' if local else ' from the Hugging Face Hub'}: "
            f"{problem.rstrip('.')}.",
            "Expected a dataset in a data format, without a loading script, that you may read.",
            "Check config and split, and the files." if local else
            "Check the name and the network, or download it and give the path; no such path is here.",
        ) from error  # fmt: skip


def _language_configs(configs: Sequence[str], source: Source | None) -> dict[str, str]:
    """Config to language, where configs are languages: those that the record names, or all but `default` and `all`."""
    if source:
        return {config: match[1] for config in configs if (match := re.fullmatch(source.configs, config))}
    named = [config for config in configs if config not in ("default", "all")]
    return {config: config for config in named} if all(known_code(config) for config in named) else {}


def _only(names: Sequence[str], dataset: str, what: str, syntax: str, alternative: str = "") -> str:
    if len(names) == 1:
        return names[0]
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise ConfigError(
        f"The dataset {dataset!r} has {len(names)} {what}s: {listed}.",
        "One must be chosen.",
        f"Give {dataset}:{syntax}{alternative}.",
    )


def _rows(datasets: ModuleType, wanted: _Wanted, config: str, given: str) -> Any:
    """The rows of a config; `given` is what is written for it before the split."""
    dataset, split, revision = wanted.dataset, wanted.split, wanted.revision
    place = (f"{dataset}/{config}", "default") if config in wanted.folders else (dataset, config)
    if not split:
        splits = _ask(dataset, datasets.get_dataset_split_names, *place, revision=revision)
        split = _only(splits, dataset, "split", f"{given}:SPLIT")
    return _ask(dataset, datasets.load_dataset, *place, split=split, revision=revision)


def _text(rows: Any, origin: str, text: str, witness: str) -> TextColumn:
    """The texts of a config that is one language, with the ids and the witness where it has them."""
    for name in filter(None, (text, witness)):
        _check_column(rows, origin, name)
    table = _whole(rows, origin)
    column = text_column(table, text, ids_of(table))
    return replace(column, witness=[str(value) for value in rows[witness]]) if witness else column


def _table(rows: Any, origin: str, column: str | None) -> RawTable:
    """The dataset's columns; of a column of dicts (`translation`, or `column`), its keys."""
    table = _whole(rows, origin)
    if column is not None:
        _check_column(rows, origin, column)
    nested = column or (TRANSLATION if TRANSLATION in table.values else None)
    if nested is None:
        return table
    keys = list(dict.fromkeys(chain.from_iterable(_cells(table, nested))))
    texts = stored_if_large(keys, ((0, *map(cell.get, keys)) for cell in _cells(table, nested))).values
    ids = {name: values for name, values in table.values.items() if name == ID}
    return replace(table, values={**ids, **texts})


def _cells(table: RawTable, nested: str) -> Iterator[Mapping[str, object]]:
    return (cell if isinstance(cell, dict) else {} for cell in table.values[nested])


def _whole(rows: Any, origin: str) -> RawTable:
    return RawTable(origin, {name: rows[name] for name in rows.column_names}, range(1, rows.num_rows + 1))


def _check_column(rows: Any, origin: str, name: str) -> None:
    if name not in rows.column_names:
        raise CorpusError(f"{origin} has no column {name!r}.", f"It has {', '.join(rows.column_names)}.")
