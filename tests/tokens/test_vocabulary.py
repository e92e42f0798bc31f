"""Continued merges: every text is what it was, token by token, and pairs are those of a recount after each merge."""

import copy
import json
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.embeddings import add_embeddings
from neuroglot.tokens.vocabulary import Extension, extend_vocabulary, merged_pairs
from tests.families import tiny_model
from tests.prompting.tokenizers import tokenizer

TELUGU = ("తెలుగు భాష తెలుగు", "భాషలో తెలుగు ఒక భాష", "the dog sleeps in the garden, the dog")
KINDS = ("bytes", "bpe", "metaspace")
TEXT = st.text("తలకగుెభాష thedog🙂字 \n", max_size=40) | st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def ids_of(built: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(built(text, add_special_tokens=False)["input_ids"])


def in_old_tokens(extension: Extension, first: int, ids: list[int]) -> list[int]:
    return [old for token in ids for old in (extension.old_ids[token - first] if token >= first else (token,))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 7, 60])
def test_the_texts_have_fewer_tokens_that_stand_for_the_old_ones(kind: str, count: int) -> None:
    built = tokenizer(kind)
    extension = extend_vocabulary(built, TELUGU, count)
    assert len(extension.old_ids) <= count
    assert len(extension.tokenizer) == len(built) + len(extension.old_ids)
    assert extension.tokenizer.convert_ids_to_tokens(list(range(len(built)))) == built.convert_ids_to_tokens(
        list(range(len(built)))
    )
    before, after = (sum(len(ids_of(each, text)) for text in TELUGU) for each in (built, extension.tokenizer))
    assert after < before if count < 60 else after < before / 2
    for text in TELUGU:
        assert in_old_tokens(extension, len(built), ids_of(extension.tokenizer, text)) == ids_of(built, text)


@cache
def decodable(kind: str) -> PreTrainedTokenizerFast:
    built = copy.deepcopy(tokenizer(kind))
    if kind == "metaspace":
        built.backend_tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
    return built


@cache
def extended(kind: str) -> Extension:
    return extend_vocabulary(decodable(kind), TELUGU, 40)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200)
@given(text=TEXT)
def test_every_text_comes_back_as_before(kind: str, text: str) -> None:
    built, extension = decodable(kind), extended(kind)
    ids = ids_of(extension.tokenizer, text)
    assert in_old_tokens(extension, len(built), ids) == ids_of(built, text)
    assert extension.tokenizer.decode(ids) == built.decode(ids_of(built, text))


def test_the_most_frequent_characters_in_bytes_are_first() -> None:
    extension = extend_vocabulary(tokenizer("metaspace"), ["తతత కక జజజజ"], 2)
    first = len(tokenizer("metaspace"))
    assert extension.tokenizer.convert_ids_to_tokens([first, first + 1]) == ["జ", "త"]


def merged_by_recounting(words: Counter[tuple[int, ...]], names: list[str], count: int) -> list[tuple[int, int]]:
    texts = {word: (list(word), weight) for word, weight in words.items()}
    names, merges, banned = list(names), [], set()
    while len(merges) < count:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, weight in texts.values():
            for pair in pairwise(word):
                pairs[pair] += weight
        best = min((pair for pair in pairs if pair not in banned), key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            return merges
        name = names[best[0]] + names[best[1]]
        if name in names or "▁" in name[1:]:
            banned.add(best)
            continue
        merges.append(best)
        names.append(name)
        for word, _ in texts.values():
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = [len(names) - 1]
                place += 1
    return merges


@settings(max_examples=300)
@given(
    st.dictionaries(st.lists(st.integers(0, 5), min_size=1, max_size=9).map(tuple), st.integers(1, 4), max_size=8),
    st.integers(1, 12),
)
def test_each_pair_is_the_most_frequent_one_of_a_recount(words: dict[tuple[int, ...], int], count: int) -> None:
    names = ["▁", "a", "b", "ab", "▁a", "c"]
    assert merged_pairs(Counter(words), names, count) == merged_by_recounting(Counter(words), names, count)


def test_merges_that_are_stored_as_text_stay_so() -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "c": 3, "<unk>": 4}
    old = Tokenizer(models.BPE(vocabulary, [("a", "b")], unk_token="<unk>"))
    old.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    extension = extend_vocabulary(PreTrainedTokenizerFast(tokenizer_object=old), ["abc abc"], 5)
    assert extension.old_ids == ((2, 3),)
    assert extension.tokenizer.tokenize("abc ab") == ["abc", "ab"]
    merges = json.loads(extension.tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    assert merges == [["a", "b"], ["ab", "c"]]


def test_what_cannot_be_extended_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"of the kind WordPiece.*BPE"):
        extend_vocabulary(tokenizer("words"), TELUGU, 3)
    with pytest.raises(ConfigError, match="0 new tokens"):
        extend_vocabulary(tokenizer("bytes"), TELUGU, 0)
    with pytest.raises(ConfigError, match="No two tokens stand beside each other twice"):
        extend_vocabulary(tokenizer("bytes"), ["a b", "c"], 3)


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "phi"])
def test_new_rows_are_means_and_old_answers_stay(model_type: str) -> None:
    """gpt2 ties its tables, and phi's head has a bias."""
    model = tiny_model(model_type)
    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.tensor([[3, 5, 9, 4]])
    before = model(input_ids=ids).logits
    old = {name: getattr(model, f"get_{name}_embeddings")().weight.detach().clone() for name in ("input", "output")}
    bias = getattr(model.get_output_embeddings(), "bias", None)
    old_bias = None if bias is None else bias.detach().clone()
    add_embeddings(model, [(3, 5), (7,), (2, 2, 9)], rows)
    for name, table in old.items():
        new = getattr(model, f"get_{name}_embeddings")().weight
        assert torch.equal(new[:rows], table)
        torch.testing.assert_close(new[rows:], torch.stack([table[[3, 5]].mean(0), table[7], table[[2, 2, 9]].mean(0)]))
    after = model(input_ids=ids).logits
    torch.testing.assert_close(after[..., :rows], before)
    torch.testing.assert_close(after[..., rows], before[..., [3, 5]].mean(-1), atol=1e-5, rtol=1e-5)
    assert (old_bias is None) == (model_type != "phi")
    if old_bias is not None:
        grown = model.get_output_embeddings().bias[rows:]
        torch.testing.assert_close(
            grown, torch.stack([old_bias[[3, 5]].mean(), old_bias[7], old_bias[[2, 2, 9]].mean()])
        )
    assert model.config.vocab_size == rows + 3


def test_rows_that_are_there_already_are_used() -> None:
    model = tiny_model("llama")
    table = model.get_input_embeddings().weight
    rows, expected = table.shape[0], table[[3, 4]].mean(0)
    add_embeddings(model, [(3, 4)], rows - 2)
    assert model.get_input_embeddings().weight.shape[0] == rows
    torch.testing.assert_close(model.get_input_embeddings().weight[rows - 2], expected)
    for ids in ([()], [(rows - 2,)], [(-1,)]):
        with pytest.raises(ConfigError, match="without a row"):
            add_embeddings(model, ids, rows - 2)
