"""Batches of texts: whole rows together, equal texts once, and beginnings that all of a group have."""

from neuroglot.tokens.batches import by_language, by_row
from neuroglot.tokens.tokenizing import Text


def test_a_batch_is_halved_between_rows() -> None:
    texts = [Text.of(range(1, 4), row, language) for row in range(3) for language in range(3)]
    (batch,) = by_row(texts, 3)
    halves = batch.halves(3)
    assert halves is not None
    assert [[text.row for text in half.texts] for half in halves] == [[0] * 3, [1] * 3 + [2] * 3]


def test_texts_of_equal_tokens_with_other_marks_are_not_one() -> None:
    marks = [(False, False, True), (False, True, True), (False, True, True)]
    texts = [Text(row, 0, (5, 6, 7), (False,) * 3, scored, 0) for row, scored in enumerate(marks)]
    batches = list(by_language(texts, 1))
    found = {(text.scored, batch.times) for batch in batches for text in batch.texts}
    assert found == {(marks[0], 1), (marks[1], 2)}


def test_a_shared_beginning_is_that_of_every_text_of_its_batch() -> None:
    written = [(1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 7), (1, 2, 3, 8), (1, 2, 3, 9, 9), (1, 2, 7, 7), (6, 6)]
    texts = [Text.of(token_ids, row) for row, token_ids in enumerate(written)]
    seen = {}
    for batch in by_language(texts, 1, min_prefix=2):
        front = () if batch.prefix is None else tuple(batch.prefix.token_ids[0].tolist())
        for text, row, real in zip(batch.texts, batch.token_ids, batch.real, strict=True):
            seen[text.row] = (front, (*front, *row[real].tolist()))
    assert {row: whole for row, (_, whole) in seen.items()} == dict(enumerate(written))
    assert [seen[row][0] for row in range(6)] == [(1, 2)] * 5 + [()]
