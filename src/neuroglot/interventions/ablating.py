"""Switching neurons off: their coefficients are replaced at the input of the down projection, for every token."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from neuroglot.layout import Layer
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet


@contextmanager
def ablating(view: ModelView, neurons: NeuronSet, value: float = 0.0) -> Iterator[None]:
    """Within the block the neurons write `value` times their value vectors; 0 removes them from the sum.

    No weight is touched, and the model is as before when the block ends, on exceptions too. Blocks nest. At 0, gated
    networks give the same whether the gate or the product is zeroed (LAPE zeroes the gate). Raises
    `LayoutMismatchError` for neurons of another layout, and `InterventionError` in the first forward that does not
    reach them.
    """
    view.layout.require_same(neurons.layout, "The neuron set")
    members = {layer: part for layer, part in view.layout.by_layer(neurons.members) if bool(part.any())}

    def switch_off(layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor:
        if members[layer].device != activation.device:  # layers of one model may lie on several devices
            members[layer] = members[layer].to(activation.device)
        off = members[layer]
        if routing is not None:  # each row is one expert's
            off = off.reshape(layer.experts, -1)[routing.experts]
        return activation.masked_fill(off, value)

    with view.tapping("write", switch_off, layers=tuple(members)):
        yield
