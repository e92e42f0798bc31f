"""What is read: parallel corpora, tasks with one right answer, and the codes and directions of their languages."""

from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.languages import is_right_to_left, language_code, language_name
from neuroglot.corpora.loading import load
from neuroglot.corpora.seen import text_hashes
from neuroglot.corpora.tasks import load_task

__all__ = [
    "Corpus", "Directed", "OnMissing", "Task", "is_right_to_left", "language_code", "language_name", "load",
    "load_task", "text_hashes",
]  # fmt: skip
