"""Directions and how models are told of them; tokenizers of transformers are the oracle where there is one."""

import pytest
from transformers import MBart50Tokenizer, MBartTokenizer, NllbTokenizer, T5Tokenizer

from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.tokens.pairs import IGNORED, batches_by_direction, encode_pairs, labels, translation_inputs
from neuroglot.tokens.tagging import tagging_of
from tests.specialization.making import located, texts, translation_tokenizer


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("en-de", "en", "de"),
        ("en-zh-Hans", "en", "zh-Hans"),
        ("pt-BR-en", "pt-BR", "en"),
        ("eng_Latn-de", "eng_Latn", "de"),
    ],
)
def test_a_direction_is_read_and_written(text: str, source: str, target: str) -> None:
    direction = Direction.parse(text)
    assert (direction.source, direction.target, str(direction)) == (source, target, text)


@pytest.mark.parametrize("text", ["en", "", "en-", "-", "en-en", "en-qqq", "a path", "en-pt-br"])
def test_what_is_no_direction_or_two_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Direction.parse(text)


def test_types_of_directions_and_all_of_them() -> None:
    assert [Direction.parse(text).type() for text in ("en-de", "de-en", "de-fr")] == ["en2x", "x2en", "zero-shot"]
    assert Direction("de", "fr").type(pivot="fr") == "x2en"
    assert list(map(str, directions_of(("en", "de", "fr")))) == ["en-de", "en-fr", "de-en", "fr-en"]
    with pytest.raises(ConfigError, match="'en' and one or more others"):
        directions_of(("de", "fr"))


def nllb() -> NllbTokenizer:
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "▁": 4, "a": 5, "b": 6, "▁a": 7}
    return NllbTokenizer(vocab=vocabulary, merges=[("▁", "a")])


@pytest.mark.parametrize(
    ("tokenizer", "model_type", "codes"),
    [
        (nllb(), "m2m_100", ("deu_Latn", "zho_Hant")),
        (MBart50Tokenizer(), "mbart", ("de_DE", "zh_CN")),
        (MBartTokenizer(), "mbart", ("de_DE", "zh_CN")),
    ],
)
def test_language_tokens_stand_where_the_tokenizer_itself_puts_them(tokenizer, model_type: str, codes) -> None:  # type: ignore[no-untyped-def]
    encode = tagging_of(model_type, tokenizer, {"zh-Hant": codes[1]})
    read, answered = encode(Direction("de", "zh-Hant"), ["a b", "b"], ["b a", "a"])
    tokenizer.src_lang, tokenizer.tgt_lang = codes
    assert read == tokenizer(["a b", "b"])["input_ids"]
    assert answered == tokenizer(text_target=["b a", "a"])["input_ids"]


def test_nllb_in_its_legacy_behaviour() -> None:
    tokenizer = nllb()
    tokenizer.legacy_behaviour = True
    read, _ = tagging_of("m2m_100", tokenizer, {})(Direction("de", "en"), ["a b"], ["a"])
    tokenizer.src_lang = "deu_Latn"
    assert read == tokenizer(["a b"])["input_ids"]


def test_t5_is_told_in_words_and_marian_by_the_target() -> None:
    t5 = T5Tokenizer()
    read, answered = tagging_of("t5", t5, {})(Direction("en", "de"), ["x y"], ["y"])
    assert read == t5(["translate English to German: x y"])["input_ids"]
    assert answered == t5(["y"])["input_ids"]
    several = translation_tokenizer(without=())
    assert tagging_of("marian", several, {})(Direction("en", "de"), ["w1"], ["w2"]) == ([[7, 9, 2]], [[10, 2]])
    with pytest.raises(ConfigError, match="no token for the language 'fr'"):
        tagging_of("marian", several, {})(Direction("en", "fr"), ["w1"], ["w2"])
    one_pair = translation_tokenizer()
    assert tagging_of("marian", one_pair, {})(Direction("en", "fr"), ["w1"], ["w2"]) == ([[9, 2]], [[10, 2]])


def test_pairs_of_an_encoder_and_decoder() -> None:
    pairs = encode_pairs(located("m2m_100"), translation_tokenizer(), texts(2), ["en-de", "fr-en"])
    assert [(pair.row, pair.language) for pair in pairs.pairs] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    first, words = pairs.pairs[0], texts(2).texts
    expected = [len(words[language][0].split()) for language in ("en", "de")]
    assert (first.token_ids[0], first.token_ids[-1], len(first.token_ids)) == (3, 2, expected[0] + 2)
    assert (first.target_ids[0], first.target_ids[-1], len(first.target_ids)) == (4, 2, expected[1] + 2)


def test_a_decoder_reads_prompt_and_translation_as_one_text() -> None:
    located_llama, tokenizer = located("llama"), translation_tokenizer()
    pairs = encode_pairs(located_llama, tokenizer, texts(2), ["en-de"])
    batch = next(iter(batches_by_direction(pairs)))
    assert sorted(translation_inputs(located_llama, batch)) == ["attention_mask", "input_ids", "use_cache"]
    for pair, asked in zip(batch.texts, labels(batch), strict=True):
        words = texts(2).texts["de"][pair.row]
        assert tokenizer.decode([token for token in asked.tolist() if token != IGNORED]) == f"{words} </s>"
        assert tokenizer.decode(pair.token_ids).endswith(f" {words} </s>")


def test_what_cannot_be_told_is_refused_by_name() -> None:
    tokenizer, corpus = translation_tokenizer(), texts()
    with pytest.raises(UnsupportedModelError, match="'bart'.*Known are m2m_100"):
        encode_pairs(located("bart"), tokenizer, corpus, ["en-de"])
    with pytest.raises(UnsupportedModelError, match="T5Tokenizer.*Known are M2M100Tokenizer"):
        encode_pairs(located("m2m_100"), T5Tokenizer(), corpus, ["en-de"])
    with pytest.raises(UnsupportedModelError, match="bert is an encoder"):
        encode_pairs(located("bert"), tokenizer, corpus, ["en-de"])
    with pytest.raises(CorpusError, match="'sw'"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-sw"])
    with pytest.raises(ConfigError, match="each once"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de", "en-de"])
    with pytest.raises(ConfigError, match="no token for the language 'de'"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de"], tags={"de": "__nothing__"})
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="no end token"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de"])


def test_rows_that_are_too_long_are_left_out_in_every_direction() -> None:
    tokenizer, corpus = translation_tokenizer(), texts(6)
    tokenizer.model_max_length = 11
    longest = [max(len(corpus.texts[language][row].split()) for language in corpus.languages) + 2 for row in range(6)]
    expected = tuple(corpus.ids[row] for row in range(6) if longest[row] > 11)
    pairs = encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de", "de-en", "fr-en"])
    assert 0 < len(expected) < 6
    kept = tuple(row_id for row_id in corpus.ids if row_id not in expected)
    assert (pairs.dropped, pairs.ids) == (expected, kept)
    assert [(pair.language, pair.row) for pair in pairs.pairs] == [(g, r) for g in range(3) for r in range(len(kept))]
    for pair in pairs.pairs[: len(kept)]:
        words = corpus.texts["en"][corpus.ids.index(kept[pair.row])]
        assert tokenizer.decode(pair.token_ids) == f"__en__ {words} </s>"
    tokenizer.model_max_length = 2
    with pytest.raises(CorpusError, match="more than 2 tokens"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de"])
