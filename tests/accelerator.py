"""A device that is none: tensors that say they lie on a GPU, are computed on the processor, and refuse to be mixed with
tensors that lie there. What mixes them would fail on every GPU.

Gradients are left out: autograd asks a driver for its streams.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ACCELERATOR = torch.device("cuda", 0)
MOVING = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class OnAccelerator(torch.Tensor):
    """A tensor that holds another one, and says that it lies elsewhere."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnAccelerator":
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=ACCELERATOR,
        )  # fmt: skip
        made.held = held
        return made

    def tolist(self) -> Any:  # torch's own asks a driver, as do numbers and what they index
        return self.held.tolist()

    def item(self) -> Any:
        return self.held.item()

    def __float__(self) -> float:
        return float(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __or__(self, other: Any) -> torch.Tensor:
        return torch.bitwise_or(self, other)

    def __and__(self, other: Any) -> torch.Tensor:
        return torch.bitwise_and(self, other)

    def __invert__(self) -> torch.Tensor:
        return torch.bitwise_not(self)

    def nonzero(self) -> torch.Tensor:
        return OnAccelerator(self.held.nonzero())

    def __repr__(self) -> str:
        return f"OnAccelerator({self.held})"

    def __getitem__(self, index: Any) -> "OnAccelerator":
        return OnAccelerator(self.held[tree_map(_held, index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        _require_one_device("setting items", [value])
        self.held[tree_map(_held, index)] = _held(value)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # with it torch asks for no driver where tensors are moved

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _held(value: Any) -> Any:
    if isinstance(value, OnAccelerator):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _require_one_device(name: str, tensors: list[Any]) -> None:
    """Numbers may lie on the processor, as everywhere."""
    others = [each for each in tensors if isinstance(each, torch.Tensor) and not isinstance(each, OnAccelerator)]
    shapes = [tuple(each.shape) for each in others if each.dim() > 0]
    if shapes:
        raise RuntimeError(f"{name} mixes the accelerator with the processor: {shapes}")


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    is_there = any(isinstance(leaf, OnAccelerator) for leaf in given)
    target = next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.device)), None)
    if is_there and func not in MOVING and target is None:
        _require_one_device(str(func), given)
    if target is not None:
        is_there = target.type == ACCELERATOR.type
    elif func is torch.ops.aten.copy_.default:
        is_there = isinstance(args[0], OnAccelerator)
    plain_args, plain_kwargs = tree_map(_held, (args, kwargs))
    known = {id(leaf.held): leaf for leaf in given if isinstance(leaf, OnAccelerator)}

    def lifted(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in known and is_there:  # what was changed where it lies
            return known[id(value)]
        return OnAccelerator(value) if is_there else value

    return tree_map(lifted, func(*plain_args, **plain_kwargs))


@contextmanager
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Within the block there is such a device, of 16 GiB."""
    memory = SimpleNamespace(total_memory=2**34, name="none")
    answers = {"get_device_properties": memory, "reset_peak_memory_stats": None, "max_memory_allocated": 2**20}
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device=None, answer=answer: answer)
    overwrites, lifts = torch.__future__.get_overwrite_module_params_on_conversion(), torch._C._only_lift_cpu_tensors()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with _Mode(), torch.no_grad():
            yield ACCELERATOR
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
        torch._C._set_only_lift_cpu_tensors(lifts)
