"""The tokenizer: `<s>` in front, lossless, and no token across the border between a prompt and its answer."""

import pytest

from neuroglot.lab import LabConfig, load, make_corpus, tasks
from neuroglot.lab.config import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return load()[1]


def test_bos_is_prepended_once_and_text_comes_back(tokenizer):
    for text in ("Hello, world.", "今天是星期日。", "रेलगाड़ी देर से चल रही है।", "السماء زرقاء", "🦓 x=3\n"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(ids[1:]) == text
    assert tokenizer.pad_token_id not in (None, tokenizer.bos_token_id)


def test_prompt_and_answer_split_cleanly_for_every_shipped_question(tokenizer):
    checked = 0
    for task in tasks():
        for language in task.prompts.languages:
            prompts, answers = list(task.prompts.texts[language]), list(task.answers.texts[language])
            joint = tokenizer([prompt + answer for prompt, answer in zip(prompts, answers)])["input_ids"]
            heads = tokenizer(prompts)["input_ids"]
            tails = tokenizer(answers, add_special_tokens=False)["input_ids"]
            assert joint == [head + tail for head, tail in zip(heads, tails)]
            checked += len(joint)
    assert checked >= 8 * 10 * 45


def test_training_a_tokenizer_is_deterministic():
    corpus = make_corpus(LabConfig(documents=40, questions=5))
    texts = [text for column in corpus.train.texts.values() for text in column]
    first, second = (train_tokenizer(texts, 700) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert len(first) <= 700
