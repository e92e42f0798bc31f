"""Parallel inputs: the same input in several languages, checked, for prompts that show them together."""

from neuroglot.corpora.parallel_inputs.adapters import from_corpora, from_task, join_on_original
from neuroglot.corpora.parallel_inputs.items import Fault, ParallelInputs, ParallelItem, language_of
from neuroglot.corpora.parallel_inputs.reading import audit_released, read_released

__all__ = [
    "Fault",
    "ParallelInputs",
    "ParallelItem",
    "audit_released",
    "from_corpora",
    "from_task",
    "join_on_original",
    "language_of",
    "read_released",
]
