"""Token batches, padded on the right: by length, by language or by whole rows.

Beginnings that texts share and texts that come again are computed once, where a caller asks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from neuroglot.tokens.tokenizing import Text, TokenizedCorpus

TOKEN_BUDGET = 4096  # padded positions a batch; large enough that a small model's forward is not call overhead
WORTH_A_FORWARD = 0.25  # share of the budget from which on a batch ends where texts become
SIMILAR_LENGTH = 0.8  # shorter than this share of its longest
HELD_POSITIONS = 4  # a batch behind a shared beginning may hold this many times its budget in cached positions


@dataclass(frozen=True, eq=False)
class Batch:
    """Texts padded on the right, all `[B, T]`: `token_ids`, `real` (no padding), `special` (added by the tokenizer),
    `scored` (tokens whose probability is asked for).

    Where the texts begin alike, `prefix` holds that beginning as a batch of one, and the tensors only the rest. Each
    text stands for `times` equal ones.
    """

    texts: tuple[Text, ...]
    token_ids: Tensor
    real: Tensor
    special: Tensor
    scored: Tensor
    prefix: Batch | None = None
    times: int = 1

    @property
    def prefix_length(self) -> int:
        return 0 if self.prefix is None else self.prefix.token_ids.shape[1]

    def to(self, device: torch.device) -> Self:
        return self._with(lambda tensor: tensor.to(device))

    def of(self, rows: Sequence[int]) -> Self:
        """Some of its texts, by number, padded as they are."""
        return replace(self._with(lambda tensor: tensor[list(rows)]), texts=tuple(self.texts[row] for row in rows))

    def _with(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The batch with each of its tensors changed."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in tensors.items()}
        return replace(self, **changed)

    def halves(self, together: int) -> tuple[Batch, Batch] | None:
        """Two batches with the same texts, `together` at a time; None where there is only one such group."""
        groups = len(self.texts) // together
        if groups < 2:
            return None
        middle = groups // 2 * together
        parts = (self.texts[:middle], self.texts[middle:])
        first, second = (replace(pad(part, self.prefix_length), prefix=self.prefix, times=self.times) for part in parts)
        return first, second


def by_length(corpus: TokenizedCorpus, token_budget: int = TOKEN_BUDGET) -> list[Batch]:
    """Batches over all languages together, longest texts first; for scoring, where languages need not be apart."""
    return list(_cut(_longest_first(corpus.texts), token_budget))


def by_language(
    texts: Sequence[Text],
    languages: int,
    token_budget: int = TOKEN_BUDGET,
    min_prefix: int | None = None,
    equal_once: bool = True,
) -> Iterator[Batch]:
    """Batches of one language each, longest texts first, so that little is padded and memory peaks at once.

    Equal texts are computed once, unless `equal_once` is off. With `min_prefix`, so are beginnings of at least that
    many tokens that four texts or more have in common.
    """
    for language in range(languages):
        of_language = [text for text in texts if text.language == language]
        unique = _counted_once(of_language) if equal_once else {1: of_language}
        for times, same in sorted(unique.items()):
            for length, group in _by_prefix(same, min_prefix):
                for batch in _cut(_longest_first(group), token_budget, prefix_length=length):
                    yield replace(batch, times=times)


def by_row(texts: Sequence[Text], languages: int, token_budget: int = TOKEN_BUDGET) -> Iterator[Batch]:
    """Batches of whole rows: the texts of one row in all languages stand next to each other, in language order."""
    rows = [texts[start : start + languages] for start in range(0, len(texts), languages)]
    rows.sort(key=lambda row: (-max(len(text.token_ids) for text in row), row[0].row))
    yield from _cut([text for row in rows for text in row], token_budget, together=languages)


def pad(texts: Sequence[Text], prefix_length: int = 0) -> Batch:
    """One batch of what stands behind the first `prefix_length` tokens; padding repeats each text's last token, because
    models warn of padding tokens where they get no mask.
    """
    lengths = np.array([len(text.token_ids) - prefix_length for text in texts])
    real = np.arange(lengths.max()) < lengths[:, None]

    def padded(values: Sequence[Sequence[int]], dtype: type) -> Tensor:
        filled: np.ndarray = np.zeros(real.shape, dtype)
        filled[real] = np.fromiter(chain.from_iterable(value[prefix_length:] for value in values), dtype)
        return torch.from_numpy(filled)

    last = torch.tensor([text.token_ids[-1] for text in texts])
    token_ids = padded([text.token_ids for text in texts], np.int64)
    token_ids = torch.where(torch.from_numpy(real), token_ids, last[:, None])
    special, scored = (padded([getattr(text, name) for text in texts], np.bool_) for name in ("special", "scored"))
    return Batch(tuple(texts), token_ids, torch.from_numpy(real), special, scored)


def _longest_first(texts: Sequence[Text]) -> list[Text]:
    return sorted(texts, key=lambda text: (-len(text.token_ids), text.row, text.language))


def _counted_once(texts: Sequence[Text]) -> dict[int, list[Text]]:
    """The first of each group of equal texts, by how many there are."""
    equal: dict[tuple[object, ...], list[Text]] = {}
    for text in texts:
        equal.setdefault((text.token_ids, text.special, text.scored), []).append(text)
    unique: dict[int, list[Text]] = {}
    for group in equal.values():
        unique.setdefault(len(group), []).append(group[0])
    return unique


def _by_prefix(texts: list[Text], min_prefix: int | None) -> Iterator[tuple[int, list[Text]]]:
    """Texts that begin alike, each group with the length of its beginning; 0 for the group of all others."""
    if min_prefix is None:
        yield 0, texts
        return
    alone: list[Text] = []
    for group in _runs(sorted(texts, key=lambda text: text.token_ids), min_prefix):
        if len(group) < 4:
            alone.extend(group)
        else:
            yield _common(group[0], group[-1]), group  # in sorted order the outermost two have least in common
    if alone:
        yield 0, alone


def _runs(ordered: list[Text], min_prefix: int) -> Iterator[list[Text]]:
    """Cut where neighbours have fewer than `min_prefix` first tokens in common."""
    run: list[Text] = []
    for text in ordered:
        if run and _common(run[-1], text) < min_prefix:
            yield run
            run = []
        run.append(text)
    if run:
        yield run


def _common(first: Text, second: Text) -> int:
    """First tokens that both have, leaving each at least one that the tokenizer did not add."""
    end = min(len(text.special) - 1 - text.special[::-1].index(False) for text in (first, second))
    mine, other = (zip(text.token_ids[:end], text.special, text.scored) for text in (first, second))
    return next((place for place, (a, b) in enumerate(zip(mine, other)) if a != b), end)


def _cut(texts: Sequence[Text], token_budget: int, together: int = 1, prefix_length: int = 0) -> Iterator[Batch]:
    """Cut texts, already in falling order of length, into batches of whole groups of `together` texts.

    A batch ends before its budget where it would be padded much and is large enough to be worth a forward.
    """
    prefix = pad([texts[0].cut(prefix_length)]) if prefix_length else None
    lengths = [len(text.token_ids) for text in texts]
    start = 0
    while start < len(texts):
        longest = max(lengths[start : start + together])
        fitting = min(token_budget // (longest - prefix_length), HELD_POSITIONS * token_budget // longest)
        most = start + max(1, fitting // together) * together
        end = start + together
        while end < min(most, len(texts)):
            shortened = max(lengths[end : end + together]) < SIMILAR_LENGTH * longest
            if shortened and (end - start) * longest >= WORTH_A_FORWARD * token_budget:
                break
            end += together
        yield replace(pad(texts[start:end], prefix_length), prefix=prefix)
        start = end
