"""A small encoder from nothing: a byte-level tokenizer with a mask and a token a language, an untrained XLM-R XL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus
from neuroglot.lab.config import PAD, train_bpe
from neuroglot.lab.translator import END, START, UNKNOWN
from neuroglot.tokens.tokenizing import Text, token_ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WIDTH_OF_WEIGHTS = 0.05  # standard deviation; 0.02, which large models have, is slow at a width of 64
MASK = "<mask>"


@dataclass(frozen=True)
class EncoderConfig:
    """Its size."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    ffn: int = 512
    vocabulary: int = 2048
    positions: int = 256


def new_encoder(corpus: Corpus, config: EncoderConfig, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An untrained XLM-R XL in small, weights drawn from the seed, and a tokenizer learnt from the corpus.

    Its norms stand before its sub-layers: with XLM-R's, behind them, small encoders hardly learn in so few steps.
    """
    from transformers import XLMRobertaXLConfig, XLMRobertaXLForMaskedLM, set_seed

    tokenizer = _tokenizer(corpus, config)
    set_seed(seed)
    shape = XLMRobertaXLConfig(
        vocab_size=len(tokenizer), hidden_size=config.hidden, num_hidden_layers=config.layers,
        num_attention_heads=config.heads, intermediate_size=config.ffn,
        max_position_embeddings=config.positions + tokenizer.pad_token_id + 1, type_vocab_size=1,
        initializer_range=WIDTH_OF_WEIGHTS,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return XLMRobertaXLForMaskedLM(shape), tokenizer


def masked_texts_of(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, longest: int, *, joined: bool) -> list[Text]:
    """What the encoder learns from: every text by language and, `joined`, each row's text behind that of the next
    language, as in translation language modelling (Lample & Conneau 2019). Texts of more than `longest` tokens are left
    out.
    """
    languages = corpus.languages
    texts = []
    for place, language in enumerate(languages):
        column = list(corpus.texts[language])
        texts += _texts(tokenizer, column, place)
        if joined and len(languages) > 1:
            for step in range(1, len(languages)):
                other = corpus.texts[languages[(place + step) % len(languages)]]
                pairs = zip(column, other, strict=True)
                texts += _texts(tokenizer, [f"{first}{END}{second}" for first, second in pairs], len(languages) + place)
    return [text for text in texts if len(text.token_ids) <= longest]


def _texts(tokenizer: PreTrainedTokenizerBase, column: list[str], language: int) -> list[Text]:
    special = set(tokenizer.all_special_ids)
    texts = []
    for row, ids in enumerate(token_ids_of(tokenizer, column)["input_ids"]):
        flags = tuple(token in special for token in ids)
        texts.append(Text(row, language, tuple(ids), flags, (False,) * len(ids), 0))
    return texts


def _tokenizer(corpus: Corpus, config: EncoderConfig) -> PreTrainedTokenizerBase:
    """A byte-level BPE with XLM-R's special tokens, and `__de__` for each language."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tags = [f"__{language}__" for language in corpus.languages]
    texts = (text for column in corpus.texts.values() for text in column)
    tokenizer = train_bpe(texts, config.vocabulary, [START, PAD, END, UNKNOWN, MASK, *tags])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", pair=f"{START} $A {END} $B {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, cls_token=START,
        sep_token=END, mask_token=MASK, additional_special_tokens=tags, model_max_length=config.positions,
    )  # fmt: skip
