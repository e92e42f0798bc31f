"""Attribution by plain loops over texts, layers and neurons, from the formulas; it shares no code with the package."""

import math
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from neuroglot.corpora.corpus import Task
from tests.oracles import DOWN_PROJECTIONS, activations, categories, modules_of

TYPES = ("all-shared", "partial-shared", "specific", "non-activated")
Kept = dict[tuple[int, int, int, str], list[int]]  # neurons by row, language, layer and category


def value_vectors(model: PreTrainedModel) -> list[torch.Tensor]:
    """`[N, D]` of each dense layer, in order."""
    modules = sorted(modules_of(model, DOWN_PROJECTIONS), key=lambda item: item[0])
    conv = [type(module).__name__ == "Conv1D" for _, module in modules]
    weights = [module.weight.detach() for _, module in modules]
    return [weight if transposed else weight.T for weight, transposed in zip(weights, conv)]


def head_row(model: PreTrainedModel, token: int) -> torch.Tensor:
    return model.get_output_embeddings().weight[token].detach()


def categories_of_rows(model: PreTrainedModel, prompts: Sequence[Sequence[int]], site: str) -> list[list[str]]:
    """The category of each neuron, `[L][N]`, on one row: `prompts[g]` are its token ids in each language."""
    last = [[layer[-1] > 0 for layer in activations(model, ids, site)] for ids in prompts]
    found = []
    for layer in range(len(last[0])):
        owners = [sum(bool(last[g][layer][n]) for g in range(len(prompts))) for n in range(len(last[0][layer]))]
        counted = categories([[bool(fires) for fires in last[g][layer]] for g in range(len(prompts))])
        names = [
            "all-shared" if count == len(prompts) else ("non-activated", "specific")[count] if count < 2 else TYPES[1]
            for count in owners
        ]
        assert {name: names.count(name) for name in TYPES} == counted
        found.append(names)
    return found


def scores_of(model: PreTrainedModel, ids: Sequence[int], direction: torch.Tensor) -> list[list[tuple[float, float]]]:
    """(C, E) of each neuron, `[L][N]`, by writing each neuron's own vector out."""
    vectors, found = value_vectors(model), []
    for layer, coefficients in enumerate(activations(model, ids, "write")):
        of_layer = []
        for m, vector in zip(coefficients[-1], vectors[layer], strict=True):
            written = m.double() * vector.double()
            of_layer.append((float(written.norm()), float(direction.double() @ written)))
        found.append(of_layer)
    return found


def top_of(contributions: list[float], size: int) -> set[int]:
    """Python's stable sort: of equal ones the lower index first."""
    return set(sorted(range(len(contributions)), key=lambda n: -contributions[n])[:size])


def reduced(values: list[float]) -> dict[str, float]:
    if not values:
        return dict.fromkeys(("sum", "mean", "max", "min"), math.nan)
    total = math.fsum(values)
    return {"sum": total, "mean": total / len(values), "max": max(values), "min": min(values)}


def first_token(tokenizer: object, task: Task, language: str, row: int) -> int:
    prompt, answer = task.prompts.texts[language][row], task.answers.texts[language][row]
    return tokenizer(prompt + answer)["input_ids"][len(tokenizer(prompt)["input_ids"])]  # type: ignore[operator]
