"""Which clips a recogniser was trained on, which heads it takes from where it is begun, and clips that do not do."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.corpora.clips import Clips, GlossVocabulary, MadeClips, make_clips
from neuroglot.corpora.trained import TRAINED_ON, save_trained_on, trained_on
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC
from neuroglot.recipes.sign_channels import SignChannels
from neuroglot.recipes.sign_distil import SignDistil
from neuroglot.recipes.sign_evaluate import SignEvaluate
from neuroglot.recipes.sign_options import trained_among
from neuroglot.recipes.sign_train import SignTrain
from neuroglot.runs.identity import Identity
from neuroglot.training.recognition import new_recogniser, says
from tests.corpora.clips.writing import write_csl, write_phoenix
from tests.models.tscm.making import TINY
from tests.sign.making import few_clips, recogniser

FEW: dict[str, Any] = {"corpus": ("made",), "clips": 2, "steps": 1, "batch_size": 2, "device": "cpu"}
HEADS = ("classifier", "middle_classifier", "frame_classifier")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_heads_are_taken_where_they_say_the_same_glosses_and_drawn_where_they_do_not(here: Path) -> None:
    own = GlossVocabulary.of(few_clips())
    renamed = GlossVocabulary(tuple(f"{gloss}!" for gloss in own.glosses))
    turned = GlossVocabulary(own.glosses[::-1])
    before = new_recogniser(TSCMConfig(**TINY), own, 3)
    before.save_pretrained("first")
    for vocabulary, same in ((own, True), (renamed, False), (turned, False)):
        assert says(Path("first"), vocabulary) is same
        begun = new_recogniser(TSCMConfig(**TINY), vocabulary, 7, Path("first"))
        fresh = new_recogniser(TSCMConfig(**TINY), vocabulary, 7)
        for name, part in begun.resnet.state_dict().items():
            assert torch.equal(part, before.resnet.state_dict()[name])
        for name in HEADS:
            expected = (before if same else fresh).get_submodule(name)
            assert torch.equal(begun.get_submodule(name).weight, expected.weight)
            assert torch.equal(begun.get_submodule(name).bias, expected.bias)
    assert not says(Path("nowhere"), own)


def test_new_heads_are_told(here: Path) -> None:
    identity = Identity()
    clips = SignTrain(**FEW).load_clips(identity)
    known = GlossVocabulary.of(clips)
    new_recogniser(TSCMConfig(**SignTrain(**FEW)._config().to_dict()), known, 0).save_pretrained("same")
    other = GlossVocabulary(tuple(f"{gloss}!" for gloss in known.glosses))
    new_recogniser(TSCMConfig(**SignTrain(**FEW)._config().to_dict()), other, 0).save_pretrained("other")
    for name, told in (("same", 0), ("other", 1)):
        identity = Identity()
        SignTrain(**FEW, start=Path(name)).read(identity)
        assert sum("the heads are new" in remark for remark in identity.remarks) == told


def test_clips_that_trained_a_recogniser_are_known_to_it_and_to_all_that_learn_from_it(here: Path) -> None:
    clips = few_clips()
    recogniser().save_pretrained("m")
    assert trained_on(Path("m"), "clips").tolist() == []
    first, second = clips.of("train").take([0, 1]), clips.of("train").take([1, 2])
    Path("n").mkdir()
    save_trained_on(Path("m"), "clips", [clip.hash for clip in first.clips])
    save_trained_on(Path("n"), "clips", [clip.hash for clip in second.clips], (Path("m"), Path("nowhere")))
    assert trained_among(clips, Path("m")) == first.clips
    assert trained_among(clips, Path("n")) == clips.of("train").clips[:3]
    again = Clips("again", tuple(replace(clip, part="test", signer="other") for clip in first.clips))
    assert trained_among(again, Path("m")) == again.clips  # in whatever part they are read
    others = make_clips(MadeClips(seed=1, train=4, dev=2, test=3, languages=("made-a", "made-b"), longest=2, size=8))
    assert trained_among(others, Path("m"), Path("n")) == ()
    Path("m", TRAINED_ON).write_bytes(b"damaged")
    with pytest.raises(ArtifactError):
        trained_among(clips, Path("m"))


def test_a_recogniser_is_not_evaluated_on_what_it_learned_unless_that_is_allowed(here: Path) -> None:
    pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")
    write_phoenix(Path("p2014"))
    few = FEW | {"corpus": ("p2014",), "clips": None}
    SignTrain(**few).run("first")
    plain = SignEvaluate(model=Path("first"), corpus=("p2014",), device="cpu")
    assert plain.read(Identity()).seen == 0
    on_train = replace(plain, read_part="train")
    with pytest.raises(
        CorpusError, match=r"4 of the 4 clips are among those that the model was trained on: .*--same-rows"
    ):
        on_train.read(Identity())
    (section,) = replace(on_train, same_rows="allow").run().to_json()["sections"]
    assert section["sentence"].startswith("Not a proof: the model was trained on 4 rows of these, where it does better")
    assert section["signature"]["trained_on"] == 4
    signers = sorted({clip.signer for clip in plain.load_clips(Identity()).clips})
    with pytest.raises(CorpusError, match=r"\d of the \d clips are among those"):  # divided anew, they are the same
        replace(plain, test_signers=(signers[0],)).read(Identity())
    SignTrain(**few, start=Path("first"), dev_signers=(signers[0],)).run("second")
    SignDistil(teacher=Path("first"), **few).run("student")
    first, second, student = (trained_on(Path(name), "clips") for name in ("first", "second", "student"))
    assert set(first.tolist()) < set(second.tolist())
    assert torch.equal(student, first)
    recogniser().save_pretrained("silent")
    with pytest.raises(CorpusError, match="4 of the 4 clips"):  # the baseline's are asked after too
        replace(on_train, model=Path("silent"), baseline=Path("first")).read(Identity())


def test_channels_are_asked_of_parts_that_have_every_sign_language(here: Path) -> None:
    """CSL's miniature has clips to train on by one signer and others to test; PHOENIX's lacks nothing."""
    write_phoenix(Path("p2014")), write_csl(Path("csl"))
    both = ("p2014", "csl")
    SignTrain(**(FEW | {"corpus": both, "clips": None})).run("both")
    job = SignChannels(model=Path("both"), corpus=both, draws=1, device="cpu")
    job.read(Identity())
    with pytest.raises(CorpusError, match=r"known clips of 'dev' have none in csl.*every sign language: gsg, csl"):
        replace(job, prove_part="dev").read(Identity())
    with pytest.raises(CorpusError, match=r"The part 'dev' have none in csl|part 'dev' has"):
        replace(job, select_part="dev").read(Identity())
    identity = Identity()
    replace(job, select_part="test", prove_part="train").read(identity)
    count = len(job.load_clips(Identity()).of("train"))
    assert (
        f"{count} of the {count} clips on which channels are switched off trained the recogniser." in identity.remarks
    )


def test_clips_of_marks_alone_are_named_and_not_a_refusal_of_all(here: Path) -> None:
    pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")
    root = write_phoenix(Path("p2014"))
    path = root / "annotations/manual/test.corpus.csv"
    lines = path.read_text().splitlines()
    lines[1] = "|".join([*lines[1].split("|")[:3], "__EMOTION__ __PU__"])
    path.write_text("\n".join(lines) + "\n")
    recogniser().save_pretrained("m")
    job = SignEvaluate(model=Path("m"), corpus=("p2014",), metrics=("wer-sclite",), device="cpu")
    (section,) = job.run("out").to_json()["sections"]
    said = [json.loads(line) for line in Path("out/recognised.jsonl").read_text().splitlines()]
    name = lines[1].split("|")[0]
    assert section["remarks"][0].startswith(
        f"Of 1 clips sclite is handed no gloss, because they have only marks: {name}."
    )
    table = section["tables"][0]
    errors = table["rows"][0][table["columns"].index("score")]
    wanted, read = said[1]["reference"], said[1]["read"]
    distance = len(said[0]["read"]) + _edits(wanted, read)
    assert errors == pytest.approx(100 * distance / len(wanted))
    (plain,) = replace(job, metrics=("wer",)).run().to_json()["sections"]
    assert not any("sclite is handed" in remark for remark in plain["remarks"])


def _edits(reference: list[str], hypothesis: list[str]) -> int:
    if not reference or not hypothesis:
        return len(reference) + len(hypothesis)
    changed = reference[-1] != hypothesis[-1]
    return min(
        _edits(reference[:-1], hypothesis) + 1, _edits(reference, hypothesis[:-1]) + 1,
        _edits(reference[:-1], hypothesis[:-1]) + changed,
    )  # fmt: skip


def test_a_trunk_alone_gives_new_heads(here: Path) -> None:
    recogniser().resnet.save_pretrained("trunk")
    own = GlossVocabulary.of(few_clips())
    assert not says(Path("trunk"), own)
    begun: TSCMForCTC = new_recogniser(TSCMConfig(**TINY), own, 5, Path("trunk"))
    assert torch.equal(begun.classifier.weight, new_recogniser(TSCMConfig(**TINY), own, 5).classifier.weight)
