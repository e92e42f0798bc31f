"""Loading a model and its tokenizer from a folder or the hub; `lab` names the model that is shipped."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from neuroglot import extras
from neuroglot.errors import ConfigError, NeuroglotError, UnsupportedModelError
from neuroglot.models.complete import require_complete, require_each_once, stored_names
from neuroglot.models.families import Family
from neuroglot.models.folded import folded_out
from neuroglot.models.gguf import converted, is_gguf
from neuroglot.models.locating import require_family
from neuroglot.models.open_interventions import remember_folded
from neuroglot.models.quantised import make_plain, method_of, require_readable
from neuroglot.models.shortened import as_saved
from neuroglot.models.view import ModelView, view, view_of_form

WITHOUT_WEIGHTS = "meta"  # the device on which a model has its form only: nothing is read and nothing computed
MOST_LAYERS = 10_000  # a config that asks for more is damaged, and would be built for hours
LOADABLE = "Expected 'lab', a folder with config.json, tokenizer and safetensors, a GGUF file, or a hub id."
_LONGEST_SAID = 300  # characters of what a library says


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str = "auto",
    family: Family | None = None,
) -> tuple[ModelView, PreTrainedTokenizerBase]:
    """The view and the tokenizer of a model: `lab`, a folder in the hub's layout, a hub id, or a GGUF file (`gguf`).

    `device` "auto" spreads a model that is too large for one device over all of them (needs accelerate); of "meta" no
    weights are read, nor need there be any: a job can be priced there, and not done. Quantised checkpoints are read as
    the plain weights that they stand for. The
    architecture is checked before any weight is read: it must be known, or described by a `family`, as for `view`. Code
    that comes with a model is never run. Raises `UnsupportedModelError` where the model cannot be found, read, or is of
    no known family.
    """
    source = _source(name)
    require_there(name)
    if revision is not None and (name == "lab" or Path(name).exists()):
        raise ConfigError(f"Revision {revision!r} was asked of the model {name!r}.", "Only the hub has revisions.")
    with as_unsupported(name):
        source, revision = _plain(source, revision)
        family, config = load_config(source, name, family, revision=revision)
        require_readable(config, name)
        read = AutoTokenizer.from_pretrained(source, config=config, revision=revision, trust_remote_code=False)
        tokenizer = as_saved(read)
        spread: dict[str, Any] = {"device_map": "auto"} if device == "auto" else {}
        if spread:
            extras.require("accelerate", package="accelerate", note="It spreads a model over devices.")
        stated = {} if method_of(config) is None else {"config": config}
        model = (
            _form_of(family, config, dtype)
            if device == WITHOUT_WEIGHTS
            else _whole_model(family, source, name, revision=revision, dtype=dtype, **spread, **stated)
        )
    if source != name and name != "lab":
        model.config.name_or_path = name  # rather than where the converted file lies
    if device == WITHOUT_WEIGHTS:
        return view_of_form(model.eval(), family), tokenizer
    if device != "auto":
        move(model, device)
    _refuse_unknown_tokens(model, tokenizer)
    if folded := folded_out(Path(source)):
        remember_folded(model, folded)
    return view(model.eval(), family), tokenizer


def _form_of(family: Family, config: PreTrainedConfig, dtype: str) -> PreTrainedModel:
    """The model without weights, in the config's precision or another one."""
    stated = getattr(config, "dtype", None) or torch.float32 if dtype == "auto" else getattr(torch, dtype)
    with torch.device(WITHOUT_WEIGHTS):
        return family.new_model(config, stated)


def load_tokenizer(name: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, without its weights; raises `UnsupportedModelError` where there is none."""
    source = _source(name)
    require_there(name)
    with as_unsupported(name):
        source, revision = _plain(source, revision)
        return as_saved(AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False))


@contextmanager
def as_unsupported(name: str) -> Iterator[None]:
    """Whatever libraries raise for damaged files, which is dozens of types, as `UnsupportedModelError`."""
    try:
        yield
    except NeuroglotError:
        raise
    except Exception as error:
        _require_sentencepiece(error)
        raise _cannot_be_loaded(name, error) from error


def _plain(source: str, revision: str | None) -> tuple[str, str | None]:
    """What transformers loads: of a GGUF file, the folder that it is converted into."""
    return (str(converted(source, revision)), None) if is_gguf(source) else (source, revision)


def _whole_model(family: Family, source: str, name: str, **options: Any) -> PreTrainedModel:
    """The model with every weight from its checkpoint; raises `UnsupportedModelError` where one is random instead."""
    with quiet():
        model, said = family.loader.from_pretrained(
            source, trust_remote_code=False, ignore_mismatched_sizes=True, output_loading_info=True, **options
        )
    require_complete(model, said, family, name)
    require_each_once(model, stored_names(source, options.get("revision")), name)
    return make_plain(model) if "config" in options else cast(PreTrainedModel, model)


def _source(name: str) -> str:
    return str(files("neuroglot") / "lab" / "shipped") if name == "lab" else name


@contextmanager
def quiet() -> Iterator[None]:
    """Without the table that transformers logs of a checkpoint: the error names what is wrong with it."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _refuse_unknown_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Name a token without an embedding when it is met; torch would say its number only."""
    try:
        embedding: Any = model.get_input_embeddings()
    except NotImplementedError:  # a model of one's own may read no tokens
        return
    rows = embedding.weight.shape[0]
    beside = getattr(tokenizer, "lang_code_to_id", {})  # M2M-100 keeps its language tokens beside its vocabulary
    if not any(index >= rows for index in (*tokenizer.get_vocab().values(), *beside.values())):
        return

    def check(_module: Any, inputs: tuple[Any, ...]) -> None:
        beyond = inputs[0][inputs[0] >= rows]
        if len(beyond):
            token = int(beyond[0])
            raise ConfigError(
                f"The text has the token {tokenizer.convert_ids_to_tokens(token)!r} (number {token}), and the model "
                f"{rows:,} embeddings.",
                "Expected the tokenizer that the model was trained with.",
                "Give the model the new tokens (resize_token_embeddings) and train them, or take its own tokenizer.",
            )

    for module in model.modules():  # stacks of M2M-100 and BART have modules of their own on one weight
        if isinstance(module, torch.nn.Embedding) and module.weight is embedding.weight:
            module.register_forward_pre_hook(check)


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
    config = family.config_loader.from_pretrained(source, revision=revision, trust_remote_code=False)
    for stack in family.stacks:
        depth = getattr(config.get_text_config(), stack.depth, None)
        if isinstance(depth, int) and depth > MOST_LAYERS:
            raise ValueError(f"its config asks for {depth:,} layers")
    return family, config


def require_known(name: str, revision: str | None = None) -> Family:
    """The family of a model, from its config; raises `UnsupportedModelError` where that is not there or unknown."""
    require_there(name)
    try:
        source, revision = _plain(_source(name), revision)
        return load_config(source, name, revision=revision)[0]
    except NeuroglotError:
        raise
    except Exception as error:  # as in `load`
        raise _cannot_be_loaded(name, error) from error


def require_there(name: str) -> None:
    """Raise `UnsupportedModelError` for a folder that is not there, before a hub is asked."""
    if name.startswith((".", "/")) and not Path(name).is_dir() and not is_gguf(name):
        reason = "it is a file" if Path(name).is_file() else "there is no such folder"
        raise UnsupportedModelError(
            f"The model {name!r} cannot be loaded: {reason}.",
            LOADABLE,
        )


def _require_sentencepiece(error: Exception) -> None:
    """Name the extra that a tokenizer lacks; without SentencePiece, transformers may ask for tiktoken instead."""
    if any(library in str(error).lower() for library in ("sentencepiece", "tiktoken")):
        note = "Tokenizers of Marian and M2M-100 need it, and others that come without a tokenizer.json."
        extras.require("sentencepiece", extra="translation", note=note)


def _cannot_be_loaded(name: str, error: Exception) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The model {name!r} cannot be loaded: {_in_one_line(error)}",
        LOADABLE,
        "Get a whole copy of it."
        if Path(name).exists()
        else "Check the spelling; a hub id needs a network or a filled cache.",
    )


def move(model: PreTrainedModel, device: str | None = None) -> None:
    """Move a model to a device, by default the fastest one; raises `ConfigError` for one that is not there."""
    device = device or _best_device()
    try:
        model.to(torch.device(device))  # type: ignore[arg-type]
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device that is not there
        raise ConfigError(
            f"The model cannot be moved to the device {device!r}: {_in_one_line(error)}",
            "Expected cpu, cuda or the like.",
        ) from error


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _in_one_line(error: BaseException) -> str:
    """What a library said, in one line; of errors that are not made for people also which one it was."""
    said = " ".join(str(error).split())[:_LONGEST_SAID].rstrip(". ") or "no more was said"
    if isinstance(error, OSError | ValueError | ImportError | RuntimeError | AssertionError):
        return f"{said}."
    return f"one of its files is damaged ({type(error).__name__}: {said})."
