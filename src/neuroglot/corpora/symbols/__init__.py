"""Symbol-LLM's tasks as data, small generators of our own for each of its domains, and Symbol-evol."""

from neuroglot.corpora.symbols.drawn import SymbolRow
from neuroglot.corpora.symbols.renaming import Renaming, drawn_renaming, renamed, restored
from neuroglot.corpora.symbols.rows import GENERATORS, symbol_corpus, symbol_rows, symbol_source, symbol_task
from neuroglot.corpora.symbols.table import SYMBOL_TASKS, SymbolTask

__all__ = [
    "GENERATORS", "SYMBOL_TASKS", "Renaming", "SymbolRow", "SymbolTask", "drawn_renaming", "renamed", "restored",
    "symbol_corpus", "symbol_rows", "symbol_source", "symbol_task",
]  # fmt: skip
