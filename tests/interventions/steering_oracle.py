"""Steps on neurons by plain hooks and loops over tokens and neurons, on a copy of the model without a cache."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.layout import Layer
from neuroglot.models import ModelView
from tests.oracles import DOWN_PROJECTIONS, NONLINEARITIES, _one_expert, modules_of

# (site, what it makes of neuron n's activation h), the neurons of which it acts
Change = tuple[str, set[int], Callable[[int, float], float]]


def changed(changes: Sequence[Change], site: str, start: int, rows: Tensor, positions: Sequence[int | None]) -> Tensor:
    """Rows `[T, N]` whose first neuron is neuron `start` of the model, at these positions (None: unchanged)."""
    rows = rows.clone()
    for at, members, function in changes:
        for neuron in range(rows.shape[1]) if at == site else ():
            if start + neuron in members:
                for row, position in enumerate(positions):
                    if position is not None:
                        rows[row, neuron] = function(start + neuron, float(rows[row, neuron]))
    return rows


@contextmanager
def plainly(
    located: ModelView, changes: Sequence[Change], acts_at: Callable[[int], bool] = lambda position: True
) -> Iterator[PreTrainedModel]:
    """A copy of the model with the changes at the positions of one text at which `acts_at` is true."""
    model = copy.deepcopy(located.model)
    layers = {("shared experts" in layer.stack, layer.index): layer for layer in located.layout.layers}
    layers |= {("experts", layer.index): layer for layer in located.layout.layers if layer.experts > 1}

    def positions(count: int) -> list[int | None]:
        return [position if acts_at(position) else None for position in range(count)]

    def edit(layer: Layer, site: str, values: Tensor) -> Tensor:
        rows = values.reshape(-1, layer.width)
        return changed(changes, site, layer.start, rows, positions(len(rows))).reshape(values.shape)

    for (stack, index), module in modules_of(model, NONLINEARITIES):
        layer = layers[stack == "shared experts", index]
        module.register_forward_hook(lambda _module, _inputs, output, layer=layer: edit(layer, "post_act", output))
    for (stack, index), module in modules_of(model, DOWN_PROJECTIONS):
        layer = layers[stack == "shared experts", index]
        module.register_forward_pre_hook(lambda _module, inputs, layer=layer: (edit(layer, "write", inputs[0]),))
    for name, module in model.named_modules():
        if name.endswith(".experts"):
            index = next(int(part) for part in name.split(".") if part.isdigit())
            module.forward = _loop(module, layers["experts", index], changes, positions)
    with torch.no_grad():
        yield model


def _loop(module, layer: Layer, changes: Sequence[Change], positions: Callable) -> Callable:  # type: ignore[no-untyped-def]
    """Experts one token and one expert after another."""
    width = layer.width // layer.experts

    def forward(hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        output, where = torch.zeros_like(hidden), positions(len(hidden))
        for token, experts in enumerate(chosen.tolist()):
            for slot, expert in enumerate(experts):
                start, at = layer.start + expert * width, [where[token]]
                if module.is_transposed:  # GPT-OSS: its nonlinearity is no module
                    value = changed(
                        changes, "write", start, _one_expert(module, expert, hidden[token], "write")[None], at
                    )
                    wrote = value[0] @ module.down_proj[expert] + module.down_proj_bias[expert]
                else:
                    gate, up = (module.gate_up_proj[expert] @ hidden[token]).chunk(2)
                    fired = changed(changes, "post_act", start, (gate * torch.sigmoid(gate))[None], at)
                    wrote = module.down_proj[expert] @ changed(changes, "write", start, fired * up, at)[0]
                output[token] += weights[token, slot] * wrote
        return output

    return forward


def greedy(located: ModelView, changes: Sequence[Change], prompt: list[int], new: int, scope: str) -> list[int]:
    """Greedy decoding step by step over whole texts; `scope` says which positions are changed."""
    inside = {"all": lambda place: True, "prompt": lambda place: place < len(prompt)}
    acts_at = inside.get(scope, lambda place: place >= len(prompt))
    token_ids = list(prompt)
    with plainly(located, changes, acts_at) as model:
        for _ in range(new):
            logits = model(input_ids=torch.tensor([token_ids]), use_cache=False).logits[0, -1]
            token_ids.append(int(logits.argmax()))
    return token_ids[len(prompt) :]
