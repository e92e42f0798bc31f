"""What a checkpoint that was written without some neurons says of them (`interventions.fold_out`)."""

from __future__ import annotations

from pathlib import Path

import torch

from neuroglot.errors import ArtifactError
from neuroglot.headers import Choice
from neuroglot.signature import Signature
from neuroglot.storage import parse_json

FOLDED, FOLDED_RECORD = "folded checkpoint", "neuroglot.json"


def folded_out(folder: Path) -> Choice | None:
    """On which texts the neurons were chosen that the weights in a folder lack; None if they lack none.

    Raises `ArtifactError` if the record beside the weights is damaged.
    """
    path = folder / FOLDED_RECORD
    if not path.is_file():
        return None
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("kind") != FOLDED:
            return None
        read = torch.tensor(record.get("read", []), dtype=torch.int64).flatten()
        return Choice(Signature.from_json(record["neurons_signature"]), read)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise ArtifactError(
            f"{path} is damaged ({error}).", "Expected the record of `neuroglot export`.", "Export the model again."
        ) from error
