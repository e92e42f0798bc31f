"""BLEU, spBLEU, chrF and TER by sacrebleu: its counts of each row, its formula of their sums, its signature."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from neuroglot import extras
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.signature import Signature

# Languages whose words are not spaced.
NOT_SPACED = frozenset(["bo", "dz", "gan", "km", "lo", "my", "shn", "th", "wuu", "yue"])

_require = partial(extras.require, extra="scores")


def bleu(options: TextOptions) -> TextMetric:
    """BLEU as sacrebleu defines it: 4-grams, mixed case, exponential smoothing, tokenizer 13a unless chosen."""
    return _of(_require("sacrebleu.metrics").BLEU(tokenize=tokenizer_name(options)))


def spbleu(options: TextOptions) -> TextMetric:
    """BLEU on SentencePiece units of FLORES-200 (Goyal et al. 2022; NLLB team 2022): one tokenizer, all languages."""
    return bleu(TextOptions(tokenize="flores200"))


def chrf(options: TextOptions) -> TextMetric:
    """chrF2: F-score, β = 2, of character 1- to 6-grams without spaces (Popović 2015)."""
    return _of(_require("sacrebleu.metrics").CHRF())


def chrf_plus_plus(options: TextOptions) -> TextMetric:
    """chrF2++: as chrF2, with word 1- and 2-grams (Popović 2017)."""
    return _of(_require("sacrebleu.metrics").CHRF(word_order=2))


def ter(options: TextOptions) -> TextMetric:
    """TER: edits and shifts over the references' mean length (Snover et al. 2006), as Tercom counts them."""
    return _of(_require("sacrebleu.metrics").TER())


def tokenizer_name(options: TextOptions) -> str:
    """Which of sacrebleu's tokenizers to use, once it can be: `13a` by default.

    Raises `ConfigError` on an unknown name, `MissingExtraError` or `ArtifactError` where the tokenizer lacks its
    library or its model file; nothing is ever downloaded.
    """
    table = _require("sacrebleu.metrics.bleu").BLEU
    name = options.tokenize or table.TOKENIZER_DEFAULT
    if name == "auto":
        name = _recommended(table, options.needed_language("The choice of a tokenizer"))
    if name not in table.TOKENIZERS:
        raise ConfigError(
            f"The tokenizer {name!r} is unknown.", f"Expected auto or one of {', '.join(table.TOKENIZERS)}."
        )
    _check_model(name)
    return str(name)


def _recommended(table: Any, language: str) -> str:
    """What sacrebleu recommends for a language; raises `ConfigError` if it has nothing for one without spaces."""
    name = table._TOKENIZER_MAP.get(language)
    if name is None and language in NOT_SPACED:
        raise ConfigError(
            f"sacrebleu recommends no tokenizer for {language!r}, whose words have no spaces that 13a could split at.",
            "Expected a language that it knows, or a tokenizer by name.",
            "Take --tokenize char or flores200, or score with chrf++.",
        )
    return str(name or table.TOKENIZER_DEFAULT)


def tokenizer_words(text: str, tokenizer: str) -> list[str]:
    """The words of a text by one of sacrebleu's tokenizers."""
    return str(_tokenizer(tokenizer)(text.rstrip())).split()


def _tokenizer(name: str) -> Any:
    """A tokenizer of sacrebleu; the libraries for Japanese and Korean are not extras of ours."""
    try:
        return _require("sacrebleu.metrics.bleu")._get_tokenizer(name)()
    except (RuntimeError, ImportError) as error:
        raise ConfigError(
            f"The tokenizer {name!r} needs a package that is not installed.",
            "",
            "Run: pip install 'sacrebleu[ja,ko]', or choose another tokenizer, such as char.",
        ) from error


def _check_model(name: str) -> None:
    """Refuse a tokenizer that would first have to be downloaded, and one whose library is missing."""
    spm = _require("sacrebleu.tokenizers.tokenizer_spm")
    if name in spm.SPM_MODELS:
        extras.require("sentencepiece", package="sentencepiece")
        address = spm.SPM_MODELS[name]["url"]
        path = Path(spm.SACREBLEU_DIR, "models", Path(address).name)
        if not path.is_file():
            raise ArtifactError(
                f"The tokenizer {name!r} needs a model file that is not here: {path}.",
                "Nothing is downloaded unasked.",
                f"Download {address} to that place, or score with chrf++.",
            )
    _tokenizer(name)


def _of(metric: Any) -> TextMetric:
    """One of sacrebleu's metrics; its counts are whole numbers, but for TER with several references."""

    def counts(texts: Texts) -> Tensor:
        return torch.tensor(metric._extract_corpus_statistics(texts.hypotheses, texts.references), dtype=torch.float64)

    def value(counts: Tensor) -> Tensor:
        scores = [metric._compute_score_from_stats(row).score for row in counts.reshape(-1, counts.shape[-1]).tolist()]
        return torch.tensor(scores, dtype=torch.float64).reshape(counts.shape[:-1])

    def signature(texts: Texts) -> Signature:
        metric.num_refs = len(texts.references)  # known to sacrebleu only once it has counted
        fields = (field.partition(":") for field in str(metric.get_signature()).split("|"))
        return Signature(tuple((key, setting) for key, _, setting in fields))

    def verbose(summed: Tensor) -> str:
        return str(metric._compute_score_from_stats(summed.tolist())._verbose)

    return TextMetric(counts, value, signature, verbose)


# Scripts written without spaces between words, where each letter with its marks is a token.
UNSPACED = "".join(
    rf"\p{{{script}}}" for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
)
JOINERS = r"\u200c\u200d"  # stand inside words of Persian and of the scripts of India
SPACED = rf"\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]"
WORD = rf"(?V1)[\p{{L}}\p{{N}}&&[{UNSPACED}]]\p{{M}}*|[{SPACED}][{JOINERS}{SPACED}]*"


class MultilingualTokenizer:
    """Words in lower case: runs of letters, marks and digits; in unspaced scripts single letters.

    For English it gives what rouge_score's own tokenizer gives without stemming; that one drops every letter but a-z.
    """

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, normalised to NFC."""
        found: list[str] = _require("regex").findall(WORD, unicodedata.normalize("NFC", text.lower()))
        return found


def rouge_1(options: TextOptions) -> TextMetric:
    """F-score of words in common (Lin 2004)."""
    return _rouge("rouge1")


def rouge_2(options: TextOptions) -> TextMetric:
    """F-score of pairs of neighbouring words in common (Lin 2004)."""
    return _rouge("rouge2")


def rouge_l(options: TextOptions) -> TextMetric:
    """F-score of the longest common subsequence of words, a row being one sentence (Lin 2004)."""
    return _rouge("rougeL")


def _rouge(kind: str) -> TextMetric:
    """The mean over rows of the F-score with the best reference; counts are F, precision, recall and 1."""
    scorer = _require("rouge_score.rouge_scorer").RougeScorer([kind], tokenizer=MultilingualTokenizer())

    def counts(texts: Texts) -> Tensor:
        scores = [scorer.score_multi(texts.of_row(row), text)[kind] for row, text in enumerate(texts.hypotheses)]
        rows = [[score.fmeasure, score.precision, score.recall, 1] for score in scores]
        return torch.tensor(rows, dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), case="lc", tok="unicode-words+letters", norm="nfc", stem=False,
            average="row", best="f", version=f"rouge-score {version('rouge-score')}",
        )  # fmt: skip

    def verbose(summed: Tensor) -> str:
        _, precision, recall, rows = summed.tolist()
        return f"P = {100 * precision / rows:.1f} R = {100 * recall / rows:.1f}"

    return TextMetric(counts, mean_percent, signature, verbose)


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
            sides = [tokenizer_words(text.lower(), tokenizer) for text in (source, output, *texts.of_row(row))]
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
