"""Translation models are told both languages as each family wants it, by the tokenizers' own classes where they can be
built without files.
"""

import pytest
from transformers import MBart50Tokenizer, MBartTokenizer, NllbTokenizer, PreTrainedTokenizerBase

from neuroglot.errors import ConfigError
from neuroglot.generation.local import LocalBackend
from neuroglot.models import view
from neuroglot.tokens.language_tokens import direction_of
from tests.families import tiny_model
from tests.inference.oracle import NEW, ending, one_by_one
from tests.tiny import tiny_tokenizer

TEXTS = ["ein haus", "ab", "zwei kleine katzen", "x"]
LETTERS = ["▁", *"abcdefghijklmnopqrstuvwxyz"]


def nllb_tokenizer() -> PreTrainedTokenizerBase:
    vocabulary = {token: place for place, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *LETTERS])}
    codes = ["deu_Latn", "eng_Latn", "zho_Hans", "zho_Hant"]
    return NllbTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=codes)


def mbart_tokenizer(kind: type) -> PreTrainedTokenizerBase:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS]
    codes = ["ar_AR", "de_DE", "en_XX", "fr_XX", "zh_CN"]
    return kind(vocab=[(piece, -1.0) for piece in [*pieces, *codes, "<mask>"]])


@pytest.mark.parametrize(("target", "code"), [("en", "eng_Latn"), ("zh-Hans", "zho_Hans"), ("eng_Latn", "eng_Latn")])
def test_nllb(target: str, code: str) -> None:
    model, tokenizer = ending("m2m_100"), nllb_tokenizer()
    backend = LocalBackend(view(model), tokenizer).towards("de", target)
    read = [[tokenizer.convert_tokens_to_ids("deu_Latn"), *tokenizer(text)["input_ids"][1:]] for text in TEXTS]
    expected = one_by_one(model, tokenizer, read, forced_bos_token_id=tokenizer.convert_tokens_to_ids(code))
    found = backend.complete(TEXTS, NEW)
    assert found == expected
    assert found != one_by_one(model, tokenizer, read)
    assert tokenizer.src_lang == "eng_Latn"  # as before


def test_mbart_50() -> None:
    tokenizer = mbart_tokenizer(MBart50Tokenizer)
    model = ending("mbart")
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards("de", "fr")
    german, french = tokenizer.convert_tokens_to_ids(["de_DE", "fr_XX"])
    read = [[german, *tokenizer(text)["input_ids"][1:]] for text in TEXTS]
    assert all(ids[-1] == 2 for ids in read)
    assert backend.complete(TEXTS, NEW) == one_by_one(model, tokenizer, read, forced_bos_token_id=french)


def test_mbart_25_starts_with_the_target_language() -> None:
    tokenizer = mbart_tokenizer(MBartTokenizer)
    model = ending("mbart")
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards("de", "fr")
    german, french = tokenizer.convert_tokens_to_ids(["de_DE", "fr_XX"])
    read = [[*tokenizer(text)["input_ids"][:-1], german] for text in TEXTS]
    assert backend.complete(TEXTS, NEW) == one_by_one(model, tokenizer, read, decoder_start_token_id=french)


class Codes:
    """Stands for M2M-100's tokenizer, which needs sentencepiece: the names that it answers to."""

    def __init__(self) -> None:
        self.src_lang, self.lang_code_to_token = "en", {"de": "__de__", "en": "__en__", "zh": "__zh__"}

    def get_lang_id(self, code: str) -> int:
        return {"de": 40, "en": 41, "zh": 42}[code]


def test_m2m_100() -> None:
    direction = direction_of(view(tiny_model("m2m_100")), Codes(), "de", "zh")
    assert direction is not None
    assert (direction.source_code, direction.tokens, direction.prefix) == ("de", {"forced_bos_token_id": 42}, "")


def marked(*marks: str) -> PreTrainedTokenizerBase:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(list(marks), special_tokens=True)
    return tokenizer


@pytest.mark.parametrize(
    ("model_type", "marks", "target", "prefix"),
    [
        ("marian", [">>deu<<", ">>fra<<"], "fr", ">>fra<< "),
        ("marian", [">>zho<<", ">>cmn<<", ">>cmn_Hans<<", ">>pt_BR<<"], "zh", ">>cmn<< "),
        ("marian", [">>cmn_Hans<<", ">>pt_BR<<"], "pt-BR", ">>pt_BR<< "),
        ("t5", ["<2fr>", "<2de>", "<2translate>"], "fr", "<2fr> "),
        ("t5", [], "fr", "translate German to French: "),
    ],
)
def test_marks_and_prefixes(model_type: str, marks: list[str], target: str, prefix: str) -> None:
    model, tokenizer = ending(model_type), marked(*marks)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards("de", target)
    assert backend.direction.prefix == prefix
    texts = ["w1 w2 w3", "w4"]
    assert backend.complete(texts, NEW) == one_by_one(model, tokenizer, [f"{prefix}{text}" for text in texts])


def test_a_model_of_one_pair_says_so() -> None:
    tokenizer = tiny_tokenizer()
    located = view(tiny_model("marian"))
    direction = direction_of(located, tokenizer, "de", "fr")
    assert (direction.prefix, dict(direction.tokens), direction.says_target) == ("", {}, False)
    tokenizer.source_lang, tokenizer.target_lang = "de", "en"
    assert direction_of(located, tokenizer, "de", "en") == direction_of(located, tokenizer, "de", "en")
    with pytest.raises(ConfigError, match="target_lang is 'en'"):
        direction_of(located, tokenizer, "de", "fr")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [("de", "fr", "no language 'fr'"), ("sw", "en", "no language 'sw'"), ("de", "zh", "zh-Hans or zh-Hant")],
)
def test_a_language_that_the_model_lacks_is_refused(source: str, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        direction_of(view(tiny_model("m2m_100")), nllb_tokenizer(), source, target)


@pytest.mark.parametrize("model_type", ["llama", "mt5", "bart"])
def test_other_models_are_asked_in_a_prompt(model_type: str) -> None:
    assert LocalBackend(view(tiny_model(model_type)), tiny_tokenizer()).towards("de", "fr") is None
