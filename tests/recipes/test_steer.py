"""`neuroglot steer`, `generate` and `export`: files of steps, texts under them, and a checkpoint without neurons."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.interventions import steering, switch_off
from neuroglot.interventions.steering import Steering
from neuroglot.models import load, view
from neuroglot.neurons import NeuronSet
from neuroglot.recipes import Export, Generate, Steer
from neuroglot.recipes.artefacts import STEERING
from tests.families import tiny_model
from tests.interventions.test_steering import logits, some
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(5)
ON_ACTIVITY = ("--activity", "activity.safetensors", "--language", "de")
SHORT = ("--corpus", "prompts", "--max-new-tokens", "4", "--device", "cpu")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with a model, two neuron sets, an activity and prompts."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model("llama")
    model.save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    located = view(model)
    for number, name in enumerate(("a", "b"), 1):
        some(located, number).save(f"{name}.safetensors")
    some(located, 1).save("selected/de.safetensors")
    recording = Recording("post_act", statistics=("moments",))
    record(located, tiny_tokenizer(), CORPUS, recording).save("activity.safetensors")
    record(located, tiny_tokenizer(), CORPUS, recording).save("recorded/activity.safetensors")
    Path("prompts").mkdir()
    for language, column in CORPUS.texts.items():
        Path("prompts", f"{language}.txt").write_text("\n".join(column) + "\n")
    return located


def command(*words: str) -> None:
    app(list(words), result_action="return_value", exit_on_error=False)


def test_steer_builds_files_and_generate_uses_them(files, capsys) -> None:
    command("steer", "set", "--neurons", "a.safetensors", "--value", "0", "--out", "off")
    command("steer", "add", "--neurons", "b.safetensors", *ON_ACTIVITY, "--alpha", "2", "--out", "add")
    command(
        "steer", "arithmetic", "--filled", "a.safetensors", "--neurons", "b.safetensors", *ON_ACTIVITY,
        "--reading", "mean minus others", "--scope", "generated", "--out", "arithmetic",
    )  # fmt: skip
    command(
        "steer", "two-sets", "--neurons", "a.safetensors", "--weakened", "b.safetensors", "--after", "off",
        "--out", "two",
    )  # fmt: skip
    steps = {name: Steering.load(f"{name}/steering.safetensors").steps for name in ("off", "add", "arithmetic", "two")}
    assert [[(step.operator, step.site) for step in made] for made in steps.values()] == [
        [("set", "write")],
        [("add", "post_act")],
        [("set", "post_act"), ("add", "post_act")],
        [("set", "write"), ("multiply", "write")],
    ]
    assert "h' = h + v" in capsys.readouterr().out
    command("generate", "model", *SHORT, "--steer", "off", "--json")
    (section,) = json.loads(capsys.readouterr().out)["report"]["sections"]
    assert section["signature"]["interventions"].startswith("steering all tokens (operator=set")
    steered = [row[3] for row in section["tables"][0]["rows"]]
    command("generate", "model", *SHORT, "--ablate", "a.safetensors", "--out", "ablated")
    ablated = GeneratedTexts.load("ablated/generated.jsonl")
    assert steered == [text for *_, text in ablated.rows()]
    assert len(steered) == 15
    assert str(ablated.signature["interventions"]).startswith("switched off to 0.0")
    command("generate", "model", *SHORT, "--steer", "arithmetic/steering.safetensors", "--same-rows", "allow")
    assert len(capsys.readouterr().out.splitlines()) >= 15
    command("generate", "model", "--prompt", "w1 w2", "--max-new-tokens", "3", "--device", "cpu")
    assert "w1 w2 →" in capsys.readouterr().out


def test_texts_are_those_that_generate_gives_under_both_changes(files) -> None:
    command("steer", "add", "--neurons", "b.safetensors", *ON_ACTIVITY, "--out", "add")
    report = Generate(
        model="model", corpus="prompts", steer=Path("add"), ablate=Path("selected"), max_new_tokens=6, temperature=0.8,
        seed=3, device="cpu", limit=4, same_rows="allow",
    ).run("out")  # fmt: skip
    decoding = Decoding(6, temperature=0.8, seed=3)
    added, off = Steering.load("add/steering.safetensors"), NeuronSet.load("a.safetensors")
    with steering(files, added), switch_off(files, off):
        expected = generate(files, tiny_tokenizer(), CORPUS.take(range(4)), decoding)
    written = GeneratedTexts.load("out/generated.jsonl")
    assert written.texts == expected.texts
    assert written.prompts == {language: column[:4] for language, column in CORPUS.texts.items()}
    named = ("model", "corpus", "corpus_hash")  # the same model and texts, from memory
    assert written.signature.without(*named) == expected.signature.without(*named)
    assert report.to_json()["sections"][0]["tables"][0]["rows"][0][3] == expected.texts["de"][0]


def test_export_writes_a_checkpoint_with_its_tokenizer(files) -> None:
    command("export", "model", "--ablate", "a.safetensors", "--out", "folded")
    folded, _ = load("folded", device="cpu")
    with switch_off(files, NeuronSet.load("a.safetensors")):
        torch.testing.assert_close(logits(folded), logits(files), rtol=0, atol=1e-5)
        plain = AutoModelForCausalLM.from_pretrained("folded")
        torch.testing.assert_close(logits(view(plain)), logits(files), rtol=0, atol=1e-5)
    with pytest.raises(ArtifactError, match="holds a finished run"):
        command("export", "model", "--ablate", "b.safetensors", "--out", "folded")
    Path("folded/notes.txt").write_text("mine")
    command("export", "model", "--ablate", "b.safetensors", "--out", "folded", "--overwrite")
    with switch_off(files, NeuronSet.load("b.safetensors")):
        torch.testing.assert_close(logits(load("folded", device="cpu")[0]), logits(files), rtol=0, atol=1e-5)
    assert Path("folded/notes.txt").read_text() == "mine"
    with pytest.raises(ArtifactError, match="no run of neuroglot"):
        command("export", "model", "--ablate", "b.safetensors", "--out", "model", "--overwrite")


def test_export_is_one_message_where_the_disk_is_full(files) -> None:
    code = "from neuroglot.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "model", "--ablate", "a.safetensors", "--out", "folded"],
        capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_folder_stands_for_its_one_set_or_is_refused(files) -> None:
    Steer(operator="set", neurons=Path("selected"), value=0.0).run("one")
    assert Steering.load("one/steering.safetensors").steps[0].neurons == NeuronSet.load("a.safetensors")
    some(files, 2).save("selected/sw.safetensors")
    with pytest.raises(ConfigError, match="de, sw.*one set.*selected/de.safetensors"):
        Steer(operator="set", neurons=Path("selected"), value=0.0).run("two")
    with pytest.raises(ConfigError, match="no language"):
        Export(model="model", ablate=Path("prompts")).run("two")
    Steer(operator="add", neurons=Path("b.safetensors"), activity=Path("recorded"), language="de").run("three")
    with pytest.raises(ArtifactError, match="holds no activity.safetensors"):
        Steer(operator="add", neurons=Path("b.safetensors"), activity=Path("model"), language="de").run("four")
    with pytest.raises(ArtifactError, match="holds no steering.safetensors"):
        Generate(model="model", prompt="w1", steer=Path("model")).run()
    assert not any(Path(name).exists() for name in ("two", "four"))


def test_a_job_without_a_model_says_which_files_it_reads_and_writes(files, capsys) -> None:
    job = Steer(operator="add", neurons=Path("b.safetensors"), activity=Path("recorded"), language="de")
    price, read = job.estimate(), [Path("b.safetensors"), Path("recorded/activity.safetensors")]
    assert price.files == (*((str(path), "read", path.stat().st_size) for path in read), (STEERING, "written", None))
    assert (price.lines, price.models) == ((), ())
    job.run("out")
    assert price.disk_bytes >= Path("out", STEERING).stat().st_size
    command("steer", "set", "--neurons", "b.safetensors", "--value", "0", "--dry-run")
    printed = capsys.readouterr().out
    assert "b.safetensors" in printed
    assert "No model reads text" in printed


def test_neurons_of_another_model_are_refused_before_anything_is_generated(files) -> None:
    some(view(tiny_model("bloom")), 1).save("other.safetensors")
    command("steer", "set", "--neurons", "other.safetensors", "--value", "0", "--out", "other")
    for words in (
        ("generate", "model", *SHORT, "--steer", "other"),
        ("generate", "model", *SHORT, "--ablate", "other.safetensors"),
        ("export", "model", "--ablate", "other.safetensors"),
    ):
        with pytest.raises(LayoutMismatchError, match="same model architecture"):
            command(*words, "--out", "x")
        assert not Path("x").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "model"],
        ["generate", "model", "--prompt", "w1", "--corpus", "prompts"],
        ["generate", "model", "--prompt", "w1", "--beams", "2", "--temperature", "1"],
        ["generate", "model", "--prompt", "w1", "--top-p", "0"],
        ["generate", "model", "--prompt", "w1", "--max-new-tokens", "0"],
        ["steer", "set", "--neurons", "a.safetensors"],
        ["steer", "set", "--neurons", "a.safetensors", "--value", "1", *ON_ACTIVITY],
        ["steer", "set", "--neurons", "a.safetensors", "--activity", "activity.safetensors"],
        ["steer", "add", "--neurons", "a.safetensors", "--value", "1", "--language", "de"],
        ["steer", "set", "--neurons", "a.safetensors", "--value", "1", "--alpha", "2"],
        ["steer", "set", "--neurons", "a.safetensors", "--value", "1", "--filled", "b.safetensors"],
        ["steer", "set", "--neurons", "a.safetensors", "--value", "1", "--gamma", "0.5"],
        ["steer", "arithmetic", "--neurons", "a.safetensors", "--value", "1"],
        ["steer", "two-sets", "--neurons", "a.safetensors"],
        ["steer", "two-sets", "--neurons", "a.safetensors", "--weakened", "b.safetensors", "--value", "1"],
        ["steer", "two-sets", "--neurons", "a.safetensors", "--weakened", "b.safetensors", "--language", "de"],
        ["steer", "set", "--neurons", "a.safetensors", "--value", "nan"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_are_refused(files, words: list[str]) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        command(*words, "--out", "x")
    assert not Path("x").exists()


def test_each_of_two_sets_is_changed_as_the_operator_says(files) -> None:
    """Arithmetic fills the language to leave and adds to the target; of two sets one is strengthened, one weakened."""
    target, other = (NeuronSet.load(f"{name}.safetensors") for name in ("a", "b"))
    command(
        "steer", "arithmetic", "--neurons", "a.safetensors", "--filled", "b.safetensors", "--value", "2",
        "--out", "arithmetic",
    )  # fmt: skip
    filled, added = Steering.load("arithmetic/steering.safetensors").steps
    assert (filled.operator, filled.neurons, added.operator, added.neurons) == ("set", other, "add", target)
    assert [step.site for step in (filled, added)] == ["post_act"] * 2  # of a number too
    command(
        "steer", "two-sets", "--neurons", "a.safetensors", "--weakened", "b.safetensors", "--beta", "0.5",
        "--gamma", "0.25", "--out", "two",
    )  # fmt: skip
    (scaled,) = Steering.load("two/steering.safetensors").steps
    factors = torch.as_tensor(scaled.values)
    for members, factor in (
        (target.members & ~other.members, 1.5),
        (other.members & ~target.members, 0.75),
        (target.members & other.members, 1.125),
    ):
        assert members.any()
        assert factors[members].tolist() == pytest.approx([factor] * int(members.sum()))
