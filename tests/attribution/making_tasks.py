"""Tiny tasks of random words, with and without options."""

import random

from neuroglot.corpora.corpus import Corpus, Task
from tests.tiny import WORDS

LANGUAGES = ("de", "sw", "zh")


def tiny_task(rows: int = 6, options: int = 0, seed: int = 0, languages: tuple[str, ...] = LANGUAGES) -> Task:
    """Prompts of 2 to 9 words, answers of 1 to 3; option `r % options` is right in row r. First words differ."""
    generator = random.Random(seed)
    ids = tuple(f"row{row}" for row in range(rows))

    def words(count: int) -> str:
        return " ".join(generator.choices(WORDS, k=count))

    prompts = {g: tuple(words(generator.randint(2, 9)) for _ in ids) for g in languages}
    firsts = {g: [generator.sample(WORDS, max(1, options)) for _ in ids] for g in languages}
    candidates = [
        {g: tuple(f" {firsts[g][row][place]} {words(2)}" for row in range(rows)) for g in languages}
        for place in range(max(1, options))
    ]
    right = [row % max(1, options) for row in range(rows)]
    answers = {g: tuple(candidates[right[row]][g][row] for row in range(rows)) for g in languages}
    parts = tuple(Corpus(f"options {place}", ids, texts) for place, texts in enumerate(candidates))
    return Task("tiny", Corpus("prompts", ids, prompts), Corpus("answers", ids, answers), parts if options else ())
