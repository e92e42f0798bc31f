"""Datasets of the Hugging Face Hub, by the `datasets` library (the extra `hub`); no code of a dataset is ever run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any, TypeVar

from neuroglot import extras
from neuroglot.corpora.columns import TextColumn
from neuroglot.corpora.languages import choose, known_code
from neuroglot.corpora.sources import Source, find_source
from neuroglot.corpora.storing import stored_if_large
from neuroglot.corpora.tables import ID, RawTable, columns_of, ids_of, text_column
from neuroglot.errors import ConfigError, CorpusError

HUB_ID = re.compile(r"(?P<dataset>[\w.-]+/[\w.-]+)(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?")
TRANSLATION = "translation"
OR_COLUMN = ", or, where each config is a language, the column with the text: --column NAME (column='NAME')"
_Result = TypeVar("_Result")


def read_hub(
    name: str, languages: Sequence[str] | None, column: str | None, revision: str | None
) -> dict[str, TextColumn]:
    """Columns by language of a known corpus or of `org/name`, `org/name:config`, `org/name:config:split`.

    Languages are the configs (then `column` names the text, unless the corpus is known), the columns of a table, or
    the keys of its column `translation`. Raises `CorpusError` where the hub or the dataset does not give that,
    `ConfigError` where a choice is missing, `MissingExtraError` without `datasets`.
    """
    datasets = extras.require("datasets", extra="hub", note=f"{name!r} is read from the hub; local files are not.")
    match = HUB_ID.fullmatch(name)
    dataset, config, split = match.group("dataset", "config", "split") if match else (name, None, None)
    source = find_source(dataset)
    dataset = source.hub if source else dataset
    fetch = partial(_rows, datasets, dataset, revision=revision)
    if not config:
        configs = _ask(dataset, datasets.get_dataset_config_names, dataset, revision=revision)
        by_language = _language_configs(configs, source)
        text, witness = (column or source.column, source.witness) if source else (column, "")
        if by_language and text:
            names = choose(by_language, languages, dataset)
            split = split or (source.split if source else None)
            return {code: _text(fetch(name, split), f"{dataset}:{name}", text, witness) for code, name in names.items()}
        config = _only(configs, dataset, "config", "CONFIG", OR_COLUMN)
    return columns_of(_table(fetch(config, split), f"{dataset}:{config}", column), languages)


def _ask(dataset: str, function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    """Calls the library; whatever it raises (network, gate, script, format: dozens of types) becomes one message."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        problem = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CorpusError(
            f"The dataset {dataset!r} could not be read from the Hugging Face Hub: {problem.rstrip('.')}.",
            "Expected is a dataset in a data format, without a loading script, that you may read.",
            "Check the name and the network, or download it and give the path; no such path is here.",
        ) from error


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


def _rows(datasets: ModuleType, dataset: str, config: str, split: str | None, revision: str | None) -> Any:
    if not split:
        splits = _ask(dataset, datasets.get_dataset_split_names, dataset, config, revision=revision)
        split = _only(splits, dataset, "split", f"{config}:SPLIT")
    return _ask(dataset, datasets.load_dataset, dataset, config, split=split, revision=revision)


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
