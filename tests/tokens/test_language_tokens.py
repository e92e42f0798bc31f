"""Translation models are told both languages as each family wants it; tokenizers of transformers are the oracle if they
can be built without files.
"""

import pytest
from transformers import (
    MBart50Tokenizer,
    MBartTokenizer,
    NllbTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Tokenizer,
)

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.generation.local import LocalBackend
from neuroglot.models import view
from neuroglot.tokens.language_tokens import CONVENTIONS, convention_of, parse_tags
from tests.families import START, tiny_model
from tests.inference.oracle import NEW, ending, one_by_one
from tests.specialization.making import translation_tokenizer
from tests.tiny import tiny_tokenizer

TEXTS = ["ein haus", "ab", "zwei kleine katzen", "x"]
LETTERS = ["▁", *"abcdefghijklmnopqrstuvwxyz"]
DE_FR = Direction("de", "fr")


def nllb_tokenizer() -> PreTrainedTokenizerBase:
    vocabulary = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *LETTERS])}
    codes = ["deu_Latn", "eng_Latn", "zho_Hans", "zho_Hant"]
    return NllbTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=codes)


def nllb_model() -> PreTrainedModel:
    model = tiny_model("m2m_100", seed=2)
    model.resize_token_embeddings(len(nllb_tokenizer()), mean_resizing=False)  # it writes what can be read
    return model


def mbart_tokenizer(kind: type) -> PreTrainedTokenizerBase:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS]
    codes = ["ar_AR", "de_DE", "en_XX", "fr_XX", "zh_CN"]
    return kind(vocab=[(piece, -1.0) for piece in [*pieces, *codes, "<mask>"]])


@pytest.mark.parametrize(("target", "code"), [("en", "eng_Latn"), ("zh-Hans", "zho_Hans"), ("eng_Latn", "eng_Latn")])
def test_nllb(target: str, code: str) -> None:
    model, tokenizer = nllb_model(), nllb_tokenizer()
    backend = LocalBackend(view(model), tokenizer, keep_truncated=True).towards(Direction("de", target))
    tokenizer.src_lang = "deu_Latn"
    read = tokenizer(TEXTS)["input_ids"]
    begin = (START["m2m_100"], tokenizer.convert_tokens_to_ids(code))
    found = backend.complete(TEXTS, NEW)
    assert found == one_by_one(model, tokenizer, read, keep_truncated=True, begin=begin)
    assert found != one_by_one(model, tokenizer, read, keep_truncated=True)


def test_what_a_decoder_begins_with_is_what_transformers_is_told_to_write_first() -> None:
    model, tokenizer = ending("m2m_100"), nllb_tokenizer()
    german, english = tokenizer.convert_tokens_to_ids(["deu_Latn", "eng_Latn"])
    located = view(model)
    told = convention_of(located, tokenizer).begin(located, Direction("de", "en"))
    (read,) = convention_of(located, tokenizer).sources(Direction("de", "en"), ["ein haus"])
    assert (read[0], told) == (german, (2, english))
    from torch import tensor

    forced = model.generate(tensor([read]), forced_bos_token_id=english, max_new_tokens=2, do_sample=False)
    assert tuple(forced[0, :2].tolist()) == told


def test_mbart_50() -> None:
    tokenizer, model = mbart_tokenizer(MBart50Tokenizer), ending("mbart")
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards(DE_FR)
    german, french = tokenizer.convert_tokens_to_ids(["de_DE", "fr_XX"])
    read = [[german, *tokenizer(text)["input_ids"][1:]] for text in TEXTS]
    assert all(ids[-1] == 2 for ids in read)
    assert backend.complete(TEXTS, NEW) == one_by_one(model, tokenizer, read, begin=(2, french))


def test_mbart_25_starts_with_the_target_language() -> None:
    tokenizer, model = mbart_tokenizer(MBartTokenizer), ending("mbart")
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards(DE_FR)
    german, french = tokenizer.convert_tokens_to_ids(["de_DE", "fr_XX"])
    read = [[*tokenizer(text)["input_ids"][:-1], german] for text in TEXTS]
    assert backend.complete(TEXTS, NEW) == one_by_one(model, tokenizer, read, begin=(french,))


def small_nllb() -> NllbTokenizer:
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "▁": 4, "a": 5, "b": 6, "▁a": 7}
    return NllbTokenizer(vocab=vocabulary, merges=[("▁", "a")])


@pytest.mark.parametrize(
    ("tokenizer", "model_type", "codes"),
    [
        (small_nllb(), "m2m_100", ("deu_Latn", "zho_Hant")),
        (MBart50Tokenizer(), "mbart", ("de_DE", "zh_CN")),
        (MBartTokenizer(), "mbart", ("de_DE", "zh_CN")),
    ],
)
def test_language_tokens_stand_where_the_tokenizer_itself_puts_them(tokenizer, model_type: str, codes) -> None:  # type: ignore[no-untyped-def]
    convention, direction = CONVENTIONS[model_type](tokenizer, {"zh-Hant": codes[1]}), Direction("de", "zh-Hant")
    tokenizer.src_lang, tokenizer.tgt_lang = codes
    assert convention.sources(direction, ["a b", "b"]) == tokenizer(["a b", "b"])["input_ids"]
    assert convention.targets(direction, ["b a", "a"]) == tokenizer(text_target=["b a", "a"])["input_ids"]


def test_nllb_in_its_legacy_behaviour() -> None:
    tokenizer = small_nllb()
    tokenizer.legacy_behaviour = True
    read = CONVENTIONS["m2m_100"](tokenizer, {}).sources(Direction("de", "en"), ["a b"])
    tokenizer.src_lang = "deu_Latn"
    assert read == tokenizer(["a b"])["input_ids"]


class M2M100Tokenizer:
    """Stands for that of transformers, which needs sentencepiece: its language tokens are not in its vocabulary."""

    eos_token_id = 2
    lang_code_to_token = {"de": "__de__", "en": "__en__", "zh": "__zh__"}  # noqa: RUF012

    def get_vocab(self) -> dict[str, int]:
        return {"a": 5}

    def get_lang_id(self, code: str) -> int:
        return {"de": 40, "en": 41, "zh": 42}[code]

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[5] * len(text) for text in texts]}


def test_m2m_100() -> None:
    located = view(tiny_model("m2m_100"))
    convention, direction = convention_of(located, M2M100Tokenizer()), Direction("de", "zh")
    assert convention.sources(direction, ["aa"]) == [[40, 5, 5, 2]]
    assert convention.targets(direction, ["a"]) == [[42, 5, 2]]
    assert convention.begin(located, direction) == (2, 42)


def marked(*marks: str) -> PreTrainedTokenizerBase:
    tokenizer = tiny_tokenizer(bos=False)
    tokenizer.add_tokens(list(marks), special_tokens=True)
    return tokenizer


@pytest.mark.parametrize(
    ("model_type", "marks", "target", "prefix"),
    [
        ("marian", [">>deu<<", ">>fra<<"], "fr", ">>fra<< "),
        ("marian", [">>cmn_Hans<<", ">>pt_BR<<"], "pt-BR", ">>pt_BR<< "),
        ("t5", ["<2fr>", "<2de>", "<2translate>"], "fr", "<2fr> "),
        ("t5", ["<2translate>"], "fr", "translate German to French: "),
        ("mt5", [], "fr", "translate German to French: "),
    ],
)
def test_marks_and_prefixes(model_type: str, marks: list[str], target: str, prefix: str) -> None:
    model, tokenizer = ending(model_type), marked(*marks)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    backend = LocalBackend(view(model), tokenizer).towards(Direction("de", target))
    texts = ["w1 w2 w3", "w4"]
    read = [[*tokenizer(f"{prefix}{text}")["input_ids"], 2] for text in texts]
    assert backend.complete(texts, NEW) == one_by_one(model, tokenizer, read)


def test_several_tokens_of_a_language_are_refused_unless_one_is_named() -> None:
    tokenizer = marked(">>zho<<", ">>cmn<<", ">>cmn_Hans<<", ">>fra<<")
    located = view(tiny_model("marian"))
    with pytest.raises(ConfigError, match=">>cmn<< and >>zho<<.*tags={'zh': '>>cmn<<'}"):
        LocalBackend(located, tokenizer).towards(Direction("de", "zh"))
    tags = parse_tags(["zh=>>zho<<"])
    backend = LocalBackend(located, tokenizer, tags=tags)
    (read,) = backend.towards(Direction("de", "zh")).told.convention.sources(Direction("de", "zh"), ["w1"])
    assert read == [*tokenizer(">>zho<< w1")["input_ids"], 2]
    assert dict(backend.signature.fields)["tags"] == "zh=>>zho<<"
    for text in ("zh", "=x", "zh="):
        with pytest.raises(ConfigError, match="zh=>>cmn<<"):
            parse_tags([text])


def test_t5_is_told_in_words_and_marian_by_the_target() -> None:
    t5 = T5Tokenizer()
    convention = CONVENTIONS["t5"](t5, {})
    assert convention.sources(Direction("en", "de"), ["x y"]) == t5(["translate English to German: x y"])["input_ids"]
    assert convention.targets(Direction("en", "de"), ["y"]) == t5(["y"])["input_ids"]
    several = CONVENTIONS["marian"](translation_tokenizer(without=()), {})
    assert several.sources(Direction("en", "de"), ["w1"]) == [[7, 9, 2]]
    assert several.targets(Direction("en", "de"), ["w2"]) == [[10, 2]]
    with pytest.raises(ConfigError, match="no token for the language 'fr'"):
        several.sources(Direction("en", "fr"), ["w1"])
    one_pair = CONVENTIONS["marian"](translation_tokenizer(), {})
    assert one_pair.sources(Direction("en", "fr"), ["w1"]) == [[9, 2]]
    assert (several.says_target, one_pair.says_target) == (True, False)


def test_a_model_of_one_pair_is_asked_for_that_pair() -> None:
    tokenizer = tiny_tokenizer()
    located = view(tiny_model("marian"))
    backend = LocalBackend(located, tokenizer).towards(DE_FR)
    assert (backend.told.begin, backend.told.convention.says_target) == ((START["marian"],), False)
    tokenizer.source_lang, tokenizer.target_lang = "de", "en"
    assert LocalBackend(located, tokenizer).towards(Direction("de", "en")) is not None
    with pytest.raises(
        ConfigError, match="target_lang is 'en'.*Expected 'fr', of the direction de-fr.*take a model of several"
    ):
        LocalBackend(located, tokenizer).towards(DE_FR)


def test_the_language_token_that_a_decoder_begins_with() -> None:
    for kind, model_type, begun in [(MBartTokenizer, "mbart", 1), (MBart50Tokenizer, "mbart", 2)]:
        assert CONVENTIONS[model_type](kind(), {}).begun == begun
    assert CONVENTIONS["t5"](translation_tokenizer(), {}).begun == 1


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [("de", "fr", "no token for the language 'fr'"), ("sw", "en", "language 'sw'"), ("de", "zh", "zh-Hans or zh-Hant")],
)
def test_a_language_that_the_model_lacks_is_refused(source: str, target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LocalBackend(view(tiny_model("m2m_100")), nllb_tokenizer()).towards(Direction(source, target))


def test_a_tokenizer_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="T5Tokenizer.*Expected one of M2M100Tokenizer"):
        LocalBackend(view(tiny_model("m2m_100")), T5Tokenizer()).towards(DE_FR)


@pytest.mark.parametrize("model_type", ["llama", "bart"])
def test_other_models_are_asked_in_a_prompt(model_type: str) -> None:
    assert LocalBackend(view(tiny_model(model_type)), tiny_tokenizer()).towards(DE_FR) is None
