"""Tasks: prompts, answers and options that stay aligned through every operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError


def corpus(**texts: str) -> Corpus:
    columns = {language: tuple(text.split()) for language, text in texts.items()}
    return Corpus("c", tuple(str(n) for n in range(len(next(iter(columns.values()))))), columns)


def choice(rows: int, right: list[int]) -> Task:
    """A task of three options; option n of a row is its number in words of the language."""
    ids = tuple(f"row {n}" for n in range(rows))
    of = {"de": "abc", "en": "xyz"}
    options = tuple(Corpus("o", ids, {g: (letters[n],) * rows for g, letters in of.items()}) for n in range(3))
    answers = Corpus("a", ids, {g: tuple(letters[n] for n in right) for g, letters in of.items()})
    prompts = Corpus("p", ids, {g: tuple(f"{g} {n}" for n in range(rows)) for g in of})
    return Task("choice", prompts, answers, options, {"why": 2})


rights = st.lists(st.integers(0, 2), min_size=2, max_size=12)


@given(rights, st.data())
def test_options_follow_their_rows(right, data):
    task = choice(len(right), right)
    rows = data.draw(st.lists(st.integers(0, len(right) - 1), min_size=1, unique=True))
    taken = task.take(iter(rows)).select(["en"])
    assert taken.right == tuple(right[row] for row in rows)
    assert taken.ids == tuple(task.ids[row] for row in rows)
    assert taken.languages == ("en",)
    assert [option.texts["en"][0] for option in taken.options] == ["x", "y", "z"]
    assert dict(taken.dropped) == {"why": 2}


@given(rights, st.floats(0.2, 0.8), st.integers(0, 5))
def test_split_is_that_of_the_prompts(right, share, seed):
    task = choice(len(right), right)
    if not 0 < round(share * len(task)) < len(task):
        return
    parts = task.split(share, seed)
    assert [part.ids for part in parts] == [part.ids for part in task.prompts.split(share, seed)]
    assert sorted(i for part in parts for i in part.ids) == sorted(task.ids)
    assert sum(map(len, parts)) == len(task)


def test_hash_sees_prompts_answers_options_and_nothing_else():
    task = choice(3, [0, 1, 2])
    assert task.hash == Task("other name", task.prompts, task.answers, task.options).hash
    turned = Task("t", task.prompts, task.answers, task.options[::-1])
    others = [choice(3, [0, 1, 1]), turned, task.take([0, 1]), Task("t", task.prompts, task.answers)]
    assert len({other.hash for other in [task, *others]}) == 5
    assert turned.right == (2, 1, 0)


def test_without_options_none_is_right():
    task = Task("t", corpus(de="p q"), corpus(de="a b"))
    assert (task.options, task.right, dict(task.dropped), len(task)) == ((), (), {}, 2)


P, A = corpus(de="p q", en="p q"), corpus(de="a b", en="x y")
REFUSED = {
    "other languages": (corpus(de="a b"), (), "different ids or languages"),
    "other order of languages": (corpus(en="x y", de="a b"), (), "different ids or languages"),
    "other rows": (corpus(de="a b c", en="x y z"), (), "different ids or languages"),
    "options of other rows": (A, (A, corpus(de="c", en="z")), "different ids or languages"),
    "one option": (A, (A,), "one option a row"),
    "same options": (A, (A, corpus(de="c b", en="z w")), r"'de', row 2 \(id '1'\), two options are the same"),
    "answer is no option": (
        A,
        (corpus(de="a c", en="x z"), corpus(de="d e", en="u v")),
        r"'de', row 2 .* the answer 'b' is no option\. The options are 'c', 'e'",
    ),
    "another place": (
        A,
        (corpus(de="a b", en="z y"), corpus(de="c d", en="x w")),
        r"row 1 .* the answer is option 1 in 'de', 2 in 'en'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_aligned_is_refused(case):
    answers, options, message = REFUSED[case]
    with pytest.raises(CorpusError, match=message):
        Task("t", P, answers, options)


@pytest.mark.parametrize(("limit", "rows"), [(None, 4), (1, 1), (3, 3), (4, 4), (99, 4)])
def test_head_takes_the_first_rows(limit, rows):
    corpus = Corpus("c", tuple("abcd"), {"en": ("w", "x", "y", "z"), "de": ("s", "t", "u", "v")})
    task = Task("t", corpus, corpus)
    assert corpus.head(limit).ids == task.head(limit).ids == tuple("abcd")[:rows]
    assert task.head(limit).answers.texts["de"] == ("s", "t", "u", "v")[:rows]


@pytest.mark.parametrize("limit", [0, -1, True, "3", 2.0])
def test_head_refuses_what_is_no_number_of_rows(limit):
    corpus = Corpus("c", ("a", "b"), {"en": ("x", "y")})
    for data in (corpus, Task("t", corpus, corpus)):
        with pytest.raises(ConfigError, match="Expected a number of rows, 1 or more"):
            data.head(limit)
