"""Loading a model and its tokenizer from a folder or the hub; `lab` names the model that is shipped."""

from importlib.resources import files
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.families import Family
from neuroglot.models.locating import require_family
from neuroglot.models.view import ModelView, view


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str = "auto",
    family: Family | None = None,
) -> tuple[ModelView, PreTrainedTokenizerBase]:
    """The view and the tokenizer of a model: `lab`, a local folder in the hub's layout, or a hub id.

    `device` "auto" spreads a model that is too large for one device over all of them (needs accelerate). The
    architecture is checked before any weight is read: it must be known, or described by a `family`, as for `view`. Code
    that comes with a model is never run. Raises `UnsupportedModelError` where the model cannot be found, read, or is of
    no known family.
    """
    source = str(files("neuroglot") / "lab" / "shipped") if name == "lab" else name
    if name.startswith((".", "/")) and not Path(name).is_dir():
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: there is no such folder.",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
        )
    try:
        family, config = load_config(source, name, family, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(source, config=config, revision=revision, trust_remote_code=False)
        spread = {"device_map": "auto"} if device == "auto" else {}
        model = family.loader.from_pretrained(source, revision=revision, dtype=dtype, trust_remote_code=False, **spread)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if isinstance(error, UnsupportedModelError):
            raise
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: {_first_line(error)}",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
            "Check the spelling; a hub id needs a network or a filled cache.",
        ) from error
    if device != "auto":
        move(model, device)
    return view(model.eval(), family), tokenizer


def load_config(
    source: Path | str, name: str, family: Family | None = None, revision: str | None = None
) -> tuple[Family, PreTrainedConfig]:
    """The family and the config of a folder or hub id, which messages call `name`; no code that comes with it is run.

    Raises `UnsupportedModelError` for an unknown architecture, and whatever transformers runs into in a damaged config.
    """
    if family is None:
        model_type = PreTrainedConfig.get_config_dict(source, revision=revision)[0].get("model_type")
        if not isinstance(model_type, str):
            raise ValueError(f"its config has the model_type {model_type!r}")
        family = require_family(model_type, name)
    return family, family.config_loader.from_pretrained(source, revision=revision, trust_remote_code=False)


def require_known(name: str, revision: str | None = None) -> None:
    """Raise `UnsupportedModelError` for a model whose config is not there or of no known family; reads no weights."""
    if name == "lab":
        return
    try:
        load_config(name, name, revision=revision)
    except UnsupportedModelError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise UnsupportedModelError(
            f"The model {name!r} cannot be found: {_first_line(error)}",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
            "Check the spelling; a hub id needs a network or a filled cache.",
        ) from error


def move(model: PreTrainedModel, device: str | None = None) -> None:
    """Move a model to a device, by default the fastest one; raises `ConfigError` for one that is not there."""
    device = device or _best_device()
    try:
        model.to(torch.device(device))  # type: ignore[arg-type]
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device that is not there
        raise ConfigError(
            f"The model cannot be moved to the device {device!r}: {_first_line(error)}",
            "Expected cpu, cuda or the like.",
        ) from error


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."
