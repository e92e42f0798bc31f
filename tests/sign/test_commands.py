"""The commands on miniatures in released layouts, from training to what a clip says."""

import base64
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, UnsupportedModelError
from neuroglot.models.architectures.tscm import TSCMForCTC
from neuroglot.recipes.sign_channels import SignChannels
from neuroglot.recipes.sign_distil import SignDistil
from neuroglot.recipes.sign_evaluate import SignEvaluate
from neuroglot.recipes.sign_recognise import SignRecognise, _draw
from neuroglot.recipes.sign_train import SignTrain
from tests.corpora.clips.writing import write_csl, write_phoenix
from tests.families import tiny_model
from tests.sign.making import recogniser

SHORT = {"steps": 3, "batch_size": 2, "device": "cpu"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> None:
    app(list(words), result_action="return_value", exit_on_error=False)


@pytest.mark.parametrize(("write", "name"), [(write_phoenix, "p2014"), (write_csl, "csl")])
def test_a_miniature_in_a_released_layout_goes_through_all_commands(here: Path, write, name: str) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")
    write(Path(name))
    common = ("--steps", "3", "--batch-size", "2", "--device", "cpu", "--out")
    watch = ("--watch-every", "2") if name == "p2014" else ()
    run("sign", "train", name, "--augmentation", "none", *watch, *common, "large")
    run("sign", "distil", "large", "--corpus", name, *common, "small")
    run("sign", "evaluate", "small", "--corpus", name, "--baseline", "large", "--device", "cpu", "--metrics", "wer",
        "wer-sclite", "--out", "scored")  # fmt: skip
    lines = [json.loads(line) for line in Path("scored/recognised.jsonl").read_text().splitlines()]
    assert {line["language"] for line in lines} == {{"p2014": "gsg"}.get(name, "csl")}
    report = json.loads(Path("scored/report.json").read_text())
    scores = report["sections"][0]["tables"][0]
    assert [row[scores["columns"].index("metric")] for row in scores["rows"]] == ["WER", "WER as for sclite"]
    if watch:
        assert "errors-by-step" in [
            part["key"] for part in json.loads(Path("large/report.json").read_text())["sections"]
        ]
    folder = next(path.parent for path in Path(name).rglob("*") if path.suffix in (".png", ".jpg"))
    run("sign", "recognise", str(folder), "--model", "small", "--device", "cpu", "--out", "read")
    assert ElementTree.fromstring(Path("read/frames.svg").read_text()).tag.endswith("svg")


def test_channels_of_two_released_layouts_are_paired_in_their_order(here: Path) -> None:
    write_phoenix(Path("p2014")), write_csl(Path("csl"))
    SignTrain(corpus=("p2014", "csl"), **SHORT).run("both")
    job = SignChannels(model=Path("both"), corpus=("p2014", "csl"), draws=1, share=0.2, device="cpu")
    report = job.run("channels").to_json()
    sections = {part["key"]: part for part in report["sections"]}
    assert "1 clips with glosses that were never trained on are left out." in report["notes"]
    assert sections["ablation"]["signature"]["rows_paired_by"] == "order"
    assert sections["ablation"]["signature"]["rows"] == 1  # as many as the smaller part has left
    assert {path.stem for path in Path("channels").glob("*.safetensors")} == {"activity", "gsg", "csl"}
    shown = [row[:2] for row in sections["roles"]["tables"][0]["rows"]]
    assert shown == [["past", 17], ["present", 16], ["future", 15]]


def test_a_job_that_was_killed_goes_on_to_the_same_bytes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = SignTrain(corpus=("made",), clips=2, checkpoint_every=1, **SHORT)
    job.run("whole")
    calls = []

    def stop(*_: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    from neuroglot import progress

    steps = progress.steps
    with monkeypatch.context() as patched:
        from contextlib import contextmanager

        @contextmanager
        def stopping(description: str):  # type: ignore[no-untyped-def]
            with steps(description) as inner:
                yield lambda *told: (inner(*told), stop())

        patched.setattr(progress, "steps", stopping)
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            job.run("cut")
    job.run("cut", resume=True)
    assert Path("cut/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


def test_the_controls_are_options(here: Path) -> None:
    """Features need one scale: a student that lowers it is enlarged, and weights of 0 read no teacher."""
    recogniser(embedding_size=8, hidden_sizes=(8, 16, 32), strides=(1, 2, 2), image_size=16).save_pretrained("t")
    few = {"corpus": ("made",), "clips": 2, **SHORT}
    with pytest.raises(CorpusError, match="which the vocabulary lacks"):  # made-c was not trained on
        SignDistil(teacher=Path("t"), **few).run("refused")
    SignTrain(**few).run("large")
    for name, options in {
        "recovered": {"recover": True}, "undistilled": {"feature_weight": 0.0, "logit_weight": 0.0},
        "features": {"logit_weight": 0.0}, "logits": {"feature_weight": 0.0}, "tsm": {"shift": "tsm"},
        "none": {"shift": "none"}, "conv3d": {"shift": "conv3d"},
    }.items():  # fmt: skip
        SignDistil(teacher=Path("large"), **few, **options).run(name)
        model = TSCMForCTC.from_pretrained(name)
        assert model.config.shift == options.get("shift", "tscm")
        assert model.config.recover == ("bilinear" if "recover" in options else "no")
        assert model.config.image_size == 8
    frames = torch.zeros(1, 3, 8, 8)
    shapes = {n: TSCMForCTC.from_pretrained(n).resnet.frame_features(frames).shape[-1] for n in ("recovered", "tsm")}
    assert shapes == {"recovered": 4, "tsm": 8}
    losses = {
        name: json.loads(Path(name, "report.json").read_text())["sections"][0]["tables"][0]["rows"][0][2]
        for name in ("undistilled", "features", "tsm")
    }
    assert losses["undistilled"] < losses["features"]


def test_wrong_models_parts_and_clips_are_refused_by_name(here: Path) -> None:
    tiny_model("llama").save_pretrained("llama")
    made = {"corpus": ("made",), "clips": 2, "device": "cpu"}
    with pytest.raises(ArtifactError, match="nothing holds no recogniser"):
        SignRecognise(clip="made:test-0", model=Path("nothing")).run()
    with pytest.raises(UnsupportedModelError, match="type 'llama'"):
        SignRecognise(clip="made:test-0", model=Path("llama")).run()
    with pytest.raises(CorpusError, match="no made clip 'test-999'"):
        SignRecognise(clip="made:test-999", model=Path("llama")).run()
    with pytest.raises(ConfigError, match="Expected two parts"):
        SignChannels(model=Path("llama"), select_part="test", **made).run("out")
    with pytest.raises(ConfigError, match="no signer nobody"):
        SignTrain(dev_signers=("nobody",), **made, steps=1).run("out")
    recogniser().save_pretrained("recogniser")
    Path("recogniser/model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="cannot be read"):
        SignRecognise(clip="made:test-0", model=Path("recogniser")).run()
    assert not Path("out").exists()


def test_glosses_that_were_never_trained_on_are_counted(here: Path) -> None:
    pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")
    recogniser().save_pretrained("recogniser")  # knows two of the three made languages
    report = SignEvaluate(model=Path("recogniser"), corpus=("made",), clips=3, device="cpu").run()
    (section,) = report.to_json()["sections"]
    assert "were never trained on, and are errors: " in section["remarks"][0]
    assert "made-c:" in section["remarks"][0]
    costs = section["tables"][1]
    assert costs["columns"] == ["network", "parameters", "multiply–adds a frame", "pixels a side", "look-ahead"]


def test_a_start_from_another_trunk_is_refused_and_from_its_own_is_taken(here: Path) -> None:
    few = {"corpus": ("made",), "clips": 2, **SHORT}
    SignTrain(**few, seed=5).run("first")
    trained = TSCMForCTC.from_pretrained("first").resnet
    begun = SignTrain(**few, start=Path("first")).read(__import__("neuroglot.runs.identity", fromlist=["x"]).Identity())
    for one, other in zip(trained.parameters(), begun.model.resnet.parameters(), strict=True):
        assert torch.equal(one, other.cpu())
    recogniser(hidden_sizes=(4, 6, 9)).save_pretrained("other")
    with pytest.raises(ConfigError, match="of another shape"):
        SignTrain(**few, start=Path("other")).run("refused")


def test_the_picture_of_a_clip_has_its_frames_and_its_glosses_as_text_in_any_script(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="images are read by Pillow, of the extra 'sign'")
    frames = np.stack([np.full((8, 8, 3), 20 * place, dtype=np.uint8) for place in range(10)])
    rows = [("你好\u200d <b>&\x00", 0, 3, 0.5), ("שלום", 4, 9, 0.25)]
    _draw(frames, rows, 4, tmp_path / "frames.svg")
    root = ElementTree.fromstring((tmp_path / "frames.svg").read_bytes())
    space = "{http://www.w3.org/2000/svg}"
    shown = [
        np.asarray(image.open(io.BytesIO(base64.b64decode(part.get("href").partition(",")[2]))))[0, 0].tolist()
        for part in root.findall(f"{space}image")
    ]
    assert shown == [[0, 0, 0], [80, 80, 80], [160, 160, 160]]
    assert [part.text for part in root.findall(f"{space}text")] == ["0", "4", "8"]
    glosses = [
        (part.get("x"), part.get("width"), part.find(f"{space}text").text) for part in root.findall(f"{space}svg")
    ]
    assert glosses == [("0", "96", "你好\u200d <b>&"), ("96", "192", "שלום")]
