"""The metrics `form` and `form-f1`: verdicts are counted by row, with prompt, database and form of the row."""

import sqlite3
from pathlib import Path

import pytest

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError
from neuroglot.metrics.texts import TextOptions, Texts, choose_metrics, score_texts
from neuroglot.metrics.texts.answered import score_answers

SCHEMA = "CREATE TABLE t (a INTEGER, b TEXT);"
RIGHT = "SELECT a FROM t WHERE a > 1"
ANSWERS = ("SELECT a FROM t WHERE 1 < a", "SELECT a FROM t WHERE a > 2", "DROP TABLE t",
           "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")  # fmt: skip


def test_verdicts_are_counted_and_undecided_rows_stay() -> None:
    texts = Texts(ANSWERS, ((RIGHT,) * 4,), (SCHEMA,) * 4)
    (score,) = score_texts(texts, ["form"], TextOptions(language="en", form="x-sql"))
    assert (score.score.value, score.rows) == (25.0, 4)
    assert score.verbose == "equal 1, unequal 1, invalid 1, undecided 1"
    counts = choose_metrics(["form"], TextOptions("x-sql"))["form"].counts(texts)
    assert counts.tolist() == [[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1]]
    assert "form:x-sql|by:execution on 24 databases" in str(score.signature)
    assert score.score.has_interval


def test_a_baseline_is_compared_by_mcnemar() -> None:
    texts = Texts(("(a)",) * 8, (("(a)",) * 8,))
    (score,) = score_texts(texts, ["form"], TextOptions("x-sexpr"), baseline=("(b)",) * 8)
    assert score.baseline is not None
    assert (score.baseline.test, score.baseline.score) == ("McNemar, exact", 0.0)
    assert score.baseline.p == pytest.approx(2 / 2**8)


def test_the_best_reference_counts() -> None:
    texts = Texts(("(a)", "(b)", "(c"), (("(b)",) * 3, ("(a)",) * 3))
    (score,) = score_texts(texts, ["form"], TextOptions("x-sexpr"))
    assert score.verbose == "equal 2, unequal 0, invalid 1, undecided 0"


def test_f1_sums_parts_over_rows() -> None:
    answers, right = (
        ("(a, r, b), (c, r, d)", "(e, r, f)", "nonsense"),
        ("(a, r, b)", "(e, r, f), (g, r, h)", "(i, r, j)"),
    )
    (score,) = score_texts(Texts(answers, (right,)), ["form-f1"], TextOptions("x-triples"))
    assert score.verbose == "P = 66.7 R = 50.0"
    assert score.score.value == pytest.approx(100 * 2 * 2 / (3 + 4))


def test_an_invalid_answer_still_counts_what_was_expected() -> None:
    (score,) = score_texts(Texts(("(b / boy)", "(b"), (("(b / boy)",) * 2,)), ["form-f1"], TextOptions("x-amr"))
    assert score.score.value == pytest.approx(100 * 2 * 2 / (2 + 4))


def test_databases_are_named_by_the_prompt(tmp_path: Path) -> None:
    for name, place in (("one", tmp_path / "one" / "one.sqlite"), ("two", tmp_path / "two.sqlite")):
        place.parent.mkdir(exist_ok=True)
        with sqlite3.connect(place) as connection:
            connection.execute(f"CREATE TABLE {name} (a INTEGER)")
    prompts = ("Database: one\nHow many?", "Database: two\nHow many?")
    texts = Texts(
        ("SELECT count(*) FROM one", "SELECT count(*) FROM one"),
        (("SELECT count(a) FROM one WHERE a IS NOT NULL",) * 2,),
        prompts,
    )
    options = TextOptions("x-sql", databases=tmp_path)
    (score,) = score_texts(texts, ["form"], options)
    assert score.verbose == "equal 0, unequal 1, invalid 0, undecided 1"  # NULL is drawn; there is no `one` in two
    with pytest.raises(ConfigError, match="There is no database 'three'"):
        score_texts(Texts(("SELECT 1",), (("SELECT 1",),), ("Database: three",)), ["form"], options)


def test_programs_are_run_only_if_asked() -> None:
    texts = Texts(("answer = 2 + 2",), (("answer = 4",),))
    told = [score_texts(texts, ["form"], TextOptions("x-maths", execute=execute))[0] for execute in (False, True)]
    assert [score.verbose for score in told] == [
        "equal 0, unequal 0, invalid 0, undecided 1", "equal 1, unequal 0, invalid 0, undecided 0",
    ]  # fmt: skip
    assert [dict(score.signature.fields)["executed"] for score in told] == [False, True]


def test_forms_that_are_not_known_are_refused() -> None:
    texts = Texts(("(a)",), (("(a)",),))
    with pytest.raises(ConfigError, match="The form of the answers is 'de'.*--form"):
        score_texts(texts, ["form"], TextOptions("de"))
    with pytest.raises(ConfigError, match="The form of the answers was not given"):
        score_texts(texts, ["form"], TextOptions())
    with pytest.raises(ConfigError, match="The form 'sql' was asked for"):
        choose_metrics(["form"], TextOptions(form="sql"))
    with pytest.raises(ConfigError, match="s-expressions has no parts to count.*x-amr, x-triples"):
        score_texts(texts, ["form-f1"], TextOptions("x-sexpr"))
    with pytest.raises(ConfigError, match="The option execute was given"):
        choose_metrics(["chrf"], TextOptions(execute=True))


def test_answers_of_a_task_are_read_with_their_prompts_by_form() -> None:
    ids, prompts = ("1", "2"), {"x-sql": (SCHEMA,) * 2, "x-sexpr": ("say",) * 2}
    right = {"x-sql": (f" {RIGHT}",) * 2, "x-sexpr": (" (AND a b)",) * 2}
    task = Task("both", Corpus("p", ids, prompts), Corpus("a", ids, right))
    scored = score_answers(task, {"x-sql": ANSWERS[:2], "x-sexpr": ("(AND b a)", "(b")}, ["form"])
    assert {form: scores[0].score.value for form, scores in scored.scores.items()} == {"x-sql": 50.0, "x-sexpr": 50.0}
    assert scored.scores["x-sexpr"][0].verbose == "equal 1, unequal 0, invalid 1, undecided 0"
    assert scored.consistency[0].right.tolist() == [[1, 1], [0, 0]]
