"""Corpora and tasks: their first rows."""

import pytest

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
