"""Rows on which neurons, masks or values were chosen: refused wherever they are judged; where allowed, said first."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from operator import and_, or_, sub
from pathlib import Path

import pytest

from neuroglot import models, record
from neuroglot.activity.recording import Recording
from neuroglot.corpora import Corpus, Task, text_hashes
from neuroglot.corpora.seen import texts_selected_on
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.deactivation import deactivate
from neuroglot.experiments.evaluation import ablation_matrix, evaluate
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.interventions.folding import fold_out
from neuroglot.interventions.gating import gating
from neuroglot.interventions.operators import add, set_to, values_of
from neuroglot.interventions.steering import Steering, steering
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics import NatsPerToken
from neuroglot.models import ModelView, view
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.recipes.deactivate import Deactivate
from neuroglot.reports import Report
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.specialization.making import random_masks
from tests.test_deactivation import a_task
from tests.tiny import tiny_corpus, tiny_tokenizer

TOKENIZER, CORPUS = tiny_tokenizer(), tiny_corpus(8)
CHOSEN, OTHERS = CORPUS.take(range(3)), CORPUS.take(range(3, 8))
SEEN = "1 of the 6 rows of .* the neurons were selected on"
FIRST = "Not a proof: the neurons were selected on 1 row of these"
MIXED = CORPUS.take(range(2, 8))  # of which one row is among the chosen ones


@pytest.fixture(scope="module")
def located() -> ModelView:
    return view(tiny_model("llama"))


def neurons_of(located: ModelView) -> NeuronSet:
    return NeuronSet.of(located.layout, {("decoder", 0): [1, 2]}).selected_on(text_hashes(CHOSEN))


def values_on(located: ModelView) -> Steering:
    """By hand chosen neurons, set to values that were recorded."""
    activity = record(located, TOKENIZER, CHOSEN, Recording("write", statistics=("moments",)))
    by_hand = NeuronSet.of(located.layout, {("decoder", 0): [1, 2]})
    return Steering((add(by_hand, values_of(activity, CHOSEN.languages[0])),))


def changes(located: ModelView, folder: Path) -> Iterator[AbstractContextManager]:
    """Each way of using what was chosen, also from its file."""
    neurons = neurons_of(located)
    masks = random_masks(located.layout)
    kept = DirectionMasks(masks.layout, masks.directions, masks.kept, read=neurons.read)
    yield switch_off(located, neurons)
    yield steering(located, set_to(neurons, 0.5))
    for number, made in enumerate((Steering((set_to(neurons, 0.5),)), values_on(located))):
        yield steering(located, Steering.load(made.save(folder / f"{number}.safetensors")))
    loaded = DirectionMasks.load(kept.save(folder / "masks.safetensors"))
    yield gating(located, loaded.with_zero_shot([]), loaded.directions[0])


def test_what_is_scored_under_an_intervention_is_not_what_chose_it(located: ModelView, tmp_path: Path) -> None:
    for change in changes(located, tmp_path):
        with change:
            with pytest.raises(CorpusError, match=SEEN):
                evaluate(located, TOKENIZER, MIXED, NatsPerToken())
            allowed = evaluate(located, TOKENIZER, MIXED, NatsPerToken(), same_rows="allow")
            others = evaluate(located, TOKENIZER, OTHERS, NatsPerToken())
        assert Report(allowed).sections[0].sentence.startswith(FIRST)
        assert "Not a proof" not in Report(others).sections[0].sentence
    evaluate(located, TOKENIZER, MIXED, NatsPerToken())  # with all neurons as they are, nothing was chosen


@pytest.mark.parametrize("operation", [or_, and_, sub])
def test_sets_that_are_made_of_others_know_the_corpora_of_both(located: ModelView, operation, tmp_path: Path) -> None:
    """Of sets that know the hash of their corpus only, as those that Python's functions give."""
    first, second = (
        replace(
            NeuronSet.of(located.layout, {("decoder", 0): chosen}),
            signature=Signature.of(rule=str(chosen), corpus_hash=corpus.hash),
        )
        for chosen, corpus in (([1, 2], CHOSEN), ([2, 3], OTHERS))
    )
    made = NeuronSet.load(operation(first, second).save(tmp_path / "made.safetensors"))
    again = operation(made, second)
    for neurons in (made, again):
        for corpus in (CHOSEN, OTHERS):
            with switch_off(located, neurons), pytest.raises(CorpusError, match="the neurons were selected on"):
                evaluate(located, TOKENIZER, corpus, NatsPerToken())
        with switch_off(located, neurons):
            evaluate(located, TOKENIZER, tiny_corpus(8, seed=5), NatsPerToken())


def test_other_neurons_are_not_proved_beside_them_either(located: ModelView) -> None:
    sets = {language: NeuronSet.of(located.layout, {("decoder", 1): [3]}) for language in MIXED.languages}
    with switch_off(located, neurons_of(located)):
        with pytest.raises(CorpusError, match=SEEN):
            ablation_matrix(located, TOKENIZER, MIXED, sets, NatsPerToken(), draws=1)
        matrix = ablation_matrix(located, TOKENIZER, MIXED, sets, NatsPerToken(), draws=1, same_rows="allow")
    assert Report(matrix).sections[0].sentence.startswith(FIRST)


def test_generated_texts_say_it(located: ModelView) -> None:
    with switch_off(located, neurons_of(located)):
        generation = generate(located, TOKENIZER, MIXED, Decoding(2))
    assert generation.signature["same_rows"] == 1
    assert generate(located, TOKENIZER, MIXED, Decoding(2)).signature.get("same_rows") is None


def test_a_checkpoint_knows_the_texts_of_neurons_that_it_lacks(located: ModelView, tmp_path: Path) -> None:
    folder = fold_out(located, neurons_of(located), tmp_path / "folded", TOKENIZER)
    without, tokenizer = models.load(str(folder), device="cpu")
    with pytest.raises(CorpusError, match=SEEN):
        evaluate(without, tokenizer, MIXED, NatsPerToken())
    evaluate(without, tokenizer, OTHERS, NatsPerToken())
    again = fold_out(without, NeuronSet.of(located.layout, {("decoder", 1): [3]}), tmp_path / "again", TOKENIZER)
    with pytest.raises(CorpusError, match=SEEN):
        evaluate(*models.load(str(again), device="cpu"), MIXED, NatsPerToken())


def test_categories_of_a_corpus_are_counted_on_other_rows(located: ModelView) -> None:
    whole = a_task(6)
    counted, asked = whole.take(range(3)), whole.take(range(3, 6))
    with pytest.raises(CorpusError, match="3 of the 3 rows of .* the neurons were selected on"):
        deactivate(located, TOKENIZER, asked, level="corpus", draws=1)
    with pytest.raises(CorpusError, match="1 of the 4 rows"):
        deactivate(located, TOKENIZER, whole.take(range(2, 6)), level="corpus", draws=1, counted_on=counted)
    with pytest.raises(ConfigError, match="Expected the level 'corpus'"):
        deactivate(located, TOKENIZER, asked, draws=1, counted_on=counted)
    judged = deactivate(located, TOKENIZER, asked, level="corpus", draws=1, counted_on=counted)
    own = deactivate(located, TOKENIZER, counted, level="corpus", draws=1, same_rows="allow")
    assert judged.sizes.tolist() == own.sizes.tolist()  # the sets are those of the rows that were counted
    assert Report(own).sections[0].sentence.startswith("Not a proof: the neurons were selected on 3 rows of these")
    assert str(judged.signature["counted_on"]).endswith("3 rows")


def test_the_recipe_counts_on_a_part_and_answers_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    task = a_task(10)
    monkeypatch.setattr(Deactivate, "load_task", lambda *_: task)
    monkeypatch.setattr(Deactivate, "load_model", lambda *_: (None, None))
    options = {"model": "m", "corpus": "c", "level": "corpus", "split": 0.3}
    read = Deactivate(**options).read(Identity())
    assert isinstance(read.counted_on, Task)
    assert (len(read.counted_on), len(read.task)) == (3, 7)
    assert not text_hashes(read.counted_on) & text_hashes(read.task)
    assert Deactivate(**options, same_rows="allow").read(Identity()).counted_on is None


def test_a_set_without_its_texts_is_told_by_a_corpus_that_is_part_of_a_sum(located: ModelView) -> None:
    first, second = (record(located, TOKENIZER, rows) for rows in (CHOSEN, OTHERS))
    neurons = NeuronSet(located.layout, neurons_of(located).members, (first + second).signature)
    with switch_off(located, neurons), pytest.raises(CorpusError, match="3 of the 3 rows"):
        evaluate(located, TOKENIZER, Corpus(CHOSEN.name, CHOSEN.ids, CHOSEN.texts), NatsPerToken())


def test_a_row_is_seen_if_one_of_its_texts_is(located: ModelView) -> None:
    seen, other = CHOSEN.texts["de"][0], OTHERS.texts["de"][0]
    rows = [[other, seen], [other], [seen]]
    neurons = [neurons_of(located)]
    assert texts_selected_on("questions", rows, neurons, "allow") == 2
    assert texts_selected_on("questions", [[other]], neurons) == 0
    with pytest.raises(CorpusError, match="2 of the 3 rows of 'questions'"):
        texts_selected_on("questions", rows, neurons)
