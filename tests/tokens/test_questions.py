"""Questions and first answer tokens: whole rows or none, with the reason; options that begin alike are counted."""

import pytest

from neuroglot.attribution.recording import attribute
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models import view
from neuroglot.tokens.examples import LONG, SHARED
from neuroglot.tokens.questions import COLLISION, find_targets, read_questions
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
IDS = ("a", "b", "c")


def task_of(prompts: dict, answers: dict, options: tuple[dict, ...] = (), dropped: dict | None = None) -> Task:
    listed = [Corpus(f"part {index}", IDS, texts) for index, texts in enumerate((prompts, answers, *options))]
    return Task("task", listed[0], listed[1], tuple(listed[2:]), dropped or {})


PROMPTS = {"de": ("w1 w2", "w3", "w4"), "sw": ("w5", "w6 w7", "w8")}
RIGHT = {"de": (" w10", " w11 w1", " w12"), "sw": (" w13", " w14", " w15")}
WRONG = {"de": (" w20", " w21", " w12 w9"), "sw": (" w23", " w24", " w25")}
MERGED = {"de": RIGHT["de"], "sw": (" w13", "1", " w15")}  # "w6 w7" and "1" make "w71"


def token(word: int) -> int:
    return TOKENIZER(f"w{word}")["input_ids"][1]


def test_the_target_is_the_first_token_behind_the_prompt() -> None:
    targets = find_targets(read_questions(TOKENIZER, task_of(PROMPTS, RIGHT), None))
    assert targets.of_rows == tuple(tuple((token(word),) for word in row) for row in ((10, 13), (11, 14), (12, 15)))
    assert (dict(targets.questions.dropped), dict(targets.collisions)) == ({}, {})
    assert targets.first_tokens() == {"de": 3, "sw": 3}


def test_a_row_whose_prompt_merges_with_its_answer_is_left_out_in_all_languages() -> None:
    questions = read_questions(TOKENIZER, task_of(PROMPTS, MERGED), None)
    assert (questions.dropped, questions.rows) == ({SHARED: 1}, (0, 2))
    assert questions.answered().ids == ("a", "c")
    assert questions.answered().dropped == ("b",)
    found = attribute(view(tiny_model("llama")), TOKENIZER, task_of(PROMPTS, MERGED, dropped={"no such row": 4}))
    assert found.rows == 2
    assert found.dropped == {"no such row": 4, SHARED: 1}
    assert dict(found.signature.fields)["rows_dropped"] == 1
    with pytest.raises(CorpusError, match="share a token' .first row 2"):
        attribute(view(tiny_model("llama")), TOKENIZER, task_of(PROMPTS, MERGED), unfit="refuse")


def test_a_wrong_option_that_merges_leaves_the_row_out_too() -> None:
    wrong = {"de": WRONG["de"], "sw": (" w23", "1", " w25")}
    questions = read_questions(TOKENIZER, task_of(PROMPTS, RIGHT, (RIGHT, wrong)), None)
    assert (questions.dropped, questions.rows, questions.answers) == ({SHARED: 1}, (0, 2), 2)
    assert [text.token_ids[-1] for text in questions.answered().texts] == [token(word) for word in (10, 13, 12, 15)]


def test_nothing_left_is_refused_with_the_reason() -> None:
    merged = dict.fromkeys(PROMPTS, ("1", "1", "1"))
    with pytest.raises(CorpusError, match=f"{SHARED}: 3"):
        read_questions(TOKENIZER, task_of(PROMPTS, merged), None)


def test_options_that_begin_alike_are_counted_by_language() -> None:
    targets = find_targets(read_questions(TOKENIZER, task_of(PROMPTS, RIGHT, (RIGHT, WRONG)), None))
    assert targets.collisions == {"de": 1, "sw": 0}
    assert len(targets.of_rows) == 3
    contrastive = find_targets(read_questions(TOKENIZER, task_of(PROMPTS, RIGHT, (WRONG, RIGHT)), None), True)
    assert contrastive.collisions == {"de": 1, "sw": 0}
    assert contrastive.questions.dropped == {COLLISION: 1}
    assert contrastive.of_rows[0] == ((token(10), token(20)), (token(13), token(23)))
    assert [text.row for text in contrastive.questions.prompts] == [0, 0, 1, 1]
    with pytest.raises(CorpusError, match=f"{COLLISION}: 3"):
        find_targets(read_questions(TOKENIZER, task_of(PROMPTS, RIGHT, (RIGHT, same_first(RIGHT))), None), True)


def same_first(texts: dict) -> dict:
    return {g: tuple(f"{text} w30" for text in column) for g, column in texts.items()}


def test_a_contrastive_target_needs_options() -> None:
    with pytest.raises(ConfigError, match="has no options"):
        find_targets(read_questions(TOKENIZER, task_of(PROMPTS, RIGHT), None), contrastive=True)


def test_over_long_questions_are_left_out_and_counted() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 9
    task = tiny_task(rows=12)
    found = attribute(view(tiny_model("llama")), tokenizer, task)
    prompts, answers = task.prompts.texts, task.answers.texts
    lengths = [
        [len(tokenizer(prompts[g][row] + answers[g][row])["input_ids"]) for g in task.languages] for row in range(12)
    ]
    long = sum(max(row) > 9 for row in lengths)
    assert 0 < long < 12
    assert found.dropped == {LONG: long}
    assert found.rows == 12 - long


def test_rows_that_are_left_keep_their_own_right_option() -> None:
    """The first of three rows is left out; then the first of the two that are left."""
    right = {"de": ("1", *RIGHT["de"][1:]), "sw": RIGHT["sw"]}  # "w1 w2" and "1" make "w21"
    first = {g: (WRONG[g][0], right[g][1], WRONG[g][2]) for g in PROMPTS}
    second = {g: (right[g][0], WRONG[g][1], right[g][2]) for g in PROMPTS}
    questions = read_questions(TOKENIZER, task_of(PROMPTS, right, (first, second)), None)
    assert (questions.rows, questions.right) == ((1, 2), (0, 1))
    assert questions.answered().ids == ("b", "c")
    last = questions.take([1], {"other": 1})
    assert (last.rows, last.right, last.dropped) == ((2,), (1,), {SHARED: 1, "other": 1})
    assert [text.row for text in last.prompts] == [0, 0]
    assert [text.token_ids[-1] for text in last.answered().texts] == [token(12), token(15)]
