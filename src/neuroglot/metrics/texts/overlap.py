"""BLEU, spBLEU, chrF and TER by sacrebleu: its counts of each row, its formula of their sums, its signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, library
from neuroglot.signature import Signature


def bleu(options: TextOptions) -> TextMetric:
    """BLEU as sacrebleu defines it: 4-grams, mixed case, exponential smoothing, tokenizer 13a unless chosen."""
    return _of(library("sacrebleu.metrics").BLEU(tokenize=tokenizer_name(options)))


def spbleu(options: TextOptions) -> TextMetric:
    """BLEU on SentencePiece units of FLORES-200 (Goyal et al. 2022; NLLB team 2022): one tokenizer, all languages."""
    return bleu(TextOptions(tokenize="flores200"))


def chrf(options: TextOptions) -> TextMetric:
    """chrF2: F-score, β = 2, of character 1- to 6-grams without spaces (Popović 2015)."""
    return _of(library("sacrebleu.metrics").CHRF())


def chrf_plus_plus(options: TextOptions) -> TextMetric:
    """chrF2++: as chrF2, with word 1- and 2-grams (Popović 2017)."""
    return _of(library("sacrebleu.metrics").CHRF(word_order=2))


def ter(options: TextOptions) -> TextMetric:
    """TER: edits and shifts over the references' mean length (Snover et al. 2006), as Tercom counts them."""
    return _of(library("sacrebleu.metrics").TER())


def tokenizer_name(options: TextOptions) -> str:
    """Which of sacrebleu's tokenizers to use, once it can be: `13a` by default.

    Raises `ConfigError` on an unknown name, `MissingExtraError` or `ArtifactError` where the tokenizer lacks its
    library or its model file; nothing is ever downloaded.
    """
    table = library("sacrebleu.metrics.bleu").BLEU
    name = options.tokenize or table.TOKENIZER_DEFAULT
    if name == "auto":
        name = table._TOKENIZER_MAP.get(options.needed_language("The choice of a tokenizer"), table.TOKENIZER_DEFAULT)
    if name not in table.TOKENIZERS:
        raise ConfigError(
            f"The tokenizer {name!r} is unknown.", f"Expected auto or one of {', '.join(table.TOKENIZERS)}."
        )
    _check_model(name)
    return str(name)


def words(text: str, tokenizer: str) -> list[str]:
    """The words of a text by one of sacrebleu's tokenizers."""
    return str(_tokenizer(tokenizer)(text.rstrip())).split()


def _tokenizer(name: str) -> Any:
    """A tokenizer of sacrebleu; the libraries for Japanese and Korean are not extras of ours."""
    try:
        return library("sacrebleu.metrics.bleu")._get_tokenizer(name)()
    except (RuntimeError, ImportError) as error:
        raise ConfigError(
            f"The tokenizer {name!r} needs a package that is not installed.",
            "",
            "Run: pip install 'sacrebleu[ja,ko]', or choose another tokenizer, such as char.",
        ) from error


def _check_model(name: str) -> None:
    """Refuse a tokenizer that would first have to be downloaded, and one whose library is missing."""
    spm = library("sacrebleu.tokenizers.tokenizer_spm")
    if name in spm.SPM_MODELS:
        library("sentencepiece", brought_by="sentencepiece")
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
