"""The common header of recorded statistics: layout, languages, recording and signature."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError
from neuroglot.layout import Layout
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors, stored_texts


class Recorded(Protocol):
    """What every recorded statistic says of itself."""

    @property
    def layout(self) -> Layout: ...
    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def recording(self) -> Recording: ...
    @property
    def signature(self) -> Signature: ...


def save_recorded(path: Path | str, kind: str, recorded: Recorded, tensors: Mapping[str, Tensor]) -> Path:
    """Write the tensors of a recorded statistic under its header."""
    header = {
        "layout": recorded.layout.to_json(),
        "languages": list(recorded.languages),
        "recording": recorded.recording.to_json(),
        "signature": recorded.signature.to_json(),
    }
    return save_tensors(path, kind, tensors, header)


def load_recorded(
    path: Path | str, kind: str, names: Sequence[str]
) -> tuple[dict[str, Tensor], tuple[Layout, tuple[str, ...], Recording, Signature]]:
    """All tensors and the header; raises `ArtifactError` where one of `names` is missing or the kind another."""
    tensors, header = load_tensors(path, kind)
    try:
        described = (
            Layout.from_json(header["layout"]),
            stored_texts(header["languages"], "languages"),
            Recording.from_json(header["recording"]),
            Signature.from_json(header["signature"]),
        )
        return {name: tensors[name] for name in (*names, *tensors)}, described
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} lacks {error}.", f"Expected a complete {kind}.") from error
