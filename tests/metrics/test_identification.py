"""Identified languages: plain sentences, what cannot be decided, and shares by row."""

import math
import sys

import pytest
import torch

from neuroglot import corpora
from neuroglot.errors import ConfigError, CorpusError, MissingExtraError
from neuroglot.metrics.identification import UNDECIDED, LanguageForcing, identify, language_forcing
from neuroglot.signature import Signature

pytest.importorskip("lingua", reason="the extra `identification` is not installed")

SENTENCES = {
    "de": ("Der Hund schläft heute den ganzen Tag im Garten.", "Wir haben gestern ein neues Haus gekauft."),
    "en": ("The dog is sleeping in the garden all day.", "Yesterday we bought a new house."),
    "sw": ("Mbwa analala bustanini siku nzima leo.", "Jana tulinunua nyumba mpya."),
    "zh": ("狗今天整天在花园里睡觉。", "我们昨天买了一座新房子。"),
}
CANDIDATES = tuple(SENTENCES)


@pytest.mark.parametrize("language", SENTENCES)
def test_plain_sentences_are_identified(language: str) -> None:
    assert identify(SENTENCES[language], CANDIDATES) == (language, language)


def test_what_nothing_decides_is_its_own_outcome() -> None:
    nothing = ("", "  \n", "12 + 30 = 42 !", "สวัสดีครับ")  # Thai is no candidate
    assert identify(nothing, CANDIDATES) == (UNDECIDED,) * 4
    assert identify([], CANDIDATES) == ()


def test_close_calls_can_be_left_undecided() -> None:
    close = ["Ali i ja to znamo."]
    assert identify(close, ["hr", "bs"], min_distance=0.9) == (UNDECIDED,)
    assert identify(close, ["hr", "bs"])[0] in ("hr", "bs")


def test_codes_are_ours_however_they_are_written() -> None:
    german, _ = SENTENCES["de"]
    chinese, _ = SENTENCES["zh"]
    assert identify([german, chinese], ["deu_Latn", "zh-Hans", "pt"]) == ("de", "zh-Hans")
    assert identify(["Magandang umaga po sa inyong lahat."], ["tl", "en"]) == ("fil",)
    assert identify(["Jeg har ikke sett deg på lenge."], ["nb", "de"]) == ("nb",)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (("de", "am"), r"Amharic \(am\) is not known to lingua.*af, ar"),
        (("de", "no"), r"Norwegian \(no\) is not known"),
        (("de", "sr-Latn"), "Latin.* is not known"),
        (("zh-Hans", "zh-Hant"), "zh-Hans and zh-Hant are one language to lingua"),
        (("pt", "pt-BR"), "pt and pt-BR are one language"),
        (("en", "pt-BR"), "cannot be told from Portuguese of other regions"),
        (("de",), "Expected two or more"),
        ((), "Expected two or more"),
    ],
)
def test_candidates_that_lingua_cannot_tell_are_refused_by_name(candidates: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        identify(["Guten Tag"], candidates)


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(CorpusError, match="klingonisch"):
        identify(["Guten Tag"], ["de", "klingonisch"])
    for distance in (-0.1, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="min_distance"):
            identify(["Guten Tag"], ["de", "en"], min_distance=distance)
    with pytest.raises(ConfigError, match="Look at sw"):
        language_forcing(SENTENCES, ("a", "b"), candidates=["de", "en", "zh"])
    with pytest.raises(ConfigError, match="Look at de"):
        language_forcing({"de": ("eins",)}, ("a", "b"), candidates=["de", "en"])
    for texts, ids in (({}, ("a",)), ({"de": ()}, ()), ({"de": ("eins",), "deu": ("zwei",)}, ("a",))):
        with pytest.raises(ConfigError, match="one row or more"):
            language_forcing(texts, ids, candidates=["de", "en"])


def test_forcing_counts_by_row_and_target() -> None:
    texts = {
        "de": (SENTENCES["de"][0], SENTENCES["en"][0], SENTENCES["de"][1], "42"),
        "zh": (SENTENCES["zh"][0], SENTENCES["zh"][1], SENTENCES["en"][1], SENTENCES["sw"][1]),
    }
    found = language_forcing(
        texts, ("a", "b", "c", "d"), candidates=CANDIDATES, signature=Signature.of(model="tiny", lingua="old")
    )
    assert found.identified == {"de": ("de", "en", "de", "und"), "zh": ("zh", "zh", "en", "sw")}
    assert found.counts.tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]
    assert found.outcomes.tolist() == [[2, 1, 0, 0, 1], [0, 1, 1, 2, 0]]
    assert found.scores["de"].value == found.scores["zh"].value == found.mean.value == 0.5
    assert 0 <= found.scores["de"].low < 0.5 < found.scores["de"].high <= 1
    assert str(found.signature).startswith("model:tiny|lingua:2")
    assert "identified_among:de,en,sw,zh|min_distance:0.0" in str(found.signature)


def test_targets_are_told_by_their_code() -> None:
    found = language_forcing({"deu_Latn": SENTENCES["de"]}, ("a", "b"), candidates=["DE", "eng"])
    assert found.languages == ("de",)
    assert found.candidates == ("de", "en")
    assert torch.equal(found.counts, torch.ones(2, 1, dtype=torch.int64))


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(MissingExtraError, match=r"neuroglot\[identification\]"):
        identify(["Guten Tag"], ["de", "en"])


def test_real_translations_are_in_their_languages(real_data) -> None:  # type: ignore[no-untyped-def]
    corpus = corpora.load(real_data("flores_detok"), languages=["de", "en", "ru", "ar"]).take(range(50))
    found = language_forcing(corpus.texts, corpus.ids, candidates=corpus.languages)
    assert found.mean.value > 0.98


def test_chinese_is_told_by_its_characters() -> None:
    simplified, traditional = "我们明天去学校，他们会带着书来。", "我們明天去學校，他們會帶著書來。"
    assert identify([simplified, traditional], ["zh-Hant", "en"]) == (UNDECIDED, "zh-Hant")
    assert identify([simplified, traditional], ["zh-Hans", "en"]) == ("zh-Hans", UNDECIDED)
    assert identify([simplified, traditional], ["zh", "en"]) == ("zh", "zh")


def test_a_mean_over_targets_has_the_interval_of_all_its_answers() -> None:
    """Every row has one of its two texts right: 20 rows of two answers are worth 40."""
    says = {"de": ("de", "en") * 10, "en": ("de", "en") * 10}
    forcing = LanguageForcing(("de", "en"), tuple(map(str, range(20))), ("de", "en"), says, Signature())
    z = 1.959964
    worth = z**2 / 40
    half = math.sqrt(worth * 0.25 + worth**2 / 4) / (1 + worth)
    assert forcing.mean.value == 0.5
    assert (forcing.mean.low, forcing.mean.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_chinese_that_either_script_could_be_is_undecided() -> None:
    assert identify(["你好！"], ["zh-Hans", "en"]) == (UNDECIDED,)
    assert identify(["你好！"], ["zh", "en"]) == ("zh",)


def test_forcing_leaves_close_calls_undecided_too() -> None:
    found = language_forcing({"hr": ("Ali i ja to znamo.",)}, ("a",), candidates=["hr", "bs"], min_distance=0.9)
    assert found.identified == {"hr": (UNDECIDED,)}
