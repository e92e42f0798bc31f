"""Recognisers and clips that do not go together, and recognisers that are not whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from neuroglot.corpora.clips import Clips, GlossVocabulary
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, UnsupportedModelError
from neuroglot.experiments.signs import _Rows
from neuroglot.generation.glosses import reader_for, recognise
from neuroglot.models.architectures.tscm import TSCMConfig
from neuroglot.recipes.sign_distil import SignDistil
from neuroglot.recipes.sign_options import load_recogniser
from neuroglot.recipes.sign_train import SignTrain
from neuroglot.reports.sections.clip_read import reading_section
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from neuroglot.tokens.clips import AUGMENTATIONS, ClipReader
from neuroglot.training.recognition import new_recogniser
from tests.corpora.clips.writing import write_csl, write_phoenix
from tests.models.tscm.making import TINY
from tests.sign.making import few_clips, recogniser

FEW: dict[str, Any] = {"corpus": ("made",), "clips": 2, "steps": 2, "batch_size": 2, "device": "cpu"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def with_two_of_one(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.startswith("resnet."))
    weights[name.removeprefix("resnet.")] = weights[name] + 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def with_a_gap(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["id2label"]["9"] = config["id2label"].pop("7")
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (without_weight, ArtifactError, "lacks the weights classifier.weight"),
        (with_two_of_one, UnsupportedModelError, "holds 1 of its weights twice"),
        (with_a_gap, UnsupportedModelError, "labels are not numbered in a row"),
    ],
)
def test_a_recogniser_that_is_not_whole_is_refused(
    here: Path, spoil: Callable[[Path], None], error: type[Exception], said: str
) -> None:
    recogniser().save_pretrained("m")
    load_recogniser(Identity(), Path("m"), "cpu")
    spoil(Path("m"))
    with pytest.raises(error, match=said):
        load_recogniser(Identity(), Path("m"), "cpu")


def test_a_start_is_a_folder_of_safetensors(here: Path) -> None:
    config, known = TSCMConfig(**TINY), GlossVocabulary.of(few_clips())
    model = recogniser()
    model.config.save_pretrained("pickled")
    torch.save(model.state_dict(), "pickled/pytorch_model.bin")
    for start in ("nowhere", "pickled"):  # and no name of a hub, on which nothing is looked for
        with pytest.raises(ArtifactError, match=f"{start} holds no network to begin from"):
            new_recogniser(config, known, 0, Path(start))
    model.save_pretrained("doubled")
    with_two_of_one(Path("doubled"))
    with pytest.raises(UnsupportedModelError, match="holds 1 of its weights twice"):
        new_recogniser(config, known, 0, Path("doubled"))


@pytest.mark.parametrize("option", ["feature_weight", "logit_weight", "temperature", "crop", "gradient_share"])
def test_a_config_has_numbers(option: str) -> None:
    for value in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ConfigError):
            TSCMConfig(**{**TINY, option: value})


def test_clips_that_are_too_short_are_named_before_a_training(here: Path) -> None:
    with pytest.raises(CorpusError, match=r"\d of 6 clips are too short"):
        SignTrain(**FEW, frame_step=12).read(Identity())
    assert few_clips().clips[0].source.count == len(few_clips().clips[0].source.read())
    write_csl(Path("csl"))
    with pytest.raises(CorpusError, match=r"\d of 2 clips are too short"):
        SignTrain(**{**FEW, "corpus": ("csl",)}, frame_step=12).read(Identity())


def test_a_student_has_the_glosses_and_the_rate_of_its_teacher(here: Path) -> None:
    recogniser().save_pretrained("t")
    with pytest.raises(CorpusError, match=r"glosses, of \d kinds, which the vocabulary lacks of the teacher: made-c"):
        SignDistil(teacher=Path("t"), **FEW).read(Identity())
    clips = SignTrain(**FEW).load_clips(Identity())
    new_recogniser(TSCMConfig(**TINY, frame_step=2), GlossVocabulary.of(clips), 0).save_pretrained("slow")
    with pytest.raises(ConfigError, match=r"Say --frame-step 2\."):
        SignDistil(teacher=Path("slow"), **FEW).read(Identity())


def test_a_recogniser_that_learned_from_crops_is_evaluated_on_the_middle_of_frames(here: Path) -> None:
    job = SignTrain(**FEW, augmentation="phoenix")
    model, clips, seen = job.read(Identity())
    assert model.config.crop == 224 / 256
    by_hand = ClipReader(seen.vocabulary, 16, augmentation=AUGMENTATIONS["phoenix"])
    few = clips.of("dev").head(1)
    (_, one), (_, other) = (next(reader.batches(few, 8)) for reader in (reader_for(model), by_hand))
    assert torch.equal(one["pixel_values"], other["pixel_values"])
    whole = next(ClipReader(seen.vocabulary, 16).batches(few, 8))[1]
    assert not torch.equal(one["pixel_values"], whole["pixel_values"])
    assert recognise(model, reader_for(model), few).ids == tuple(clip.id for clip in few.clips)


def test_few_clips_of_each_part_are_still_one_corpus_and_the_next_command_reads_the_same(here: Path) -> None:
    identity = Identity()
    root = write_phoenix(Path("p2014"))
    path = root / "annotations/manual/train.corpus.csv"
    path.write_text(path.read_text() + "a line without fields\n")
    job = SignTrain(corpus=("p2014",), clips=1, steps=1, on_fault="drop", csl_split="sentence", test_signers=("s",))
    found = replace(job, test_signers=()).load_clips(identity)
    assert found.name == "p2014"
    assert [clip.part for clip in found.clips] == ["train", "dev", "test"]
    assert len(identity.remarks) == 1
    expected = ("--corpus", "p2014", "--on-fault", "drop", "--csl-split", "sentence", "--test-signers", "s")
    assert job.following(Path("run"))[3:-2] == expected


def test_clips_are_paired_by_id_only_where_all_of_a_language_are(here: Path) -> None:
    clips = few_clips().of("test")
    assert _Rows.of(clips).paired_by == "id"
    assert _Rows.of(clips.take(range(len(clips) - 1))).paired_by == "id"
    renamed = [
        replace(clip, id=f"{clip.language}-{clip.id}" if place > 1 else clip.id)
        for place, clip in enumerate(sorted(clips.clips, key=lambda clip: clip.id))
    ]
    rows = _Rows.of(Clips("by chance", tuple(renamed)))
    assert (rows.paired_by, len(rows.clips)) == ("order", 3)


def test_frames_of_a_figure_are_those_of_a_position() -> None:
    told = {"frames": 9, "frames_a_position": 8, "look_ahead": 2}
    section = reading_section("a", [("GO", 0, 7, 0.5)], {"GO": [0.5, 0.1]}, Signature.of(beam=1), **told)
    assert "first frame of 8" in str(section.figures[0].plots[0].spec)
