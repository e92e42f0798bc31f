"""Headers of artefacts: what is written is read again, anything else is refused with field, value and expectation."""

import math
from dataclasses import dataclass

import pytest
import torch

from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError
from neuroglot.headers import (
    STRICT,
    Counts,
    Names,
    StoredLayout,
    StoredSignature,
    from_json,
    load_artefact,
    save_artefact,
    to_json,
)
from neuroglot.layout import Layout
from neuroglot.signature import Signature
from neuroglot.storage import save_tensors


@dataclass(frozen=True)
class Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    languages: Names
    rows: int
    share: float
    dropped: Counts
    recording: Recording
    signature: StoredSignature


HEADER = Header(
    Layout((("decoder", (4, (2, 3))),)), ("de", "en"), 3, 0.5, {"too long": 1}, Recording(fires=(0, 1)),
    Signature.of(model="lab", revision=None),
)  # fmt: skip
STORED = {
    "layout": {"decoder": [4, [2, 3]]}, "languages": ["de", "en"], "rows": 3, "share": 0.5, "dropped": {"too long": 1},
    "recording": {
        "site": "post_act", "tokens": "all", "fires": [0.0, 1.0], "special_tokens": False, "statistics": [],
    },
    "signature": {"model": "lab", "revision": None},
}  # fmt: skip


def test_a_header_is_plain_json_in_the_order_of_its_fields() -> None:
    assert to_json(HEADER) == STORED
    assert list(to_json(HEADER)) == list(STORED)
    assert from_json(STORED, Header, "A header") == HEADER


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "3"}, r"A header has rows = '3'\. Input should be a valid integer\."),
        ({"rows": 3.0}, "rows = '3.0'"),
        ({"rows": True}, "rows = 'True'"),
        ({"share": "0.5"}, "share = '0.5'"),
        ({"languages": "de"}, "languages = 'de'"),
        ({"languages": ["de", 5]}, r"languages\.1 = '5'\. Input should be a valid string"),
        ({"languages": ["de", "de"]}, "Expected each once"),
        ({"dropped": {"too long": -1}}, "dropped.too long = '-1'"),
        ({"layout": {"decoder": [0]}}, "A stored layout reads .* of 1 to"),
        ({"layout": None}, "A stored layout reads None"),
        ({"recording": {**STORED["recording"], "site": "gate"}}, "recording.site = 'gate'"),
        ({"recording": {**STORED["recording"], "fires": [math.nan]}}, "Expected finite numbers"),
        ({"recording": {**STORED["recording"], "fires": ["0"]}}, r"recording\.fires\.0 = '0'"),
        ({"recording": {**STORED["recording"], "more": 1}}, "recording.more = '1'"),
        ({"signature": {"model": ["lab"]}}, "A stored signature reads"),
        ({"types": ["specific"]}, r"types = .*Unexpected keyword argument"),
    ],
)  # fmt: skip
def test_values_of_another_type_and_unknown_keys_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        from_json(STORED | change, Header, "A header")


@pytest.mark.parametrize("name", STORED)
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(ArtifactError, match=f"has {name} = .*required|A stored {name}"):
        from_json({key: value for key, value in STORED.items() if key != name}, Header, "A header")


@pytest.mark.parametrize("stored", [None, [], "text", 5, [["layout", {}]]])
def test_what_is_no_mapping_is_refused(stored: object) -> None:
    with pytest.raises(ArtifactError, match="A header has its value"):
        from_json(stored, Header, "A header")


def test_a_file_is_read_as_it_was_written_and_lacks_nothing(tmp_path) -> None:
    path = save_artefact(tmp_path / "a.safetensors", "thing", {"counts": torch.ones(2)}, HEADER)
    tensors, header = load_artefact(path, "thing", Header, needed=("counts",))
    assert (tensors["counts"].tolist(), header) == ([1.0, 1.0], HEADER)
    same = save_tensors(tmp_path / "b.safetensors", "thing", {"counts": torch.ones(2)}, STORED)
    assert same.read_bytes() == path.read_bytes()
    with pytest.raises(ArtifactError, match=r"a\.safetensors lacks the tensor 'sizes'\. Expected a complete thing"):
        load_artefact(path, "thing", Header, needed=("counts", "sizes"))
    save_tensors(path, "thing", {}, STORED | {"rows": None})
    with pytest.raises(ArtifactError, match=r"The header of .*a\.safetensors has rows = 'None'"):
        load_artefact(path, "thing", Header)
