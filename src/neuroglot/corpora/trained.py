"""What a model was trained on, as hashes in a file of its folder, and the one refusal to judge it on that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.seen import SameRows, column_hashes, which_have
from neuroglot.errors import CorpusError, listed
from neuroglot.headers import NOTHING_READ, hashes_of
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors

TRAINED_ON = "trained-on.safetensors"
TrainedKind = Literal["clips", "texts"]


def save_trained_on(folder: Path, kind: TrainedKind, read: Iterable[int], before: Sequence[Path] = ()) -> None:
    """Write beside a model the hashes of what it was trained on, with those of the models `before` it that it learned
    from. Raises as `trained_on`, and `ArtifactError` if it cannot be written.
    """
    own = torch.from_numpy(np.fromiter(read, np.int64))
    hashes = torch.cat([own, *(trained_on(each, kind) for each in before)]).unique()
    save_tensors(folder / TRAINED_ON, kind, {"read": hashes}, {})


def save_texts_trained_on(folder: Path, columns: Iterable[Sequence[str]], before: Sequence[Path] = ()) -> None:
    """The same of texts, as `text_hashes` has them: a text is the same in every language and direction."""
    save_trained_on(folder, "texts", column_hashes(columns), before)


def trained_on(folder: Path, kind: TrainedKind) -> Tensor:
    """The hashes of what the model in a folder was trained on, ascending; none where it does not say.

    Raises `ArtifactError` for a file that is damaged, or another one.
    """
    path = folder / TRAINED_ON
    return hashes_of(load_tensors(path, kind)[0], path) if path.is_file() else NOTHING_READ


def rows_trained_on(data: Corpus, folder: Path) -> tuple[str, ...]:
    """The ids of the rows with a text, in any language, that the model in a folder was trained on."""
    known = trained_on(folder, "texts")
    if not len(known):
        return ()
    return tuple(data.ids[row] for row in which_have(data, known.numpy()).nonzero()[0].tolist())


def require_untrained(seen: Sequence[str], of: int, what: str, same_rows: SameRows, otherwise: str) -> int:
    """How many rows, here by their ids, a model is judged on that it was trained on.

    Raises `CorpusError` for one, unless they are allowed; `otherwise` says how to name other ones.
    """
    if seen and same_rows == "refuse":
        raise CorpusError(
            f"{len(seen):,} of the {of:,} {what} are among those that the model was trained on: {listed(seen)}.",
            "Expected others, because it does better on what it learned from.",
            f"{otherwise}, or say that they may be the same (--same-rows allow).",
        )
    return len(seen)


def told_trained(seen: int) -> Signature:
    """What a signature says of rows that a model was trained on and is judged by; a page says it first."""
    return Signature.of(trained_on=seen) if seen else Signature()
