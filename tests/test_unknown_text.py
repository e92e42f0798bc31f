"""What a tokenizer does not know is no text to score, and slow tokenizers count the bytes that fast ones count."""

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizer, PreTrainedTokenizerFast

import neuroglot as ng
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import CorpusError
from neuroglot.experiments.evaluation import ablation_matrix
from neuroglot.experiments.scoreboard import compare_selectors, gather
from neuroglot.metrics import NatsPerToken
from neuroglot.neurons import NeuronSet
from neuroglot.tokens.pairs import Pair, encode_pairs
from neuroglot.tokens.tokenizing import tokenize
from neuroglot.tokens.unknown import UnknownTokens

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


BOTH = Corpus("both", ("1", "2", "3"), {"en": ENGLISH, "am": AMHARIC})
READERS = {
    "evaluate": lambda located, rows: ng.evaluate(located, fast(), rows, ng.metrics.BitsPerByte()),
    "record": lambda located, rows: ng.record(located, fast(), rows),
    "record with a slow tokenizer": lambda located, rows: ng.record(located, Slow(unk_token="<unk>"), rows),
    "sharing": lambda located, rows: ng.record_sharing(located, fast(), rows),
    "select": lambda located, rows: gather(located, fast(), rows, ["responses"]),
    "select by gradients": lambda located, rows: gather(located, fast(), rows, ["gradients"]),
    "ablate": lambda located, rows: ablation_matrix(
        located, fast(), rows, dict.fromkeys(rows.languages, NeuronSet.empty(located.layout)), NatsPerToken(), draws=1
    ),
    "scoreboard": lambda located, rows: compare_selectors(
        located, fast(), rows.take([0, 1]), rows.take([2]), count=2, draws=1, selectors=("random", "magnitude")
    ),
    "deactivate": lambda located, rows: ng.deactivate(
        located, fast(), Task("t", rows, Corpus("a", rows.ids, dict.fromkeys(rows.languages, (" milk",) * 3))), draws=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_a_language_that_the_tokenizer_does_not_know_is_refused(reader: str) -> None:
    with pytest.raises(CorpusError, match=r"100% in 'am' of the tokens are '<unk>'"):
        READERS[reader](view(), BOTH)
    turned = tuple(" ".join(text.split()[::-1]) for text in ENGLISH)
    READERS[reader](view(), Corpus("alike", BOTH.ids, {"en": ENGLISH, "en-GB": turned}))


def test_half_of_the_tokens_is_too_much_and_fewer_are_said_by_all() -> None:
    rows = ("the dog sleeps ውሻው", "the cat drinks ወተት")
    few = Corpus("few", ("1", "2"), {"en": rows, "am": ("the dog ዛሬ sleeps", "the cat drinks milk")})
    activity, sharing = ng.record(view(), fast(), few), ng.record_sharing(view(), fast(), few)
    assert activity.signature["unknown_tokens"] == sharing.signature["unknown_tokens"] == "en:0.250,am:0.125"
    assert ng.record(view(), fast(), BOTH.select(["en"])).signature.get("unknown_tokens") is None
    half = Corpus("half", ("1", "2"), {"en": rows, "am": ("the dog ይተኛል ውሻው", "the ድመቷ ወተት milk")})
    with pytest.raises(CorpusError, match="50% in 'am'"):
        ng.record(view(), fast(), half)


def test_either_side_of_a_translation_is_looked_at() -> None:
    texts = [
        Pair(0, place, (3, 4), (False,) * 2, (False,) * 2, 0, (0, 0), (False,) * 2, (True,) * 2) for place in (0, 1)
    ]
    counted = UnknownTokens(fast(), ("en-am", "am-en")).count(
        [texts[0], replace(texts[1], token_ids=(0, 0), target_ids=(3, 4))]
    )
    assert counted.shares == {"en-am": 1.0, "am-en": 1.0}
    worse = replace(texts[0], token_ids=(3, 4, 0, 0), special=(False,) * 4, scored=(False,) * 4)  # half of the source
    assert UnknownTokens(fast(), ("en-am",)).count([worse]).shares == {"en-am": 1.0}  # and all of the translation
    with pytest.raises(CorpusError, match="100% in 'en-am', 100% in 'am-en'"):
        counted.refuse()


def test_a_prompt_in_words_that_are_known_makes_no_unknown_source_known() -> None:
    source, target = ("ውሻው ተኛ ዛሬ",), ("the dog sleeps",)
    corpus = Corpus("pairs", ("1",), {"am": source, "en": target})
    prompts = ["Translate", "this", "text", "from", "into", "Amharic", "English.", "English:", "Amharic:"]
    known = fast()
    known.add_tokens([*prompts, "</s>"])
    known.eos_token = "</s>"
    located = view()
    located.model.resize_token_embeddings(len(known))
    pairs = encode_pairs(located, known, corpus, ["am-en"])
    assert pairs.pairs[0].token_ids.count(known.unk_token_id) / len(pairs.pairs[0].token_ids) < 0.5
    with pytest.raises(CorpusError, match="100% in 'am-en'"):
        UnknownTokens(known, ("am-en",)).count(pairs.pairs).refuse()


def test_an_end_that_is_the_unknown_token_too_is_not_unknown() -> None:
    """As of GPT-2: `<|endoftext|>` ends each translation."""
    tokenizer, texts = fast(), [Pair(0, 0, (3, 4, 0), (False,) * 3, (False, False, True), 0)]
    tokenizer.eos_token = "<unk>"
    assert UnknownTokens(tokenizer, ("en-de",)).count([replace(texts[0], token_ids=(3, 4, 0))]).shares == {}
    counted = UnknownTokens(tokenizer, ("en-de",)).count(
        [replace(texts[0], token_ids=(3, 0, 0), scored=(False, True, True))]
    )
    assert counted.shares == {"en-de": 1.0}


def test_a_few_unknown_tokens_are_said_in_the_signature() -> None:
    english = Corpus("some", ("1", "2", "3"), {"en": (*ENGLISH[:2], "we buy bread tomorrow")})
    known = ng.evaluate(view(), fast(), english.take([0]), ng.metrics.BitsPerByte())
    assert known.signature.get("unknown_tokens") is None
    evaluation = ng.evaluate(view(), fast(), english, ng.metrics.BitsPerByte())
    assert evaluation.signature["unknown_tokens"] == "en:0.111"
