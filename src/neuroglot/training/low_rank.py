"""Low-rank adapters as PEFT saves them: what they add to a model's weights, and take away again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.interventions.compacting import require_plain
from neuroglot.showing import Described
from neuroglot.storage import parse_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER_CONFIG, ADAPTER_FILE = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
# What leaves the sum as it is; whatever else a config sets is another kind of adapter.
_HARMLESS = frozenset({
    "auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core",
    "peft_type", "peft_version", "qalora_group_size", "r", "revision", "target_modules", "task_type", "use_rslora",
})  # fmt: skip
_HARMLESS_VALUES = {"bias": "none", "init_lora_weights": True}


@dataclass(frozen=True, eq=False, repr=False)
class LowRankDeltas(Described):
    """`scale · B @ A` is added to the weights of each module: A `[r, D]` and B `[D, r]` by its path.

    Source: Hu et al. 2022.
    """

    factors: Mapping[str, tuple[Tensor, Tensor]]
    scale: float

    def _facts(self) -> list[str]:
        numbers = sum(part.numel() for pair in self.factors.values() for part in pair)
        return [f"{len(self.factors):,} modules", f"{numbers:,} numbers", f"scale {self.scale:g}"]

    def scaled(self, factor: float) -> LowRankDeltas:
        """So many times these: -1 takes away what was tuned."""
        return replace(self, scale=factor * self.scale)

    @classmethod
    def load(cls, file: Path) -> LowRankDeltas:
        """The adapters in an adapter_model.safetensors, beside which their adapter_config.json lies.

        Raises `ArtifactError` for files that are not there or damaged, and `ConfigError` for adapters of another kind.
        """
        config = file.with_name(ADAPTER_CONFIG)
        stated = _stated(config)
        factors = dict(_factors(file))
        ranks = {len(a) for a, _ in factors.values()}
        if ranks != {stated["r"]}:
            raise ArtifactError(f"{config} names the rank {stated['r']}.", f"Expected {', '.join(map(str, ranks))}.")
        divisor = math.sqrt(stated["r"]) if stated.get("use_rslora") else stated["r"]
        return cls(factors, stated["lora_alpha"] / divisor)


@torch.no_grad()
def merge_low_rank(model: PreTrainedModel, deltas: LowRankDeltas) -> dict[str, tuple[float, float]]:
    """Add what the adapters learned to the weights, in place, summed in float32 and rounded to their precision; gives
    the Frobenius norms of what was added to each module, and of its weights before.

    Raises `ConfigError` before anything is changed if the model has no such modules, and `UnsupportedModelError` if
    their weights are not plain ones.
    """
    modules = {path: _module(model, path, *pair) for path, pair in deltas.factors.items()}
    norms = {}
    for path, (a, b) in deltas.factors.items():
        weight = _matrix(modules[path])
        added = deltas.scale * b.to(weight.device).float() @ a.to(weight.device).float()
        norms[path] = float(added.norm()), float(weight.float().norm())
        weight.copy_((weight.float() + added).to(weight.dtype))
    return norms


def _matrix(module: Any) -> Tensor:
    """The weights as `[outputs, inputs]`; Conv1D keeps them the other way."""
    weight: Tensor = module.weight
    return weight.T if type(module).__name__ == "Conv1D" else weight


def _module(model: PreTrainedModel, path: str, a: Tensor, b: Tensor) -> Any:
    try:
        module = model.get_submodule(path)
    except AttributeError:
        raise ConfigError(
            f"{type(model).__name__} has no module {path!r}, for which there is an adapter.",
            "Expected the model that was tuned.",
        ) from None
    require_plain(module)
    if (expected := list(_matrix(module).shape)) != [len(b), a.shape[1]]:
        raise ConfigError(
            f"The adapter of {path!r} is for weights of {[len(b), a.shape[1]]}.",
            f"Expected {expected}, as the model's.",
        )
    return module


def _stated(config: Path) -> dict[str, Any]:
    """The config; raises `ConfigError` for an option that changes the sum."""
    try:
        stated = parse_json(config.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{config} cannot be read: {error}.", "Expected the config of adapters.") from error
    if not isinstance(stated, dict) or not isinstance(stated.get("r"), int) or stated["r"] < 1:
        raise ArtifactError(f"{config} names no rank r.", "Expected the config of adapters, as PEFT writes it.")
    alpha, most = stated.get("lora_alpha"), torch.finfo(torch.float32).max
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not abs(alpha) <= most:
        raise ArtifactError(f"{config} names no finite lora_alpha.", "Expected the config of adapters, as of PEFT.")
    if stated.get("peft_type") != "LORA":
        raise ConfigError(f"{config} is of the type {stated.get('peft_type')}.", "Expected LORA.")
    others = [
        name for name, value in stated.items()
        if value and name not in _HARMLESS and value != _HARMLESS_VALUES.get(name)
    ]  # fmt: skip
    if others:
        raise ConfigError(
            f"{config} sets {', '.join(f'{name}: {str(stated[name])[:40]}' for name in others)}.",
            "Expected plain low-rank adapters.", "Merge them with PEFT (merge_and_unload), and save the model.",
        )  # fmt: skip
    return stated


def _factors(file: Path) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file} cannot be read: {error}.", "Expected the weights of adapters.") from error
    paths = [name.removeprefix(_PREFIX).removesuffix(_A) for name in tensors if name.endswith(_A)]
    expected = {f"{_PREFIX}{path}{end}" for path in paths for end in (_A, _B)}
    if not paths or expected != set(tensors):
        odd = sorted(expected ^ set(tensors)) or ["nothing"]
        raise ArtifactError(
            f"{file} holds or lacks {odd[0]!r}.", "Expected lora_A and lora_B of linear layers, in pairs."
        )
    for path in paths:
        a, b = (tensors[f"{_PREFIX}{path}{end}"] for end in (_A, _B))
        whole = a.dim() == b.dim() == 2 and len(a) == b.shape[1] and bool(a.isfinite().all() & b.isfinite().all())
        if not whole:
            raise ArtifactError(
                f"{file} holds {list(a.shape)} and {list(b.shape)} for {path!r}.", "Expected finite pairs."
            )
        yield path, (a, b)
