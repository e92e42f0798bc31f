"""Both scores, categories and readings equal plain loops, on many families, whatever the batch."""

import math

import pytest
import torch

from neuroglot.activity.recording import Recording
from neuroglot.attribution.attribution import Attribution
from neuroglot.attribution.recording import attribute
from neuroglot.layout import Layer
from neuroglot.models import ModelView, view
from neuroglot.models.checks import available_sites
from neuroglot.neurons.categories import CATEGORIES
from tests.attribution import oracle
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

FAMILIES = (
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "olmo2", "cohere",  # gated
    "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "bloom", "opt", "xglm", "falcon", "mpt", "phi", "starcoder2",
)  # fmt: skip
TOKENIZER = tiny_tokenizer()
TASK = tiny_task(rows=4)
TOP_SHARE = 0.2


def close(found: float, expected: float) -> bool:
    if math.isnan(expected):
        return math.isnan(found)
    return found == pytest.approx(expected, rel=1e-5, abs=2e-5)


def check(found: Attribution, model: torch.nn.Module, task=TASK, site: str = "post_act") -> None:
    size = max(1, round(TOP_SHARE * found.layout.layers[0].width))
    for row in range(len(task)):
        prompts = [TOKENIZER(column[row])["input_ids"] for column in task.prompts.texts.values()]
        categories = oracle.categories_of_rows(model, prompts, site)
        for g, language in enumerate(task.languages):
            direction = oracle.head_row(model, oracle.first_token(TOKENIZER, task, language, row))
            scores = oracle.scores_of(model, prompts[g], direction)
            fires = [layer[-1] > 0 for layer in oracle.activations(model, prompts[g], site)]
            for layer, of_layer in enumerate(scores):
                top = oracle.top_of([c for c, _ in of_layer], size)
                for among in ("any", "active"):
                    for place, name in enumerate(CATEGORIES):
                        inside = [
                            n for n, one in enumerate(categories[layer])
                            if one == name and (among == "any" or bool(fires[layer][n]))
                        ]  # fmt: skip
                        at = (row, g, layer, place)
                        assert int(found.neurons(among)[at]) == len(inside)
                        assert int(found.top(among)[at]) == len(top & set(inside))
                        for which, score in enumerate(("contribution", "effective")):
                            expected = oracle.reduced([of_layer[n][which] for n in inside])
                            for statistic, value in expected.items():
                                assert close(float(found.statistic(score, statistic, among)[at]), value)


def test_there_are_families_of_every_kind() -> None:
    assert len(FAMILIES) >= 12
    models = {name: tiny_model(name) for name in ("llama", "gpt2", "bloom", "gpt_neox", "opt")}
    tied = {name: model.get_output_embeddings().weight is model.get_input_embeddings().weight
            for name, model in models.items()}  # fmt: skip
    assert tied == {"llama": False, "gpt2": True, "bloom": True, "gpt_neox": False, "opt": True}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_scores_equal_plain_loops(model_type: str) -> None:
    located = view(tiny_model(model_type))
    check(attribute(located, TOKENIZER, TASK, top_share=TOP_SHARE), located.model)


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_types_can_be_read_at_the_write_site(model_type: str) -> None:
    located = view(tiny_model(model_type))
    recording = Recording(site="write", tokens="last", special_tokens=True)
    check(attribute(located, TOKENIZER, TASK, recording=recording, top_share=TOP_SHARE), located.model, site="write")


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "mixtral", "llama4_text", "gpt_oss"])
@pytest.mark.parametrize("frozen_norm", [False, True])
def test_the_batch_changes_nothing(model_type: str, frozen_norm: bool) -> None:
    located = view(tiny_model(model_type))
    recording = Recording(site=available_sites(located)[0], tokens="last", special_tokens=True)
    task = tiny_task(rows=9, seed=1)
    one, some, all_at_once = (
        attribute(located, TOKENIZER, task, recording=recording, frozen_norm=frozen_norm, token_budget=budget)
        for budget in (1, 60, 100_000)
    )
    for other in (some, all_at_once):
        assert torch.equal(one.sizes, other.sizes)
        for name, values in one.values.items():
            there = one.sizes > 0
            torch.testing.assert_close(values[there], other.values[name][there], rtol=1e-4, atol=1e-4)
        assert one.signature == other.signature


def written_last(located: ModelView, layer: Layer, ids: list[int], direction: torch.Tensor) -> float:
    """u·(output of the layer's networks − their biases) at the last token of a text."""
    point, written, routings = located.points[layer], [], []
    keep = point.output_module.register_forward_hook(lambda _module, _inputs, output: written.append(output.clone()))
    with torch.no_grad(), located.tapping("write", lambda _l, _a, routing: routings.append(routing), [layer]):
        located.model(input_ids=torch.tensor([ids]))
        keep.remove()
        total, biases, routing = point.written(written[0])[-1].clone(), point.biases(), routings[0]
        if biases is not None and routing is not None:
            mine = routing.tokens == len(ids) - 1
            total -= (routing.weights[mine][:, None] * biases[routing.experts[mine]]).sum(0)
        elif biases is not None:
            total -= biases[0]
        return float(direction @ total)


@pytest.mark.parametrize("model_type", ["mixtral", "qwen3_moe", "llama4_text", "gpt_oss", "deepseek_v3", "opt", "gpt2"])
def test_effects_add_up_to_what_their_layer_writes(model_type: str) -> None:
    """Σ_i E_i + u·b = u·FFN, at the last token; in a layer of experts with the weights of the router."""
    located = view(tiny_model(model_type))
    recording = Recording(site=available_sites(located)[0], tokens="last", special_tokens=True)
    found = attribute(located, TOKENIZER, TASK, recording=recording)
    for row in range(len(TASK)):
        for g, language in enumerate(TASK.languages):
            ids = TOKENIZER(TASK.prompts.texts[language][row])["input_ids"]
            direction = oracle.head_row(located.model, oracle.first_token(TOKENIZER, TASK, language, row))
            for place, layer in enumerate(located.layout.layers):
                summed = float(found.values["effective_sum"][row, g, place].sum())
                assert summed == pytest.approx(written_last(located, layer, ids, direction), rel=1e-4, abs=1e-4)
