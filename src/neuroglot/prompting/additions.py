"""What controls add to a prompt in place of translations: texts of another row, or filler of equal length."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from neuroglot.corpora.parallel_inputs.items import ParallelItem
from neuroglot.errors import ConfigError
from neuroglot.prompting.settings import Setting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Measure = Callable[[str], int]
NEARBY = 24  # characters around the likely cut in which one with exactly as many tokens is looked for
STARTS = 200  # beginnings of the filler that are tried
FILLER_ROWS = 20


def added_text(
    item: ParallelItem, setting: Setting, field: str, column: str, donors: Sequence[ParallelItem], seed: int,
    measure: Measure,
) -> str:  # fmt: skip
    """The text of a column in this setting: the item's own, another row's, or filler as long as the item's own."""
    own = item.fields[field][column]
    if column == setting.main or setting.added == "own":
        return own
    others = unlike(item, donors, seed)
    if setting.added == "shuffled":
        return others[0].fields[field][column]
    words = [word for other in others[:FILLER_ROWS] for word in other.fields[field][setting.main].split()]
    # each column of the prompt begins at another word
    start = random.Random(f"{seed} {item.id} {field} {column}").randrange(len(words))
    return _cut(words[start:] + words[:start], measure(own), measure, item.id)


def unlike(item: ParallelItem, donors: Sequence[ParallelItem], seed: int) -> list[ParallelItem]:
    """The donors with other originals in every field, from a place that seed and id of the item choose.

    The list is the same for every setting. Raises `ConfigError` where there is none.
    """
    start = random.Random(f"{seed} {item.id}").randrange(len(donors)) if donors else 0
    turned = [*donors[start:], *donors[:start]]
    found = [other for other in turned if not _share_a_text(item, other)]
    if not found:
        raise ConfigError(
            f"No other row is there to draw from for item {item.id!r}.",
            "Shuffled rows and filler need at least one whose original text is another.",
        )
    return found


def _share_a_text(item: ParallelItem, other: ParallelItem) -> bool:
    return any(
        columns[item.original] == other.fields[field][other.original]
        for field, columns in item.fields.items()
        if field in other.fields
    )


def length_in(tokenizer: PreTrainedTokenizerBase | None) -> Measure:
    """How long a text is: in characters, or in tokens of the tokenizer as they are behind a label and a space."""
    if tokenizer is None:
        return len
    return lambda text: len(tokenizer(f" {text}", add_special_tokens=False)["input_ids"])


def _cut(words: Sequence[str], length: int, measure: Measure, item_id: str) -> str:
    """A stretch of the words, repeated where needed, that is exactly so long; raises `ConfigError` where none is."""
    for start in range(min(len(words), STARTS)):
        stream = once = " ".join([*words[start:], *words[:start]])
        while 0 < measure(stream) <= length:
            stream += f" {once}"
        likely = bisect_left(range(len(stream)), length, key=lambda end: measure(stream[:end]))
        for end in range(max(1, likely - NEARBY), min(len(stream), likely + NEARBY) + 1):
            text = stream[:end]
            if text[-1] == " ":  # a space at the end is lost on the way to many models
                text = f"{text[:-1]}."
            if measure(text) == length:
                return text
    raise ConfigError(
        f"No filler of exactly {length} tokens or characters was found for item {item_id!r}.",
        "Expected is other rows whose text can be cut at that length.",
        "Match the length in characters (tokenizer=None), or give more rows.",
    )
