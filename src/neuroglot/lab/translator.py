"""A small translation model from nothing: a byte-level tokenizer with a token a language, and an untrained M2M-100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from neuroglot.lab.config import PAD, train_bpe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


class TextsByLanguage(Protocol):
    """Texts of several languages, such as a corpus; columns need not be parallel."""

    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def texts(self) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True)
class TranslatorConfig:
    """Its size; encoder and decoder have as many layers."""

    hidden: int = 96
    layers: int = 2
    heads: int = 4
    ffn: int = 384
    vocabulary: int = 4096
    dropout: float = 0.1


def new_translator(
    corpus: TextsByLanguage, config: TranslatorConfig, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An untrained model of the recipe's size with weights drawn from the seed, and a tokenizer learnt from the corpus.

    The network is that of Neuron Specialization (Tan et al. 2024) in small: pre-norm, ReLU, embeddings tied.
    """
    from transformers import M2M100Config, M2M100ForConditionalGeneration, set_seed

    tokenizer = _tokenizer(corpus, config.vocabulary)
    set_seed(seed)
    shape = M2M100Config(
        vocab_size=len(tokenizer), d_model=config.hidden, encoder_layers=config.layers, decoder_layers=config.layers,
        encoder_attention_heads=config.heads, decoder_attention_heads=config.heads, encoder_ffn_dim=config.ffn,
        decoder_ffn_dim=config.ffn, dropout=config.dropout, attention_dropout=0.0, encoder_layerdrop=0.0,
        decoder_layerdrop=0.0, max_position_embeddings=512, bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return M2M100ForConditionalGeneration(shape), tokenizer


def _tokenizer(corpus: TextsByLanguage, vocabulary: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE whose special tokens are M2M-100's: `__de__`, and `</s>` behind a text."""
    from transformers import PreTrainedTokenizerFast

    tags = [f"__{language}__" for language in corpus.languages]
    texts = (text for column in corpus.texts.values() for text in column)
    tokenizer = train_bpe(texts, vocabulary, [START, PAD, END, UNKNOWN, *tags])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, pad_token=PAD, eos_token=END, unk_token=UNKNOWN,
        additional_special_tokens=tags, model_max_length=512,
    )  # fmt: skip
