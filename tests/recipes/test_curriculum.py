"""Curricula: exact mixtures, published wordings, replay, what is held out, and refusals before a model is read."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu.metrics import CHRF

from neuroglot.errors import ConfigError, CorpusError, NeuroglotError
from neuroglot.experiments.curriculum import _Job, _selected, answer_losses
from neuroglot.layout import Layout
from neuroglot.metrics.task_moments import TaskMoments
from neuroglot.metrics.texts import TextOptions, choose_metrics
from neuroglot.models import load, view
from neuroglot.neurons import NeuronSet
from neuroglot.prompting.wordings import ALPACA, ALPACA_INPUT, INSTRUCTION_WORDINGS, TRANSLATION_INSTRUCTIONS
from neuroglot.recipes.curriculum import Curriculum, signature_of
from neuroglot.recipes.curriculum_file import CurriculumFile, StatedStage
from neuroglot.recipes.export import Export
from neuroglot.recipes.mixing import replayed, tuning_of
from neuroglot.runs.identity import Identity
from neuroglot.storage import Kept
from neuroglot.tokens.examples import examples as encoded
from neuroglot.tokens.mixtures import apportioned, drawn_exactly
from neuroglot.training import Lora, TuningConfig, tuning
from neuroglot.training.trainer import fit
from neuroglot.training.trajectory import Trajectory
from neuroglot.training.tuning import completions
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

ROOT = Path(__file__).parents[2]


def put_files(folder: Path) -> None:
    """A tiny model, 12 questions in two languages beside English, and 10 English answers."""
    tiny_model("llama").save_pretrained(folder / "model")
    tiny_tokenizer().save_pretrained(folder / "model")
    for language, first in (("de", 1), ("sw", 30)):
        (folder / "questions" / language).mkdir(parents=True)
        for name, shift in ((language, first), ("en", first + 5)):
            lines = [f"w{row + shift} w{row + shift + 1}" for row in range(12)]
            (folder / "questions" / language / f"{name}.txt").write_text("\n".join(lines) + "\n")
    rows = [{"query": f"w{row} w{row + 20}", "response": f"w{row + 2}", "level": row} for row in range(10)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


TWO_STAGES: dict[str, Any] = {
    "data": {
        "questions": {
            "languages": ["de", "sw"], "source": "questions/{language}/{language}.txt",
            "target": "questions/{language}/en.txt", "target_language": "en", "held_out": 2,
            "template": {"prompts": ["w1 {source} w2", "w3 {source} w4"], "answer": " {target}"},
        },
        "answers": {
            "languages": ["en"], "rows": "answers.jsonl", "held_out": 2,
            "template": {"prompts": ["{question} w9"], "answer": " {response}"}, "fields": {"question": "query"},
        },
    },
    "stages": [
        {"name": "align", "counts": {"questions": 24}, "learning_rate": 1e-2, "batch_size": 5, "max_tokens": 60},
        {"name": "answer", "weights": {"answers": 3, "questions": 1}, "examples": 20, "replay": 0.25,
         "train": "adapters", "batch_size": 4, "learning_rate": 1e-2, "max_tokens": 60},
    ],
}  # fmt: skip


def stages_file(changes: dict[str, Any] | None = None, stage: int = 1) -> Path:
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"][stage] |= changes or {}
    return written(stored)


def written(stored: Any) -> Path:
    Path("stages.yaml").write_text(json.dumps(stored, indent=1))  # JSON is YAML
    return Path("stages.yaml")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put_files(tmp_path)
    return tmp_path


def job(path: Path, **options: Any) -> Curriculum:
    return Curriculum(model="model", stages=path, device="cpu", checkpoint_every=2, **options)


# ---- wordings


def test_alpacas_wordings_are_those_of_the_papers_to_the_byte() -> None:
    hashes = {
        ALPACA_INPUT: "28811e9850d9511bab334d167a03a8a37614535fdb28d645492efac8e9951c0f",
        ALPACA: "35101bc36d10997c7d926d8f21f7d173aec6523f3a57d78821b944a89925cdca",
    }
    assert {text: hashlib.sha256(text.encode()).hexdigest() for text in hashes} == hashes


def test_qalign_asks_in_the_form_without_an_input() -> None:
    fields = {"source": "Wie {viele}?", "target": "How many?", "source_language": "Swahili (macrolanguage)",
              "target_language": "English"}  # fmt: skip
    prompt, answer = INSTRUCTION_WORDINGS["qalign"].filled(fields)
    asked = "Translate the following sentences from Swahili (macrolanguage) to English. Wie {viele}?"
    assert (prompt, answer) == (ALPACA.replace("{instruction}", asked), "How many?")


def test_a_record_without_an_input_takes_the_other_form() -> None:
    wording = INSTRUCTION_WORDINGS["alpaca"]
    fields = {"instruction": "Say {input}.", "input": "", "output": "Yes."}
    assert wording.filled(fields)[0] == ALPACA.replace("{instruction}", "Say {input}.")
    assert wording.filled(fields | {"input": "no"})[0].endswith("### Input:\nno\n\n### Response:")


def test_rows_take_their_instructions_in_turn() -> None:
    fields = {"source": "a", "target": "b", "source_language": "English", "target_language": "German"}
    wording = INSTRUCTION_WORDINGS["translation"]
    for number in (0, 4, 6, 11):
        line = TRANSLATION_INSTRUCTIONS[number % 6]
        line = line.replace("{source_language}", "English").replace("{target_language}", "German")
        expected = ALPACA_INPUT.replace("{instruction}", line).replace("{input}", "a")
        assert wording.filled(fields, number) == (expected, "b")


# ---- mixtures


@pytest.mark.parametrize(
    ("total", "weights"), [(10, [1, 1, 1]), (7, [0.5, 3]), (0, [1]), (1, [1, 1]), (1000, [7, 11, 13])]
)
def test_examples_are_apportioned_to_the_last_one(total: int, weights: list[float]) -> None:
    counts = apportioned(total, weights)
    assert sum(counts) == total
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count - total * weight / sum(weights)) < 1


def test_counts_are_exact_and_each_example_comes_once_before_any_comes_again() -> None:
    sizes, counts = [5, 3, 8], [12, 0, 8]
    order = drawn_exactly(sizes, counts, 4)
    assert [sum(part == number for part, _ in order) for number in range(3)] == counts
    seen = Counter(index for part, index in order if part == 0)
    assert sorted(seen.values()) == [2, 2, 2, 3, 3]
    assert order == drawn_exactly(sizes, counts, 4) != drawn_exactly(sizes, counts, 5)
    of_third = sorted(index for part, index in drawn_exactly(sizes, [0, 0, 4], 4))
    assert {index for part, index in order if part == 2} >= set(of_third)
    with pytest.raises(ConfigError, match="It has none"):
        drawn_exactly([0], [1], 0)


def test_stages_mix_what_they_state_and_replay_what_came_before(here: Path) -> None:
    inputs = job(stages_file()).read(Identity())
    first, second = inputs.stages
    assert len(first.texts) == sum(first.counts.values()) == 24
    assert set(first.counts) == {("questions", "de"), ("questions", "sw")}
    by_data = Counter[str]()
    for (name, _), count in second.counts.items():
        by_data[name] += count
    assert by_data == {"answers": 11, "questions": 4 + 5}  # 15 new ones by 3 to 1, and 5 of 20 again
    assert (first.config.steps, second.config.steps) == (5, 5)
    assert first.config.lora is None
    assert second.config.lora is not None
    held = {"questions, de": 2, "questions, sw": 2, "answers, en": 2}
    assert {group: len(texts) for group, texts in inputs.held_out.items()} == held
    ids = {example.id for stage in inputs.stages for example in stage.examples}
    german, swahili = ({row.rpartition("/")[2] for row in ids if f"/{code}/" in row} for code in ("de", "sw"))
    assert len(german) == 10
    assert german == swahili
    again = job(stages_file()).read(Identity())
    assert [stage.examples for stage in again.stages] == [stage.examples for stage in inputs.stages]
    other = job(stages_file(), seed=3).read(Identity())
    assert other.stages[0].examples != first.examples


def test_replay_is_in_proportion_to_what_earlier_stages_learned() -> None:
    stage = CurriculumFile.load(ROOT / "examples" / "qalign.yaml").stages[1]
    counts = replayed(replace(stage, replay=0.2), Counter(a=80), Counter(b=30, c=10))
    assert counts == {"b": 15, "c": 5}


def test_a_length_in_tokens_is_reached_by_whole_examples(here: Path) -> None:
    stated = {"weights": {"answers": 1}, "tokens": 100, "replay": 0.0, "examples": None}
    stage = job(stages_file(stated)).read(Identity()).stages[1]
    lengths = [len(text.token_ids) for text in stage.texts]
    assert 100 <= sum(lengths) < 100 + 2 * max(lengths)


# ---- the job


def test_both_stages_are_tuned_and_what_is_held_out_is_followed(here: Path) -> None:
    report = job(stages_file(), keep_stages=True).run("run")
    training, held_out = report.sections
    assert training.headline is not None
    assert len(training.headline["losses"]) == 10
    rows = held_out.tables[0].rows
    assert [(row[0], row[2]) for row in rows[:3]] == [
        ("questions, de", "before"), ("questions, de", "align"), ("questions, de", "answer"),
    ]  # fmt: skip
    assert rows[2][3] < rows[0][3]  # the loss falls
    assert "Stage answer: 11 examples of answers in en." in report.notes
    again = next(note for note in report.notes if note.startswith("Stage align learns"))
    assert "20 different examples 1.2 times" in again
    models = [load(name, device="cpu")[0].model.state_dict() for name in ("model", "run/align", "run")]
    assert set(models[0]) == set(models[1]) == set(models[2])
    for before, after in pairwise(models):
        assert any(not torch.equal(before[name], after[name]) for name in before)
    assert sorted(path.name for path in Path("run/answer").iterdir()) == ["learned"]  # the folder itself is its model
    assert not Path("run/align/learned").exists()  # whole weights


def test_a_stage_keeps_what_trajectory_inversion_needs_also_if_it_was_killed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = stages_file({"log_choices": True, "label_smoothing": 0.1})
    job(logged).run("whole")
    assert not Path("whole/align-trajectory.safetensors").exists()
    whole = Trajectory.load("whole/answer-trajectory.safetensors")
    assert (whole.steps, len(whole.choices)) == (5, 64)
    assert whole.chosen.sum().item() == pytest.approx(whole.total_rate)
    save = tuning.save_model
    monkeypatch.setattr(tuning, "save_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        job(logged).run("killed")
    monkeypatch.setattr(tuning, "save_model", save)
    job(logged).run("killed", resume=True)
    names = ("answer-trajectory.safetensors", "model.safetensors")
    for name in names:
        assert (Path("killed") / name).read_bytes() == (Path("whole") / name).read_bytes(), name
    signatures = [signature_of(stage) for stage in job(logged).read(Identity()).stages]
    assert [signature.get("label_smoothing") for signature in signatures] == [None, 0.1]


def test_held_out_losses_are_those_of_the_scored_tokens() -> None:
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    texts = encoded(tokenizer, [("w1 w2", " w3"), ("w4", " w5 w6")], end="eos").texts
    got = answer_losses(view(model), texts)
    for text, (nats, count) in zip(texts, got.tolist(), strict=True):
        with torch.no_grad():
            logs = model(torch.tensor([text.token_ids])).logits[0].log_softmax(-1).double()
        learned = [place for place, asked in enumerate(text.scored) if asked]
        assert count == len(learned)
        assert nats == pytest.approx(-sum(float(logs[place - 1, text.token_ids[place]]) for place in learned), rel=1e-5)


def test_a_stage_trains_only_what_it_names(here: Path) -> None:
    neurons = NeuronSet.of(load("model", device="cpu")[0].layout, {("decoder", 1): [2, 3]})
    neurons.save("neurons.safetensors")
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"] = [
        {"name": "neurons", "counts": {"answers": 6}, "train": "neurons", "neurons": "neurons.safetensors",
         "learning_rate": 0.1, "weight_decay": 0.01},
        {"name": "embeddings", "counts": {"answers": 6}, "train": ["embeddings"], "learning_rate": 0.1},
    ]  # fmt: skip
    job(written(stored)).run("run")
    before, after = (load(name, device="cpu")[0].model.state_dict() for name in ("model", "run"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    block = "model.layers.1.mlp"
    projections = {f"{block}.{name}.weight" for name in ("gate_proj", "up_proj", "down_proj")}
    assert changed == {"model.embed_tokens.weight", *projections}
    differing = (before[f"{block}.up_proj.weight"] != after[f"{block}.up_proj.weight"]).any(1)
    assert differing.nonzero()[:, 0].tolist() == [2, 3]


def test_whole_texts_are_learned_if_that_is_asked_for(here: Path) -> None:
    stages = job(stages_file({"objective": "text"})).read(Identity()).stages
    assert all(text.scored == (False, *(True,) * (len(text.scored) - 1)) for text in stages[1].texts)
    assert not any(text.scored[1] for text in stages[0].texts)


def test_what_is_left_out_is_counted_by_language(here: Path) -> None:
    lines = Path("questions/sw/en.txt").read_text().splitlines()
    for row in range(12):
        lines[row] = "" if row < 6 else lines[row]
    Path("questions/sw/en.txt").write_text("\n".join(lines) + "\n")
    with Path("questions/de/de.txt").open("a") as file, Path("questions/de/en.txt").open("a") as target:
        file.write(" ".join(["w5"] * 50) + "\n")
        target.write(" ".join(["w5"] * 50) + "\n")
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["questions"]["held_out"] = 0
    assert job(written(stored)).read(Identity()).dropped == {
        "questions in sw: an answer is empty": 6,
        "align, questions in de: too many tokens": 1,
        "answer, questions in de: too many tokens": 1,
    }


def test_a_stage_behind_adapters_trains_all_weights(here: Path) -> None:
    """Merging adapters leaves weights that take no gradients; the next stage would learn nothing."""
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"] = [
        {"name": "adapters", "counts": {"answers": 6}, "train": "adapters", "learning_rate": 1e-2},
        {"name": "all", "counts": {"answers": 6}, "learning_rate": 1e-2},
    ]
    job(written(stored), keep_stages=True).run("run")
    before, after = (load(name, device="cpu")[0].model.state_dict() for name in ("run/adapters", "run"))
    assert {name for name in before if torch.equal(before[name], after[name])} == set()


@pytest.mark.parametrize("rates", [(), (1e-4, 1e-2)])
def test_what_a_stage_learned_is_added_to_and_taken_from_the_model_before_it(
    here: Path, rates: tuple[float, ...]
) -> None:
    layout = load("model", device="cpu")[0].layout
    NeuronSet.of(layout, {("decoder", 0): [0, 3], ("decoder", 1): [1]}).save(Path("some.safetensors"))
    rate: dict[str, Any] = {"learning_rates": rates} if rates else {"learning_rate": 1e-2}
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["answers"] |= {"selection": 2}
    stored["stages"] = [
        {"name": "adapters", "counts": {"answers": 6}, "train": "adapters", **rate},
        {"name": "neurons", "counts": {"answers": 6}, "train": "neurons", "neurons": "some.safetensors", **rate},
    ]
    job(written(stored), keep_stages=True).run("run")
    for name, before, after in (("adapters", "model", "run/adapters"), ("neurons", "run/adapters", "run")):
        deltas = Path(f"run/{name}/learned")
        Export(model=before, deltas=deltas, device="cpu").run(f"merged-{name}")
        Export(model=after, deltas=deltas, subtract=True, device="cpu").run(f"without-{name}")
        start, merged, end, back = (
            load(folder, device="cpu")[0].model.state_dict()
            for folder in (before, f"merged-{name}", after, f"without-{name}")
        )
        changed = {weight for weight in start if not torch.equal(start[weight], end[weight])}
        assert changed
        for weight in start:
            torch.testing.assert_close(merged[weight], end[weight], rtol=0, atol=1e-6)
            torch.testing.assert_close(back[weight], start[weight], rtol=0, atol=1e-6)
        with pytest.raises(ConfigError, match="learned on a model with the weights"):
            Export(model=after, deltas=deltas, device="cpu").run("of-another")


@pytest.mark.parametrize(("stopped", "when"), [("copytree", 1), ("copytree", 2), ("rmtree", 2), ("tune_on", 3)])
def test_what_stages_learned_is_the_same_after_the_job_was_stopped(
    here: Path, monkeypatch, stopped: str, when: int
) -> None:
    """Stopped while what a stage learned is handed on or cleared away, and behind the training of it."""
    from neuroglot.experiments import curriculum as experiment

    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["answers"] |= {"selection": 2}
    shared = {"counts": {"answers": 4}, "batch_size": 2, "train": "adapters"}
    stored["stages"] = [
        {"name": "learned", "learning_rates": [1e-4, 1e-2], **shared},
        {"name": "second", "learning_rate": 1e-2, **shared},
    ]
    path = written(stored)
    job(path, keep_stages=True).run("whole")
    place: Any = experiment if stopped == "tune_on" else experiment.shutil  # type: ignore[attr-defined]
    done, calls = getattr(place, stopped), []

    def stopping(*given: Any, **options: Any) -> Any:
        calls.append(given)
        if len(calls) < when or stopped != "copytree":
            result = done(*given, **options)
            if len(calls) < when:
                return result
        else:  # one file of several
            given[1].mkdir(parents=True, exist_ok=True)
            shutil.copy(next(given[0].iterdir()), given[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(place, stopped, stopping)
    with pytest.raises(KeyboardInterrupt):
        job(path, keep_stages=True).run("run")
    monkeypatch.undo()
    monkeypatch.chdir(here)
    job(path, keep_stages=True).run("run", resume=True)
    whole, run = ({file.relative_to(folder): file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}
                  for folder in ("whole", "run"))  # fmt: skip
    assert whole == run
    kept = {str(file.parent) for file in run if file.name == "learned-on.json"}
    assert kept == {"learned/learned", "second/learned"}


# ---- a search of learning rates


RATES = [1e-4, 1e-2, 1e30]  # the last one diverges


def searching() -> Path:
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["answers"]["selection"] = 3
    del stored["stages"][1]["learning_rate"]
    stored["stages"][1] |= {"learning_rates": RATES, "examples": 28}
    return written(stored)


def test_a_selection_is_neither_learned_nor_reported(here: Path) -> None:
    inputs = job(searching()).read(Identity())
    stage = inputs.stages[1]
    assert {group: len(texts) for group, texts in stage.selection.items()} == {"answers, en": 3}
    parts = {
        "selection": {text.token_ids for text in stage.selection["answers, en"]},
        "held out": {text.token_ids for text in inputs.held_out["answers, en"]},
        "learned": {text.token_ids for text, example in zip(stage.texts, stage.examples, strict=True)
                    if example.id.startswith("answers")},
    }  # fmt: skip
    assert [len(part) for part in parts.values()] == [3, 2, 5]
    assert len(set().union(*parts.values())) == 10
    assert (inputs.stages[0].rates, stage.rates) == ((), tuple(RATES))


def test_the_rate_is_the_one_with_the_lowest_loss_of_the_selection(here: Path) -> None:
    report = job(searching()).run("run")
    (section,) = (section for section in report.sections if section.key == "rates")
    rows = [dict(zip(("stage", "rate", "loss", "chosen"), row, strict=True)) for row in section.tables[0].rows]
    losses = {}
    for rate in RATES[:2]:  # each rate on its own gives the same selection's loss
        stored = json.loads(searching().read_text())
        del stored["stages"][1]["learning_rates"]
        stored["stages"][1]["learning_rate"] = rate
        texts = job(searching()).read(Identity()).stages[1].selection["answers, en"]
        job(written(stored)).run(f"alone-{rate:g}")
        nats, tokens = answer_losses(load(f"alone-{rate:g}", device="cpu")[0], texts).sum(0).tolist()
        losses[rate] = nats / tokens
    assert [row["loss"] for row in rows[:2]] == pytest.approx(list(losses.values()), rel=1e-5)  # as printed
    assert rows[2]["loss"] is None
    best = min(losses, key=lambda rate: losses[rate])
    assert [row["rate"] for row in rows if row["chosen"]] == [f"{best:g}"]
    ours, alone = (load(name, device="cpu")[0].model.state_dict() for name in ("run", f"alone-{best:g}"))
    assert all(torch.equal(weight, alone[name]) for name, weight in ours.items())


@pytest.mark.parametrize("row", range(10))
def test_every_row_that_is_read_belongs_to_the_job(here: Path, row: int) -> None:
    """Learned, held out, or of the selection: with another answer it is another job, of a finished run too."""
    job(searching()).run(here / "taught")
    rows = [json.loads(line) for line in (here / "answers.jsonl").read_text().splitlines()]
    rows[row]["response"] = "w40"
    (here / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    with pytest.raises(ConfigError, match="hash"):
        job(searching()).run(here / "taught", resume=True)


def test_rates_that_all_diverge_are_named(here: Path) -> None:
    stored = json.loads(searching().read_text())
    stored["stages"][1]["learning_rates"] = [1e30, 1e31]
    with pytest.raises(ConfigError, match=r"'answer' diverges at 1e\+30, 1e\+31"):
        job(written(stored)).run("run")


def test_a_search_that_was_stopped_goes_on_and_ends_with_the_same_bytes(here: Path, monkeypatch) -> None:
    from neuroglot.experiments import curriculum as experiment

    path = searching()
    job(path).run("whole")
    measured, calls = experiment._selected, []

    def stopping(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measured(*given)

    monkeypatch.setattr(experiment, "_selected", stopping)
    with pytest.raises(KeyboardInterrupt):
        job(path).run("run")
    job(path).run("run", resume=True)
    assert len(calls) == 4  # the first rate's loss was kept
    for name in ("model.safetensors", "report.json"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


def test_a_rate_whose_training_was_kept_is_measured_by_its_own_weights(here: Path, monkeypatch) -> None:
    """Stopped between the training at a rate and the loss that it left: what is measured is what was kept."""
    from neuroglot.experiments import curriculum as experiment

    path = searching()
    job(path).run("whole")
    measured, calls = experiment._held_out, []

    def stopping(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:  # before, behind the first stage, and behind the second one at its first rate
            raise KeyboardInterrupt
        return measured(*given)

    monkeypatch.setattr(experiment, "_held_out", stopping)
    with pytest.raises(KeyboardInterrupt):
        job(path).run("run")
    kept = sorted(path.parent.name for path in Path().rglob("finished*") if "rate-" in path.parent.name)
    assert kept == ["rate-0.0001"]
    job(path).run("run", resume=True)
    for name in ("model.safetensors", "report.json"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


# ---- refusals


def remove_file() -> None:
    Path("questions/sw/sw.txt").unlink()


def leak(stored: dict[str, Any]) -> None:
    stored["data"]["test"] = {**stored["data"]["answers"], "held_out": "all"}


def put(*path: Any, value: Any):  # type: ignore[no-untyped-def]
    def change(stored: dict[str, Any]) -> None:
        for key in path[:-1]:
            stored = stored[key]
        stored[path[-1]] = value

    return change


REFUSED = {
    "a file": (lambda stored: remove_file(), r"lacks .*sw.txt \(sw\)"),
    "a field": (put("data", "answers", "template", "prompts", value=["{task}"]), r"names \{task\}"),
    "a template": (put("data", "answers", "template", value="poem"), "template 'poem'"),
    "leakage": (leak, "rows of 'answers' are rows of the test set 'test'"),
    "data": (put("stages", 0, "counts", value={"poems": 3}), "mixes poems"),
    "a key": (put("stages", 0, "count", value=3), "count"),
    "no mixture": (put("stages", 0, "counts", value={}), "counts and weights, or neither"),
    "no length": (put("stages", 1, "examples", value=None), "has 0 lengths"),
    "replay of nothing": (put("stages", 0, "replay", value=0.5), "is the first"),
    "doubled names": (put("stages", 0, "name", value="answer"), "Expected each once"),
    "a name with a slash": (put("stages", 0, "name", value="a/b"), "called 'a/b'"),
    "neurons unnamed": (put("stages", 0, "train", value="neurons"), "Expected the file of a neuron set"),
    "no languages": (put("data", "answers", "languages", value=[]), "languages"),
    "one file of several": (put("data", "answers", "languages", value=["en", "de"]), "in the path of its files"),
    "no language": (put("data", "answers", "languages", value=["xx-nothing"]), "no language code"),
    "rates without rows to choose on": (
        put("stages", 0, value={"name": "align", "counts": {"questions": 3}, "learning_rates": [1e-3, 1e-2]}),
        "chooses its learning rate on no rows",
    ),
    "a rate and rates": (put("stages", 1, "learning_rates", value=[1e-3, 1e-2]), "a learning rate, and several"),
    "one rate of several": (
        put("stages", 0, value={"name": "align", "counts": {"questions": 3}, "learning_rates": [1e-3]}),
        "two or more",
    ),
    "rates that are called alike": (
        put("stages", 0, value={"name": "align", "counts": {"answers": 3}, "learning_rates": [1e-2, 1.00000001e-2]}),
        "differ within six digits",
    ),
    "too large a selection": (put("data", "answers", "selection", value=9), "of 'answers'. Expected at most 8"),
    "too many held out": (put("data", "answers", "held_out", value=99), "at most 10"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_misuse_is_refused_by_name_before_a_model_is_read(here: Path, monkeypatch, name: str) -> None:
    from neuroglot import models

    change, message = REFUSED[name]
    stored = json.loads(json.dumps(TWO_STAGES))
    change(stored)
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("a model was read"))
    with pytest.raises(NeuroglotError, match=message):
        job(written(stored)).run("run")
    assert not Path("run").exists()


def test_published_names_are_refused_where_they_are_not_known(here: Path) -> None:
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["answers"] |= {"languages": ["nl"], "language_names": "published"}
    with pytest.raises(ConfigError, match=r"published name of Dutch \(nl\)"):
        job(written(stored)).run("run")


def test_files_of_different_length_are_refused(here: Path) -> None:
    Path("questions/de/en.txt").write_text("w1\n")
    with pytest.raises(CorpusError, match="12 lines and .* has 1"):
        job(stages_file()).run("run")


@pytest.mark.parametrize("name", ["qalign", "x-llm"])
def test_shipped_examples_are_read(name: str) -> None:
    file = CurriculumFile.load(ROOT / "examples" / f"{name}.yaml")
    assert all(data.template in INSTRUCTION_WORDINGS for data in file.data.values())
    assert {stage.max_tokens for stage in file.stages} == {512}


def test_every_option_of_a_stage_arrives() -> None:
    neurons = NeuronSet.empty(Layout((("decoder", (4,)),)))
    stated = StatedStage(
        "s", counts={"a": 1}, freeze=("norm",), learning_rate=0.3, schedule="cosine", warmup=0.21, weight_decay=0.7,
        batch_size=3, accumulation=4, end="newline", max_tokens=77, lora_rank=5, lora_alpha=6.0,
    )  # fmt: skip
    shared = TuningConfig(
        steps=1, seed=8, bf16=True, gradient_checkpointing=True, checkpoint_every=6, report_to="wandb"
    )
    expected = TuningConfig(
        steps=9, learning_rate=0.3, batch_size=3, accumulation=4, schedule="cosine", warmup=2, weight_decay=0.7,
        frozen=("norm",), end="newline", max_tokens=77, unfit="drop", seed=8, bf16=True, gradient_checkpointing=True,
        checkpoint_every=6, report_to="wandb",
    )  # fmt: skip
    assert tuning_of(stated, shared, 98, None) == expected
    plain = replace(stated, freeze=())
    for train, more in {
        "adapters": {"lora": Lora(5, 6.0)}, "neurons": {"neurons": neurons}, ("mlp",): {"modules": ("mlp",)},
    }.items():  # fmt: skip
        given = neurons if train == "neurons" else None
        assert tuning_of(replace(plain, train=train), shared, 98, given) == replace(expected, frozen=(), **more)
    job = Curriculum(
        model="m", stages=Path("s"), seed=8, bf16=True, gradient_checkpointing=True, checkpoint_every=6,
        report_to="wandb",
    )  # fmt: skip
    assert job._shared == shared


def test_a_stage_in_a_chat_asks_by_the_tokenizers_template(here: Path) -> None:
    template = "{% for turn in messages %}w1 {{ turn.content }} w2{% endfor %}"
    config = Path("model/tokenizer_config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": template}))
    Path("model/chat_template.jinja").write_text(template)
    first, second = job(stages_file({"chat": True})).read(Identity()).stages
    assert all(example.is_chat and example.prompt.startswith("w1 ") for example in second.examples)
    assert not any(example.is_chat for example in first.examples)


def test_every_example_of_a_stage_is_learned_once_also_in_the_last_shorter_step(tmp_path: Path) -> None:
    texts = encoded(tiny_tokenizer(), [(f"w{row}", f" w{row + 1}") for row in range(23)], end="eos").texts
    seen: list[tuple[int, ...]] = []

    def collate(rows: Any) -> Any:
        seen.extend(text.token_ids for text in rows)
        return completions(0)(rows)

    config = tuning_of(StatedStage("s", batch_size=5, accumulation=2), TuningConfig(steps=1), len(texts), None)
    losses = fit(tiny_model("llama"), texts, collate, config.training)
    assert len(losses) == config.steps == 3
    assert seen == [text.token_ids for text in texts]


# ---- what is asked between stages


def test_held_out_rows_are_asked_before_between_and_behind_the_stages(here: Path) -> None:
    asked = {"questions": {"metrics": ["chrf++"], "max_new_tokens": 3, "stop": ["w7"]}}
    asked["answers"] = {"metrics": ["exact-match"], "max_new_tokens": 3}
    report = job(written(TWO_STAGES | {"asked": asked}), keep_stages=True).run(here / "out")
    (scores,) = [part for part in report.results if isinstance(part, TaskMoments)]
    assert scores.moments == ("before", "align", "answer")
    seen = []
    assert {(group.task, group.language): len(part[0]) for group, part in scores.counts.items()} == {
        ("questions", "de"): 2, ("questions", "sw"): 2, ("answers", "en"): 2,
    }  # fmt: skip
    _, stages = job(written(TWO_STAGES)), job(written(TWO_STAGES)).read(Identity()).stages
    learned = {example.prompt for stage in stages for example in stage.examples}
    for language, first in (("de", 1), ("sw", 30)):
        rows = [
            (f"w1 w{row + first} w{row + first + 1} w2", f"w{row + first + 5} w{row + first + 6}") for row in range(12)
        ]
        held_out = [
            (prompt, answer) for prompt, answer in rows if prompt not in learned | {prompt.replace("w1 ", "w3 ")}
        ]
        held_out = [row for row in held_out if f"w3 {row[0][3:-3]} w4" not in learned]
        assert len(held_out) == 2
        for moment, folder in enumerate(("model", "out/align", "out")):
            located, tokenizer = load(str(here / folder), device="cpu")
            for number, (prompt, answer) in enumerate(held_out):
                ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
                read = ids.shape[1]
                for _ in range(3):
                    ids = torch.cat([ids, located.model(ids).logits[:, -1:].argmax(-1)], 1)
                    if ids[0, -1] == tokenizer.eos_token_id:
                        break
                said = tokenizer.decode(ids[0, read:], skip_special_tokens=True).split("w7")[0].strip()
                score = CHRF(word_order=2).sentence_score(said, [answer]).score
                seen.append((moment, said))
                for group, counts in scores.counts.items():
                    if group.language == language and group.task == "questions":
                        alone = choose_metrics(["chrf++"], TextOptions(language="de"))["chrf++"].value(
                            counts[moment, number]
                        )
                        assert float(alone) == pytest.approx(score, abs=1e-6), (moment, prompt)
    assert len({said for _, said in seen}) > 3  # moments and questions are told apart


def test_answers_are_read_in_the_language_that_a_data_set_states(here: Path) -> None:
    asked = {name: {"metrics": ["numeric"], "max_new_tokens": 3} for name in ("questions", "answers")}
    tasks = job(written(TWO_STAGES | {"asked": asked})).read(Identity()).asked
    assert {each.task.name: each.task.answers_in for each in tasks} == {"questions": "en", "answers": None}


def test_what_is_asked_must_be_held_out(here: Path) -> None:
    stored = json.loads(json.dumps(TWO_STAGES | {"asked": {"questions": {"metrics": ["exact-match"]}}}))
    stored["data"]["questions"]["held_out"] = 0
    with pytest.raises(ConfigError, match="'questions' is asked"):
        job(written(stored)).read(Identity())
    stored["data"]["questions"]["held_out"] = 2
    stored["asked"]["questions"]["metrics"] = ["exactly"]
    with pytest.raises(ConfigError, match="exactly"):
        job(written(stored)).read(Identity())


def test_what_is_asked_is_worded_and_ends_as_in_the_last_stage(here: Path) -> None:
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"][0]["end"] = "eos"
    stored["stages"][1]["end"] = "newline"
    stored["asked"] = {
        "questions": {"metrics": ["chrf++"], "max_new_tokens": 5},
        "answers": {"metrics": ["exact-match"], "max_new_tokens": 7, "stop": ["w1", "w2"]},
    }
    questions, answers = job(written(stored)).read(Identity()).asked
    assert [questions.stop, answers.stop] == [("\n",), ("w1", "w2")]
    assert [questions.decoding.max_new_tokens, answers.decoding.max_new_tokens] == [5, 7]
    assert [questions.metrics, answers.metrics] == [("chrf++",), ("exact-match",)]
    assert not questions.chats
    rows = {f"w{row} w{row + 20} w9": f"w{row + 2}" for row in range(10)}
    asked = dict(zip(answers.task.prompts.texts["en"], answers.task.answers.texts["en"], strict=True))
    assert len(asked) == 2
    assert asked.items() <= rows.items()  # without the space that an answer begins with


def test_a_selection_that_goes_on_is_of_the_weights_that_were_kept(here: Path) -> None:
    model, tokenizer, stages, *_ = job(searching()).read(Identity())
    stage = next(stage for stage in stages if stage.rates)
    stage = replace(stage, config=replace(stage.config, learning_rate=1e-2))
    untouched = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    common = _Job(model.model, tokenizer, None, False)
    first = _selected(common, stage, Kept(here / "kept"))
    model.model.load_state_dict(untouched)  # as a process that is started again
    again = _selected(common, stage, Kept(here / "kept"))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
