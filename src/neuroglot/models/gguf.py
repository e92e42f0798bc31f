"""GGUF files: dequantised once into a folder in the hub's layout, which is kept in the hub's cache of assets."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import cached_assets_path, hf_hub_download
from safetensors import SafetensorError
from transformers import AutoTokenizer, GgufConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from neuroglot.errors import ArtifactError, UnsupportedModelError
from neuroglot.extras import require
from neuroglot.models.complete import require_complete
from neuroglot.models.gguf_positions import state_positions
from neuroglot.models.locating import require_family
from neuroglot.storage import beside, locked_file, parse_json, whole_folder, write_whole

_ENDING, _MAGIC = ".gguf", b"GGUF"
_HASH_DIGITS = 24
_FORMAT = 2  # of what is kept
_SIZES = "neuroglot-sizes.json"  # the bytes of each file of a conversion: a disk may lose the end of one
_CONVERSION = r"[0-9a-f]{24}-(?:\d+-)?transformers-\S+-gguf-[\w.+]+"
_LEFT = re.compile(rf"\.({_CONVERSION})\..*~")  # what a killed conversion leaves
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


def is_gguf(name: str) -> bool:
    """Whether a model's name is that of a GGUF file, here, whatever its ending, or on the hub."""
    with suppress(OSError), Path(name).expanduser().open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return True
    return name.lower().endswith(_ENDING) and not Path(name).is_dir()


def converted(name: str, revision: str | None = None) -> Path:
    """The folder with the model and the tokenizer of a GGUF file, dequantised to float32; made at the first call.

    `name` is the path of a file, or a hub id with the name of a file in it: `owner/model/model.Q4_K_M.gguf`. The folder
    is found again by the hash of the file and the versions of the libraries that convert; one whose files have other
    sizes than they were written with is made anew. Processes that ask for the same file wait for the first one.

    Raises `MissingExtraError` without the packages, `UnsupportedModelError` where there is no such file, or it lacks a
    weight or is of an unknown architecture, `ArtifactError` if the cache cannot be written, and whatever transformers
    runs into in a damaged file.
    """
    for package in ("gguf", "accelerate"):
        require(package, extra="gguf", note="It reads GGUF files.")
    file = _file(name, revision)
    made_by = f"{_FORMAT}-transformers-{transformers.__version__}-gguf-{version('gguf')}"
    kept = _cache() / f"{_hash(file)}-{made_by}"
    if not _is_whole(kept):
        with ExitStack() as alone:
            with _told():
                alone.enter_context(locked_file(kept.with_name("lock")))
            if not _is_whole(kept):  # another process may have made it meanwhile
                _write(*_read(file, name), kept)
    return kept


def conversions() -> tuple[Path, list[Path]]:
    """Where conversions are kept, and the folder of each; raises `ArtifactError` if there can be no such place."""
    cache = _cache()
    with _told():
        return cache, sorted(path for path in cache.iterdir() if re.fullmatch(_CONVERSION, path.name) and path.is_dir())


def remove_conversions() -> None:
    """Remove all conversions, and what killed processes of this machine left of theirs; raises as `conversions`."""
    cache, folders = conversions()
    for name in {left[1] for path in cache.iterdir() if (left := _LEFT.fullmatch(path.name))}:
        beside(cache / name)
    for folder in folders:
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _cache() -> Path:
    with _told():
        return Path(cached_assets_path("neuroglot", "gguf", "models"))


@contextmanager
def _told() -> Iterator[None]:
    """Say of a cache that cannot be used which variable names another one."""
    try:
        yield
    except (OSError, SafetensorError, ArtifactError) as error:
        problem = getattr(error.__cause__ or error, "strerror", None) or error
        raise ArtifactError(
            f"Converted GGUF files cannot be kept in the hub's cache of assets: {problem}.",
            "Expected a folder that can be written, with room for four bytes a weight.",
            "Name one in the environment variable HF_ASSETS_CACHE.",
        ) from error


def _is_whole(kept: Path) -> bool:
    """Whether every file of a conversion is there, of the size that it was written with."""
    with suppress(OSError, ValueError, AttributeError):
        sizes = parse_json((kept / _SIZES).read_bytes())
        return bool(sizes) and all((kept / name).stat().st_size == size for name, size in sizes.items())
    return False


def _file(name: str, revision: str | None) -> Path:
    if _PART.search(name):
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: it is a part of a GGUF file.",
            "Expected a whole one.",
            "Join its parts with llama.cpp's llama-gguf-split --merge.",
        )
    path = Path(name).expanduser()
    if path.is_file():
        return path.absolute()
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


def _read(file: Path, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in float32 and the tokenizer, of which nothing is random and nothing left out unseen."""
    from gguf import GGUFReader

    # The whole path, because transformers takes the weights of a file of that name in the working folder, if there is.
    source: dict[str, Any] = {"gguf_file": str(file)}
    stated = PreTrainedConfig.get_config_dict(file.parent, **source)[0]
    family = require_family(str(stated.get("model_type")), name)
    config = family.config_loader.from_pretrained(file.parent, **source)
    state_positions(config, GGUFReader(file), name)
    model, said = family.loader.from_pretrained(
        file.parent, config=config, dtype=torch.float32, trust_remote_code=False, ignore_mismatched_sizes=True,
        output_loading_info=True, quantization_config=GgufConfig(dequantize=True), **source,
    )  # fmt: skip
    require_complete(model, said, family, name)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, trust_remote_code=False, **source)
    model.hf_quantizer = None  # the weights are plain ones now, and are saved as such
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, kept: Path) -> None:
    with _told():
        if kept.is_dir() and not kept.is_symlink():  # of which a part is lost
            shutil.rmtree(kept)
        with whole_folder(kept) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            for path in folder.iterdir():
                path.chmod((folder / "config.json").stat().st_mode)  # safetensors' files are for their owner only
            write_whole(folder / _SIZES, json.dumps({path.name: path.stat().st_size for path in folder.iterdir()}))
