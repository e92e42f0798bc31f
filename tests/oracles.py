"""Plain-loop versions of what the package computes, written from the formulas; they share no code with it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

NONLINEARITIES = ("act_fn", "act", "gelu_impl", "activation_fn")
DOWN_PROJECTIONS = ("down_proj", "c_proj", "dense_4h_to_h", "fc2")


def activations(model: PreTrainedModel, token_ids: Sequence[int], site: str) -> list[Tensor]:
    """One `[T, N]` tensor a layer for one unpadded text, read from modules found by their names' endings."""
    seen: list[Tensor] = []
    handles = []
    for name, module in model.named_modules():
        ending = name.rsplit(".", 1)[-1]
        if site == "post_act" and ending in NONLINEARITIES:
            handles.append(module.register_forward_hook(lambda _m, _i, output: seen.append(output.detach().clone())))
        if site == "write" and ending in DOWN_PROJECTIONS and "attn" not in name:
            handles.append(module.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].detach().clone())))
    with torch.no_grad():
        ids = torch.tensor([list(token_ids)])
        model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    for handle in handles:
        handle.remove()
    return [layer.reshape(-1, layer.shape[-1]) for layer in seen]


def count_fired(
    model: PreTrainedModel, texts: list[list[list[int]]], site: str, threshold: float, last: bool
) -> tuple[list[list[int]], list[int]]:
    """`fired[g][n]` and `tokens[g]` for texts given as token ids by language; the first token of each is special."""
    fired, tokens = [], []
    for language in texts:
        total: Tensor | None = None
        seen = 0
        for token_ids in language:
            places = [len(token_ids) - 1] if last else list(range(1, len(token_ids)))
            layers = activations(model, token_ids, site)
            for place in places:
                hits = torch.cat([(layer[place] > threshold).long() for layer in layers])
                total = hits if total is None else total + hits
                seen += 1
        assert total is not None
        fired.append(total.tolist())
        tokens.append(seen)
    return fired, tokens


def entropy_sets(
    rates: list[list[float]], top_share: float, filter_quantile: float, owner_quantile: float
) -> list[set[int]]:
    """LAPE by loops: the set of neurons of each language."""
    languages, neurons = len(rates), len(rates[0])
    ordered = sorted(rate for row in rates for rate in row)
    bar = ordered[max(1, round(filter_quantile * len(ordered))) - 1]
    owner_bar = ordered[max(1, round(owner_quantile * len(ordered))) - 1]
    scored = []
    for neuron in range(neurons):
        column = [rates[g][neuron] for g in range(languages)]
        if not any(rate > bar for rate in column):
            continue
        shares = [rate / sum(column) for rate in column]
        scored.append((-sum(share * math.log(share) for share in shares if share > 0), neuron))
    # entropies that are equal in exact arithmetic differ in the last bits: compare them rounded, lower index first
    chosen = [neuron for _, neuron in sorted(scored)[: round(top_share * neurons)]]
    return [{neuron for neuron in chosen if rates[g][neuron] > owner_bar} for g in range(languages)]


def categories(active: list[list[bool]]) -> dict[str, int]:
    """How many neurons are of each category, for `active[g][n]` of one row and layer."""
    counts = {"all-shared": 0, "partial-shared": 0, "specific": 0, "non-activated": 0}
    for neuron in range(len(active[0])):
        owners = sum(language[neuron] for language in active)
        if owners == len(active):
            counts["all-shared"] += 1
        elif owners >= 2:
            counts["partial-shared"] += 1
        elif owners == 1:
            counts["specific"] += 1
        else:
            counts["non-activated"] += 1
    return counts
