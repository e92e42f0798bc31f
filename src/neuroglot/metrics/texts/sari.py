"""SARI: how well a simplification adds, keeps and deletes words of its source (Xu et al. 2016)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from statistics import mean

import torch
from torch import Tensor

from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.metrics.texts.overlap import tokenizer_name, words
from neuroglot.signature import Signature

LONGEST = 4


def sari(options: TextOptions) -> TextMetric:
    """The mean over rows of SARI, on words in lower case; counts are its parts add, keep and delete, and 1.

    EASSE (Alva-Manchego et al. 2019) uses the same words but sums counts over the corpus, counts an n-gram as often as
    it stands, and takes F for each length of n-gram; its numbers differ from these.
    """
    tokenizer = tokenizer_name(options)

    def counts(texts: Texts) -> Tensor:
        assert texts.sources is not None
        rows = []
        for row, (source, output) in enumerate(zip(texts.sources, texts.hypotheses)):
            sides = [words(text.lower(), tokenizer) for text in (source, output, *texts.of_row(row))]
            rows.append([*sari_parts(sides[0], sides[1], sides[2:]), 1])
        return torch.tensor(rows, dtype=torch.float64)

    def value(counts: Tensor) -> Tensor:
        return 100 * counts[..., :3].mean(-1) / counts[..., 3]

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), case="lc", tok=tokenizer, ngrams=LONGEST, counts="binary", empty=1,
            average="row", version=f"neuroglot {version('neuroglot')}",
        )  # fmt: skip

    def verbose(summed: Tensor) -> str:
        add, keep, delete = (100 * summed[:3] / summed[3]).tolist()
        return f"add = {add:.1f} keep = {keep:.1f} delete = {delete:.1f}"

    return TextMetric(counts, value, signature, verbose)


def sari_parts(source: Sequence[str], output: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """F of adding, F of keeping and precision of deleting, each 0 to 1, of tokenized texts.

    Precision and recall are means over n-grams of 1 to 4 words. An n-gram counts once in a text; of the references it
    counts by the share of them that have it, for adding by whether any has it. The paper does not say what 0/0 is: we
    take 1 (nothing was to be done and nothing was done), the released code of the authors 0.
    """
    add, keep, delete = zip(*(_operations(source, output, references, length) for length in range(1, LONGEST + 1)))
    return [_f(add), _f(keep), mean(precision for precision, _ in delete)]


def _operations(
    source: Sequence[str], output: Sequence[str], references: Sequence[Sequence[str]], length: int
) -> list[tuple[float, float]]:
    """Precision and recall of adding, keeping and deleting n-grams of one length (§4, with sets for indicators)."""
    before, after = _ngrams(source, length), _ngrams(output, length)
    having = Counter(ngram for reference in references for ngram in _ngrams(reference, length))
    share = {ngram: count / len(references) for ngram, count in having.items()}
    added, kept, deleted = after - before, after & before, before - after
    good = len(added & having.keys())
    kept_right = sum(share.get(ngram, 0) for ngram in kept)
    deleted_right = sum(1 - share.get(ngram, 0) for ngram in deleted)
    return [
        (_ratio(good, len(added)), _ratio(good, len(having.keys() - before))),
        (_ratio(kept_right, len(kept)), _ratio(kept_right, sum(share.get(ngram, 0) for ngram in before))),
        (_ratio(deleted_right, len(deleted)), 0),  # over-deleting hurts most, so that the paper takes precision only
    ]


def _ngrams(words: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _f(by_length: Sequence[tuple[float, float]]) -> float:
    precision, recall = (mean(numbers) for numbers in zip(*by_length))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
