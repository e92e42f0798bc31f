"""Saved statistics and sets come back exactly, or are refused; nothing half-written is left."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import _COUNTS, Sharing
from neuroglot.errors import ArtifactError
from neuroglot.headers import NOTHING_READ
from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet
from neuroglot.signature import Signature
from neuroglot.storage import save_tensors, whole_folder, write_whole

LAYOUT = Layout((("encoder", (2, 3)), ("decoder", (4,))))
SIGNATURE = Signature.of(model="m", corpus_hash="c", rows=3, note="ünïcode")


def an_activity() -> Activity:
    tokens = torch.tensor([10, 20])
    fired = torch.arange(18).reshape(1, 2, 9) % 10
    return Activity(LAYOUT, ("de", "zh"), Recording(), fired, tokens, tokens[:, None].expand(-1, 3), SIGNATURE)


def a_sharing() -> Sharing:
    histogram = torch.ones(3, 9, dtype=torch.int64)
    fired = torch.full((2, 9), 2)
    by_row, active = torch.ones(3, 3, 3, dtype=torch.int32), torch.ones(3, 3, 2, dtype=torch.int32)
    return Sharing(LAYOUT, ("de", "zh"), Recording.sharing_matters(), histogram, fired, by_row, active, SIGNATURE)


def a_set() -> NeuronSet:
    return NeuronSet(LAYOUT, torch.arange(9) % 2 == 0, SIGNATURE)


def test_activity_round_trip(tmp_path) -> None:
    saved = an_activity()
    loaded = Activity.load(saved.save(tmp_path / "new" / "a.safetensors"))
    assert torch.equal(loaded.fired, saved.fired)
    assert torch.equal(loaded.tokens, saved.tokens)
    assert (loaded.layout, loaded.languages, loaded.recording, loaded.signature) == (
        saved.layout,
        saved.languages,
        saved.recording,
        saved.signature,
    )


def test_sharing_round_trip(tmp_path) -> None:
    saved = a_sharing()
    loaded = Sharing.load(saved.save(tmp_path / "s.safetensors"))
    assert all(torch.equal(getattr(loaded, name), getattr(saved, name)) for name in _COUNTS)
    assert loaded.signature == saved.signature


def test_set_round_trip(tmp_path) -> None:
    saved = a_set()
    loaded = NeuronSet.load(saved.save(tmp_path / "n.safetensors"))
    assert loaded == saved
    assert loaded.signature == saved.signature


def test_saving_twice_gives_the_same_bytes(tmp_path) -> None:
    first, second = an_activity().save(tmp_path / "1"), an_activity().save(tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "damaged"), (b"\x80\x04pickle", "damaged"), (b"\xff" * 64, "damaged"), (b'{"a": 1}' * 9, "damaged")],
)
def test_damaged_files_are_refused(tmp_path, content: bytes, words: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    for kind in (Activity, Sharing, NeuronSet):
        with pytest.raises(ArtifactError, match=words):
            kind.load(path)


def test_files_of_another_kind_are_refused(tmp_path) -> None:
    path = an_activity().save(tmp_path / "a.safetensors")
    with pytest.raises(ArtifactError, match="holds 'activity'.*Expected 'neurons'"):
        NeuronSet.load(path)
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="another program"):
        Activity.load(tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="not a file"):
        Activity.load(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"layout": 3, "signature": {}},
        {"layout": {"decoder": ["x"]}, "signature": {}},
        {"layout": {"decoder": [9]}, "signature": 3},
        {"layout": {"decoder": [-1]}, "signature": {}},
        [],
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path, header: object) -> None:
    path = save_tensors(tmp_path / "n", "neurons", {"indices": torch.tensor([1])}, header)  # type: ignore[arg-type]
    with pytest.raises((ArtifactError, ValueError), match="Expected|expected|header|layer"):
        NeuronSet.load(path)


@pytest.mark.parametrize("indices", [[9], [-1], [3, 2], [2, 2], [0.5]])
def test_neurons_out_of_range_are_refused(tmp_path, indices: list) -> None:
    header = {"layout": LAYOUT.to_json(), "signature": {}}
    path = save_tensors(tmp_path / "n", "neurons", {"indices": torch.tensor(indices)}, header)
    with pytest.raises(ArtifactError, match="out of range"):
        NeuronSet.load(path)


def test_counts_that_cannot_be_are_refused() -> None:
    activity = an_activity()
    counts = (activity.tokens, activity.reached, SIGNATURE)
    with pytest.raises(ArtifactError, match="fired on more tokens"):
        Activity(LAYOUT, ("de", "zh"), Recording(), activity.fired + 11, *counts)
    with pytest.raises(ArtifactError, match="Expected int64"):
        Activity(LAYOUT, ("de", "zh"), Recording(), activity.fired.float(), *counts)
    with pytest.raises(ArtifactError, match="adding up to 3 rows"):
        Sharing(LAYOUT, ("de", "zh"), Recording(), a_sharing().histogram + 1, *vars_of(a_sharing()))


def vars_of(sharing: Sharing) -> tuple:
    return sharing.fired, sharing.by_row, sharing.active, sharing.signature


def test_a_folder_appears_whole_or_not_at_all(tmp_path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RuntimeError), whole_folder(out) as folder:
        write_whole(folder / "config.json", "{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with whole_folder(out) as folder:
        write_whole(folder / "config.json", json.dumps({"a": 1}))
    assert [path.name for path in out.iterdir()] == ["config.json"]
    with pytest.raises(ArtifactError, match="exists already"), whole_folder(out):
        pass
    (tmp_path / "empty").mkdir()
    before = (tmp_path / "empty").stat().st_ino
    with whole_folder(tmp_path / "empty") as folder:
        write_whole(folder / "below" / "other", "")
    assert [path.name for path in (tmp_path / "empty").rglob("*")] == ["below", "other"]
    assert (tmp_path / "empty").stat().st_ino == before  # the folder itself, which may be a mount point
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_one_message(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="cannot be written"):
        an_activity().save(tmp_path / "file" / "a.safetensors")


def test_an_activity_remembers_its_texts_and_a_sum_those_of_both(tmp_path) -> None:
    first = replace(an_activity(), read=torch.tensor([1, 4, 7]))
    assert Activity.load(first.save(tmp_path / "a.safetensors")).read.tolist() == [1, 4, 7]
    other = replace(first, read=torch.tensor([2, 4]), signature=SIGNATURE.without("corpus_hash"))
    other = replace(other, signature=other.signature | Signature.of(corpus_hash="d"))
    assert (first + other).read.tolist() == [1, 2, 4, 7]
    unknown = replace(other, read=NOTHING_READ)
    assert (first + unknown).read.tolist() == (unknown + first).read.tolist() == []


def test_a_neuron_cannot_fire_on_more_tokens_than_reached_its_own_network() -> None:
    tokens = torch.tensor([10, 10])
    reached = torch.tensor([[10, 4, 10], [10, 10, 10]])
    fired = torch.zeros(1, 2, 9, dtype=torch.int64)
    fired[0, 0, 2] = 4  # the first neuron of the second network
    Activity(LAYOUT, ("de", "zh"), Recording(), fired, tokens, reached, SIGNATURE)
    fired[0, 0, 2] = 5
    with pytest.raises(ArtifactError, match="fired on more tokens"):
        Activity(LAYOUT, ("de", "zh"), Recording(), fired, tokens, reached, SIGNATURE)
