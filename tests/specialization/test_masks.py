"""Masks on disk, their sizes and overlaps by explicit sets, zero-shot composition, and the reference's files."""

import os

import pytest
import torch

from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.released import load_reference_masks, save_reference_masks
from neuroglot.signature import Signature
from neuroglot.storage import save_tensors
from tests.specialization.making import random_masks

LAYOUT = Layout((("encoder", (5, 4)), ("decoder", (3, 5))))


def test_sixty_directions_of_a_big_transformer_take_at_most_400_kib(tmp_path) -> None:  # type: ignore[no-untyped-def]
    layout = Layout((("encoder", (4096,) * 6), ("decoder", (4096,) * 6)))
    directions = directions_of(["en", *(f"x{number}" for number in range(30))])
    kept = torch.rand(60, layout.neuron_count, generator=torch.Generator().manual_seed(0)) < 0.8
    masks = DirectionMasks(layout, directions, kept, Signature.of(model="big"))
    path = masks.save(tmp_path / "masks.safetensors")
    assert os.path.getsize(path) <= 400 * 2**10
    again = DirectionMasks.load(path)
    assert torch.equal(again.kept, kept)
    assert (again.layout, again.directions, again.signature) == (layout, directions, masks.signature)


def test_sizes_sparsity_and_overlap_are_those_of_sets() -> None:
    masks = random_masks(LAYOUT)
    widths = (5, 4, 3, 5)
    for place, direction in enumerate(masks.directions):
        members = [set(part.nonzero()[:, 0].tolist()) for _, part in LAYOUT.by_layer(masks.kept[place])]
        assert masks.sizes()[place].tolist() == [len(one) for one in members]
        assert masks.sparsity()[place].tolist() == pytest.approx([1 - len(m) / w for m, w in zip(members, widths)])
        assert masks[direction] == NeuronSet(LAYOUT, masks.kept[place])
        for other in range(len(masks.directions)):
            others = [set(part.nonzero()[:, 0].tolist()) for _, part in LAYOUT.by_layer(masks.kept[other])]
            for layer, (mine, theirs) in enumerate(zip(members, others, strict=True)):
                assert float(masks.overlap()[layer, place, other]) == pytest.approx(
                    len(mine & theirs) / len(mine | theirs)
                )


def test_a_zero_shot_mask_has_the_encoder_of_one_and_the_decoder_of_the_other() -> None:
    masks = random_masks(LAYOUT)
    composed = masks.with_zero_shot(["de-fr"])
    assert composed.directions == (*masks.directions, Direction("de", "fr"))
    expected = torch.cat([masks["de-en"].members[:9], masks["en-fr"].members[9:]])
    assert torch.equal(composed["de-fr"].members, expected)
    assert torch.equal(composed.kept[:-1], masks.kept)
    with pytest.raises(ConfigError, match="no mask of sw-en"):
        masks.with_zero_shot(["sw-fr"])
    with pytest.raises(ConfigError, match="each direction once"):
        composed.with_zero_shot(["de-fr"])
    only = random_masks(Layout((("decoder", (4,)),)))
    assert torch.equal(only.with_zero_shot(["de-fr"])["de-fr"].members, only["en-fr"].members)


def test_damaged_and_foreign_files_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path, masks = tmp_path / "masks.safetensors", random_masks(LAYOUT)
    with pytest.raises(ArtifactError, match="not a file"):
        DirectionMasks.load(path)
    path.write_bytes(masks.save(path).read_bytes()[:-3])
    with pytest.raises(ArtifactError, match="damaged"):
        DirectionMasks.load(path)
    NeuronSet(LAYOUT, masks.kept[0]).save(path)
    with pytest.raises(ArtifactError, match="'neurons'"):
        DirectionMasks.load(path)
    header = {"layout": LAYOUT.to_json(), "directions": [["en", "de"]], "signature": {}}
    save_tensors(path, "direction masks", {"kept": torch.zeros(1, 2, dtype=torch.uint8)}, header)
    with pytest.raises(ArtifactError, match=r"\[1, 3\] bytes"):
        DirectionMasks.load(path)
    for lacking in header:
        rest = {name: value for name, value in header.items() if name != lacking}
        save_tensors(path, "direction masks", {"kept": torch.zeros(1, 3, dtype=torch.uint8)}, rest)
        with pytest.raises(ArtifactError, match=lacking):
            DirectionMasks.load(path)


def test_masks_of_another_form_are_refused() -> None:
    with pytest.raises(LayoutMismatchError):
        DirectionMasks(LAYOUT, (Direction("en", "de"),), torch.ones(1, 16, dtype=torch.bool))
    with pytest.raises(LayoutMismatchError):
        DirectionMasks(LAYOUT, (Direction("en", "de"),), torch.ones(1, 17))
    with pytest.raises(ConfigError, match="each direction once"):
        DirectionMasks(LAYOUT, (Direction("en", "de"),) * 2, torch.ones(2, 17, dtype=torch.bool))


def rows(lengths: dict[str, int], width: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: (torch.rand(length, 1, generator=generator) < 0.5).expand(-1, width).contiguous()
        for name, length in lengths.items()
    }


KEYS = {"encoder.layers.0.fc1.weight": 5, "encoder.layers.1.fc1.weight": 4}
KEYS |= {"decoder.layers.0.fc1.weight": 3, "decoder.layers.1.fc1.weight": 5}


def test_the_references_files_are_read_and_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    stored = rows(KEYS)
    torch.save(stored, tmp_path / "en-de.pt")
    masks = load_reference_masks(tmp_path, LAYOUT)
    assert masks.directions == (Direction("en", "de"),)
    assert torch.equal(masks["en-de"].members, torch.cat([stored[name][:, 0] for name in KEYS]))
    several = random_masks(LAYOUT)
    save_reference_masks(tmp_path / "out", several, model_width=8)
    assert sorted(os.listdir(tmp_path / "out")) == ["de-en.pt", "en-de.pt", "en-fr.pt", "fr-en.pt"]
    written = torch.load(tmp_path / "out" / "fr-en.pt", weights_only=True)
    assert {name: (tuple(matrix.shape), matrix.dtype) for name, matrix in written.items()} == {
        name: ((length, 8), torch.bool) for name, length in KEYS.items()
    }
    again = load_reference_masks(tmp_path / "out", LAYOUT)
    assert all(again[direction] == several[direction] for direction in several.directions)
    with pytest.raises(ArtifactError, match="exists already"):
        save_reference_masks(tmp_path / "out", several, model_width=8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: list(stored.values()), "no dict"),
        (lambda stored: {**stored, "encoder.layers.0.fc2.weight": torch.ones(8, 5, dtype=torch.bool)}, "fc2"),
        (lambda stored: {name: rows for name, rows in stored.items() if "decoder" in name}, "differs from the model"),
        (lambda stored: {name: rows.float() for name, rows in stored.items()}, "something else than a bool matrix"),
        (lambda stored: {name: rows[:, 0] for name, rows in stored.items()}, "something else than a bool matrix"),
        (lambda stored: {name: rows[:2] for name, rows in stored.items()}, "masks 2 neurons"),
        (lambda stored: {name: rows ^ torch.eye(len(rows), 8, dtype=torch.bool) for name, rows in stored.items()},
         "masks single weights"),
    ],
)  # fmt: skip
def test_other_files_are_refused(change, message: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.save(change(rows(KEYS)), tmp_path / "en-de.pt")
    with pytest.raises((ArtifactError, LayoutMismatchError), match=message):
        load_reference_masks(tmp_path, LAYOUT)


def test_nothing_in_a_file_is_run_and_folders_and_layouts_are_checked(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtifactError, match="no mask file"):
        load_reference_masks(tmp_path, LAYOUT)
    torch.save({"encoder.layers.0.fc1.weight": random_masks}, tmp_path / "en-de.pt")
    with pytest.raises(ArtifactError, match="cannot be read safely"):
        load_reference_masks(tmp_path, LAYOUT)
    (tmp_path / "en-de.pt").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="cannot be read safely"):
        load_reference_masks(tmp_path, LAYOUT)
    with pytest.raises(LayoutMismatchError, match="dense encoder and decoder"):
        save_reference_masks(tmp_path / "out", random_masks(Layout((("decoder", (4,)),))), 8)
    assert not (tmp_path / "out").exists()
