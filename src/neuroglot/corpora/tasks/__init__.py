"""Tasks read from files: prompts with one right answer in every language, and options where there is a choice.

To add a layout, write a function `(path, languages, on_missing, **options) -> Task` that reads its files with the
readers of `corpora`, aligns them with `rows.align_fields` and builds the task with `rows.build`; then add a record to
the table in `loading.py`.
"""

from neuroglot.corpora.tasks.loading import is_task, load_task

__all__ = ["is_task", "load_task"]
