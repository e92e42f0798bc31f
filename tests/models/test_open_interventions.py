"""Every change of activations stands in signatures while it is open, in order, for all views, and no longer."""

import copy

import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.interventions import set_to, steering, switch_off
from neuroglot.interventions.gating import gating
from neuroglot.models import ModelView, made_with, view
from neuroglot.models.open_interventions import KEPT_AS, open_interventions
from neuroglot.neurons import NeuronSet
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.specialization.making import random_masks


@pytest.fixture
def located() -> ModelView:
    return view(tiny_model("llama"))


def neurons(located: ModelView, *numbers: int) -> NeuronSet:
    chosen = NeuronSet.of(located.layout, {("decoder", 1): numbers})
    made = Signature.of(corpus="lab", corpus_hash="ab12", rows=7, rule="entropy", top_share=0.05, language="de")
    return NeuronSet(chosen.layout, chosen.members, made)


def forward(model: PreTrainedModel) -> None:
    model(input_ids=torch.arange(4)[None])


def test_nothing_is_open_on_a_model_that_nobody_changed(located: ModelView) -> None:
    assert made_with(located)["interventions"] is None
    assert KEPT_AS not in vars(located.model.base_model)


def test_an_ablation_says_which_neurons_by_which_rule_from_which_rows(located: ModelView) -> None:
    off = neurons(located, 3, 5)
    with switch_off(located, off):
        (text,) = open_interventions(located.model)
    chosen = f"neurons=2,set={off.hash},rule=entropy,top_share=0.05,selected_on=lab ab12 7 rows"
    assert text == f"switched off to 0.0 at all tokens ({chosen})"


def test_other_neurons_values_scopes_or_rows_are_other_texts(located: ModelView) -> None:
    off, layout = neurons(located, 3), located.layout
    elsewhere = NeuronSet(layout, off.members, off.signature | Signature.of(corpus_hash="cd34"))
    by_text, positions = torch.stack([off.members, ~off.members]), torch.ones(2, 4, dtype=torch.bool)
    masks, rows = random_masks(layout), ["de-en", "en-de"]
    opened = [
        switch_off(located, off), switch_off(located, neurons(located, 4)), switch_off(located, off, 0.1234567),
        switch_off(located, off, 0.1234568), switch_off(located, elsewhere),
        switch_off(located, off.members), switch_off(located, by_text, positions=positions),
        switch_off(located, by_text, positions=torch.eye(2, 4).bool()), switch_off(located, off.members, 1),
        switch_off(located, off.members, torch.rand(layout.neuron_count)),
        steering(located, set_to(off)), steering(located, set_to(off), "prompt"), steering(located, set_to(off, 1.5)),
        steering(located, set_to(off, site="post_act")),
        steering(located, set_to(off, torch.rand(layout.neuron_count))),
        gating(located, masks, rows), gating(located, masks, rows[:1]), gating(located, random_masks(layout, 1), rows),
    ]  # fmt: skip
    texts = []
    for block in opened:
        with block:
            texts.append(open_interventions(located.model))
    assert len(set(texts)) == len(texts) == 18
    assert all(len(each) == 1 for each in texts)
    assert open_interventions(located.model) == ()


def test_nothing_off_is_nothing_changed(located: ModelView) -> None:
    with switch_off(located, NeuronSet.empty(located.layout)), switch_off(located, neurons(located).members):
        assert open_interventions(located.model) == ()


def test_nested_ones_stand_in_order_and_go_when_closed_on_exceptions_too(located: ModelView) -> None:
    with pytest.raises(KeyError), switch_off(located, neurons(located, 1)):
        with steering(located, [set_to(neurons(located, 2)), set_to(neurons(located, 3), site="post_act")]):
            texts = open_interventions(located.model)
            assert [text.partition(" ")[0] for text in texts] == ["switched", "steering", "steering"]
            assert "site=post_act" in texts[1]  # it acts first
            assert made_with(located)["interventions"] == "; then ".join(texts)
        assert len(open_interventions(located.model)) == 1
        raise KeyError
    assert KEPT_AS not in vars(located.model.base_model)


def test_all_views_of_a_model_see_the_same(located: ModelView) -> None:
    with switch_off(located, neurons(located, 1)):
        assert made_with(view(located.model)) == made_with(located) == made_with(located.model)
        assert open_interventions(located.model.base_model) == open_interventions(located.model)
        assert made_with(view(tiny_model("llama")))["interventions"] is None


def test_a_deep_copy_keeps_its_hooks_and_says_so(located: ModelView) -> None:
    inputs = torch.arange(4)[None]
    plain = located.model(input_ids=inputs).logits
    with switch_off(located, neurons(located, *range(12))):
        twin = copy.deepcopy(located.model)
        changed = located.model(input_ids=inputs).logits
        said = open_interventions(located.model)
    assert torch.equal(twin(input_ids=inputs).logits, changed)
    assert not torch.equal(changed, plain)
    assert open_interventions(twin) == said
    assert open_interventions(located.model) == ()


def test_a_tap_without_a_name_that_replaces_is_like_no_other(located: ModelView) -> None:
    texts = set()
    for _ in range(2):
        with located.tapping("write", lambda _layer, activation, _: activation * 2):
            before = open_interventions(located.model)
            forward(located.model)
            assert open_interventions(located.model) == before
            texts.add(before)
    assert len(texts) == 2
    assert all("unnamed" in text for (text,) in texts)


def test_a_tap_that_only_reads_is_none_once_that_is_known(located: ModelView) -> None:
    with located.tapping("write", lambda *_: None):
        assert "unnamed" in open_interventions(located.model)[0]  # nobody knows yet
        forward(located.model)
        assert open_interventions(located.model) == ()
    begun = []
    with located.tapping("write", lambda _layer, activation, _: activation if begun else None):
        forward(located.model)
        twin = copy.deepcopy(located.model)
        begun.append(True)
        forward(twin)
        assert "unnamed" in open_interventions(located.model)[0] == open_interventions(twin)[0]


def test_a_tap_with_a_name_is_what_its_name_says(located: ModelView) -> None:
    texts = set()
    for _ in range(2):
        with located.tapping("write", lambda _layer, activation, _: activation * 2, name="twice"):
            texts.add(open_interventions(located.model))
    assert texts == {("twice",)}
