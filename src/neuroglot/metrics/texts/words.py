"""Word error rate by jiwer: substitutions, deletions and insertions over the words, or glosses, of the reference."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from neuroglot import extras
from neuroglot.corpora.blank import is_blank
from neuroglot.errors import CorpusError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.signature import Signature

EMPTY_OUTPUT = "[EMPTY]"
_PREFIXES = re.compile(r"(loc-|cl-|qu-|poss-|lh-)")
_NO_GLOSS = re.compile(r"__(EMOTION|PU|LEFTHAND)__")
_SPELLINGS = {"S0NNE": "SONNE", "HABEN2": "HABEN"}


def wer(options: TextOptions) -> TextMetric:
    """Word error rate of the corpus: substitutions, deletions and insertions over all words of the references."""
    return _rate(lambda text: text, "none")


def wer_sclite(options: TextOptions) -> TextMetric:
    """The same on glosses as RWTH-PHOENIX-2014's script hands them to sclite: without prefixes and marks."""
    return _rate(as_for_sclite, "phoenix-2014", only_marks)


def wer_of_sentences(options: TextOptions) -> TextMetric:
    """The mean over rows of each one's word error rate: another number than that of the corpus, used for CSL."""
    counted = _require()

    def counts(texts: Texts) -> Tensor:
        edits = _counts(counted, lambda text: text, texts)
        return torch.stack([edits[:, :3].sum(1) / edits[:, 3], torch.ones(len(edits), dtype=torch.float64)], dim=1)

    signature = partial(_signature, "none", "row")
    return TextMetric(counts, mean_percent, signature)


def as_for_sclite(text: str) -> str:
    """Glosses without prefixes and marks, two spellings made one; nothing becomes `[EMPTY]`.

    Source: what is public of the script of RWTH-PHOENIX-2014; joined letters and repetitions are left as they are.
    """
    plain = _PREFIXES.sub("", _NO_GLOSS.sub("", text))
    words = [_SPELLINGS.get(word, word) for word in plain.split()]
    return " ".join(words) or EMPTY_OUTPUT


def only_marks(references: Sequence[str]) -> list[int]:
    """The rows, from 0, whose reference has glosses, of which sclite is handed none: all that is read is inserted."""
    return [row for row, text in enumerate(references) if not is_blank(text) and as_for_sclite(text) == EMPTY_OUTPUT]


def _rate(
    normalised: Callable[[str], str], name: str, nothing: Callable[[Sequence[str]], list[int]] = lambda _: []
) -> TextMetric:
    def value(counts: Tensor) -> Tensor:
        return 100 * counts[..., :3].sum(-1) / counts[..., 3]

    def verbose(summed: Tensor) -> str:
        return "S={:g} D={:g} I={:g} N={:g}".format(*summed.tolist())

    def signature(texts: Texts) -> Signature:
        count = len(nothing(texts.references[0]))
        told = Signature.of(rows_without_words=count) if count else Signature()
        return _signature(name, "corpus", texts) | told

    counts = partial(_counts, _require(), normalised, nothing=nothing)
    return TextMetric(counts, value, signature, verbose)


def _require() -> Any:
    return extras.require("jiwer", extra="sign")


def _signature(normalised: str, average: str, texts: Texts) -> Signature:
    return Signature.of(
        nrefs=len(texts.references), case="mixed", norm=normalised, average=average, version=f"jiwer {version('jiwer')}"
    )


def _counts(
    library: Any,
    normalised: Callable[[str], str],
    texts: Texts,
    nothing: Callable[[Sequence[str]], list[int]] = lambda _: [],
) -> Tensor:
    """S, D, I and N of each row: `[R, 4]`; raises `CorpusError` for a row without a reference, or with several.

    Of rows in which `nothing` is left of a reference, as of marks alone, N is 0 and all words are insertions, as where
    sclite reads an empty reference; raises `CorpusError` if that is all of them.
    """
    if len(texts.references) > 1:
        raise CorpusError(f"A word error rate was asked for with {len(texts.references)} references.", "Expected one.")
    rows: list[list[int]] = []
    empty = set(nothing(texts.references[0]))
    if len(empty) == len(texts.hypotheses):
        raise CorpusError(f"None of the {len(empty)} references has words.", "Expected one or more in one of them.")
    for row, (reference, hypothesis) in enumerate(zip(texts.references[0], texts.hypotheses, strict=True), 1):
        wanted = normalised(reference)
        if row - 1 in empty:
            said = normalised(hypothesis)
            rows.append([0, 0, 0 if said == EMPTY_OUTPUT else len(said.split()), 0])
            continue
        if is_blank(wanted) or wanted == EMPTY_OUTPUT:
            raise CorpusError(f"The reference of row {row} has no words ({reference!r}).", "Expected one or more.")
        found = library.process_words(wanted, normalised(hypothesis))
        words = found.hits + found.substitutions + found.deletions
        rows.append([found.substitutions, found.deletions, found.insertions, words])
    return torch.tensor(rows, dtype=torch.float64)
