"""Originals and translations of the paper's data folder, field by field, and what is wrong with their files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.languages import language_name
from neuroglot.corpora.loading import inside
from neuroglot.corpora.parallel_inputs.items import EXCLUDING, Fault, marked, places, requested, truncated, visible
from neuroglot.corpora.parallel_inputs.released import Released
from neuroglot.corpora.textfiles import parse_text_json, read_lines
from neuroglot.errors import CorpusError


@dataclass
class ReleasedFolder:
    """The folder as far as it was read: the faults, and for each field the rows that they exclude."""

    root: Path
    below: float
    faults: list[Fault] = field(default_factory=list)
    bad_rows: set[tuple[str, int]] = field(default_factory=set)  # (file of translations or sources, row)

    def lines(self, name: str) -> list[str] | None:
        """The lines of a file; None, and a fault, where it is absent or empty."""
        path = inside(self.root, name)
        kind = "absent file" if not path.is_file() else "empty file" if not path.stat().st_size else None
        if kind:
            self.faults.append(Fault(kind, name))  # type: ignore[arg-type]
            return None
        return [_question(line, path, n) for n, line in enumerate(read_lines(path), 1)]

    def exists(self, name: str) -> bool:
        return inside(self.root, name).is_file()

    def fault(self, fault: Fault, file: str, row: int | None = None) -> None:
        self.faults.append(fault)
        if fault.kind in EXCLUDING and row is not None:
            self.bad_rows.add((file, row))


def read_sources(read: ReleasedFolder, record: Released) -> dict[str, list[str] | None]:
    """The originals of each field: from their file, else from the first requests that are there."""
    found: dict[str, list[str] | None] = {}
    for name, files in record.translations.items():
        file = record.sources.get(name, "")
        lines, origin = read.lines(file) if file else None, file
        for prompts in (_requests_of(result) for result in translation_files(files, record)):
            if lines is None and prompts and read.exists(prompts) and inside(read.root, prompts).stat().st_size:
                lines, origin = [requested(line) for line in read.lines(prompts) or []], prompts
        for row, text in enumerate(lines or []):
            if is_blank(text):
                read.fault(Fault("empty line", origin, row + 1), file, row)
        found[name] = lines
    return found


def read_translation(
    read: ReleasedFolder, record: Released, name: str, code: str, sources: Sequence[str] | None
) -> tuple[str, list[str] | None]:
    """The file of one translation and its texts, row by row as the sources; None where it cannot be used."""
    candidates = translation_files(record.translations[name], record, [code])
    file = next((candidate for candidate in candidates if read.exists(candidate)), candidates[-1])
    lines, prompts = read.lines(file), _requests_of(candidates[-1])
    requests = read.lines(prompts) if prompts else None
    for number, line in enumerate(lines or [], 1):
        if kind := marked(line):
            read.faults.append(Fault(kind, file, number))
    at = None if lines is None or sources is None else _lines_of(read, file, prompts, lines, requests, sources)
    if lines is None or sources is None or at is None:
        return file, None
    texts = [lines[place] for place in at]
    _check_texts(read, file, at, sources, texts)
    return file, texts


def _lines_of(
    read: ReleasedFolder,
    file: str,
    prompts: str,
    lines: Sequence[str],
    requests: Sequence[str] | None,
    sources: Sequence[str],
) -> list[int] | None:
    """For each source the line of its translation; None where there is no telling.

    Lines belong to sources by their order where there are as many, else by the requests, one of which each line has.
    """
    found = [] if requests is None else _check_requests(read, file, prompts, requests, sources)
    if requests is not None and len(requests) != len(lines) and file.endswith("/result.txt"):
        detail = f"{len(requests)} requests, {len(lines)} results"
        read.faults.append(Fault("unequal line counts", prompts, detail=detail))
    if len(lines) == len(sources):
        return list(range(len(sources)))
    detail = f"{len(lines)} translations, {len(sources)} sources"
    read.faults.append(Fault("unequal line counts", file, detail=detail))
    return found if requests is not None and len(requests) == len(lines) > len(sources) else None


def translation_files(files: Sequence[str], record: Released, codes: Sequence[str] | None = None) -> list[str]:
    """The files of translations into these languages, all of the record's by default."""
    from langcodes import Language

    return [
        file.format(code=code, name=language_name(code), alpha3=Language.get(code).to_alpha3())
        for code in (record.languages if codes is None else codes)
        for file in files
    ]


def _check_requests(
    read: ReleasedFolder, file: str, prompts: str, requests: Sequence[str], sources: Sequence[str]
) -> list[int]:
    """Compares what was requested with the sources; returns the place of each source's request."""
    asked = [requested(line) for line in requests]
    found = places(asked, sources)
    for row, place in enumerate(found):
        got = asked[place] if place < len(asked) else ""
        if visible(got) != visible(sources[row]):
            read.fault(Fault("misaligned", prompts, place + 1, f"not source line {row + 1}"), file, row)
        elif got.strip() != sources[row].strip():
            read.fault(Fault("invisible marks", prompts, place + 1, f"unlike source line {row + 1}"), file, row)
    return found


def _check_texts(
    read: ReleasedFolder, file: str, at: Sequence[int], sources: Sequence[str], texts: Sequence[str]
) -> None:
    read.bad_rows |= {(file, row) for row, text in enumerate(texts) if marked(text)}
    for row in truncated(sources, texts, read.below):
        detail = f"{len(texts[row])} characters for {len(sources[row])}"
        read.fault(Fault("truncated", file, at[row] + 1, detail), file, row)


def _requests_of(result: str) -> str:
    """The file of requests beside a file of results; '' where the layout has none."""
    return result.removesuffix("result.txt") + "prompt.txt" if result.endswith("/result.txt") else ""


def _question(line: str, path: Path, number: int) -> str:
    """The text of a line: the line itself, or in JSON lines the question between `Q: ` and `A:`."""
    if path.suffix != ".jsonl":
        return line
    row = parse_text_json(line, path, number)
    prompt = row.get("prompt") if isinstance(row, dict) else None
    if not isinstance(prompt, str) or not (prompt.startswith("Q: ") and prompt.endswith("\nA:")):
        raise CorpusError(f"{path}:{number} is no prompt.", "Expected {'prompt': 'Q: ... A:'}, one a line.")
    return prompt.removeprefix("Q: ").removesuffix("\nA:")
