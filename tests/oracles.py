"""Plain-loop versions of what the package computes, written from the formulas; they share no code with it."""

import math
import re
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import Module
from transformers import PreTrainedModel

from tests.families import forward_inputs

NONLINEARITIES = ("act_fn", "act", "gelu_impl", "activation_fn", "intermediate_act_fn", "ffn.activation")
DOWN_PROJECTIONS = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out", "wo", "Wo", "lin2", "output.dense")
ELSEWHERE = re.compile(r"attn|[aA]ttention|vision|visual|\.experts\.act_fn$")


def modules_of(model: PreTrainedModel, endings: tuple[str, ...]) -> Iterator[tuple[tuple[str, int], Module]]:
    """Feed-forward modules found by the endings of their names, with the stack and the layer that the name tells."""
    encoder_decoder = model.config.is_encoder_decoder
    for name, module in model.named_modules():
        layer = re.search(r"\.(\d+)\.", name)
        if layer and name.endswith(tuple(f".{ending}" for ending in endings)) and not ELSEWHERE.search(name):
            stack = "encoder" if ".encoder." in f".{name}" or not encoder_decoder else "decoder"
            stack = "shared experts" if "shared_expert" in name else stack
            yield (stack, int(layer[1])), module


def activations(model: PreTrainedModel, token_ids: Sequence[int], site: str) -> list[Tensor]:
    """One `[T, N]` tensor a layer for one unpadded text, stack by stack; -inf for neurons of experts not routed to."""
    seen: dict[tuple[str, int], Tensor] = {}
    handles = []
    endings = NONLINEARITIES if site == "post_act" else DOWN_PROJECTIONS
    for place, module in modules_of(model, endings):
        if site == "post_act":
            handles.append(module.register_forward_hook(_keep_output(seen, place)))
        else:
            handles.append(module.register_forward_pre_hook(_keep_input(seen, place)))
    for name, module in model.named_modules():
        if name.endswith(".experts"):
            place = ("routed experts", int(re.search(r"\.(\d+)\.", name)[1]))  # type: ignore[index]
            handles.append(module.register_forward_pre_hook(_run_experts(seen, place, site)))
    with torch.no_grad():
        model(**forward_inputs(model.config.model_type, torch.tensor([list(token_ids)])))
    for handle in handles:
        handle.remove()
    order = {"encoder": 0, "decoder": 1, "routed experts": 2, "shared experts": 3}
    ordered = sorted(seen.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    return [layer.reshape(-1, layer.shape[-1]) for _, layer in ordered]


def _keep_output(seen: dict, place: tuple[str, int]) -> Callable:
    return lambda _module, _inputs, output: seen.__setitem__(place, output.detach().clone())


def _keep_input(seen: dict, place: tuple[str, int]) -> Callable:
    return lambda _module, inputs: seen.__setitem__(place, inputs[0].detach().clone())


def _run_experts(seen: dict, place: tuple[str, int], site: str) -> Callable:
    """Experts by a plain loop over tokens and the experts that each was routed to."""

    def hook(module: Module, inputs: tuple[Tensor, ...]) -> None:
        hidden = inputs[0].reshape(-1, inputs[0].shape[-1])
        if len(inputs) == 1:  # Llama 4: every token for every expert, zero where it was not chosen
            seen[place] = _scaled_experts(module, hidden, site)
            return
        chosen, layer = inputs[1], None
        for token in range(len(hidden)):
            for expert in chosen[token].tolist():
                value = _one_expert(module, expert, hidden[token], site)
                if layer is None:
                    layer = torch.full((len(hidden), module.num_experts, len(value)), -math.inf)
                layer[token, expert] = value
        assert layer is not None
        seen[place] = layer.flatten(1)

    return hook


def _scaled_experts(experts: Module, rows: Tensor, site: str) -> Tensor:
    count, width, _ = experts.down_proj.shape
    layer = torch.full((len(rows) // count, count, width), -math.inf)
    for place, row in enumerate(rows):
        expert, token = divmod(place, len(rows) // count)
        if row.abs().max() > 0:
            gate, up = (row @ experts.gate_up_proj[expert]).chunk(2)
            fired = gate * torch.sigmoid(gate)
            layer[token, expert] = (fired if site == "post_act" else fired * up).detach()
    return layer.flatten(1)


def _one_expert(experts: Module, expert: int, hidden: Tensor, site: str) -> Tensor:
    weight = experts.gate_up_proj[expert]
    projected = hidden @ weight if experts.is_transposed else weight @ hidden
    if experts.has_bias:
        projected = projected + experts.gate_up_proj_bias[expert]
    if type(experts).__name__ == "GptOssExperts":  # interleaved, clamped, (up + 1) · gate · sigmoid(α · gate)
        gate, up = projected[0::2].clamp(max=experts.limit), projected[1::2].clamp(-experts.limit, experts.limit)
        return ((up + 1) * gate * torch.sigmoid(experts.alpha * gate)).detach()
    gate, up = projected[: len(projected) // 2], projected[len(projected) // 2 :]
    fired = gate * torch.sigmoid(gate)  # SiLU
    return (fired if site == "post_act" else fired * up).detach()


def count_fired(
    model: PreTrainedModel, texts: list[list[list[int]]], site: str, threshold: float, last: bool
) -> tuple[list[list[int]], list[int]]:
    """`fired[g][n]` and `tokens[g]` for texts given as token ids by language; the first token of each is special."""
    fired, tokens = [], []
    pair = model.config.is_encoder_decoder
    for language in texts:
        total: Tensor | None = None
        for token_ids in language:
            layers = activations(model, token_ids, site)
            encoder_layers = model.config.num_hidden_layers if pair else 0
            hits = []
            for number, layer in enumerate(layers):
                shifted = pair and number >= encoder_layers  # behind a start token, and without the last one
                places = [len(token_ids) - 1] if last else list(range(2 if shifted else 1, len(token_ids)))
                hits.append(sum(((layer[place] > threshold).long() for place in places), torch.zeros(layer.shape[1])))
            total = torch.cat(hits) if total is None else total + torch.cat(hits)
        assert total is not None
        fired.append(total.long().tolist())
        tokens.append(sum(1 if last else len(token_ids) - 1 for token_ids in language))
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
