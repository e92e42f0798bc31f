"""Prompts and answers as tokens: what the model reads before an answer is what it reads when it is asked; nothing is
cut, and nothing unfit passes.
"""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.tokens.examples import EMPTY, LONG, SHARED, examples
from neuroglot.training import Example
from tests.prompting.tokenizers import CHATML, tokenizer
from tests.tiny import tiny_tokenizer
from tests.tokens.making import NOTHING, TEMPLATES, reasons, tokenizer_with

TEXTS = [("German: Der Hund schläft. English:", " The dog sleeps."), ("Answer:\n", "狗在花园里睡觉。")]


@pytest.mark.parametrize("kind", ["bytes", "bpe", "metaspace"])
@pytest.mark.parametrize("end", ["none", "newline"])
def test_the_answer_is_scored_and_nothing_of_the_prompt(kind: str, end: str) -> None:
    known = tokenizer(kind)
    encoded = examples(known, TEXTS, end=end, unfit="refuse")
    for (prompt, answer), text, head in zip(TEXTS, encoded.texts, encoded.prompts, strict=True):
        answer += "\n" * (end == "newline")
        assert list(text.token_ids) == known(prompt + answer)["input_ids"]
        assert list(head.token_ids) == known(prompt)["input_ids"]
        assert text.scored == (False,) * len(head.token_ids) + (True,) * (len(text.token_ids) - len(head.token_ids))
        assert not any(head.scored)
        assert text.scored_bytes == len(answer.encode())
        if kind != "metaspace":  # the small tokenizer of that kind has no decoder
            assert known.decode(text.token_ids[len(head.token_ids) :]) == answer


def test_the_end_is_part_of_the_answer_and_stands_once() -> None:
    ended = (1, 4, 5, 6, 2)
    for answer, end, expected, scored in (
        (" w3", "eos", ended, 2), (" w3", "none", ended[:4], 1), (" w3 </s>", "eos", ended, 2),
    ):  # fmt: skip
        (text,) = examples(tiny_tokenizer(), [("w1 w2", answer)], end=end).texts
        assert (text.token_ids, sum(text.scored)) == (expected, scored)
        assert text.special == (True, False, False, False, False)[: len(expected)]


@pytest.mark.parametrize("ends", TEMPLATES)
def test_what_a_tokenizer_puts_behind_a_text_is_on_neither_side_of_the_answer(ends: str) -> None:
    front = (1,) * (ends in ("bos", "both"))
    encoded = examples(tokenizer_with(ends), [("w1 w2", " w3"), ("w1 </s>", " w3 </s>")])
    assert [text.token_ids for text in encoded.texts] == [(*front, 4, 5, 6), (*front, 4, 2, 6, 2)]
    assert [text.token_ids for text in encoded.prompts] == [(*front, 4, 5), (*front, 4, 2)]  # what was written stays


def test_a_prompt_without_text_is_its_first_special_token() -> None:
    assert examples(tokenizer_with("both"), [("", "w3")]).texts[0].token_ids == (1, 6)
    for ends in ("neither", "eos"):
        assert examples(tokenizer_with(ends), [("", "w3")]).dropped == {EMPTY: 1}


def test_a_chat_gets_no_second_special_token() -> None:
    known = tokenizer("metaspace", CHATML)
    chat = Example("<|im_start|>user", " yes", "direct", "0", is_chat=True)
    first, second = examples(known, [chat, ("<|im_start|>user", " yes")]).texts
    assert list(first.token_ids) == known("<|im_start|>user yes", add_special_tokens=False)["input_ids"]
    assert list(second.token_ids) == known("<|im_start|>user yes")["input_ids"]
    assert known.bos_token_id not in first.token_ids
    plain = examples(known, [("<|im_start|>user", " yes")], special_tokens=False)
    assert plain.texts == (first,)


def test_the_limit_is_exact() -> None:
    items = [("w1", " w2"), ("w1 w2", " w3")]
    assert examples(tiny_tokenizer(), items, end="eos", max_tokens=5).kept == (0, 1)
    encoded = examples(tiny_tokenizer(), items, end="eos", max_tokens=4)
    assert (encoded.kept, encoded.dropped) == ((0,), {LONG: 1})


def test_a_row_is_kept_or_dropped_as_a_whole() -> None:
    items = [("w1", " w2"), ("w3", "4"), ("w5", " w6"), ("w7", " w8")]
    encoded = examples(tiny_tokenizer(), items, row_size=2)
    assert (encoded.kept, encoded.dropped) == ((1,), {SHARED: 1})
    assert [(text.row, text.language) for text in encoded.texts] == [(0, 0), (0, 1)]


def test_unfit_examples_can_be_refused_and_the_first_of_each_kind_is_named() -> None:
    items = [Example("w1", " w2", "direct", "good"), Example("w1", "2", "direct", "glued"), ("w1 w2 w3", " w4")]
    message = r"Of 3 examples 1 have 'prompt and answer share a token' \(first 'glued'\), 1 have 'too many.*row 3\)"
    with pytest.raises(CorpusError, match=message):
        examples(tiny_tokenizer(), items, unfit="refuse", max_tokens=4)
    assert len(examples(tiny_tokenizer(), items[:1], unfit="refuse").texts) == 1


def test_no_end_of_text_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="end='newline'"):
        examples(tokenizer("bytes"), [("w1", " w2")], end="eos")


PROMPTS = st.lists(st.sampled_from(["w1", "w2", "</s>", NOTHING]), max_size=4).map(" ".join)
ANSWERS = st.sampled_from([" w3", "3", " w3 w4", f" {NOTHING}", NOTHING, " </s>", " w5 w6 w7 w8"])


@settings(max_examples=200)
@given(st.sampled_from(list(TEMPLATES)), st.lists(st.tuples(PROMPTS, ANSWERS), min_size=4, max_size=8))
def test_what_is_unfit_is_what_the_rule_says(ends: str, items: list[tuple[str, str]]) -> None:
    known, items = tokenizer_with(ends), items[: len(items) // 2 * 2]
    expected = reasons(known, [items[start : start + 2] for start in range(0, len(items), 2)], limit=6)
    encoded = examples(known, items, row_size=2, max_tokens=6)
    assert encoded.kept == tuple(row for row, reason in enumerate(expected) if reason is None)
    assert encoded.dropped == dict(Counter(reason for reason in expected if reason))
    front = [1] if ends in ("bos", "both") else []
    for text in encoded.texts:
        prompt, answer = items[2 * encoded.kept[text.row] + text.language]
        assert list(text.token_ids) == front + known(prompt + answer, add_special_tokens=False)["input_ids"]
        assert sum(text.scored) == len(known(answer, add_special_tokens=False)["input_ids"])


def test_the_example_that_is_named_is_the_first_of_its_row() -> None:
    items = [Example(f"w{place + 1}", " w9", "direct", f"item {place}") for place in range(6)]
    items[5] = replace(items[5], completion="9")  # of the third row of two
    with pytest.raises(CorpusError, match=r"Of 3 examples 1 have .*\(first 'item 4'\)"):
        examples(tiny_tokenizer(), items, row_size=2, unfit="refuse")
