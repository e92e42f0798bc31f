"""The task that a command was asked to read."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from neuroglot.corpora import Task


def read_task(
    corpus: str,
    name: str | None,
    languages: tuple[str, ...] | None,
    on_missing: Literal["refuse", "drop"],
    limit: int | None,
) -> "Task":
    """A task from files, or the one of the lab's that is named; raises `ConfigError` where that is none of them."""
    from neuroglot import lab
    from neuroglot.cli.refusing import require_rows
    from neuroglot.corpora import load_task
    from neuroglot.errors import ConfigError

    require_rows(limit)
    if corpus != "lab":
        if name is not None:
            raise ConfigError(f"The task {name!r} was named for {corpus!r}.", "Only 'lab' holds several.")
        return load_task(corpus, languages=languages, on_missing=on_missing, limit=limit)
    tasks = {task.name: task for task in lab.tasks()}
    if name not in tasks:
        raise ConfigError(f"The lab's task {name!r} was asked for.", f"Expected --task, one of {', '.join(tasks)}.")
    task = tasks[name] if languages is None else tasks[name].select(languages)
    return task.head(limit)
