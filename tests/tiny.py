"""A tiny tokenizer and a tiny parallel corpus of random words, for tests on random models."""

import random

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from neuroglot.corpora.corpus import Corpus
from tests.families import VOCABULARY

WORDS = tuple(f"w{index}" for index in range(VOCABULARY - 3))


def tiny_tokenizer(bos: bool = True) -> PreTrainedTokenizerFast:
    """Words `w0`, `w1`, … are the tokens; `<s>` is prepended where `bos`."""
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2} | {word: index + 3 for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def masking_tokenizer() -> PreTrainedTokenizerFast:
    """Words between `[CLS]` and `[SEP]`, and a mask."""
    special = {"<pad>": 0, "[CLS]": 1, "[SEP]": 2, "[MASK]": 3}
    vocabulary = special | {f"w{index}": index + 4 for index in range(VOCABULARY - 4)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", mask_token="[MASK]")


def tiny_corpus(rows: int = 9, languages: tuple[str, ...] = ("de", "sw", "zh"), seed: int = 0) -> Corpus:
    """Random texts of 1 to 12 words; each language prefers other words, so that rates differ by language."""
    generator = random.Random(seed)
    texts = {}
    for place, language in enumerate(languages):
        words = WORDS[place * 15 : place * 15 + 25]
        texts[language] = tuple(" ".join(generator.choices(words, k=generator.randint(1, 12))) for _ in range(rows))
    return Corpus("tiny", tuple(f"row{row}" for row in range(rows)), texts)
