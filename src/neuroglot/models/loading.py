"""Loading a model and its tokenizer from a folder or the hub; `lab` names the model that is shipped."""

from importlib.resources import files
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.locating import require_family
from neuroglot.models.view import ModelView, view


def load(
    name: str, *, revision: str | None = None, device: str | None = None, dtype: str = "auto"
) -> tuple[ModelView, PreTrainedTokenizerBase]:
    """The view and the tokenizer of a model: `lab`, a local folder in the hub's layout, or a hub id.

    `device` "auto" spreads a model that is too large for one device over all of them (needs accelerate). The
    architecture is checked before any weight is read. Code that comes with a model is never run. Raises
    `UnsupportedModelError` where the model cannot be found, read, or is of no known family.
    """
    source = str(files("neuroglot") / "lab" / "shipped") if name == "lab" else name
    if name.startswith((".", "/")) and not Path(name).is_dir():
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: there is no such folder.",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
        )
    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        family = require_family(config.model_type, name)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        auto_class = getattr(transformers, family.auto_class)
        spread = {"device_map": "auto"} if device == "auto" else {}
        model = auto_class.from_pretrained(source, revision=revision, dtype=dtype, trust_remote_code=False, **spread)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if isinstance(error, UnsupportedModelError):
            raise
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: {_first_line(error)}",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
            "Check the spelling; a hub id needs a network or a filled cache.",
        ) from error
    if device != "auto":
        _move(model, device or _best_device())
    return view(model.eval()), tokenizer


def _move(model: PreTrainedModel, device: str) -> None:
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
