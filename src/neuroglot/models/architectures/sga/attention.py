"""Attention of an encoder that also sees a memory: keys and values beside its own, handed on to each of its layers.

The attention is registered with transformers as `sga`, with a mask function, so that any model that asks the library
for its attention can be given it. Without a memory it is the library's attention by `scaled_dot_product_attention`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from neuroglot.errors import UnsupportedModelError

ATTENTION = "sga"


@dataclass(frozen=True, eq=False)
class Beside:
    """What the layers of one pass see beside their own positions: `keys` and `values` by layer, `[B, M, K]` each.

    `real` `[B, M]` says which of them are no padding; None: all. `places` numbers the attention modules in the order in
    which a forward reaches them. Keys come as they are: they have no position, so that they are not rotated, and are
    seen from every position, however narrow a layer's window is. `own`, if it is a dictionary, is given the layers' own
    keys and values by place, `[B, T, K]`. `stage` is the pass: 0 encodes, others write.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    real: Tensor | None
    places: dict[nn.Module, int]
    reached: set[int] = field(default_factory=set)
    own: dict[int, tuple[Tensor, Tensor]] | None = None
    stage: int = 0

    def join(
        self, module: nn.Module, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """A layer's keys and values `[B, H, T, K]` with the memory before them, and the mask `[B, 1, T, M + T]`."""
        place = self.places.setdefault(module, len(self.places))
        self.reached.add(place)
        if self.own is not None:
            self.own[place] = (keys.transpose(1, 2).flatten(2), values.transpose(1, 2).flatten(2))
        if place >= len(self.keys):
            return keys, values, mask  # the pass is refused when it is over
        heads, width = keys.shape[1], keys.shape[-1]
        other = [
            part[place].to(keys.dtype).unflatten(-1, (heads, width)).transpose(1, 2)
            for part in (self.keys, self.values)
        ]
        joined = self._mask(mask, len(keys), keys.shape[2])
        return torch.cat([other[0], keys], dim=2), torch.cat([other[1], values], dim=2), joined

    def _mask(self, mask: Tensor | None, rows: int, length: int) -> Tensor | None:
        if mask is None and self.real is None:
            return None
        device, count = self.keys[0].device, self.keys[0].shape[1]
        own = torch.ones(rows, 1, length, length, dtype=torch.bool, device=device) if mask is None else mask
        real = torch.ones(rows, count, dtype=torch.bool, device=device) if self.real is None else self.real
        seen = real[:, None, None, :].expand(-1, -1, own.shape[2], -1)
        return torch.cat([seen, own.expand(rows, -1, -1, -1)], dim=-1)

    def require_every_layer(self, model: Any) -> None:
        """Raise `UnsupportedModelError` unless each layer of the encoder saw its memory once."""
        if self.reached != set(range(len(self.keys))) or len(self.places) != len(self.keys):
            raise UnsupportedModelError(
                f"The memory reached {len(self.reached)} attention modules of {type(model).__name__}.",
                f"Expected one in each of its {len(self.keys)} layers.",
                "Take an encoder whose attention goes through the library's AttentionInterface, such as XLM-R or BERT.",
            )


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """Attention of a layer over what is `beside` it, if anything is, and over its own positions, in both directions."""
    beside = options.pop("beside", None)
    if beside is not None:
        key, value, attention_mask = beside.join(module, key, value, attention_mask)
    options["is_causal"] = False
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
