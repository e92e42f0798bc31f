"""What a tokenizer does not know is no text to score, and slow tokenizers count the bytes that fast ones count."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizer, PreTrainedTokenizerFast

import neuroglot as ng
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import CorpusError
from neuroglot.tokens.tokenizing import tokenize

ENGLISH = ("the dog sleeps today", "  the cat drinks milk", "we buy bread today")
AMHARIC = ("ውሻው ዛሬ ይተኛል", "ድመቷ ወተት ትጠጣለች", "ዛሬ ዳቦ እንገዛለን")
WORDS = {"<unk>": 0} | {word: index for index, word in enumerate(sorted(set(" ".join(ENGLISH).split())), 1)}


class Slow(PreTrainedTokenizer):
    @property
    def vocab_size(self) -> int:
        return len(WORDS)

    def get_vocab(self) -> dict[str, int]:
        return dict(WORDS)

    def _tokenize(self, text: str, **_: object) -> list[str]:
        return text.split()

    def _convert_token_to_id(self, token: str) -> int:
        return WORDS.get(token, 0)

    def _convert_id_to_token(self, index: int) -> str:
        return list(WORDS)[index]


def fast() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def view() -> ng.models.ModelView:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=32)
    return ng.view(GPT2LMHeadModel(config).eval())


def test_slow_and_fast_tokenizers_score_the_same_bytes() -> None:
    corpus = Corpus("three", ("1", "2", "3"), {"en": ENGLISH})
    scored = {}
    for name, tokenizer in (("slow", Slow(unk_token="<unk>")), ("fast", fast())):
        scored[name] = [text.scored_bytes for text in tokenize(tokenizer, corpus).texts]
    expected = [len(" " + text.lstrip().split(" ", 1)[1]) for text in ENGLISH]  # the space is the second word's
    assert scored == {"slow": expected, "fast": expected}


def test_a_language_that_the_tokenizer_does_not_know_is_refused() -> None:
    both = Corpus("both", ("1", "2", "3"), {"en": ENGLISH, "am": AMHARIC})
    with pytest.raises(CorpusError, match=r"100% in 'am' of the tokens are '<unk>'"):
        ng.evaluate(view(), fast(), both, ng.metrics.BitsPerByte())


def test_a_few_unknown_tokens_are_said_in_the_signature() -> None:
    english = Corpus("some", ("1", "2", "3"), {"en": (*ENGLISH[:2], "we buy bread tomorrow")})
    known = ng.evaluate(view(), fast(), english.take([0]), ng.metrics.BitsPerByte())
    assert known.signature.get("unknown_tokens") is None
    evaluation = ng.evaluate(view(), fast(), english, ng.metrics.BitsPerByte())
    assert evaluation.signature["unknown_tokens"] == "en:0.111"
