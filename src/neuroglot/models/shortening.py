"""Shorter texts in scripts that a tokenizer splits into bytes: the commonest beginning of a character is left out.

A character that is no token is written as several, of which the first says how many bytes follow. Where a token begins
with a byte that only continues a character, and none is open, the beginning that was left out must stand before it:
so it can be left out without a map of characters, and put back from the bytes alone. The vocabulary-sharing study
(arXiv 2311.09071) leaves out one token too, and puts it back by a map of pairs, which loses text that is not in the
map; this codec is our own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from transformers.convert_slow_tokenizer import bytes_to_unicode

from neuroglot.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BYTE_PIECE = re.compile("<0x([0-9A-F]{2})>")  # of SentencePiece with a fallback to bytes
FIRST_CONTINUING, FIRST_BEGINNING = 0x80, 0xC0  # a byte of UTF-8 between them continues a character


def piece_bytes(tokenizer: PreTrainedTokenizerBase) -> tuple[bytes, ...]:
    """The bytes of each token, by id, so far as they tell where characters begin; none of special and added ones.

    Tokenizers know bytes in two ways: all pieces are written in an alphabet of 256 letters (GPT-2, Llama 3, Qwen), or
    single pieces stand for bytes (`<0xE0>`: SentencePiece of Llama 2, Gemma), and all others for whole characters.
    """
    added = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    alphabet = {letter: byte for byte, letter in bytes_to_unicode().items()} if _is_byte_level(tokenizer) else None
    return tuple(
        b"" if piece is None or (index in added and not BYTE_PIECE.fullmatch(piece)) else _bytes_of(piece, alphabet)
        for index, piece in enumerate(pieces)
    )


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether pieces are written in the alphabet of bytes: a text beyond ASCII tells."""
    letters = set(bytes_to_unicode().values())
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("ß ж ก 字 🙂", add_special_tokens=False)["input_ids"])
    return all(set(piece) <= letters for piece in pieces) and any("Ã" in piece or "Ð" in piece for piece in pieces)


def _bytes_of(piece: str, alphabet: dict[str, int] | None) -> bytes:
    if alphabet is not None:
        return bytes(alphabet[letter] for letter in piece) if set(piece) <= alphabet.keys() else b""
    if byte := BYTE_PIECE.fullmatch(piece):
        return bytes([int(byte[1], 16)])
    return piece.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Shortening:
    """Leaves out the token `lead`, wherever what follows tells that it stood there; `pieces` are the bytes of each
    token, by id.
    """

    lead: int
    pieces: tuple[bytes, ...]

    def __post_init__(self) -> None:
        known = 0 <= self.lead < len(self.pieces)
        if not known or not pending_after(self.pieces[self.lead]) or continues(self.pieces[self.lead]):
            raise ConfigError(
                f"The token {self.lead} was to be left out.",
                "Expected one that begins a character and does not end it.",
                "Let `Shortening.of` find it.",
            )

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Shortening | None:
        """That of the token which these texts have most; None if they have no character of several tokens."""
        ids = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts)
        return cls.by_ids(piece_bytes(tokenizer), ids)

    @classmethod
    def by_ids(cls, pieces: tuple[bytes, ...], texts: Iterable[Sequence[int]]) -> Shortening | None:
        """As `of`, from the tokens of texts, and the bytes of each token."""
        leads: Counter[int] = Counter()
        for ids in texts:
            leads.update(open_tokens(pieces, ids))
        return cls(min(leads, key=lambda lead: (-leads[lead], lead)), pieces) if leads else None

    def shorten(self, ids: Sequence[int]) -> list[int]:
        """The tokens without every `lead` that `expand` puts back; raises `CorpusError` as `kept` does."""
        return [ids[position] for position in self.kept(ids)]

    def kept(self, ids: Sequence[int]) -> list[int]:
        """Where the tokens stand that are not left out.

        Raises `CorpusError` for tokens that are no text, because one continues a character that none began: they
        would not come back as they were.
        """
        positions: list[int] = []
        pending = 0
        for position, token in enumerate(ids):
            if pending == 0 and continues(self._piece(token)):
                raise CorpusError(
                    f"Token {position} ({token}) continues a character that no token began.",
                    "Expected the tokens of a text, which was not cut within a character.",
                )
            following = self._piece(ids[position + 1]) if position + 1 < len(ids) else b""
            if not (token == self.lead and pending == 0 and continues(following)):
                positions.append(position)
            pending = pending_after(self._piece(token), pending)
        return positions

    def expand(self, ids: Iterable[int]) -> list[int]:
        """The tokens with `lead` before each that continues a character which none began; of any ids."""
        whole: list[int] = []
        pending = 0
        for token in ids:
            if pending == 0 and continues(self._piece(token)):
                whole.append(self.lead)
                pending = pending_after(self.pieces[self.lead])
            whole.append(token)
            pending = pending_after(self._piece(token), pending)
        return whole

    def _piece(self, token: int) -> bytes:
        """Its bytes; none of an id that the tokenizer does not have, as a padded vocabulary has them."""
        return self.pieces[token] if 0 <= token < len(self.pieces) else b""


def continues(piece: bytes) -> bool:
    """Whether the first byte belongs to a character that was begun before."""
    return bool(piece) and FIRST_CONTINUING <= piece[0] < FIRST_BEGINNING


def pending_after(piece: bytes, pending: int = 0) -> int:
    """How many bytes the last character still lacks, with so many lacking before the piece."""
    if not piece:
        return 0
    for byte in piece:
        if byte >= FIRST_BEGINNING:
            pending = 1 + (byte >= 0xE0) + (byte >= 0xF0)
        else:
            pending = max(0, pending - 1) if byte >= FIRST_CONTINUING else 0
    return pending


def open_tokens(pieces: Sequence[bytes], ids: Sequence[int]) -> Iterator[int]:
    """The tokens that begin with whole characters, or none, and leave the last one to the next token."""
    pending = 0
    for token, following in pairwise(ids):
        after = pending_after(pieces[token], pending)
        if pending == 0 and after and continues(pieces[following]):
            yield token
        pending = after
