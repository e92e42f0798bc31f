"""Targets: the first token of each answer, found where it can be told apart from the prompt, and of each option."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHARED = "prompt and answer share a token"
ENDED = "the tokenizer ends the prompt with a special token"
NO_TOKEN = "an answer has no token"
COLLISION = "two options begin with the same token"

Target = tuple[int, ...]  # a token, and those it is held against


@dataclass(frozen=True, eq=False)
class Targets:
    """`of[r][g]` is the target of row r of `task`, which holds the rows that are left, in language g.

    `dropped` counts by reason the rows that were left out in all languages, `collisions` by language those in which
    options begin with the same token (in no language where there are no options).
    """

    task: Task
    of: tuple[tuple[Target, ...], ...]
    dropped: Mapping[str, int]
    collisions: Mapping[str, int]

    def first_tokens(self, rows: Sequence[int]) -> dict[str, int]:
        """How many different tokens the answers of these rows begin with, by language."""
        return {g: len({self.of[row][place][0] for row in rows}) for place, g in enumerate(self.task.languages)}


def find_targets(tokenizer: PreTrainedTokenizerBase, task: Task, contrastive: bool = False) -> Targets:
    """The first token of every answer, given its prompt; where `contrastive`, held against those of the wrong options.

    Prompt and answer are tokenised together, and the prompt's tokens must be the beginning. Where they are not in some
    language, the row is left out in all: categories are defined over all languages. Where we differ from the paper's
    code, which takes the token at the place where the prompt alone ends, whatever was merged. Raises `ConfigError`
    where `contrastive` lacks options, `CorpusError` where no row is left.
    """
    if contrastive and not task.options:
        raise ConfigError(
            f"Task {task.name!r} has no options.",
            "A contrastive target holds the right option against the wrong ones.",
            "Leave contrastive out.",
        )
    found = [_LanguageTargets(tokenizer, task, language) for language in task.languages]
    dropped: Counter[str] = Counter()
    kept = []
    for row in range(len(task)):
        problems = [one.problem(row) for one in found]
        problems += [COLLISION for one in found if contrastive and one.collides(row)]
        reason = next((problem for problem in problems if problem), None)
        dropped.update([reason] if reason else [])
        kept += [] if reason else [row]
    if not kept:
        why = ", ".join(f"{reason}: {rows}" for reason, rows in dropped.items())
        raise CorpusError(
            f"No row of task {task.name!r} is left ({why}).",
            "Expected is at least one in which the answer's first token can be told in every language.",
            "Move the space between prompt and answer to the other side.",
        )
    targets = tuple(tuple(one.target(row, contrastive) for one in found) for row in kept)
    collisions = {language: one.collisions() for language, one in zip(task.languages, found) if task.options}
    return Targets(task.take(kept), targets, dict(dropped), collisions)


class _LanguageTargets:
    """First tokens of one language: of each row's answer, or of each of its options."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, task: Task, language: str) -> None:
        prompts = _tokens(tokenizer, task.prompts.texts[language])
        candidates: Sequence[Corpus] = task.options or (task.answers,)
        self.right = task.right if task.options else (0,) * len(task)
        self.first: list[list[int | str]] = [[] for _ in prompts]  # a token, or why there is none
        for candidate in candidates:
            joined = [p + a for p, a in zip(task.prompts.texts[language], candidate.texts[language], strict=True)]
            for row, (prompt, whole) in enumerate(zip(prompts, _tokens(tokenizer, joined), strict=True)):
                self.first[row].append(first_behind(prompt, whole))

    def problem(self, row: int) -> str | None:
        return next((found for found in self.first[row] if isinstance(found, str)), None)

    def collides(self, row: int) -> bool:
        return self.problem(row) is None and len(set(self.first[row])) < len(self.first[row])

    def collisions(self) -> int:
        return sum(self.collides(row) for row in range(len(self.first)))

    def target(self, row: int, contrastive: bool) -> Target:
        tokens = [int(token) for token in self.first[row]]
        right = tokens.pop(self.right[row])
        return (right, *tokens) if contrastive else (right,)


Tokens = tuple[Sequence[int], Sequence[int]]  # of one text: ids, and flags of those that the tokenizer added


def first_behind(prompt: Tokens, whole: Tokens) -> int | str:
    """The first token of `whole` that stands behind `prompt`, or the reason why there is none."""
    ids, special = prompt
    if special[-1:] and special[-1] and not all(special):
        return ENDED
    if list(whole[0][: len(ids)]) != list(ids):
        return SHARED
    behind = [token for token, added in zip(whole[0][len(ids) :], whole[1][len(ids) :]) if not added]
    return behind[0] if behind else NO_TOKEN


def _tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Tokens]:
    encoded = tokenizer(
        list(texts), padding=False, truncation=False, return_special_tokens_mask=True, verbose=False
    )  # fmt: skip
    return list(zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True))
