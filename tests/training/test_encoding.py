"""Tokens and labels: what the model reads before an answer is what it reads when it is asked; nothing is cut."""

import pytest

from neuroglot.errors import ConfigError
from neuroglot.tokens.examples import IGNORED, encode
from neuroglot.training import Example
from tests.prompting.tokenizers import CHATML, tokenizer
from tests.tiny import tiny_tokenizer

TEXTS = [("German: Der Hund schläft. English:", " The dog sleeps."), ("Answer:\n", "狗在花园里睡觉。")]


@pytest.mark.parametrize("kind", ["bytes", "bpe", "metaspace"])
@pytest.mark.parametrize("end", ["none", "newline"])
def test_labels_are_the_completion_and_nothing_of_the_prompt(kind: str, end: str) -> None:
    known = tokenizer(kind)
    examples = [Example(prompt, completion, "direct", "0") for prompt, completion in TEXTS]
    for example, row in zip(examples, encode(examples, known, end, 500).rows, strict=True):
        text = example.completion + "\n" * (end == "newline")
        assert row["input_ids"] == known(example.prompt + text)["input_ids"]
        learned = [label for label in row["labels"] if label != IGNORED]
        hidden = row["labels"].count(IGNORED)
        assert row["labels"] == [IGNORED] * hidden + learned
        assert row["input_ids"][hidden:] == learned
        assert row["input_ids"][:hidden] == known(example.prompt)["input_ids"]
        if kind != "metaspace":  # the small tokenizer of that kind has no decoder
            assert known.decode(learned) == text


def test_special_tokens_are_not_learned_but_the_end_is() -> None:
    (row,) = encode([Example("w1 w2", " w3", "direct", "0")], tiny_tokenizer(), "eos", 9).rows
    assert row == {"input_ids": [1, 4, 5, 6, 2], "labels": [-100, -100, -100, 6, 2]}
    (row,) = encode([Example("w1 w2", " w3", "direct", "0")], tiny_tokenizer(), "none", 9).rows
    assert row == {"input_ids": [1, 4, 5, 6], "labels": [-100, -100, -100, 6]}
    (row,) = encode([Example("w1 w2", " w3 </s>", "direct", "0")], tiny_tokenizer(), "eos", 9).rows
    assert row["input_ids"] == [1, 4, 5, 6, 2]


def test_a_chat_gets_no_second_special_token() -> None:
    known = tokenizer("metaspace", CHATML)
    (row,) = encode([Example("<|im_start|>user", " yes", "direct", "0", is_chat=True)], known, "none", 99).rows
    assert row["input_ids"] == known("<|im_start|>user yes", add_special_tokens=False)["input_ids"]
    assert known.bos_token_id not in row["input_ids"]


def test_the_limit_is_exact_and_long_examples_are_refused_or_counted_but_never_cut() -> None:
    short, long = Example("w1", " w2", "direct", "short"), Example("w1 w2", " w3", "direct", "long")
    assert len(encode([short, long], tiny_tokenizer(), "eos", 5).rows) == 2
    with pytest.raises(ConfigError, match=r"Of 2 examples 1 have too many tokens \('long' is the first\)"):
        encode([short, long], tiny_tokenizer(), "eos", 4)
    kept = encode([long, short, long], tiny_tokenizer(), "eos", 4, "drop")
    assert dict(kept.dropped) == {"too many tokens": 2}
    assert [row["input_ids"] for row in kept.rows] == [[1, 4, 5, 2]]
    with pytest.raises(ConfigError, match="2 have too many tokens"):
        encode([long, long], tiny_tokenizer(), "eos", 4, "drop")


def test_prompts_whose_tokens_change_with_the_answer_are_refused_or_counted() -> None:
    known = tiny_tokenizer()  # a word is one token, so "w" and "1" become "w1"
    merged = Example("w2 w", "1", "direct", "merged")
    with pytest.raises(ConfigError, match="1 have other tokens before the answer"):
        encode([merged], known, "eos", 9)
    assert encode([merged, Example("w1", " w2", "direct", "0")], known, "eos", 9, "drop").dropped == {
        "other tokens before the answer": 1
    }


def test_no_end_of_text_and_no_examples_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="end='newline'"):
        encode([Example("w1", " w2", "direct", "0")], tokenizer("bytes"), "eos", 9)
    with pytest.raises(ConfigError, match="none is there"):
        encode([], tiny_tokenizer(), "eos", 9)
