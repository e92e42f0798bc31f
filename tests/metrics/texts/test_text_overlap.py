"""BLEU, chrF and TER equal sacrebleu's corpus scores, resampled or not."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from neuroglot.errors import ArtifactError, ConfigError, CorpusError, MissingExtraError
from neuroglot.metrics.intervals import by_rows
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics, score_texts

SYSTEM = ("Der Hund schläft im Garten.", "", "Morgen kommt sie (vielleicht) an, sagt er.", "今天天气很好。", "ja")
OTHER = ("Der Hund schläft heute im Garten.", "Wir sehen uns.", "Sie kommt an.", "今天天氣好。", "ja")
REFERENCES = (
    ("Der Hund schläft draußen im Garten.", "Wir sehen uns bald.", "Sie kommt wohl morgen an.", "今天天气好。", "ja"),
    ("Im Garten schläft der Hund.", "Bis bald also!", "Sie kommt morgen an.", "今天是个好天气。", "doch"),
)  # fmt: skip
LIBRARY = {"bleu": BLEU(), "chrf": CHRF(), "chrf++": CHRF(word_order=2), "ter": TER()}


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("references", [REFERENCES[:1], REFERENCES])
def test_scores_and_signatures_are_those_of_sacrebleu(name: str, references: tuple[tuple[str, ...], ...]) -> None:
    (found,) = score_texts(Texts(SYSTEM, references), [name])
    theirs = LIBRARY[name].corpus_score(list(SYSTEM), [list(texts) for texts in references])
    assert found.score.value == theirs.score
    assert str(found.signature) == str(LIBRARY[name].get_signature())
    assert found.verbose == theirs._verbose
    assert TEXT_METRICS[name].name == theirs.name
    assert found.rows == len(SYSTEM)
    assert found.score.low <= found.score.value <= found.score.high


@pytest.mark.parametrize("name", LIBRARY)
def test_without_a_row_the_score_is_that_of_the_other_texts(name: str) -> None:
    metric = choose_metrics([name], TextOptions())[name]
    values = by_rows(metric.counts(Texts(SYSTEM, REFERENCES))).map(metric.value).without["rows"]
    for row, value in enumerate(values.tolist()):
        texts = [[text for at, text in enumerate(side) if at != row] for side in (SYSTEM, *REFERENCES)]
        assert value == pytest.approx(LIBRARY[name].corpus_score(texts[0], texts[1:]).score, abs=1e-10)


def test_a_baseline_is_paired_by_row() -> None:
    """Two systems that are alike in every row differ by 0, without an interval, however wide each is."""
    system = tuple("richtig" if row % 3 else "falsch" for row in range(60))
    (same,) = score_texts(Texts(system, (("richtig",) * 60,)), ["chrf"], baseline=system)
    assert same.baseline is not None
    assert same.score.high - same.score.low > 5
    assert (same.baseline.difference.value, same.baseline.p) == (0, 1)
    assert same.baseline.difference.low != same.baseline.difference.low


def test_the_p_value_is_small_only_where_there_is_a_difference() -> None:
    reference = tuple(f"wort{row}" for row in range(80))
    good = tuple(text if row % 4 else "x" for row, text in enumerate(reference))
    bad = tuple(text if row % 4 == 1 else "x" for row, text in enumerate(reference))
    mixed = tuple(text if row % 4 != 1 else "x" for row, text in enumerate(reference))
    for other, at_least, at_most in ((bad, 0, 0.002), (mixed, 0.5, 1)):
        (found,) = score_texts(Texts(good, (reference,)), ["chrf++"], baseline=other)
        assert found.baseline is not None
        assert at_least <= found.baseline.p <= at_most
        assert found.baseline.test == "exchange of systems"


def test_the_tokenizer_follows_the_language_only_when_asked() -> None:
    texts = Texts(("今天天气很好。",), (("今天天气好。",),))
    for options, tokenizer in (
        (TextOptions(language="zh-Hans"), "13a"),
        (TextOptions(language="cmn", tokenize="auto"), "zh"),
        (TextOptions(language="de", tokenize="auto"), "13a"),
        (TextOptions(tokenize="char"), "char"),
    ):
        (found,) = score_texts(texts, ["bleu"], options)
        assert dict(found.signature.fields)["tok"] == tokenizer
        theirs = BLEU(tokenize=tokenizer).corpus_score(list(texts.hypotheses), [list(texts.references[0])])
        assert found.score.value == theirs.score


def test_tokenizers_that_are_not_here_are_refused_with_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match="pip install 'sentencepiece'"):
        choose_metrics(["spbleu"], TextOptions())
    monkeypatch.setitem(sys.modules, "sentencepiece", SimpleNamespace(SentencePieceProcessor=FakePieces))
    with pytest.raises(ArtifactError, match="Nothing is downloaded unasked"):
        choose_metrics(["spbleu"], TextOptions())
    monkeypatch.setitem(sys.modules, "sacrebleu.tokenizers.tokenizer_ja_mecab", None)
    with pytest.raises(ConfigError, match=r"sacrebleu\[ja,ko\]"):
        choose_metrics(["bleu"], TextOptions(language="ja", tokenize="auto"))
    with pytest.raises(ConfigError, match="'word' is unknown"):
        choose_metrics(["bleu"], TextOptions(tokenize="word"))
    with pytest.raises(ConfigError, match="depends on the language"):
        choose_metrics(["bleu"], TextOptions(tokenize="auto"))


class FakePieces:
    """Stands for SentencePiece: every letter is a piece."""

    def Load(self, path: str) -> None:
        assert Path(path).read_bytes() == b"model"

    def EncodeAsPieces(self, line: str) -> list[str]:
        return list(line.replace(" ", "▁"))


def test_spbleu_takes_the_tokenizer_of_flores_200_from_its_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sentencepiece", SimpleNamespace(SentencePieceProcessor=FakePieces))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "flores200sacrebleuspm").write_bytes(b"model")
    (found,) = score_texts(Texts(("ab cd",), (("ab ce",),)), ["spbleu"])
    assert dict(found.signature.fields)["tok"] == "flores200"
    assert found.verbose.startswith("80.0/75.0/66.7/50.0")


def test_rows_that_do_not_match_are_refused_with_their_numbers() -> None:
    with pytest.raises(CorpusError, match="the hypothesis has 2, reference 1 has 3"):
        Texts(("a", "b"), (("a", "b", "c"),))
    with pytest.raises(CorpusError, match="reference 2 has 1"):
        Texts(("a", "b"), (("a", "b"), ("a",)))
    with pytest.raises(CorpusError, match="the source has 1"):
        Texts(("a", "b"), (("a", "b"),), ("a",))
    for nothing in (lambda: Texts((), ((),)), lambda: Texts(("a",), ())):
        with pytest.raises(CorpusError, match="at least one"):
            nothing()
    with pytest.raises(CorpusError, match="blank"):
        Texts(("a", "b"), ((" ", ""),))
    with pytest.raises(CorpusError, match="the hypothesis has 1, reference 1 has 2"):
        score_texts(Texts(("a", "b"), (("a", "b"),)), ["chrf"], baseline=["a"])


def test_text_that_was_not_detokenized_is_noticed(caplog) -> None:
    with caplog.at_level(logging.WARNING, logger="sacrebleu"):
        score_texts(Texts(("ein Satz .",) * 100, (("ein Satz.",) * 100,)), ["bleu"])
    assert "detokenize" in caplog.text


def test_a_system_that_is_worse_differs_by_less_than_nothing_and_no_score_passes_its_ends() -> None:
    reference = tuple(f"wort{row} und satz{row}" for row in range(8))
    system = tuple(text if row else "x" for row, text in enumerate(reference))
    (worse,) = score_texts(Texts(system, (reference,)), ["chrf"], baseline=reference)
    assert worse.baseline is not None
    change = worse.baseline.difference
    assert change.value == pytest.approx(worse.score.value - 100)
    assert -100 <= change.low < change.value < change.high
    assert worse.score.low < worse.score.value < worse.score.high == 100
