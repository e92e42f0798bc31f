"""Reads the paper's data folder: every fault found and named, and a faulty row left out in all languages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neuroglot.corpora.languages import language_code
from neuroglot.corpora.parallel_inputs.items import Fault, ParallelInputs, ParallelItem
from neuroglot.corpora.parallel_inputs.released import RELEASED, Released
from neuroglot.corpora.parallel_inputs.translations import (
    ReleasedFolder,
    read_sources,
    read_translation,
    translation_files,
)
from neuroglot.errors import ConfigError, CorpusError

TRUNCATED_BELOW = 0.5


def read_released(
    folder: str | Path,
    name: str,
    *,
    languages: Sequence[str] | None = None,
    fields: Sequence[str] | None = None,
    references: Sequence[str] | None = None,
    truncated_below: float = TRUNCATED_BELOW,
) -> ParallelInputs:
    """One data set of the paper's folder `gpt_translated_data`, such as 'WMT/de2en', 'GSM8K' or 'XNLI/de'.

    `languages` are the translations to read, in this order; without them all that are whole in every one of `fields`
    (all fields by default; `("premise",)` for the paper's XNLI prompts, whose hypothesis stays in one language). What
    is not there is named in `faults`. `references` are given where the folder has none (WMT, GSM8K), one for each line
    of the originals. A translation shorter than `truncated_below` times what is expected counts as truncated.

    Rows with a fault in any language that was read are left out, in all languages and fields alike, and their ids
    listed in `excluded`. Ids are the data set and the line of the original. Raises `CorpusError` where the originals, a
    language that was asked for, or the references cannot be read, and `ConfigError` on an unknown name.
    """
    record = _record(name)
    read = ReleasedFolder(Path(folder).expanduser(), truncated_below)
    wanted = tuple(fields or record.translations)
    if unknown := [f for f in wanted if f not in record.translations]:
        raise ConfigError(f"The field {unknown[0]!r} was asked of {name}.", f"It has {', '.join(record.translations)}.")
    asked = None if languages is None else [language_code(tag) for tag in languages]
    sources, files = read_sources(read, record), {}
    for code in record.languages if asked is None else asked:
        files[code] = {f: read_translation(read, record, f, code, sources[f]) for f in wanted}
    whole = [code for code, by_field in files.items() if all(texts is not None for _, texts in by_field.values())]
    _check(read, name, record, sources, asked, whole)
    labels = _references(read, record, sources, references, name)
    texts = {f: {record.original: (record.sources.get(f, ""), sources[f] or [])} for f in record.translations}
    for code in whole:
        for f in wanted:
            texts[f][code] = (files[code][f][0], files[code][f][1] or [])
    return _inputs(read, name, record, texts, labels)


def audit_released(folder: str | Path, truncated_below: float = TRUNCATED_BELOW) -> dict[str, tuple[Fault, ...]]:
    """All faults of every data set of which something is there, by its name; nothing is refused or left out."""
    found = {}
    for name, record in RELEASED.items():
        read = ReleasedFolder(Path(folder).expanduser(), truncated_below)
        files = [
            *record.sources.values(),
            *(f for fs in record.translations.values() for f in translation_files(fs, record)),
        ]
        if not any(read.exists(file) for file in files):
            continue
        sources = read_sources(read, record)
        for f in record.translations:
            for code in record.languages:
                read_translation(read, record, f, code, sources[f])
        for file in record.references:
            read.lines(file)
        found[name] = tuple(read.faults)
    if not found:
        raise CorpusError(f"{folder} holds no data set that is known.", f"Expected one of {', '.join(RELEASED)}.")
    return found


def _record(name: str) -> Released:
    if name not in RELEASED:
        raise ConfigError(f"There is no released data set {name!r}.", f"There are {', '.join(RELEASED)}.")
    return RELEASED[name]


def _check(
    read: ReleasedFolder,
    name: str,
    record: Released,
    sources: Mapping[str, Sequence[str] | None],
    asked: Sequence[str] | None,
    whole: Sequence[str],
) -> None:
    """Raises `CorpusError` where the originals or a language that was asked for are not there."""
    counts = {f: None if lines is None else len(lines) for f, lines in sources.items()}
    lacking = [code for code in asked or () if code not in whole or code == record.original]
    if None in counts.values() or len(set(counts.values())) > 1 or lacking:
        named = "; ".join(str(fault) for fault in read.faults if fault.line is None) or "no file is at fault"
        what = f"translations into {', '.join(lacking)}" if lacking else "originals"
        raise CorpusError(
            f"{name} in {read.root} lacks {what}: {named}.",
            f"Expected files with as many lines in every field (found: {counts}).",
            "Ask for other languages or fields, or complete the folder.",
        )


def _references(
    read: ReleasedFolder,
    record: Released,
    sources: Mapping[str, Sequence[str] | None],
    given: Sequence[str] | None,
    name: str,
) -> list[tuple[str, ...]]:
    rows = len(next(iter(sources.values())) or [])
    named = (
        {"those given": list(given)} if given is not None else {file: read.lines(file) for file in record.references}
    )
    columns = list(named.values())
    if any(column is None or len(column) != rows for column in columns):
        found = "; ".join(f"{file} has {len(column or [])} lines" for file, column in named.items())
        raise CorpusError(f"References of {name}: {found}.", f"Expected {rows}, as there are originals.")
    return [tuple(column[row] for column in columns if column) for row in range(rows)]


def _inputs(
    read: ReleasedFolder,
    name: str,
    record: Released,
    texts: Mapping[str, Mapping[str, tuple[str, Sequence[str]]]],
    labels: Sequence[tuple[str, ...]],
) -> ParallelInputs:
    used = {file for columns in texts.values() for file, _ in columns.values()}
    bad = {row for file, row in read.bad_rows if file in used}
    items = tuple(
        ParallelItem(
            f"{name}/{row + 1}",
            {f: {code: lines[row] for code, (_, lines) in columns.items()} for f, columns in texts.items()},
            record.original,
            labels[row],
        )
        for row in range(len(labels))
        if row not in bad
    )
    excluded = tuple(f"{name}/{row + 1}" for row in sorted(bad))
    return ParallelInputs(name, record.task, items, tuple(read.faults), excluded)
