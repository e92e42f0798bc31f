"""Shortened texts come back as they were, whatever the text, and tokens that no tokenizer would write do no harm."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models.shortening import Shortening, pending_after, piece_bytes
from tests.prompting.tokenizers import tokenizer

TELUGU = "తెలుగు భాషలో ఇది ఒక వాక్యం."
THAI = "นี่คือประโยคภาษาไทย"
BYTE_KINDS = ("bytes", "bpe", "metaspace")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.text("తలక ไทย字🙂éabc \n", max_size=40)


def ids_of(built: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(built(text, add_special_tokens=False)["input_ids"])


def restored(pieces: tuple[bytes, ...], lead: int, ids: list[int]) -> list[int]:
    """From the definition: a beginning stands before every token that continues a character which none began."""
    whole: list[int] = []
    for token in ids:
        written = b"".join(pieces[other] or b"\n" for other in whole)
        if pieces[token] and pieces[token][0] in range(0x80, 0xC0) and is_whole(written):
            whole.append(lead)
        whole.append(token)
    return whole


def is_whole(written: bytes) -> bool:
    """Whether no character is open at the end; what is no text in itself does not count."""
    for back in range(1, min(4, len(written)) + 1):
        byte = written[-back]
        if byte >= 0xC0:
            return back >= 2 + (byte >= 0xE0) + (byte >= 0xF0)
        if byte < 0x80:
            return True
    return True


@pytest.mark.parametrize("kind", BYTE_KINDS)
def test_fewer_tokens_of_scripts_that_are_split_into_bytes(kind: str) -> None:
    built = tokenizer(kind)
    for text in (TELUGU, THAI):
        shortening = Shortening.of(built, [text])
        assert shortening is not None
        ids = ids_of(built, text)
        short = shortening.shorten(ids)
        assert shortening.pieces[shortening.lead][0] == 0xE0
        assert len(short) < 0.8 * len(ids)
        assert shortening.expand(short) == ids


@pytest.mark.parametrize("kind", BYTE_KINDS)
@settings(max_examples=300)
@given(texts=st.lists(TEXT, min_size=1, max_size=3), seed=st.integers(0, 2**16))
def test_the_tokens_of_every_text_come_back(kind: str, texts: list[str], seed: int) -> None:
    """Beside special tokens too, and with any token left out that begins a character."""
    built, drawn = tokenizer(kind), random.Random(seed)
    pieces = piece_bytes(built)
    shortening = Shortening.of(built, texts) or Shortening.of(built, [drawn.choice([TELUGU, THAI, "é", "字", "🙂"])])
    assert shortening is not None
    special = [drawn.choice(built.all_special_ids) for _ in texts if built.all_special_ids]
    ids = [token for text, end in zip(texts, special or [None] * len(texts)) for token in (*ids_of(built, text), end)]
    ids = [token for token in ids if token is not None]
    short = shortening.shorten(ids)
    assert shortening.expand(short) == ids == restored(pieces, shortening.lead, short)
    assert shortening.expand(ids) == ids  # what was not shortened stays as it is
    assert shortening.shorten(shortening.expand(short)) == short


@pytest.mark.parametrize("kind", BYTE_KINDS)
@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 30))
def test_any_tokens_that_a_model_may_write_are_expanded(kind: str, seed: int, length: int) -> None:
    built, drawn = tokenizer(kind), random.Random(seed)
    shortening = Shortening.of(built, [TELUGU])
    assert shortening is not None
    ids = [drawn.randrange(len(built)) for _ in range(length)]
    whole = shortening.expand(ids)
    left = iter(whole)
    assert all(any(token == other for other in left) for token in ids)  # nothing is lost, and the order stays
    assert shortening.expand(whole) == whole
    beyond = shortening.expand([len(built) + 5, *ids, -1])
    assert (beyond[0], beyond[-1]) == (len(built) + 5, -1)


def test_tokens_that_are_no_text_are_refused() -> None:
    built = tokenizer("metaspace")
    shortening = Shortening.of(built, [TELUGU])
    assert shortening is not None
    ids = ids_of(built, TELUGU)
    cut = next(position for position, token in enumerate(ids) if token == shortening.lead) + 1
    with pytest.raises(CorpusError, match="was not cut within a character"):
        shortening.shorten(ids[cut:])
    assert shortening.expand(shortening.shorten(ids[:cut])) == ids[:cut]


def test_nothing_is_left_out_where_every_character_is_a_token() -> None:
    assert Shortening.of(tokenizer("bytes"), ["plain words", ""]) is None
    assert Shortening.of(tokenizer("words"), [TELUGU, THAI]) is None


@pytest.mark.parametrize("lead", [-1, 10**6, "a", "continues"])
def test_only_a_token_that_begins_a_character_can_be_left_out(lead: int | str) -> None:
    pieces = piece_bytes(tokenizer("metaspace"))
    known = {"a": pieces.index(b"a"), "continues": pieces.index(bytes([0x85]))}
    with pytest.raises(ConfigError, match="begins a character and does not end it"):
        Shortening(known.get(lead, lead), pieces)  # type: ignore[arg-type]


def test_bytes_that_are_no_text_leave_nothing_open() -> None:
    assert pending_after(b"\x85\x86\x87", 1) == 0
    assert pending_after(b"\xe0\x85", 0) == 1
    assert [pending_after(bytes([byte])) for byte in (0x41, 0xBF, 0xC3, 0xDF, 0xE0, 0xEF, 0xF0)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
    ]


def test_a_beginning_within_a_character_and_ids_that_are_not_there_stay() -> None:
    shortening = Shortening(0, (b"\xe0", b"\xf0", b"a", b"\x80"))
    ids = [1, 0, 3, 3, 2]  # the character that begins first is never ended
    assert shortening.expand(shortening.shorten(ids)) == ids
    assert shortening.expand([-1, 2, 4]) == [-1, 2, 4]
    assert shortening.expand([3, -1, 3]) == [0, 3, -1, 0, 3]


def test_the_token_that_is_left_out_most_often_is_chosen() -> None:
    built = tokenizer("bytes")
    shortening = Shortening.of(built, ["é" * 3 + "త" * 5])
    assert shortening is not None
    assert shortening.pieces[shortening.lead] == b"\xe0"
    (first, second) = sorted(built.convert_tokens_to_ids(["Ã", "à"]))
    tied = Shortening.of(built, ["éత"])
    assert tied is not None
    assert (tied.lead, first < second) == (first, True)
