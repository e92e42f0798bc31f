"""Embedding rows of another checkpoint, against models into which the rows were written by hand."""

import copy

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.interventions import other_tokens, transplant_rows
from neuroglot.models import view
from neuroglot.models.open_interventions import open_interventions
from tests.families import tiny_model

IDS = torch.tensor([[1, 5, 9, 20, 33, 7, 12]])
TOKENS = (5, 20, 20, 9)


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def by_hand(model: PreTrainedModel, donor: PreTrainedModel, table: str) -> PreTrainedModel:
    changed = copy.deepcopy(model)
    get = "get_input_embeddings" if table == "input" else "get_output_embeddings"
    own, given = getattr(changed, get)(), getattr(donor, get)()
    with torch.no_grad():
        for token in TOKENS:
            own.weight[token] = given.weight[token]
            if getattr(own, "bias", None) is not None:
                own.bias[token] = given.bias[token]
    return changed


@pytest.mark.parametrize("table", ["input", "output"])
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gptj"])
def test_rows_are_the_donors_within_the_block_and_the_models_own_behind_it(model_type: str, table: str) -> None:
    model, donor = (tiny_model(model_type, seed=seed) for seed in (0, 1))
    located, before = view(model), logits(model)
    with transplant_rows(located, donor, TOKENS, table):
        assert torch.equal(logits(model), logits(by_hand(model, donor, table)))
        assert not torch.equal(logits(model), before)
        (name,) = open_interventions(model)
        assert "embeddings of 3 tokens" in name
        tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
        assert ("which are one" in name) == tied
    assert torch.equal(logits(model), before)
    assert open_interventions(model) == ()


def test_all_rows_make_the_donor_of_a_model_that_was_tuned_in_its_embeddings_alone() -> None:
    donor = tiny_model("llama")
    model = copy.deepcopy(donor)
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(0.1)
    with transplant_rows(view(model), donor, range(len(model.get_input_embeddings().weight))):
        assert torch.equal(logits(model), logits(donor))
    assert not torch.equal(logits(model), logits(donor))


def test_the_model_is_as_before_after_an_error_and_names_tell_rows_apart() -> None:
    model, donor, third = (tiny_model("llama", seed=seed) for seed in (0, 1, 2))
    before, names = logits(model), []
    for other, tokens in ((donor, TOKENS), (third, TOKENS), (donor, (5,)), (donor, TOKENS)):
        with pytest.raises(RuntimeError, match="stop"), transplant_rows(view(model), other, tokens):
            names += open_interventions(model)
            raise RuntimeError("stop")
        assert torch.equal(logits(model), before)
    assert names[0] == names[3]
    assert len({*names}) == 3


def test_models_in_lower_precision_keep_it() -> None:
    model, donor = tiny_model("llama").to(torch.bfloat16), tiny_model("llama", seed=1)
    with transplant_rows(view(model), donor, TOKENS):
        row = model.get_input_embeddings().weight[5]
        assert torch.equal(row, donor.get_input_embeddings().weight[5].to(torch.bfloat16))


def test_other_tokens_are_as_many_and_none_of_those() -> None:
    drawn = other_tokens(TOKENS, 40, seed=3)
    assert len(drawn) == len({*drawn}) == 3
    assert not {*drawn} & {*TOKENS}
    assert drawn == other_tokens(TOKENS, 40, seed=3) != other_tokens(TOKENS, 40, seed=4)
    with pytest.raises(ConfigError, match="Expected at most 2"):
        other_tokens((0, 1, 2), 5)


def test_rows_that_are_not_there_are_refused() -> None:
    model, donor = (tiny_model("llama", seed=seed) for seed in (0, 1))
    for tokens, said in (((), "No token"), ((5, -1), "token -1 has no row"), ((5, 10**6), "token 1000000 has no row")):
        with pytest.raises(ConfigError, match=said), transplant_rows(view(model), donor, tokens):
            pass
    wide = tiny_model("llama", hidden_size=2 * model.config.hidden_size)
    with pytest.raises(LayoutMismatchError, match="Expected"), transplant_rows(view(model), wide, TOKENS):
        pass
    headless = tiny_model("llama").base_model
    with pytest.raises(ConfigError, match="no output embeddings"):  # noqa: SIM117
        with transplant_rows(view(model), headless, TOKENS, "output"):
            pass
