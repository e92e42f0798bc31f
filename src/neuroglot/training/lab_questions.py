"""Questions of the lab to train on, none of which is held out."""

from collections.abc import Iterable
from random import Random

from neuroglot.corpora.corpus import Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.lab import tasks


def lab_questions(name: str, rows: int, seed: int = 0) -> Task:
    """`rows` new questions of one of the lab's tasks, fewer where it has no more; needs the extra `lab`.

    They are of the side on which the lab model was trained, and drawn by another seed than its own. Raises
    `ConfigError` on an unknown name, and `CorpusError` should a question be one of those that are held out.
    """
    from neuroglot.lab.questions import QUESTIONS, make_task

    if name not in QUESTIONS or rows < 1:
        raise ConfigError(
            f"{rows} questions of the lab's task {name!r} were asked for.",
            f"Expected is one of {', '.join(QUESTIONS)}.",
        )
    task = make_task(name, rows, Random(f"{seed}/tuning/{name}"), held_out=False)
    refuse_held_out(task, tasks())
    return task


def refuse_held_out(task: Task, held_out: Iterable[Task]) -> None:
    """Raise `CorpusError` where a prompt is, in any language, one of the held-out tasks'."""
    for other in held_out:
        for language in set(task.languages) & set(other.languages):
            shared = set(task.prompts.texts[language]) & set(other.prompts.texts[language])
            if shared:
                raise CorpusError(
                    f"{task.name!r} has the held-out question {min(shared)!r}.", "Expected are other questions."
                )
