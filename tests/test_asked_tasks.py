"""Tasks asked at several moments: counts against what the model writes, changes paired by question."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
import torch

from neuroglot import lab, models
from neuroglot.corpora import Corpus, Task
from neuroglot.errors import ConfigError
from neuroglot.experiments.asked_tasks import AskedTask, task_counts, task_moments
from neuroglot.generation import decoding as decoders
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.interventions import switch_off
from neuroglot.metrics.paired import mcnemar
from neuroglot.metrics.task_moments import Group, TaskMoments
from neuroglot.metrics.texts import TextOptions
from neuroglot.neurons import NeuronSet
from neuroglot.reports import Report
from neuroglot.signature import Signature
from neuroglot.storage import Kept

LANGUAGES = ("de", "en")
SHORT = Decoding(max_new_tokens=6)


@pytest.fixture(scope="module")
def loaded():
    return models.load("lab", device="cpu")


@pytest.fixture(scope="module")
def task() -> Task:
    (named,) = [each for each in lab.tasks() if each.name == "currency"]
    return named.select(LANGUAGES).head(12)


def test_counts_are_those_of_what_the_model_writes(loaded, task: Task) -> None:
    asked = AskedTask(task, ("containment", "f1"), SHORT, stop=("\n",))
    found = task_counts(*loaded, [asked])
    assert list(found) == [
        Group("currency", language, name) for language in LANGUAGES for name in ("containment", "f1")
    ]
    written = generate(*loaded, task.prompts, SHORT, stop=("\n",))
    for language in LANGUAGES:
        answers = [task.answers.texts[language][task.ids.index(row)].strip().lower() for row in written.ids]
        held = [float(right in text.lower()) for right, text in zip(answers, written.texts[language], strict=True)]
        assert found["currency", language, "containment"].tolist() == [[each, 1] for each in held]
    assert 0 < sum(part[:, 0].sum() for group, part in found.items() if group.metric == "containment") < 24


def test_every_choice_arrives(loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuroglot.experiments import asked_tasks

    seen = []
    answers = Corpus("a", ("1", "2", "3"), {"de": (" Euro", " b", " c"), "en": (" the Euro", " b", " c")})
    own = Task("own", Corpus("p", answers.ids, answers.texts), answers)
    mlqa = AskedTask(own, ("exact-match",), SHORT, ("a", "b"), True, TextOptions(normalization="mlqa"))
    stand = {"ids": ("1", "2")}

    def answered(view, tokenizer, prompts, decoding, **options):
        seen.append((prompts.ids, decoding, options["stop"], options["chats"]))
        texts = {"de": ("der Euro", "x"), "en": ("euro", "y")}
        return decoders.Generation(LANGUAGES, stand["ids"], texts, {}, (), Signature())

    monkeypatch.setattr(asked_tasks, "generate", answered)
    found = task_counts(*loaded, [mlqa])
    assert seen == [(("1", "2", "3"), SHORT, ("a", "b"), True)]
    assert {group.language: part[:, 0].tolist() for group, part in found.items()} == {"de": [1, 0], "en": [1, 0]}
    english = replace(own, answers_in="en")  # where German questions are answered in English, `der` is no article
    found = task_counts(*loaded, [replace(mlqa, task=english)])
    assert {group.language: part[:, 0].tolist() for group, part in found.items()} == {"de": [0, 0], "en": [1, 0]}
    squad = task_counts(*loaded, [AskedTask(own, ("exact-match",), SHORT)])
    assert {group.language: part[:, 0].tolist() for group, part in squad.items()} == {"de": [0, 0], "en": [1, 0]}
    stand["ids"] = ("2", "3")  # what was too long is left out of the references too
    other = task_counts(*loaded, [AskedTask(own, ("accuracy",), SHORT)])
    assert {len(part) for part in other.values()} == {2}


def test_kept_answers_are_not_asked_again(loaded, task: Task, tmp_path: Path) -> None:
    asked = [AskedTask(task.head(3), ("containment",), SHORT)]
    first = task_counts(*loaded, asked, kept=Kept(tmp_path))
    with switch_off(loaded[0], NeuronSet.of(loaded[0].layout, {("decoder", 0): range(20)})):
        again = task_counts(*loaded, asked, kept=Kept(tmp_path))
    assert list(again) == list(first)
    assert all(torch.equal(again[group], part) for group, part in first.items())


def test_answers_of_several_tasks_are_kept_apart(loaded, task: Task, tmp_path: Path) -> None:
    asked = [
        AskedTask(replace(part, name=name), ("containment",), SHORT)
        for name, part in (("short", task.head(2)), ("long", task.head(5)))
    ]
    found = task_counts(*loaded, asked, kept=Kept(tmp_path))
    assert {group.task: len(part) for group, part in found.items()} == {"short": 2, "long": 5}


def test_what_contradicts_itself_is_refused(loaded, task: Task) -> None:
    asked = AskedTask(task, ("containment",))
    with pytest.raises(ConfigError, match="The tasks are called currency, currency"):
        task_counts(*loaded, [asked, asked])
    with pytest.raises(ConfigError, match="metrics 'guess'"):
        AskedTask(task, ("guess",))
    one, two = {Group("t", "de", "f1"): torch.zeros(2, 2)}, {Group("t", "de", "f1"): torch.zeros(3, 2)}
    with pytest.raises(ConfigError, match="before, after do not have the same scores"):
        task_moments({"before": one, "after": two}, [], Signature())


# ---- moments


def counts(*values: float) -> torch.Tensor:
    return torch.tensor([[value, 1.0] for value in values], dtype=torch.float64)


RIGHT, MEAN = Group("sums", "de", "numeric"), Group("sums", "de", "f1")


def numbered(values: torch.Tensor) -> torch.Tensor:
    """Counts of a numeric answer: right, unparsed, 1."""
    return torch.stack([values, torch.zeros_like(values), torch.ones_like(values)], 1).double()


@pytest.fixture
def moments() -> TaskMoments:
    before = torch.tensor([0.0] * 24 + [1.0] * 6)
    after = torch.tensor([0.0] * 4 + [1.0] * 24 + [0.0] * 2)
    f1 = torch.linspace(0, 1, 30)
    steady = {MEAN: torch.stack([f1, torch.ones(30)], 1).double()}
    return task_moments(
        {
            "before": {RIGHT: numbered(before)} | steady,
            "first": {RIGHT: numbered(before)} | steady,
            "second": {RIGHT: numbered(after), MEAN: torch.stack([1 - f1, torch.ones(30)], 1).double()},
        },
        [],
        Signature.of(model="m"),
    )


def test_scores_and_changes_are_paired_by_question(moments: TaskMoments) -> None:
    assert moments.moments == ("before", "first", "second")
    assert [moments.score(RIGHT, moment).value for moment in range(3)] == pytest.approx([20, 20, 80])
    assert moments.change(RIGHT, 1).value == 0
    change = moments.change(RIGHT, 2)
    rose, fell, t29 = 20 + 1, 2 + 1, 2.045230  # Bonett and Price
    middle = (rose - fell) / 32
    half = t29 * sqrt(((rose + fell) / 32 - middle**2) / 32)
    assert change.value == pytest.approx(60)
    assert (change.low, change.high) == pytest.approx((100 * (middle - half), 100 * (middle + half)))
    assert moments.p(RIGHT, 2) == mcnemar(torch.tensor([1.0] * 2 + [0.0] * 20), torch.tensor([0.0] * 2 + [1.0] * 20)).p
    assert moments.p(RIGHT, 1) == 1.0
    assert moments.change(MEAN, 2).value == pytest.approx(0, abs=1e-5)
    share = moments.score(RIGHT, 0)
    z, n, p = 1.959964, 30, 0.2
    wilson = (p + z * z / (2 * n)) / (1 + z * z / n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert (share.low, share.high) == pytest.approx((100 * (wilson[0] - wilson[1]), 100 * sum(wilson)), abs=1e-4)


def test_what_is_clear_is_one_family_and_knows_which_way_is_better(moments: TaskMoments) -> None:
    assert moments.changed(2) == ((RIGHT,), ())
    assert moments.changed(1) == ((), ())
    edits = Group("t", "de", "ter")  # fewer are better
    parts = [torch.stack([torch.full((20,), value), torch.ones(20)], 1).double() for value in (9.0, 3.0)]
    for part in parts:
        part[:, 0] += torch.arange(20) % 3
    parts[1][0, 0] += 1
    fewer = TaskMoments(("before", "after"), {edits: torch.stack(parts)}, Signature())
    assert fewer.change(edits, 1).high < 0
    assert fewer.changed(1) == ((edits,), ())


def test_a_weak_change_is_not_clear_among_many() -> None:
    """One of forty scores that change by chance at 0.03."""
    before = numbered(torch.tensor([0.0] * 7 + [1.0] * 20))
    after = numbered(torch.tensor([1.0] * 7 + [1.0] * 20))
    alone = TaskMoments(("a", "b"), {RIGHT: torch.stack([before, after])}, Signature())
    assert alone.changed(1)[0] == (RIGHT,)
    still = {Group(f"t{k}", "de", "numeric"): torch.stack([before, before]) for k in range(39)}
    many = TaskMoments(("a", "b"), {RIGHT: torch.stack([before, after])} | still, Signature())
    assert many.changed(1) == ((), ())


def test_the_report_has_every_moment(moments: TaskMoments) -> None:
    (section,) = Report([moments]).to_json()["sections"]
    assert section["sentence"].startswith(
        "At the last of 3 moments (second) answers are clearly better for sums, de, numeric answer by 60.0 ["
    )
    rows = section["tables"][0]["rows"]
    assert [row[5] for row in rows] == ["before", "first", "second"] * 2
    assert [row[6] for row in rows[:3]] == [20, 20, 80]
    assert rows[0][9:] == [None] * 4
    assert rows[2][9] == 60
