"""First answer tokens: found behind the prompt or left out, with the reason; options that begin alike are counted."""

import pytest

from neuroglot.attribution.recording import attribute
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models import view
from neuroglot.tokens.targets import COLLISION, ENDED, NO_TOKEN, SHARED, find_targets, first_behind
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
IDS = ("a", "b", "c")


def task_of(prompts: dict, answers: dict, options: tuple[dict, ...] = (), dropped: dict | None = None) -> Task:
    listed = [Corpus(f"part {place}", IDS, texts) for place, texts in enumerate((prompts, answers, *options))]
    return Task("task", listed[0], listed[1], tuple(listed[2:]), dropped or {})


PROMPTS = {"de": ("w1 w2", "w3", "w4"), "sw": ("w5", "w6 w7", "w8")}
RIGHT = {"de": (" w10", " w11 w1", " w12"), "sw": (" w13", " w14", " w15")}
WRONG = {"de": (" w20", " w21", " w12 w9"), "sw": (" w23", " w24", " w25")}


def token(word: int) -> int:
    return TOKENIZER(f"w{word}")["input_ids"][1]


def test_the_target_is_the_first_token_behind_the_prompt() -> None:
    targets = find_targets(TOKENIZER, task_of(PROMPTS, RIGHT))
    assert targets.of == tuple(tuple((token(word),) for word in row) for row in ((10, 13), (11, 14), (12, 15)))
    assert (dict(targets.dropped), dict(targets.collisions)) == ({}, {})


def test_a_row_whose_prompt_merges_with_its_answer_is_left_out_in_all_languages() -> None:
    merged = {"de": RIGHT["de"], "sw": (" w13", "1", " w15")}  # "w6 w7" and "1" make "w71"
    targets = find_targets(TOKENIZER, task_of(PROMPTS, merged))
    assert targets.dropped == {SHARED: 1}
    assert targets.task.ids == ("a", "c")
    found = attribute(view(tiny_model("llama")), TOKENIZER, task_of(PROMPTS, merged, dropped={"no such row": 4}))
    assert found.rows == 2
    assert found.dropped == {"no such row": 4, SHARED: 1}
    assert dict(found.signature.fields)["rows_dropped"] == 1


def test_nothing_left_is_refused_with_the_reason() -> None:
    merged = dict.fromkeys(PROMPTS, ("1", "1", "1"))
    with pytest.raises(CorpusError, match=f"{SHARED}: 3"):
        find_targets(TOKENIZER, task_of(PROMPTS, merged))


def test_reasons() -> None:
    assert first_behind(([1, 5, 2], [1, 0, 1]), ([1, 5, 6, 2], [1, 0, 0, 1])) == ENDED
    assert first_behind(([1, 5], [1, 0]), ([1, 7], [1, 0])) == SHARED
    assert first_behind(([1, 5], [1, 0]), ([1, 5, 2], [1, 0, 1])) == NO_TOKEN
    assert first_behind(([1, 5], [1, 0]), ([1, 5, 6], [1, 0, 0])) == 6


def test_options_that_begin_alike_are_counted_by_language() -> None:
    targets = find_targets(TOKENIZER, task_of(PROMPTS, RIGHT, (RIGHT, WRONG)))
    assert targets.collisions == {"de": 1, "sw": 0}
    assert len(targets.of) == 3
    contrastive = find_targets(TOKENIZER, task_of(PROMPTS, RIGHT, (WRONG, RIGHT)), contrastive=True)
    assert contrastive.collisions == {"de": 1, "sw": 0}
    assert contrastive.dropped == {COLLISION: 1}
    assert contrastive.of[0] == ((token(10), token(20)), (token(13), token(23)))


def test_a_contrastive_target_needs_options() -> None:
    with pytest.raises(ConfigError, match="has no options"):
        find_targets(TOKENIZER, task_of(PROMPTS, RIGHT), contrastive=True)


def test_over_long_prompts_are_left_out_and_counted() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 8
    task = tiny_task(rows=12)
    found = attribute(view(tiny_model("llama")), tokenizer, task)
    columns = zip(*(tokenizer(list(texts))["input_ids"] for texts in task.prompts.texts.values()), strict=True)
    long = sum(max(map(len, row)) > 8 for row in columns)
    assert 0 < long < 12
    assert found.dropped == {"a prompt is longer than the model's context": long}
    assert found.rows == 12 - long
