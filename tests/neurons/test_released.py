"""Released formats: what is written is read again, foreign files are read safely, and wrong ones are refused."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.released import load_json, load_released, save_json, save_released

LAYOUT = Layout((("decoder", (5, 0, 8)),))
PAIR = Layout((("encoder", (4,)), ("decoder", (4, 4))))
masks = st.lists(st.booleans(), min_size=13, max_size=13).map(torch.tensor)


def load_german(path: Path, layout: Layout, **options: str) -> dict[str, NeuronSet]:
    return load_released(path, layout, ("de",), **options)


def write(folder: Path, stored: object) -> Path:
    path = folder / "x.neuron.pth"
    torch.save(stored, path)
    return path


def tensors(*listed: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(one, dtype=torch.int64) for one in listed]


@settings(deadline=None)
@given(st.lists(masks, min_size=1, max_size=3))
def test_both_formats_give_back_the_sets(tmp_path_factory, members: list[torch.Tensor]) -> None:
    folder = tmp_path_factory.mktemp("sets")
    sets = {name: NeuronSet(LAYOUT, one) for name, one in zip(("zh", "de", "sw"), members)}
    assert load_released(save_released(folder / "a.pth", sets), LAYOUT, tuple(sets)) == sets
    assert load_json(save_json(folder / "a.json", sets), LAYOUT) == sets
    stored = torch.load(folder / "a.pth", weights_only=True)
    assert [len(layers) for layers in stored] == [3] * len(sets)
    assert {one.dtype for layers in stored for one in layers} == {torch.int64}


def test_a_file_as_the_reference_writes_it_is_read_in_the_order_given(tmp_path: Path) -> None:
    path = write(tmp_path, [tensors([0, 4], [], [7]), tensors([], [], [])])
    sets = load_released(path, LAYOUT, ("en", "zh"))
    assert sets["en"].indices() == {("decoder", 0): [0, 4], ("decoder", 2): [7]}
    assert len(sets["zh"]) == 0
    fields = dict(sets["en"].signature.fields)
    assert (fields["imported"], fields["language"], len(fields["file_hash"])) == ("x.neuron.pth", "en", 16)


@pytest.mark.parametrize(
    "stored",
    [
        "text", {"de": []}, [], [[1]], [tensors([0], [], []), ()], [[torch.tensor([1.0]), *tensors([], [])]] * 2,
        [[torch.tensor([[1]]), *tensors([], [])]] * 2, [tensors([1, 0], [], [])] * 2, [tensors([1, 1], [], [])] * 2,
        [[torch.tensor([1], dtype=torch.int32), *tensors([], [])]] * 2,
        [[torch.tensor([0, 1]).to_sparse(), *tensors([], [])]] * 2,
    ],
    ids=str,
)  # fmt: skip
def test_other_contents_are_refused(tmp_path: Path, stored: object) -> None:
    with pytest.raises((ArtifactError, LayoutMismatchError)):
        load_released(write(tmp_path, stored), LAYOUT, ("en", "zh"))


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        ([tensors([5], [], [])], ("en",)), ([tensors([-1], [], [])], ("en",)), ([tensors([], [0], [])], ("en",)),
        ([tensors([], [])], ("en",)), ([tensors([], [], [], [])], ("en",)), ([tensors([], [], [])], ("en", "zh")),
        ([tensors([], [], [])] * 2, ("en", "en")),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_the_layout_or_the_languages_is_refused(tmp_path: Path, stored: list, names) -> None:
    with pytest.raises(LayoutMismatchError):
        load_released(write(tmp_path, stored), LAYOUT, names)


class _Runs:
    def __reduce__(self):
        return (open, ("ran.txt", "w"))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.pth").write_bytes(pickle.dumps([_Runs()], protocol=2))
    torch.save([_Runs()], "zip.pth")
    for name in ("plain.pth", "zip.pth"):
        with pytest.raises(ArtifactError, match="read safely"):
            load_released(name, LAYOUT, ("en",))
    assert not Path("ran.txt").exists()


@pytest.mark.parametrize("content", [b"", b"no", b"PK\x03\x04 cut short"])
def test_damaged_and_missing_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for path in (tmp_path / "x", tmp_path / "y", tmp_path):
        with pytest.raises(ArtifactError):
            load_released(path, LAYOUT, ("en",))
        with pytest.raises(ArtifactError):
            load_json(path, LAYOUT)


def test_one_stack_is_named_where_there_are_several_and_nothing_is_lost(tmp_path: Path) -> None:
    decoder = {"de": NeuronSet.of(PAIR, {("decoder", 1): [2]})}
    both = {"de": NeuronSet.of(PAIR, {("decoder", 1): [2], ("encoder", 0): [1]})}
    for save, load in ((save_json, load_json), (save_released, load_german)):
        path = save(tmp_path / "x", decoder, stack="decoder")
        assert load(path, PAIR, stack="decoder") == decoder
        with pytest.raises(ConfigError, match="Expected one of encoder, decoder"):
            save(tmp_path / "y", decoder)
        with pytest.raises(ConfigError, match="Expected one of encoder, decoder"):
            load(path, PAIR)
        with pytest.raises(ConfigError, match="neurons in encoder"):
            save(tmp_path / "y", both, stack="decoder")
        with pytest.raises(ConfigError, match="No sets"):
            save(tmp_path / "y", {})
        with pytest.raises(LayoutMismatchError):
            save(tmp_path / "y", decoder | {"sw": NeuronSet.empty(LAYOUT)}, stack="decoder")
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{}", '{"de": []}', '{"de": {"x": [1]}}', '{"de": {"01": [1]}}', '{"de": {"-1": [1]}}',
        '{"de": {"0": 1}}',
        '{"de": {"0": [true]}}', '{"de": {"0": [1.0]}}', '{"de": {"0": [2, 1]}}', '{"de": {}, "de": {}}',
        '{"de": {"0": [1], "0": [2]}}', '{"de": {"9": [1]}}', '{"de": {"0": [5]}}', '{"de": {"1": [0]}}',
    ],
)  # fmt: skip
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises((ArtifactError, LayoutMismatchError)):
        load_json(tmp_path / "x.json", LAYOUT)


def test_json_is_by_language_and_layer(tmp_path: Path) -> None:
    path = save_json(tmp_path / "x.json", {"de": NeuronSet.of(LAYOUT, {("decoder", 2): [0, 7]})})
    assert json.loads(path.read_text()) == {"de": {"2": [0, 7]}}
