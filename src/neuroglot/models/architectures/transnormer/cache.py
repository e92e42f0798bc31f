"""What a TransNormerLLM remembers of the tokens it has read: one state a layer, constant in length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, LinearAttentionLayer

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer.config import TransNormerConfig
from neuroglot.models.architectures.transnormer.positions import finest_dtype


class StateLayer(LinearAttentionLayer, CacheLayerMixin):
    """The state `[B, H, K, V]` of one layer of linear attention, behind `seen` positions."""

    is_compileable = False
    is_croppable = False  # a property in the library, which asks for convolutions

    def __init__(self, dtype: torch.dtype) -> None:
        LinearAttentionLayer.__init__(self)
        self.keys = self.values = None
        self.is_initialized = False
        self.state_dtype = dtype
        self.state: Tensor | None = None
        self.seen = 0

    def begin(self, rows: int, shape: tuple[int, int, int], device: torch.device) -> Tensor:
        """The state so far; zeros before the first token. Raises `ConfigError` for a state of other rows or heads."""
        refuse_others(self.state, (rows, *shape))
        if self.state is None:
            dtype = min(self.state_dtype, finest_dtype(device), key=lambda kind: kind.itemsize)
            self.device, self.dtype = device, dtype  # type: ignore[assignment]
            self.state = torch.zeros(rows, *shape, dtype=dtype, device=device)
            self.is_initialized = True
        return self.state

    def go_on(self, state: Tensor, positions: int) -> None:
        """Take the state behind more positions."""
        self.state = state
        self.seen += positions
        self.has_previous_state[0] = True

    def lazy_initialization(self, *_: Any, **__: Any) -> None:
        """Nothing: `begin` knows the shape."""

    def update(self, *_: Any, **__: Any) -> Any:
        raise ConfigError("A layer of linear attention was given keys and values.", "Expected its state.")

    def get_seq_length(self) -> int:
        return self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.seen + query_length, 0

    def get_max_length(self) -> int:
        return -1

    def reset(self) -> None:
        self.state = None
        self.seen, self.is_initialized = 0, False
        self.has_previous_state[0] = False

    def offload(self) -> None:
        """Nothing: a state is small."""

    def prefetch(self) -> None:
        """Nothing: a state is never offloaded."""

    def crop(self, tokens_to_remove: int) -> None:
        raise ConfigError(
            f"The cache was asked to forget its last {abs(tokens_to_remove)} tokens.",
            "Expected to go on from the last: a state is a sum, from which nothing can be taken back.",
        )

    def reorder_cache(self, beam_idx: Tensor) -> None:
        if self.state is not None:
            self.state = self.state.index_select(0, beam_idx.to(self.state.device))

    def batch_repeat_interleave(self, repeats: int) -> None:
        if self.state is not None:
            self.state = self.state.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.state is not None:
            self.state = self.state[indices]


class TransNormerCache(Cache):
    """A state for each layer of linear attention, keys and values for each of softmax attention.

    `next_position` is where each row goes on behind its last real token, `[B, 1]`, or 0 before the first; `padded` says
    whether any text that was read had padding, so that softmax layers need a mask of all of it.
    """

    is_croppable = False

    def __init__(self, config: TransNormerConfig) -> None:
        dtype = getattr(torch, config.state_dtype)
        linear = [kind == "linear_attention" for kind in config.layer_types or ()]
        super().__init__(layers=[StateLayer(dtype) if is_linear else DynamicLayer() for is_linear in linear])
        self.next_position: Tensor | int = 0
        self.padded = False

    def check(self, config: TransNormerConfig) -> None:
        """Raise `ConfigError` unless the layers are those of a model of this config."""
        linear = [kind == "linear_attention" for kind in config.layer_types or ()]
        if [isinstance(layer, StateLayer) for layer in self.layers] != linear:
            raise ConfigError(
                f"The cache has {_described([isinstance(layer, StateLayer) for layer in self.layers])}.",
                f"Expected those of the model, {_described(linear)}.",
                "Give each model a cache of its own: TransNormerCache(model.config).",
            )

    def read(self, position: Tensor, real: Tensor | None) -> None:
        """Take the positions `[B, T]` or `[1, T]` of one forward, in which only `real` `[B, T]` are no padding."""
        if not position.shape[1]:
            return
        if real is None:
            self.next_position = position[:, -1:] + 1
            return
        last = (real * torch.arange(1, real.shape[1] + 1, device=real.device)).amax(1, keepdim=True)
        reached = position.expand(len(real), -1).gather(1, (last - 1).clamp(min=0)) + 1
        self.next_position = torch.where(last > 0, reached, self.next_position)
        self.padded = self.padded or real.shape[1] > 1

    def reset(self) -> None:
        super().reset()
        self.next_position, self.padded = 0, False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        super().reorder_cache(beam_idx)  # type: ignore[arg-type]
        self._choose(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        if isinstance(self.next_position, Tensor) and len(self.next_position) > 1:
            self.next_position = self.next_position.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._choose(indices)

    def _choose(self, rows: Tensor) -> None:
        if isinstance(self.next_position, Tensor) and len(self.next_position) > 1:  # one row is all rows
            self.next_position = self.next_position[rows.to(self.next_position.device)]


def refuse_others(remembered: Tensor | None, expected: tuple[int, ...]) -> None:
    """Raise `ConfigError` where what a layer remembers has other rows, heads or channels than the text at hand."""
    if remembered is not None and tuple(remembered.shape) != expected:
        raise ConfigError(
            f"A layer of the cache remembers {tuple(remembered.shape)} (rows, heads, and channels of these).",
            f"Expected {expected}.",
            "Give each model and batch a cache of its own; batch_repeat_interleave repeats rows for beams.",
        )


def _described(linear: list[bool]) -> str:
    return f"{linear.count(True)} layers of linear and {linear.count(False)} of softmax attention in their order"
