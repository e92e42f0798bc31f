"""Translation quality with neurons off, against a model whose columns are zero and sacrebleu over its translations."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.seen import text_hashes
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.evaluation import control_seed
from neuroglot.experiments.quality import TranslationQuality, quality_matrices
from neuroglot.generation.decoding import Decoding
from neuroglot.models.view import ModelView
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.scores import at_random_like
from neuroglot.reports.report import Report, _each_once
from neuroglot.storage import Kept
from tests.specialization.making import located, row_masked, texts, translation_tokenizer
from tests.specialization.test_translating import alone

DIRECTIONS = ("en-de", "fr-en")
HOW = Decoding(6)


def sets(view: ModelView) -> dict[str, NeuronSet]:
    if len(view.layout.stacks) > 1:
        chosen = [{("encoder", 1): range(0, 20, 2), ("decoder", 0): range(12)}, {("decoder", 1): range(14)}]
    else:
        chosen = [{("decoder", 1): range(0, 20, 2), ("decoder", 0): range(12)}, {("decoder", 1): range(14)}]
    return {name: NeuronSet.of(view.layout, members) for name, members in zip(DIRECTIONS, chosen, strict=True)}


def by_hand(model: PreTrainedModel, data: Directed, name: str) -> tuple[float, float]:
    """chrF++ and BLEU of all rows in one direction."""
    direction = next(one for one in data.directions if str(one) == name)
    written = [alone(model, direction, text, 1) for text in data.corpus.texts[direction.source]]
    references = [list(data.corpus.texts[direction.target])]
    return CHRF(word_order=2).corpus_score(written, references).score, BLEU().corpus_score(written, references).score


def without(view: ModelView, members: Tensor) -> PreTrainedModel:
    return row_masked(view, ~members, biases_too=True)


@pytest.mark.parametrize("model_type", ["m2m_100", "llama"])
def test_each_condition_is_scored_on_what_is_written_without_its_neurons(model_type: str) -> None:
    view = located(model_type, seed=2)
    data, chosen = Directed(texts(), DIRECTIONS), sets(view)
    found = quality_matrices(
        view, translation_tokenizer(), data, chosen, ("chrf++", "bleu"), draws=2, seed=4, decoding=HOW
    )
    assert [matrix.metric.name for matrix in found] == ["chrF2++", "BLEU"]
    differs = False
    for place, matrix in enumerate(found):
        assert (matrix.signature["seed"], matrix.signature["random_draws"]) == (4, 2)
        assert (matrix.languages, matrix.set_sizes) == (DIRECTIONS, tuple(map(len, chosen.values())))
        values = matrix.metric.value(matrix.baseline.sum(0)), matrix.metric.value(matrix.ablated.sum(1))
        for column, name in enumerate(DIRECTIONS):
            assert float(values[0][column]) == pytest.approx(by_hand(view.model, data, name)[place])
            for row, neurons in enumerate(chosen.values()):
                expected = by_hand(without(view, neurons.members), data, name)[place]
                assert float(values[1][row, column]) == pytest.approx(expected)
                differs |= expected != pytest.approx(float(values[0][column]))
            for draw in range(2):
                control = at_random_like(chosen[name], control_seed(4, draw, name))
                expected = by_hand(without(view, control.members), data, name)[place]
                random = matrix.metric.value(matrix.random[draw].sum(1))
                assert float(random[column, column]) == pytest.approx(expected)
                assert bool(random[column, 1 - column].isnan())
    assert differs


def test_rows_too_long_for_a_direction_are_left_out_of_its_controls_too() -> None:
    view, corpus = located("m2m_100", seed=2), texts(4)
    long = Corpus("long", corpus.ids, {**corpus.texts, "fr": (" ".join(["w31"] * 90), *corpus.texts["fr"][1:])})
    (found,) = quality_matrices(
        view, translation_tokenizer(), Directed(long, DIRECTIONS), sets(view), draws=1, decoding=HOW
    )
    (expected,) = quality_matrices(
        view, translation_tokenizer(), Directed(corpus.take(range(1, 4)), DIRECTIONS), sets(view), draws=1, decoding=HOW
    )
    torch.testing.assert_close(found.random, expected.random, equal_nan=True)
    assert torch.equal(found.ablated, expected.ablated)
    assert sum(found.dropped.values()) == 1
    assert (found.signature["rows"], found.signature["rows_dropped"]) == (3, 1)


def test_unknown_tokens_of_the_sources_are_in_the_signature() -> None:
    view, corpus = located("m2m_100", seed=2), texts(2)
    english = ("w3 w4 w5 never", "w6 seen")  # in a text that is only a target they change no translation
    data = Directed(Corpus("few", corpus.ids, {**corpus.texts, "en": english}), DIRECTIONS)
    (found,) = quality_matrices(view, translation_tokenizer(), data, sets(view), draws=1, decoding=HOW)
    assert found.signature["unknown_tokens"] == "en:0.333"
    (known,) = quality_matrices(
        view, translation_tokenizer(), Directed(corpus, DIRECTIONS), sets(view), draws=1, decoding=HOW
    )
    assert known.signature.get("unknown_tokens") is None


def test_what_was_translated_is_not_translated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, data = located("m2m_100", seed=2), Directed(texts(3), DIRECTIONS)
    kept = Kept(tmp_path / "run", 0)
    (whole,) = quality_matrices(view, translation_tokenizer(), data, sets(view), draws=1, decoding=HOW, kept=kept)

    def generate(*inputs: object, **options: object) -> None:
        raise AssertionError("translated again")

    monkeypatch.setattr(type(view.model), "generate", generate)
    (again,) = quality_matrices(view, translation_tokenizer(), data, sets(view), draws=1, decoding=HOW, kept=kept)
    assert torch.equal(again.ablated, whole.ablated)


def test_rows_that_chose_neurons_are_refused() -> None:
    view, corpus = located("m2m_100"), texts(3)
    read = torch.tensor(sorted(text_hashes(corpus.take([0]))))
    chosen = {name: replace(neurons, read=read) for name, neurons in sets(view).items()}
    data = Directed(corpus, DIRECTIONS)
    with pytest.raises(CorpusError, match="1 of the 3 rows"):
        quality_matrices(view, translation_tokenizer(), data, chosen, draws=1, decoding=HOW)
    (allowed,) = quality_matrices(view, translation_tokenizer(), data, chosen, draws=1, decoding=HOW, same_rows="allow")
    assert Report(allowed).sections[0].sentence.startswith("Not a proof: the neurons were selected on 1 row of these")


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Expected one of chrf\+\+, chrf, bleu, spbleu"):
        TranslationQuality("meteor")  # type: ignore[arg-type]


def test_the_page_says_which_metric_and_that_more_is_better() -> None:
    view, data = located("m2m_100", seed=2), Directed(texts(), DIRECTIONS)
    found = quality_matrices(view, translation_tokenizer(), data, sets(view), ("chrf++", "bleu"), draws=2, decoding=HOW)
    report = Report(list(found))
    assert [part.title for part in report.sections] == ["Translations: chrF2++", "Translations: BLEU"]
    assert [part.key for part in report.sections] == ["quality", "quality-2"]
    assert all(
        "the further left a mark, the worse the translations" in part.figures[0].caption for part in report.sections
    )
    assert report.sections[0].sentence.startswith("With all neurons on, the mean chrF2++ is ")


def test_two_metrics_that_count_alike_are_both_shown() -> None:
    """BLEU and spBLEU count the same n-grams where both split a text alike."""
    view, data = located("m2m_100", seed=2), Directed(texts(), DIRECTIONS)
    (bleu,) = quality_matrices(view, translation_tokenizer(), data, sets(view), ("bleu",), draws=1, decoding=HOW)
    spbleu = replace(bleu, metric=TranslationQuality("spbleu"))
    assert _each_once([bleu, spbleu]) == [bleu, spbleu]
