"""Loading an encoder that writes, from a folder or the hub: an SGA and its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transformers import AutoTokenizer, PreTrainedConfig

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.complete import require_each_once, stored_names
from neuroglot.models.loading import as_unsupported, move, quiet, require_there
from neuroglot.models.shortened import as_saved

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_writer(
    name: str, *, revision: str | None = None, device: str | None = None
) -> tuple[SGAForConditionalGeneration, PreTrainedTokenizerBase]:
    """The model, in eval mode, and its tokenizer; `view(model.backbone)` finds its neurons.

    Raises `UnsupportedModelError` for a model of another kind, for one that cannot be read, and for a checkpoint that
    lacks weights; `ConfigError` for a revision of a folder.
    """
    require_there(name)
    if name == "lab":
        raise UnsupportedModelError(
            "The model 'lab' is a decoder.", "Expected an encoder that writes (sga).",
            "Make one with `neuroglot sga train`.",
        )  # fmt: skip
    if revision is not None and Path(name).exists():
        raise ConfigError(f"Revision {revision!r} was asked of the model {name!r}.", "Only the hub has revisions.")
    with as_unsupported(name):
        found = PreTrainedConfig.get_config_dict(name, revision=revision)[0].get("model_type")
        if found != "sga":
            raise UnsupportedModelError(
                f"{name} is of the type {found!r}.", "Expected an encoder that writes (sga).",
                "Make one of an encoder with `neuroglot sga train --encoder`.",
            )  # fmt: skip
        with quiet():
            model, said = SGAForConditionalGeneration.from_pretrained(
                name, revision=revision, trust_remote_code=False, output_loading_info=True
            )
        if missing := sorted(said["missing_keys"]):
            raise UnsupportedModelError(
                f"The checkpoint of {name!r} lacks {missing[0]}.",
                "Expected all weights, because others would be random.",
            )
        require_each_once(model, stored_names(name, revision), name)
        tokenizer = as_saved(AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False))
    move(model, device)
    return model.eval(), tokenizer
