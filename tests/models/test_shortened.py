"""A shortened tokenizer: what it writes is what the plain one writes without a token, and it reads it back."""

import copy
import json
import pickle
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from neuroglot.corpora import Corpus
from neuroglot.errors import ArtifactError, ConfigError, UnsupportedModelError
from neuroglot.experiments.fertility import fertility
from neuroglot.generation.vllm import VllmBackend
from neuroglot.models.loading import load_tokenizer
from neuroglot.models.provenance import tokenizer_signature
from neuroglot.models.shortened import SHORTENED, as_saved, left_out_token, shortened
from neuroglot.models.shortening import Shortening
from neuroglot.tokens.tokenizing import token_ids_of
from neuroglot.tokens.vocabulary import extend_vocabulary
from tests.models.test_shortening import BYTE_KINDS, TELUGU, TEXT, THAI
from tests.prompting.tokenizers import CHATML, tokenizer


def pair(kind: str) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase, Shortening]:
    built = tokenizer(kind)
    codec = Shortening.of(built, [TELUGU, THAI])
    assert codec is not None
    return built, shortened(built, codec.lead), codec


@pytest.mark.parametrize("kind", BYTE_KINDS)
@settings(max_examples=150)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_it_leaves_out_what_the_codec_leaves_out_and_reads_it_back(kind: str, texts: list[str]) -> None:
    """Ids, flags and edges stay together; one text gives what it gives in a batch."""
    built, short, codec = pair(kind)
    whole = built(texts, return_special_tokens_mask=True, return_offsets_mapping=True)
    encoding = token_ids_of(short, texts, offsets=True)
    for row, text in enumerate(texts):
        ids = list(whole["input_ids"][row])
        assert encoding["input_ids"][row] == codec.shorten(ids) == short(text)["input_ids"]
        rows = zip(ids, whole["special_tokens_mask"][row], whole["offset_mapping"][row], strict=True)
        kept = iter(zip(*(encoding[name][row] for name in ("input_ids", "special_tokens_mask", "offset_mapping"))))
        current = next(kept, None)
        for token in rows:  # what is kept is a part of the whole, in its order
            current = next(kept, None) if token == current else current
        assert current is None
        assert short.decode(encoding["input_ids"][row]) == built.decode(ids)


@pytest.mark.parametrize("kind", BYTE_KINDS)
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 30))
def test_any_ids_are_decoded_and_plain_text_as_before(kind: str, seed: int, length: int) -> None:
    built, short, codec = pair(kind)
    drawn = random.Random(seed)
    ids = [drawn.randrange(len(built)) for _ in range(length)]
    assert short.decode(ids) == built.decode(codec.expand(ids))
    assert short.batch_decode([ids, ids[:3]]) == [short.decode(ids), short.decode(ids[:3])]
    assert short("Der Hund")["input_ids"] == built("Der Hund")["input_ids"]


def test_it_is_copied_sent_to_other_processes_and_tokenises_as_it_encodes() -> None:
    built, short, codec = pair("bpe")
    for other in (copy.copy(short), copy.deepcopy(short), pickle.loads(pickle.dumps(short))):  # noqa: S301
        assert left_out_token(other) == codec.lead
        assert other(TELUGU)["input_ids"] == short(TELUGU)["input_ids"]
        assert other.init_kwargs == short.init_kwargs
    assert left_out_token(built) is None
    assert SHORTENED not in built.init_kwargs
    ids = short(TELUGU, return_length=True)
    assert short.tokenize(TELUGU) == short.convert_ids_to_tokens(ids["input_ids"])
    assert ids["length"] == [len(ids["input_ids"])]
    assert short(TELUGU, return_length=True).keys() == built(TELUGU, return_length=True).keys()
    assert short([TELUGU, "a"], return_length=True)["length"] == [*ids["length"], 1]


def test_padding_tensors_and_chats_are_of_the_shortened_tokens() -> None:
    built, short, codec = pair("bpe")
    short.pad_token = "<s>"
    rows = [codec.shorten(built(text)["input_ids"]) for text in (TELUGU, "a")]
    batch = short([TELUGU, "a"], return_tensors="pt", padding=True)
    width = len(rows[0])
    assert batch["input_ids"].tolist() == [rows[0], rows[1] + [short.pad_token_id] * (width - len(rows[1]))]
    assert batch["attention_mask"].sum(1).tolist() == [width, len(rows[1])]
    left = short([TELUGU, "a"], return_tensors="pt", padding="max_length", max_length=width + 2, padding_side="left")
    assert left["attention_mask"].tolist()[0] == [0, 0] + [1] * width
    assert short(TELUGU, return_tensors="pt")["input_ids"].tolist() == [rows[0]]
    with pytest.raises(ConfigError, match="was to be cut at 5 tokens"):
        short(TELUGU, truncation=True, max_length=5)
    assert short("a", truncation=True, max_length=5)["input_ids"] == rows[1]
    written = shortened(tokenizer("bpe", CHATML), codec.lead)
    chat = [{"role": "user", "content": TELUGU}]
    ids = written.apply_chat_template(chat, tokenize=True)["input_ids"]
    plain = tokenizer("bpe", CHATML).apply_chat_template(chat, tokenize=True)["input_ids"]
    assert ids == codec.shorten(plain) != plain


def test_it_is_saved_and_loaded_as_such_and_by_other_programs_as_the_plain_one(tmp_path: Path) -> None:
    built, short, codec = pair("bpe")
    short.save_pretrained(tmp_path)
    read = load_tokenizer(str(tmp_path))
    assert left_out_token(read) == codec.lead == left_out_token(short)
    assert read(TELUGU)["input_ids"] == short(TELUGU)["input_ids"]
    read.save_pretrained(tmp_path / "again")
    assert load_tokenizer(str(tmp_path / "again"))(THAI)["input_ids"] == short(THAI)["input_ids"]
    other = AutoTokenizer.from_pretrained(tmp_path)
    assert other(TELUGU)["input_ids"] == built(TELUGU)["input_ids"] != short(TELUGU)["input_ids"]
    assert left_out_token(built) is left_out_token(other) is None
    assert left_out_token(tokenizer("bpe")) is None  # the tokenizer that it was made of stays as it was


def test_its_signature_is_not_that_of_the_plain_one() -> None:
    built, short, codec = pair("bytes")
    other = next(lead for lead in range(codec.lead + 1, 256) if codec.pieces[lead] and codec.pieces[lead][0] >= 0xE0)
    signatures = {str(tokenizer_signature(each)) for each in (built, short, shortened(built, other))}
    assert len(signatures) == 3


@pytest.mark.parametrize("value", ["227", True, -1, 10**9, 3.5])
def test_a_damaged_config_is_refused(tmp_path: Path, value: object) -> None:
    _, short, _ = pair("bpe")
    short.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {SHORTENED: value}))
    with pytest.raises(ArtifactError, match=SHORTENED):
        load_tokenizer(str(tmp_path))


def test_a_second_time_a_slow_one_and_other_readers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, short, codec = pair("bpe")
    with pytest.raises(ConfigError, match="leaves a token out already"):
        shortened(short, codec.lead)
    with pytest.raises(ConfigError, match="then shorten it, once"):
        extend_vocabulary(short, [TELUGU], 3)
    slow = SimpleNamespace(is_fast=False)
    with pytest.raises(UnsupportedModelError, match="slow tokenizer"):
        shortened(slow, 3)  # type: ignore[arg-type]
    engine = SimpleNamespace(get_tokenizer=lambda: short)
    monkeypatch.setattr("neuroglot.generation.vllm._vllm", lambda: SimpleNamespace(LLM=lambda **_: engine))
    with pytest.raises(ConfigError, match="vLLM would put it in"):
        VllmBackend("model")
    assert as_saved(tokenizer("bpe")) is tokenizer("bpe")


def test_its_tokens_are_counted_and_nothing_more_is_saved() -> None:
    built, short, codec = pair("bytes")
    texts = tuple(f"{TELUGU} {row}" for row in range(6))
    corpus = Corpus("texts", tuple(map(str, range(6))), {"te": texts, "en": tuple(map(str, range(6)))})
    counts = fertility(short, corpus)
    assert counts.tokens[:, 0].tolist() == [len(codec.shorten(built(text)["input_ids"])) for text in texts]
    assert counts.saved.sum() == 0
    assert fertility(built, corpus).saved.sum() > 0
