"""Questions of a task as tokens: each prompt alone and with each of its possible answers, whole rows or not at all.

Evaluation, deactivation and attribution read the same `Questions`, so that a task has the same rows in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.tokens.batches import Batch, by_length, by_row
from neuroglot.tokens.examples import Unfit, examples
from neuroglot.tokens.tokenizing import Text, TokenizedCorpus
from neuroglot.tokens.unknown import UnknownTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COLLISION = "two options begin with the same token"


@dataclass(frozen=True)
class Questions:
    """R rows in G languages that can be scored, row by row and each row in the order of the languages.

    `prompts [R·G]`; `wholes [R·G·C]`: each prompt with each of its C possible answers, whose tokens are `scored`;
    `right [R]`: which of them is the right one, the only one if the task has no options. `rows` are the places of the R
    rows in `task`; `dropped` counts the others by reason, those that the task's reader left out among them.
    """

    task: Task
    rows: tuple[int, ...]
    prompts: tuple[Text, ...]
    wholes: tuple[Text, ...]
    right: tuple[int, ...]
    dropped: Mapping[str, int]

    @property
    def languages(self) -> tuple[str, ...]:
        return self.task.languages

    @property
    def answers(self) -> int:
        """C, the possible answers of a question."""
        return len(self.wholes) // len(self.prompts)

    def of_row(self, row: int) -> tuple[tuple[Text, ...], ...]:
        """The wholes of one row: `[G][C]`."""
        start, size = row * len(self.languages) * self.answers, self.answers
        return tuple(self.wholes[start + g * size : start + (g + 1) * size] for g in range(len(self.languages)))

    def answered(self) -> TokenizedCorpus:
        """Each prompt with its right answer."""
        texts = [
            replace(candidates[self.right[row]], row=row, language=g)
            for row in range(len(self.rows))
            for g, candidates in enumerate(self.of_row(row))
        ]
        ids = tuple(self.task.ids[row] for row in self.rows)
        left_out = sorted(set(range(len(self.task))) - set(self.rows))
        return TokenizedCorpus(self.languages, ids, tuple(texts), tuple(self.task.ids[row] for row in left_out))

    def groups(self, token_budget: int) -> Iterator[Batch]:
        """Prompts in batches of whole rows."""
        return by_row(self.prompts, len(self.languages), token_budget)

    def batches(self, rows: Sequence[int], token_budget: int) -> list[Batch]:
        """The wholes of these rows in batches of similar length; `Text.row` is the place in `[rows · G · C]`."""
        texts = [text for row in rows for candidates in self.of_row(row) for text in candidates]
        numbered = tuple(replace(text, row=index) for index, text in enumerate(texts))
        return by_length(TokenizedCorpus(self.languages, (), numbered, ()), token_budget)

    def take(self, rows: Sequence[int], dropped: Mapping[str, int]) -> Questions:
        """These of the R rows; `dropped` counts by reason why the others are left out."""
        prompts = [self.prompts[row * len(self.languages) + g] for row in rows for g in range(len(self.languages))]
        wholes = [text for row in rows for candidates in self.of_row(row) for text in candidates]
        counts = Counter(self.dropped) + Counter(dropped)
        size = len(self.languages)
        return Questions(
            self.task,
            tuple(self.rows[row] for row in rows),
            tuple(replace(text, row=index // size) for index, text in enumerate(prompts)),
            tuple(replace(text, row=index // (size * self.answers)) for index, text in enumerate(wholes)),
            tuple(self.right[row] for row in rows),
            dict(counts),
        )


def read_questions(
    tokenizer: PreTrainedTokenizerBase, task: Task, max_tokens: int | None, unfit: Unfit = "drop"
) -> Questions:
    """Tokenise a task; a row that is unfit in one language, or with one option, is dropped in all, or refused.

    `tokens.examples` says what is unfit. Raises `CorpusError` for rows to refuse, if no row is left, and for a language
    whose prompts or answers the tokenizer does not know.
    """
    candidates = task.options or (task.answers,)
    items = [
        (task.prompts.texts[g][row], part.texts[g][row])
        for row in range(len(task)) for g in task.languages for part in candidates
    ]  # fmt: skip
    row_size = len(task.languages) * len(candidates)
    encoded = examples(tokenizer, items, unfit=unfit, max_tokens=max_tokens, row_size=row_size)
    dropped = dict(Counter(task.dropped) + Counter(encoded.dropped))
    if not encoded.kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise CorpusError(
            f"No row of task {task.name!r} is left ({reasons}).",
            "Expected prompts whose tokens are the beginning of those of prompt and answer together.",
            "Move the space between them to the other side, or take a model with a longer context.",
        )
    wholes = tuple(replace(text, language=text.language // len(candidates)) for text in encoded.texts)
    firsts = wholes[:: len(candidates)]
    prompts = tuple(replace(text.cut(text.scored.index(True)), scored_bytes=0) for text in firsts)
    right = task.right if task.options else (0,) * len(task)
    for texts in (prompts, wholes):
        UnknownTokens(tokenizer, task.languages).count(texts).refuse()
    return Questions(task, encoded.kept, prompts, wholes, tuple(right[row] for row in encoded.kept), dropped)


Target = tuple[int, ...]  # a token, and those it is held against


@dataclass(frozen=True, eq=False)
class Targets:
    """`of_rows[r][g]` is the target of row r of `questions` in language g.

    `collisions` counts by language the rows in which options begin with the same token (no language without options).
    """

    questions: Questions
    of_rows: tuple[tuple[Target, ...], ...]
    collisions: Mapping[str, int]

    def first_tokens(self) -> dict[str, int]:
        """How many different tokens the answers begin with, by language."""
        languages = self.questions.languages
        return {language: len({row[g][0] for row in self.of_rows}) for g, language in enumerate(languages)}


def find_targets(questions: Questions, contrastive: bool = False) -> Targets:
    """The first token of every right answer; if `contrastive`, held against those of the wrong options.

    The paper's code takes the token at the place where the prompt alone ends, whatever was merged; here a row whose
    prompt and answer share a token is not among the questions. Rows whose options begin alike are left out if
    `contrastive`. Raises `ConfigError` if `contrastive` lacks options, `CorpusError` if no row is left.
    """
    task = questions.task
    if contrastive and not task.options:
        raise ConfigError(
            f"Task {task.name!r} has no options.",
            "Expected options, because a contrastive target holds the right one against the wrong ones.",
            "Leave contrastive out.",
        )
    firsts = [[_first_tokens(candidates) for candidates in questions.of_row(r)] for r in range(len(questions.rows))]
    collides = [[len(set(tokens)) < len(tokens) for tokens in row] for row in firsts]
    kept = [row for row, flags in enumerate(collides) if not (contrastive and any(flags))]
    if not kept:
        raise CorpusError(
            f"No row of task {task.name!r} is left ({COLLISION}: {len(firsts)}).",
            "Expected options whose first tokens differ in every language.",
            "Leave contrastive out.",
        )
    collisions = {g: sum(row[index] for row in collides) for index, g in enumerate(task.languages) if task.options}
    targets = tuple(tuple(_target(tokens, questions.right[r], contrastive) for tokens in firsts[r]) for r in kept)
    left_out = {COLLISION: len(firsts) - len(kept)} if len(kept) < len(firsts) else {}
    return Targets(questions.take(kept, left_out), targets, collisions)


def _first_tokens(candidates: Sequence[Text]) -> list[int]:
    return [text.token_ids[text.scored.index(True)] for text in candidates]


def _target(firsts: Sequence[int], right: int, contrastive: bool) -> Target:
    others = tuple(token for index, token in enumerate(firsts) if index != right)
    return (firsts[right], *others) if contrastive else (firsts[right],)
