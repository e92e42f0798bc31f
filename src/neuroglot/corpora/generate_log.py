"""Logs of fairseq-generate: sources, references and hypotheses by sentence, in order, as plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot import extras
from neuroglot.corpora.languages import language_code
from neuroglot.corpora.textfiles import read_lines
from neuroglot.errors import CorpusError

LINE = re.compile(r"(?P<kind>[STH])-(?P<id>[^\t]*)\t(?P<rest>.*)", re.DOTALL)
LANGUAGE_TAGS = re.compile(r"(?:\s*__[A-Za-z-]+(?:_[A-Za-z]+)*__)+")  # at the start of a source: __de__, __deu_Latn__
SUMMARY = re.compile(r"Generate \S+ with beam=\d+: BLEU4 = (?P<score>[0-9]+(?:\.[0-9]+)?)")
_KINDS = {"S": "source", "T": "reference", "H": "hypothesis"}


@dataclass(frozen=True)
class GenerateLog:
    """R sentences in the order of their ids, tokenized as in the log, the sources without language tags.

    `references` is None where the log has none, as for a test set without a target side. `bleu4`: fairseq's own BLEU of
    the tokenized texts, from the last line, None where that is missing.
    """

    sources: tuple[str, ...]
    references: tuple[str, ...] | None
    hypotheses: tuple[str, ...]
    bleu4: float | None


def is_generate_log(lines: Sequence[str]) -> bool:
    """Whether the lines hold both a source and a hypothesis line of a log with an id."""
    return all(any(re.match(rf"{kind}-\d+\t", line) for line in lines) for kind in "SH")


def read_generate_log(path: Path, lines: Sequence[str] | None = None) -> GenerateLog:
    """The log in a file, or in its `lines` if they were read before; lines of other kinds (D-, P-) are passed by.

    Raises `CorpusError` on an id that is no number or stands twice, where sentences lack one of their lines, and where
    ids do not run from 0 on, as in a log that was cut off or is one shard of several.
    """
    found: dict[str, dict[int, str]] = {kind: {} for kind in _KINDS}
    bleu4 = None
    for number, line in enumerate(read_lines(path) if lines is None else lines, 1):
        if match := LINE.fullmatch(line):
            _add(found[match["kind"]], match, f"{path}:{number}")
        elif match := SUMMARY.match(line):
            bleu4 = float(match["score"])
    _check_complete(found, path)
    texts = {kind: tuple(found[kind][place] for place in sorted(found[kind])) for kind in _KINDS}
    sources = tuple(
        LANGUAGE_TAGS.sub("", text, count=1).strip() if LANGUAGE_TAGS.match(text) else text for text in texts["S"]
    )
    return GenerateLog(sources, texts["T"] or None, texts["H"], bleu4)


def detokenized(texts: Sequence[str], language: str) -> tuple[str, ...]:
    """Texts joined by the rules of Moses for the language, by sacremoses, as its command `detokenize` does.

    Raises `MissingExtraError` without sacremoses. A language that Moses has no rules for is joined by the general ones.
    """
    sacremoses = extras.require("sacremoses", extra="scores", note="A generate log is tokenized; plain files are not.")
    moses = sacremoses.MosesDetokenizer(lang=language_code(language).partition("-")[0])
    return tuple(moses.detokenize(text.split()) for text in texts)


def _add(texts: dict[int, str], match: re.Match[str], where: str) -> None:
    """Put one line's text under its id; a hypothesis has its score before the text."""
    kind = _KINDS[match["kind"]]
    if not re.fullmatch("[0-9]{1,12}", match["id"]):
        raise CorpusError(f"{where}: the {kind} has the id {match['id'][:40]!r}.", "Expected a whole number.")
    place = int(match["id"])
    if place in texts:
        raise CorpusError(
            f"{where}: sentence {place} has a second {kind}.",
            "Expected one, as fairseq-generate writes with --nbest 1.",
            "Split logs that were joined, or generate again.",
        )
    text = match["rest"]
    if kind == "hypothesis":
        score, tab, text = text.partition("\t")
        if not tab or not re.fullmatch(r"-?(?:[0-9.]+(?:e-?[0-9]+)?|inf|nan)", score):
            raise CorpusError(f"{where}: the hypothesis has no score.", "Expected id, score and text, with tabs.")
    texts[place] = text


def _check_complete(found: Mapping[str, Mapping[int, str]], path: Path) -> None:
    ids = {place for texts in found.values() for place in texts}
    if not ids:
        raise CorpusError(f"{path} holds no line of a sentence.", "Expected lines S-0, T-0, H-0 and so on.")
    for kind, name in _KINDS.items():
        missing = sorted(ids - found[kind].keys())
        if missing and (kind != "T" or found["T"]):
            raise CorpusError(
                f"{path}: {len(missing)} of {len(ids)} sentences have no {name} line ({kind}-{missing[0]} first).",
                "Expected one a sentence.",
                "Generate again; the log may have been cut off.",
            )
    gaps = max(ids) + 1 - len(ids)
    if gaps:
        first = next(place for place in range(len(ids) + 1) if place not in ids)
        raise CorpusError(
            f"{path}: {gaps} sentences are missing, of ids 0 to {max(ids)} ({first} first).",
            "Expected every id.",
            "Join the shards of one test set, and generate without --skip-invalid-size-inputs-valid-test.",
        )
