"""Fertility: how many tokens a tokenizer needs for the same text in each language."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from neuroglot.metrics.intervals import Score, by_rows
from neuroglot.showing import Shown, counted, languages_in_short, scores_in_short
from neuroglot.signature import Signature


@dataclass(frozen=True, eq=False, repr=False)
class Fertility(Shown):
    """Counts of R parallel rows in G languages, each `[R, G]`: tokens without special ones, characters (code points),
    bytes of UTF-8, `parts` (tokens that hold a part of a character only) and `saved` (tokens that a `Shortening` leaves
    out, chosen on other rows).

    `leads` are the bytes of the tokens that it leaves out, by language; rows that share a text are summed. Intervals
    are over rows.
    """

    data: str
    languages: tuple[str, ...]
    relative_to: str
    tokens: Tensor
    characters: Tensor
    utf8_bytes: Tensor
    parts: Tensor
    saved: Tensor
    leads: tuple[tuple[str, ...], ...]
    signature: Signature

    def _facts(self) -> list[str]:
        return [self.data, counted(self.tokens.shape[0], "row"), languages_in_short(self.languages)]

    def _numbers(self) -> str:
        return scores_in_short(self.per_character, "tokens per character")

    @property
    def per_character(self) -> dict[str, Score]:
        """Tokens per character."""
        return self._ratio(self.tokens, self.characters)

    @property
    def per_byte(self) -> dict[str, Score]:
        """Tokens per byte of UTF-8."""
        return self._ratio(self.tokens, self.utf8_bytes)

    @property
    def relative(self) -> dict[str, Score]:
        """Tokens of the same rows over those of the language `relative_to`, which is 1 by definition."""
        index = self.languages.index(self.relative_to)
        ratios = by_rows(self.tokens).map(lambda sums: sums / sums[..., index : index + 1]).scores()
        return {
            language: Score.exact(1.0) if language == self.relative_to else ratio
            for language, ratio in zip(self.languages, ratios, strict=True)
        }

    @property
    def of_parts(self) -> dict[str, Score]:
        """Share of the tokens that hold a part of a character only."""
        return self._ratio(self.parts, self.tokens)

    @property
    def saving(self) -> dict[str, Score]:
        """Share of the tokens that shortening leaves out."""
        return self._ratio(self.saved, self.tokens)

    def fewer_than(self, other: Fertility) -> dict[str, Score]:
        """Share of another tokenizer's tokens that this one saves on the same rows."""
        return self._ratio(other.tokens - self.tokens, other.tokens)

    def _ratio(self, over: Tensor, under: Tensor) -> dict[str, Score]:
        import torch

        ratios = by_rows(torch.stack([over, under], -1)).map(lambda sums: sums[..., 0] / sums[..., 1])
        return dict(zip(self.languages, ratios.scores(), strict=True))
