"""`quadrants`: what is learned, what is measured, what several processes share, and refusals."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.corpora import Corpus
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments import quadrants as measuring
from neuroglot.experiments.quadrants import bits_of_answers, held_out_answers, ordered, with_other_answers
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.metrics.texts.metric import TextOptions, Texts
from neuroglot.metrics.texts.overlap import chrf
from neuroglot.models import load
from neuroglot.prompting.examples import Example
from neuroglot.recipes.quadrants import Quadrants
from neuroglot.runs.identity import Identity
from neuroglot.storage import Kept, locked_file
from neuroglot.training import Lora
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

OPTIONS = {"steps": 3, "batch_size": 2, "learning_rate": 1e-2, "end": "none", "device": "cpu", "held_out": 0.3}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model and 20 rows in three languages, the current folder."""
    tiny_model("llama").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    put(tmp_path / "texts", tiny_corpus(20))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, corpus: Corpus) -> None:
    folder.mkdir()
    for language, column in corpus.texts.items():
        (folder / f"{language}.txt").write_text("\n".join(column) + "\n")


def recipe(**options: object) -> Quadrants:
    return Quadrants(**{"model": "model", "corpus": "texts", "pivot": "de", **OPTIONS, **options})


def test_each_language_is_learned_from_the_pivot_on_rows_that_are_not_held_out(folder: Path) -> None:
    plan = recipe().read(Identity()).plan
    texts = {name: (folder / "texts" / f"{name}.txt").read_text().split("\n") for name in ("de", "sw", "zh")}
    assert list(plan.learned) == ["sw", "zh"]
    pairs = {language: dict(zip(texts["de"], texts[language], strict=True)) for language in ("sw", "zh")}
    apart = {example.id for example in plan.held_out.examples}
    assert len(apart) == 6
    for language, examples in plan.learned.items():
        assert len(examples) == 14
        assert not {example.id for example in examples} & apart
        for example in examples:
            source = max((text for text in pairs[language] if text in example.prompt), key=len)
            assert example.answer == pairs[language][source]
    assert {"de"} == {*texts} - {*plan.learned}


def test_bits_are_of_the_answer_alone_and_bytes_are_its_own(folder: Path) -> None:
    view, tokenizer = load("model", device="cpu")
    examples = {name: (Example("w1 w2", f" w{at}", name, "0"), Example("w3", " w4 w5", name, "1"))
                for at, name in ((6, "sw"), (7, "zh"))}  # fmt: skip
    held_out = held_out_answers(tokenizer, examples, 50)
    assert held_out.target_bytes.tolist() == [[2, 2], [5, 5]]
    bits = bits_of_answers(view.model, held_out)
    for row in range(2):
        for index, name in enumerate(("sw", "zh")):
            example = examples[name][row]
            prompt = tokenizer(example.prompt)["input_ids"]
            whole = tokenizer(example.prompt + example.completion)["input_ids"]
            logs = view.model(torch.tensor([whole])).logits[0].log_softmax(-1)
            nats = -sum(float(logs[at - 1, whole[at]].detach()) for at in range(len(prompt), len(whole)))
            assert float(bits[row, index]) == pytest.approx(nats / math.log(2), rel=1e-4)


def test_a_row_that_does_not_fit_in_one_language_is_left_out_of_all() -> None:
    tokenizer = tiny_tokenizer()
    rows = ["w1", "w1 w2 w3 w4 w5 w6", "w2", "w3"]
    examples = {"sw": tuple(Example("w9", f" {text}", "sw", str(at)) for at, text in enumerate(rows)),
                "zh": tuple(Example("w9", " w8", "zh", str(at)) for at in range(4))}  # fmt: skip
    held_out = held_out_answers(tokenizer, examples, 5)
    assert [example.id for example in held_out.examples] == ["0", "0", "2", "2", "3", "3"]
    assert held_out.target_bytes.shape == (3, 2)
    assert sum(held_out.dropped.values()) == 1
    with pytest.raises(CorpusError, match="held-out rows"):
        held_out_answers(tokenizer, {"sw": examples["sw"][:2], "zh": examples["zh"][:2]}, 5)


def test_each_language_begins_with_the_weights_that_the_model_came_with(folder: Path) -> None:
    inputs = recipe().read(Identity())
    weights = {name: weight.clone() for name, weight in inputs.view.model.named_parameters()}
    before, after = measuring.tune_on_each(inputs.view.model, inputs.tokenizer, inputs.plan).of("bits")
    assert all(bool((weight == weights[name]).all()) for name, weight in inputs.view.model.named_parameters())
    alone = replace(inputs.plan, learned={"zh": inputs.plan.learned["zh"]})
    _, again = measuring.tune_on_each(inputs.view.model, inputs.tokenizer, alone).of("bits")
    assert torch.equal(again["zh"], after["zh"])
    assert not torch.equal(after["sw"][0], before)
    assert torch.equal(before, bits_of_answers(inputs.view.model, inputs.plan.held_out))


def test_what_learns_is_what_was_asked_for() -> None:
    """Of each choice of what is trained, the modules and adapters of the tuning."""
    parts = {
        train: recipe(train=train, lora_rank=3, lora_alpha=5.0).tuning for train in ("embeddings", "all", "adapters")
    }
    assert [config.modules for config in parts.values()] == [("embeddings",), None, None]
    assert [config.lora for config in parts.values()] == [None, None, Lora(3, 5.0)]
    config = recipe(schedule="constant", accumulation=4, max_tokens=77, bf16=True, checkpoint_every=9, seed=5).tuning
    assert (config.schedule, config.accumulation, config.max_tokens) == ("constant", 4, 77)
    assert (config.steps, config.batch_size, config.rate, config.end) == (3, 2, 1e-2, "none")
    assert (config.bf16, config.checkpoint_every, config.seed) == (True, 9, 5)


def test_rows_are_shuffled_for_the_control_and_every_answer_is_of_another_row(folder: Path) -> None:
    plain, control = (recipe(shuffled=flag).read(Identity()).plan for flag in (False, True))
    for language, examples in plain.learned.items():
        other = control.learned[language]
        assert [example.prompt for example in other] == [example.prompt for example in examples]
        assert sorted(example.completion for example in other) == sorted(example.completion for example in examples)
        assert all(a.completion != b.completion for a, b in zip(examples, other, strict=True))
    assert control.held_out.examples == plain.held_out.examples


def test_the_order_of_examples_depends_on_the_seed_and_the_ids_alone() -> None:
    examples = [Example(f"w{at}", f" w{at}", "sw", str(at)) for at in range(30)]
    assert ordered(examples, 1) == ordered(examples[::-1], 1) != ordered(examples, 2)
    assert sorted(ordered(examples, 1), key=lambda example: int(example.id)) == examples
    assert with_other_answers(examples, 1) != with_other_answers(examples, 2)


def test_languages_whose_texts_are_alike_gain_alike_and_are_reciprocal(folder: Path) -> None:
    corpus = tiny_corpus(40)
    alike = Corpus("alike", corpus.ids, {"de": corpus.texts["de"], "fr": corpus.texts["sw"], "es": corpus.texts["sw"]})
    put(folder / "alike", alike)
    options = {"corpus": "alike", "steps": 30, "train": "all", "on_missing": "drop", "held_out": 0.5}
    report = recipe(**options).run()
    assert report.sections[0].headline == {"quadrants": {"es": "reciprocal", "fr": "reciprocal"}}
    low = recipe(**options, least_own=50.0, least_others=50.0).run()
    assert low.sections[0].headline == {"quadrants": {"es": "stagnant", "fr": "stagnant"}}
    own = recipe(**options, least_own=50.0).run()
    assert own.sections[0].headline == {"quadrants": {"es": "altruistic", "fr": "altruistic"}}


def test_what_was_measured_is_measured_once_for_all_jobs_that_share_a_folder(folder: Path, monkeypatch) -> None:
    first = recipe(measured=Path("kept")).run("first")
    monkeypatch.setattr(measuring, "tune_on", None)
    monkeypatch.setattr(measuring, "answer_losses", None)
    second = recipe(measured=Path("kept"), least_own=0.5).run("second")
    gains = [[row[1:7] for row in report.sections[0].figures[0].plots[0].table.rows] for report in (first, second)]
    assert gains[0] == gains[1]
    with pytest.raises(TypeError):  # another learning rate is measured again
        recipe(measured=Path("kept"), learning_rate=1e-3).run("third")


def test_more_seeds_later_tune_the_new_ones_only(folder: Path, monkeypatch) -> None:
    recipe(measured=Path("kept")).run("first")
    tuned, tune_on = [], measuring.tune_on
    monkeypatch.setattr(
        measuring, "tune_on", lambda *args, **options: tuned.append(args[3].seed) or tune_on(*args, **options)
    )
    recipe(measured=Path("kept"), repeats=3).run("second")
    assert sorted(tuned) == [1, 1, 2, 2]


def test_a_language_that_another_process_works_on_is_left_to_it_until_the_end(folder: Path) -> None:
    """Another process holds the first language for some seconds: the second is tuned on meanwhile."""
    probe = recipe(measured=Path("kept"))
    probe.run("probe")
    (place,) = Path("kept").iterdir()
    done = {language: (place / language / "seed-0" / "after.safetensors") for language in ("sw", "zh")}
    for path in done.values():
        path.unlink()
    code = (
        "import fcntl, sys, time\nfile = open(sys.argv[1], 'a+')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(place / "sw.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with locked_file(place / "sw.lock", waits=False) as is_free:
        assert not is_free
    inputs = probe.read(Identity())
    order: list[str] = []
    tune_on = measuring.tune_on

    def noted(model, tokenizer, texts, config, **options):  # type: ignore[no-untyped-def]
        order.append("sw" if done["zh"].exists() or other.poll() is not None else "zh")
        if order == ["zh"]:
            assert other.stdin is not None
            other.stdin.close()
            other.wait()
        return tune_on(model, tokenizer, texts, config, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "tune_on", noted)
        after = measuring.tune_on_each(inputs.view.model, inputs.tokenizer, inputs.plan, kept=Kept(place)).after
    assert order == ["zh", "sw"]
    other.stdout.close()
    assert list(after) == ["sw", "zh"]  # in the order of the corpus, whoever came first
    assert all(path.exists() for path in done.values())


def test_the_report_says_what_was_shared_left_out_and_shuffled(folder: Path) -> None:
    report = recipe(shuffled=True).run()
    said = " ".join(report.sections[0].remarks)
    assert "answers of other rows were learned" in said
    assert ("both were tuned" in said) == load("model", device="cpu")[0].model.config.tie_word_embeddings
    tied = tiny_model("llama")
    tied.config.tie_word_embeddings = True
    tied.tie_weights()
    tied.save_pretrained(folder / "tied")
    tiny_tokenizer().save_pretrained(folder / "tied")
    assert "both were tuned" in " ".join(recipe(model="tied").run().sections[0].remarks)
    assert "both were tuned" not in " ".join(recipe(model="tied", train="all").run().sections[0].remarks)


def test_a_pivot_that_is_not_there_and_a_single_language_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="pivot"):
        recipe(pivot="en").read(Identity())
    with pytest.raises(ConfigError, match="two languages"):
        recipe(languages=("de", "sw")).read(Identity())


def test_a_price_has_the_training_and_the_measuring(folder: Path) -> None:
    priced = recipe(repeats=2).estimate()
    tuning, measuring_line = priced.lines
    assert tuning.times * 28 >= 3 * 2 * 4 - 28  # steps × batch × models, in rounds over all examples
    assert measuring_line.times == 1 + 2 * 2


def test_translations_are_written_before_and_after_of_the_first_held_out_rows(folder: Path) -> None:
    """What was written is scored as a generation of the same prompts by hand is."""
    inputs = recipe(chrf=3, max_new_tokens=5, measured=Path("kept")).read(Identity())
    assert inputs.plan.asked is not None
    task = inputs.plan.asked.task
    assert len(task.ids) == 3
    assert {*task.prompts.texts["sw"]} == {
        example.prompt for example in inputs.plan.held_out.examples[:6] if example.setting == "sw"
    }
    before, after = measuring.tune_on_each(inputs.view.model, inputs.tokenizer, inputs.plan).of("written")
    texts = generate(inputs.view, inputs.tokenizer, task.prompts, Decoding(5), stop=["\n"]).texts
    for index, language in enumerate(task.languages):
        right = (tuple(text.strip() for text in task.answers.texts[language]),)
        counts = chrf(TextOptions()).counts(Texts(tuple(texts[language]), right))
        assert torch.equal(before[:, index], counts)
    assert after["sw"].shape == (1, *before.shape)


def test_how_long_translations_may_be_says_nothing_where_none_are_written(folder: Path, monkeypatch) -> None:
    recipe(measured=Path("kept")).run("first")
    monkeypatch.setattr(measuring, "tune_on", None)
    recipe(measured=Path("kept"), max_new_tokens=7).run("second")
    with pytest.raises(TypeError):  # texts are to be written: all is measured again
        recipe(measured=Path("kept"), chrf=2, max_new_tokens=7).run("third")
