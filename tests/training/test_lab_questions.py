"""Questions of the lab to train on: new ones, repeatable, none of them held out."""

from dataclasses import replace

import pytest

from neuroglot import lab
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.lab import lab_questions
from neuroglot.lab.questions import QUESTIONS, refuse_held_out


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_no_question_is_held_out_in_any_language(name: str) -> None:
    task = lab_questions(name, 60)
    (held_out,) = (other for other in lab.tasks() if other.name == name)
    assert len(task) == len(set(task.ids)) == 60
    assert set(task.languages) == set(held_out.languages)
    for language in task.languages:
        assert not set(task.prompts.texts[language]) & set(held_out.prompts.texts[language])
        assert all(answer.endswith("\n") for answer in task.answers.texts[language])


def test_the_seed_alone_says_which() -> None:
    assert lab_questions("iso_date", 20, 1).hash == lab_questions("iso_date", 20, 1).hash
    one, other = (set(lab_questions("iso_date", 20, seed).prompts.texts["en"]) for seed in (0, 1))
    assert len(one & other) < 5


def test_one_held_out_question_in_one_language_is_enough_to_refuse() -> None:
    task, held_out = lab_questions("iso_date", 3), next(task for task in lab.tasks() if task.name == "iso_date")
    refuse_held_out(task, [held_out])
    swahili = (*task.prompts.texts["sw"][:2], held_out.prompts.texts["sw"][7])
    mixed = replace(task, prompts=replace(task.prompts, texts={**task.prompts.texts, "sw": swahili}))
    with pytest.raises(CorpusError, match="held-out question 'Tarehe"):
        refuse_held_out(mixed, [held_out])


def test_unknown_tasks_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'poetry'.*iso_date"):
        lab_questions("poetry", 3)
    with pytest.raises(ConfigError, match="0 questions"):
        lab_questions("iso_date", 0)
