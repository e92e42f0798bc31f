"""GGUF files: dequantised once into a folder in the hub's layout, which is kept in the hub's cache of assets."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import cached_assets_path, hf_hub_download
from transformers import AutoTokenizer, PreTrainedConfig

from neuroglot.errors import ArtifactError, UnsupportedModelError
from neuroglot.extras import require
from neuroglot.models.locating import require_family
from neuroglot.storage import whole_folder

ENDING = ".gguf"
_HASH_DIGITS = 24


def is_gguf(name: str) -> bool:
    """Whether a model's name is that of a GGUF file, here or on the hub."""
    return name.lower().endswith(ENDING)


def converted(name: str, revision: str | None = None) -> Path:
    """The folder with the model and the tokenizer of a GGUF file, dequantised to float32; made at the first call.

    `name` is the path of a file, or a hub id with the name of a file in it: `owner/model/model.Q4_K_M.gguf`. The folder
    is found again by the hash of the file and the versions of the libraries that convert. Raises `MissingExtraError`
    without the package gguf, `UnsupportedModelError` for an unknown architecture or where there is no such file, and
    whatever transformers runs into in a damaged one.
    """
    require("gguf", extra="gguf", note="It reads GGUF files.")
    file = _file(name, revision)
    versions = f"transformers-{transformers.__version__}-gguf-{version('gguf')}"
    kept = Path(cached_assets_path("neuroglot", "gguf", "models")) / f"{_hash(file)}-{versions}"
    if not kept.is_dir():
        try:
            with whole_folder(kept) as folder:
                _convert(file, folder)
        except ArtifactError:
            if not kept.is_dir():  # else another process was faster
                raise
    return kept


def _file(name: str, revision: str | None) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path.resolve()  # transformers takes its folder and its name
    parts = name.split("/")
    if name.startswith((".", "/", "~")) or len(parts) < 3:
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: there is no such file.",
            "Expected a GGUF file, or one on the hub as owner/model/file.gguf.",
        )
    return Path(hf_hub_download("/".join(parts[:2]), "/".join(parts[2:]), revision=revision))


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:_HASH_DIGITS]


def _convert(file: Path, folder: Path) -> None:
    source: dict[str, Any] = {"gguf_file": file.name}
    config = PreTrainedConfig.get_config_dict(file.parent, **source)[0]
    family = require_family(str(config.get("model_type")), file.name)
    model = family.loader.from_pretrained(file.parent, trust_remote_code=False, **source)
    model.hf_quantizer = None  # the weights are plain ones now, and are saved as such
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, trust_remote_code=False, **source).save_pretrained(folder)
