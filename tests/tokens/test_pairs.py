"""Translation pairs: rows in several directions as tokens, whole rows or none."""

import pytest
from tokenizers import normalizers
from transformers import T5Tokenizer

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.tokens.examples import IGNORED, LONG, SHARED
from neuroglot.tokens.pairs import (
    PairReading,
    batches_by_direction,
    encode_pairs,
    labels,
    pad_pairs,
    read_positions,
    translation_inputs,
)
from tests.specialization.making import located, texts, translation_tokenizer


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
    batch = next(iter(batches_by_direction(pairs.pairs, pairs.pad_id)))
    assert sorted(translation_inputs(located_llama, batch)) == ["attention_mask", "input_ids", "use_cache"]
    for pair, asked in zip(batch.texts, labels(batch), strict=True):
        words = texts(2).texts["de"][pair.row]
        assert tokenizer.decode([token for token in asked.tolist() if token != IGNORED]) == f"{words} </s>"
        assert tokenizer.decode(pair.token_ids).endswith(f" {words} </s>")


def test_what_cannot_be_told_is_refused_by_name() -> None:
    tokenizer, corpus = translation_tokenizer(), texts()
    with pytest.raises(UnsupportedModelError, match="'bart'.*Expected one of m2m_100"):
        encode_pairs(located("bart"), tokenizer, corpus, ["en-de"])
    with pytest.raises(UnsupportedModelError, match="T5Tokenizer.*Expected one of M2M100Tokenizer"):
        encode_pairs(located("m2m_100"), T5Tokenizer(), corpus, ["en-de"])
    with pytest.raises(UnsupportedModelError, match="'bert'"):
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
    assert (pairs.dropped, pairs.ids, pairs.reasons) == (expected, kept, {LONG: len(expected)})
    assert [(pair.language, pair.row) for pair in pairs.pairs] == [(g, r) for g in range(3) for r in range(len(kept))]
    for pair in pairs.pairs[: len(kept)]:
        words = corpus.texts["en"][corpus.ids.index(kept[pair.row])]
        assert tokenizer.decode(pair.token_ids) == f"__en__ {words} </s>"
    tokenizer.model_max_length = 2
    with pytest.raises(CorpusError, match="too many tokens: 6.*at most 2 tokens"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de"])


def test_a_row_whose_translation_merges_with_its_prompt_is_left_out_in_every_direction() -> None:
    tokenizer, corpus = translation_tokenizer(), texts(3)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("German: w0", "w5")  # one word of both
    words = dict(corpus.texts) | {"de": ("w1 w2", "w0 w3", "w4")}
    pairs = encode_pairs(located("llama"), tokenizer, Corpus("x", corpus.ids, words), ["en-de", "en-fr"])
    assert (pairs.ids, pairs.dropped, pairs.reasons) == (("row0", "row2"), ("row1",), {SHARED: 1})
    assert [(pair.row, pair.language) for pair in pairs.pairs] == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("budget", [20, 33, 60])
def test_batches_of_a_direction_keep_to_their_budget_of_padded_tokens(budget: int) -> None:
    pairs = encode_pairs(located("m2m_100"), translation_tokenizer(), texts(12), ["en-de", "fr-en"])
    batches = list(batches_by_direction(pairs.pairs, pairs.pad_id, budget))
    seen = [(text.language, text.row) for batch in batches for text in batch.texts]
    assert sorted(seen) == [(language, row) for language in range(2) for row in range(12)]
    for batch in batches:
        assert len({text.language for text in batch.texts}) == 1
        widths = batch.token_ids.shape[1] + batch.targets.shape[1]
        assert len(batch.texts) == 1 or len(batch.texts) * widths <= budget
    assert max(len(batch.texts) for batch in batches) > 1


def test_a_text_without_tokens_is_named_by_its_row_in_the_corpus() -> None:
    """The first row is too long and left out; the third names a language only."""
    tokenizer = translation_tokenizer()
    tokenizer.model_max_length = 11
    corpus = Corpus("c", ("a", "b", "c"), {"en": ("w1 " * 20, "w2", "w3"), "de": ("w1", "w2", "__de__")})
    with pytest.raises(CorpusError, match=r"in 'de' at row 3 \(id 'c'\) has no tokens"):
        encode_pairs(located("m2m_100"), tokenizer, corpus, ["en-de"])


def test_a_batch_may_have_as_many_padded_tokens_as_its_budget() -> None:
    corpus = Corpus("c", ("a", "b", "c"), {"en": ("w1 w2", "w3", "w4"), "de": ("w1", "w2", "w3 w4 w5")})
    pairs = encode_pairs(located("m2m_100"), translation_tokenizer(), corpus, ["en-de"])  # 2 tokens more on each side
    lengths = [(len(pair.token_ids), len(pair.target_ids)) for pair in pairs.pairs]
    assert lengths == [(4, 3), (3, 3), (3, 5)]
    for budget, expected in ((27, [[0, 2, 1]]), (18, [[0, 2], [1]]), (17, [[0], [2, 1]]), (15, [[0], [2], [1]])):
        batches = batches_by_direction(pairs.pairs, pairs.pad_id, budget)
        assert [[pair.row for pair in batch.texts] for batch in batches] == expected, budget


def test_a_decoder_beside_an_encoder_reads_the_answer_one_position_later() -> None:
    """A start token and the language's stand where it begins; the end token is answered and never read."""
    model, corpus = located("m2m_100"), Corpus("c", ("a",), {"en": ("w1 w2",), "de": ("w3 w4 w5",)})
    pairs = encode_pairs(model, translation_tokenizer(), corpus, ["en-de"])
    positions = read_positions(model, pad_pairs(pairs.pairs, pairs.pad_id))
    real, special = positions["decoder"]
    assert real.tolist() == [[True] * 5]
    assert special.tolist() == [[True, True, False, False, False]]
    assert positions["encoder"][1].tolist() == [[True, False, False, True]]


def test_all_directions_of_a_row_stay_in_one_batch_where_rows_are_read() -> None:
    directed = Directed.around(texts(3))
    pairs = encode_pairs(located("m2m_100"), translation_tokenizer(), directed.corpus, directed.directions)
    reading = PairReading(directed, pairs, "row", 10**4)
    (batch,) = reading
    halves = batch.halves(reading.together)
    assert halves is not None
    assert [{pair.row for pair in half.texts} & {pair.row for pair in other.texts} for half, other in [halves]] == [
        set()
    ]
    assert [len(half.texts) for half in halves] == [4, 8]
    assert PairReading(directed, pairs, "language", 10**4).together == 1
