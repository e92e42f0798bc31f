"""Corpora and tasks: their first rows."""

import pytest

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.seen import rows_with, text_hashes
from neuroglot.errors import ConfigError
from tests.attribution.making_tasks import tiny_task
from tests.tiny import tiny_corpus


def test_the_first_rows_are_taken_or_all() -> None:
    for data in (tiny_corpus(5), tiny_task(5), tiny_task(5, options=2)):
        assert data.head(2).ids == data.ids[:2]
        assert data.head(2).hash == data.take([0, 1]).hash
        assert data.head(9).hash == data.head().hash == data.head(None).hash == data.hash


@pytest.mark.parametrize("limit", [0, -1, True, "3", 1.5])
def test_a_limit_that_is_no_number_of_rows_is_refused(limit: object) -> None:
    for data in (tiny_corpus(5), tiny_task(5)):
        with pytest.raises(ConfigError, match="Expected a number of rows, 1 or more"):
            data.head(limit)  # type: ignore[arg-type]


def test_a_row_was_read_if_one_of_its_texts_was() -> None:
    corpus = tiny_corpus(4)
    read = text_hashes(corpus.take([1, 2]).select(corpus.languages[:1]))
    assert rows_with(corpus, read) == 2
    assert rows_with(corpus, set()) == 0


def test_questions_of_one_prompt_with_two_answers_are_two() -> None:
    ids = ("a", "b", "c")
    prompts, answers = Corpus("p", ids, {"de": ("x", "x", "x")}), Corpus("a", ids, {"de": ("1", "2", "1")})
    assert Task("t", prompts, answers).distinct == (0, 1, 0)


def test_a_split_rounds_its_share_and_a_task_is_split_as_its_prompts() -> None:
    corpus, task = tiny_corpus(10), tiny_task(10)
    for share in (0.26, 0.3, 0.37, 0.45):
        assert len(corpus.split(share)[0]) == round(10 * share)
    for part, prompts in zip(task.split(0.4, 3), task.prompts.split(0.4, 3), strict=True):
        assert (part.ids, part.prompts.texts) == (prompts.ids, prompts.texts)
        rows = [task.ids.index(row_id) for row_id in part.ids]
        assert part.answers.texts == {g: tuple(column[row] for row in rows) for g, column in task.answers.texts.items()}
