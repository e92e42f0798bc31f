"""Tokens that a tokenizer does not know: what a model makes of `<unk>` is no reading of the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from neuroglot.errors import CorpusError
from neuroglot.signature import Signature
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNKNOWN_SHARE = 0.5


class UnknownTokens:
    """How many tokens of texts in G languages, or directions, are the tokenizer's unknown one; sides of pairs apart."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, languages: tuple[str, ...]) -> None:
        self.tokenizer, self.languages = tokenizer, languages
        self.unknown: Counter[tuple[int, int]] = Counter()
        self.tokens: Counter[tuple[int, int]] = Counter()

    def count(self, texts: Iterable[Text]) -> UnknownTokens:
        """And those of these texts; itself."""
        unknown = self.tokenizer.unk_token_id
        is_end_too = unknown == self.tokenizer.eos_token_id  # as of GPT-2, whose texts end with `<|endoftext|>`
        for text in texts if unknown is not None else ():
            for side, tokens in enumerate(text.sides):
                own = tokens[:-1] if is_end_too and tokens and tokens[-1] == unknown else tokens
                self.unknown[text.language, side] += own.count(unknown)
                self.tokens[text.language, side] += len(own)
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of unknown tokens by language, of a pair's worse side; languages that have none are left out."""
        shares: dict[str, float] = {}
        for (index, side), count in self.unknown.items():
            if count:
                language, share = self.languages[index], count / self.tokens[index, side]
                shares[language] = max(share, shares.get(language, 0.0))
        return shares

    @property
    def signature(self) -> Signature:
        """What signatures say of them; nothing if there are none."""
        told = ",".join(f"{language}:{share:.3f}" for language, share in self.shares.items())
        return Signature.of(unknown_tokens=told) if told else Signature()

    def refuse(self) -> UnknownTokens:
        """Itself; raises `CorpusError` for a language of which half of the tokens or more are unknown."""
        wrong = {language: share for language, share in self.shares.items() if share >= UNKNOWN_SHARE}
        if not wrong:
            return self
        listed = ", ".join(f"{share:.0%} in {language!r}" for language, share in wrong.items())
        raise CorpusError(
            f"The tokenizer does not know the text: {listed} of the tokens are {self.tokenizer.unk_token!r}.",
            f"Expected less than {UNKNOWN_SHARE:.0%}: what a model makes of unknown tokens says nothing of the text.",
            "Leave these languages out, or take a model that has them.",
        )
