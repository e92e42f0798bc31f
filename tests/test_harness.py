"""The model class for lm-eval against its own `hf`, plain hooks and step-by-step decoding; offline."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

pytest.importorskip("lm_eval", reason="the extra `harness` is not installed")

from cyclopts import App
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from neuroglot.cli.harness import HARNESS_EXAMPLES, harness
from neuroglot.corpora import Corpus
from neuroglot.decisions.fitting import fit_transform
from neuroglot.decisions.rules import Rule
from neuroglot.decisions.transforms import Power
from neuroglot.errors import ArtifactError, ConfigError, InterventionError, LayoutMismatchError
from neuroglot.experiments.harness import NeuroglotLM
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.interventions.operators import add, set_to
from neuroglot.interventions.steering import Steering
from neuroglot.models import ModelView, load, view
from neuroglot.models.shortened import shortened
from neuroglot.models.shortening import Shortening
from neuroglot.neurons import NeuronSet
from neuroglot.signature import Signature
from neuroglot.training.tuning import save_model
from tests.families import tiny_model
from tests.interventions.steering_oracle import Change, greedy, plainly
from tests.interventions.test_steering import indices, numbers, some
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PAIRS = (("w1 w2 w3", " w4"), ("w9", " w8 w7 w6"), ("w20 w21 w22 w23 w24 w25", " w26 w27"), ("w1 w2 w3", " w5"))
TEXTS = ("w1 w2 w3 w4 w5", "w9", "w30 w31 w32 w33")
PROMPTS = ("w1 w2 w3", "w9", "w20 w21 w22 w23 w24 w25 w26", "w40 w41")
NEW = 6
SCOPES = ("all", "prompt", "generated")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama").save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def located(folder: Path) -> ModelView:
    return view(tiny_model("llama"))


@pytest.fixture
def bridge(folder: Path) -> Callable[..., NeuroglotLM]:
    return lambda **options: NeuroglotLM(str(folder), device="cpu", **({"batch_size": 3} | options))


def asked(kind: str, *arguments: tuple) -> list[Instance]:
    return [Instance(kind, {}, given, place) for place, given in enumerate(arguments)]


def answers(lm: HFLM) -> tuple[list, list, list]:
    """What a model gives to each of the three kinds of request."""
    return (
        lm.loglikelihood(asked("loglikelihood", *PAIRS), disable_tqdm=True),
        lm.loglikelihood_rolling(asked("loglikelihood_rolling", *((text,) for text in TEXTS)), disable_tqdm=True),
        generated(lm),
    )


def generated(lm: HFLM) -> list[str]:
    options = {"until": [], "max_gen_toks": NEW, "do_sample": False}
    return lm.generate_until(asked("generate_until", *((text, options) for text in PROMPTS)), disable_tqdm=True)


def expected_generation(located: ModelView, changes: list[Change], scope: str = "all") -> list[str]:
    texts = []
    for prompt in PROMPTS:
        token_ids = greedy(located, changes, TOKENIZER(prompt)["input_ids"], NEW, scope)
        end = token_ids.index(2) if 2 in token_ids else NEW
        texts.append(TOKENIZER.decode(token_ids[:end], skip_special_tokens=True))
    return texts


def expected_likelihood(located: ModelView, changes: list[Change], context: str, continuation: str) -> float:
    before, token_ids = TOKENIZER(context)["input_ids"], TOKENIZER(context + continuation)["input_ids"]
    with plainly(located, changes) as model:
        logits = model(input_ids=torch.tensor([token_ids]), use_cache=False).logits[0].log_softmax(-1)
    return sum(float(logits[place - 1, token_ids[place]]) for place in range(len(before), len(token_ids)))


def save_sets(located: ModelView, folder: Path) -> tuple[list[Change], list[Change]]:
    """A set to switch off and one to add to, as files; and both as plain changes."""
    off, strengthened, values = some(located, 1), some(located, 2), numbers(located, 3)
    off.save(folder / "off.safetensors")
    for scope in SCOPES:
        Steering((add(strengthened, values, 1.5),), scope).save(folder / f"{scope}.safetensors")  # type: ignore[arg-type]
    ablated: list[Change] = [("write", indices(off), lambda n, h: 0.0)]
    steered: list[Change] = [("write", indices(strengthened), lambda n, h: h + 1.5 * float(values[n]))]
    return ablated, steered


def test_without_an_intervention_and_with_an_empty_one_it_is_hf(
    bridge, folder: Path, located: ModelView, tmp_path: Path
) -> None:
    expected = answers(HFLM(str(folder), device="cpu", batch_size=3))
    assert answers(bridge()) == expected
    empty = NeuronSet.empty(located.layout)
    empty.save(tmp_path / "empty.safetensors")
    Steering((set_to(empty, 5.0),)).save(tmp_path / "nothing.safetensors")
    assert answers(bridge(ablate=tmp_path / "empty.safetensors", steer=tmp_path / "nothing.safetensors")) == expected


def test_shortened_texts_are_read_as_in_every_command(tmp_path: Path) -> None:
    """The oracle leaves tokens out of what the plain tokenizer writes, and puts them into what the model writes."""
    located, plain = load("lab", device="cpu")
    plain.eos_token = plain.pad_token or plain.unk_token  # lm-eval generates with no model that has none
    codec = Shortening.of(plain, ["నమస్కారం"])
    assert codec is not None
    save_model(located.model, shortened(plain, codec.lead), tmp_path)
    lm = NeuroglotLM(str(tmp_path), device="cpu", batch_size=2)
    pairs = (("నమస్కారం", " అందరికీ"), ("the sum", " is నాలుగు"))
    for (found, _), (context, continuation) in zip(
        lm.loglikelihood(asked("loglikelihood", *pairs), disable_tqdm=True), pairs, strict=True
    ):
        whole = plain(context + continuation)["input_ids"]
        before, token_ids = codec.shorten(plain(context)["input_ids"]), codec.shorten(whole)
        assert len(before) < len(token_ids) < len(whole)
        with torch.no_grad():
            logits = located.model(torch.tensor([token_ids])).logits[0].log_softmax(-1)
        expected = sum(float(logits[place - 1, token_ids[place]]) for place in range(len(before), len(token_ids)))
        assert found == pytest.approx(expected, abs=1e-4)
    options = {"until": [], "max_gen_toks": NEW, "do_sample": False}
    (text,) = lm.generate_until(asked("generate_until", (pairs[0][0], options)), disable_tqdm=True)
    written = greedy(located, [], codec.shorten(plain(pairs[0][0])["input_ids"]), NEW, "all")
    assert text == plain.decode(codec.expand(written), skip_special_tokens=True)
    given = shortened(plain, codec.lead)  # handed over as an object
    read = NeuroglotLM(located.model, tokenizer=given, device="cpu").tokenizer
    assert read("నమ")["input_ids"] == given("నమ")["input_ids"]


def test_all_three_requests_equal_plain_hooks(bridge, located: ModelView, tmp_path: Path) -> None:
    ablated, steered = save_sets(located, tmp_path)
    cases = {
        "ablate": ({"ablate": tmp_path / "off.safetensors"}, ablated),
        "steer": ({"steer": tmp_path / "all.safetensors"}, steered),
        "both": ({"steer": tmp_path / "all.safetensors", "ablate": tmp_path / "off.safetensors"}, steered + ablated),
    }
    plain = answers(bridge())
    for name, (options, changes) in cases.items():
        likelihoods, rolling, texts = answers(bridge(**options))
        for (found, _), pair in zip(likelihoods, PAIRS, strict=True):
            assert found == pytest.approx(expected_likelihood(located, changes, *pair), abs=1e-4), name
        for found, text in zip(rolling, TEXTS, strict=True):  # lm-eval puts <s> before the text and its own <s>
            assert found == pytest.approx(expected_likelihood(located, changes, "", f"<s> {text}"), abs=1e-4), name
        assert texts == expected_generation(located, changes), name
        assert all(a != b for a, b in zip(likelihoods, plain[0])), name
        assert texts != plain[2], name


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "opt", "mixtral"])
def test_scopes_hold_in_batches_that_are_padded_on_the_left(model_type: str, scope: str, tmp_path: Path) -> None:
    located = view(tiny_model(model_type))
    located.model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    _, steered = save_sets(located, tmp_path)
    expected = expected_generation(located, steered, scope)
    assert expected != expected_generation(located, [], scope)
    for batch_size in (1, 3):
        lm = NeuroglotLM(str(tmp_path), device="cpu", batch_size=batch_size, steer=tmp_path / f"{scope}.safetensors")
        assert generated(lm) == expected


def test_the_model_is_plain_between_requests(bridge, located: ModelView, tmp_path: Path) -> None:
    save_sets(located, tmp_path)
    lm = bridge(ablate=tmp_path / "off.safetensors", steer=tmp_path / "generated.safetensors")
    token_ids = torch.tensor([[1, 5, 9]])
    with torch.no_grad():
        expected = located.model(token_ids).logits
        generated(lm)
        assert torch.equal(lm.model(token_ids).logits, expected)
        with pytest.raises(InterventionError, match="acts on 'generated'.*--scope all"):
            lm.loglikelihood(asked("loglikelihood", *PAIRS), disable_tqdm=True)
        assert torch.equal(lm.model(token_ids).logits, expected)


def test_a_batch_size_is_found_under_an_intervention(bridge, located: ModelView, tmp_path: Path) -> None:
    ablated, _ = save_sets(located, tmp_path)
    lm = bridge(ablate=tmp_path / "off.safetensors", batch_size="auto", max_batch_size=4)
    assert generated(lm) == expected_generation(located, ablated)


def test_adapters_are_changed_with_their_model(folder: Path, located: ModelView, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(tiny_model("llama"), config)
    adapted.save_pretrained(tmp_path / "adapter")
    merged = view(adapted.merge_and_unload())
    ablated, _ = save_sets(located, tmp_path)
    lm = NeuroglotLM(
        str(folder), device="cpu", batch_size=2, peft=str(tmp_path / "adapter"), ablate=tmp_path / "off.safetensors"
    )
    assert generated(lm) == expected_generation(merged, ablated)
    found = lm.loglikelihood(asked("loglikelihood", *PAIRS), disable_tqdm=True)
    for (likelihood, _), pair in zip(found, PAIRS, strict=True):
        assert likelihood == pytest.approx(expected_likelihood(merged, ablated, *pair), abs=1e-3)


def test_encoder_decoders_are_changed_too(tmp_path: Path) -> None:
    tiny_model("bart").save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    located = view(tiny_model("bart"))
    some(located, 1).save(tmp_path / "off.safetensors")
    plain = NeuroglotLM(str(tmp_path), device="cpu")
    changed = NeuroglotLM(str(tmp_path), device="cpu", ablate=tmp_path / "off.safetensors")
    requests = asked("loglikelihood", *PAIRS)
    for before, after in zip(plain.loglikelihood(requests, True), changed.loglikelihood(requests, True), strict=True):
        assert before[0] != after[0]


@pytest.mark.parametrize("name", ["sample", "majority", "mbr-chrf"])
def test_a_rule_decides_as_it_does_in_generate(bridge, located: ModelView, name: str) -> None:
    rule = Rule(name, samples=4, seed=3)
    prompts = Corpus("prompts", PROMPTS, {"en": PROMPTS})
    free = generate(located, TOKENIZER, prompts, Decoding(NEW, rule=rule)).texts["en"]
    stop = free[0].split()[2]
    expected = generate(located, TOKENIZER, prompts, Decoding(NEW, rule=rule), stop=[stop]).texts["en"]
    assert expected != free
    for batch_size in (1, 3):
        lm = bridge(rule=name, samples=4, rule_seed=3, batch_size=batch_size)
        options = {"until": [stop], "max_gen_toks": NEW}
        requests = asked("generate_until", *((text, options) for text in PROMPTS))
        assert lm.generate_until(requests, disable_tqdm=True) == list(expected)
    assert (lm.signature["rule"], lm.signature["cost"]) == (name, rule.cost)
    assert lm.loglikelihood(asked("loglikelihood", *PAIRS), True) == bridge().loglikelihood(
        asked("loglikelihood", *PAIRS), True
    )
    sampling = asked("generate_until", (PROMPTS[0], options | {"do_sample": True, "temperature": 0.7}))
    with pytest.raises(ConfigError, match="the rule decides"):
        lm.generate_until(sampling, disable_tqdm=True)


def test_a_transform_of_a_rule_is_read_from_its_file(bridge, tmp_path: Path) -> None:
    scores = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fitted = replace(fit_transform("temperature", scores, scores.argmax(-1)), transform=Power(1e4))
    file = str(fitted.save(tmp_path / "cold.json"))
    assert generated(bridge(rule="sample", transform=file)) == generated(bridge())
    assert generated(bridge(rule="sample")) != generated(bridge())
    with pytest.raises(ConfigError, match="without a rule"):
        bridge(transform=file)
    options = replace(fitted, signature=fitted.signature | Signature.of(choice="option"))
    with pytest.raises(ConfigError, match="choices of this kind: option"):
        bridge(rule="sample", transform=str(options.save(tmp_path / "options.json")))


def test_what_does_not_fit_is_refused(bridge, tmp_path: Path) -> None:
    other = view(tiny_model("gpt_neox"))
    widths = NeuronSet(type(other.layout)((("decoder", (4, 4)),)), torch.ones(8, dtype=torch.bool))
    widths.save(tmp_path / "other.safetensors")
    Steering((set_to(widths, 1.0),)).save(tmp_path / "steering.safetensors")
    with pytest.raises(LayoutMismatchError, match="The neuron set has the layout decoder 2×4"):
        bridge(ablate=tmp_path / "other.safetensors")
    with pytest.raises(LayoutMismatchError, match="A step of the steering has the layout decoder 2×4"):
        bridge(steer=tmp_path / "steering.safetensors")
    with pytest.raises(ArtifactError):
        bridge(ablate=tmp_path / "steering.safetensors")
    with pytest.raises(ArtifactError):
        bridge(steer=tmp_path / "nowhere.safetensors")


# -- whole runs of lm-eval -------------------------------------------------------------------------------------------


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A multiple choice and a generation, as lm-eval's YAML and a file of documents."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "tasks"
    folder.mkdir()
    documents = [
        {"question": prompt, "options": ["w4", "w5 w6"], "answer": place % 2} for place, prompt in enumerate(PROMPTS)
    ]
    (folder / "documents.jsonl").write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    common = {
        "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "documents.jsonl")}},
        "test_split": "test", "doc_to_text": "{{question}}",
    }  # fmt: skip
    choice = {
        "task": "tiny_choice", "output_type": "multiple_choice", "doc_to_target": "answer", "doc_to_choice": "options",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    writing = {
        "task": "tiny_writing", "output_type": "generate_until", "doc_to_target": "w4",
        "generation_kwargs": {"until": [], "max_gen_toks": NEW, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    for task in (choice, writing):
        (folder / f"{task['task']}.yaml").write_text(json.dumps(common | task))  # JSON is YAML
    return folder


def responses(tasks: Path, model: str, model_args: dict, **options) -> dict[str, list]:  # type: ignore[no-untyped-def]
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    found = simple_evaluate(
        model, {"device": "cpu"} | model_args, tasks=["tiny_choice", "tiny_writing"], task_manager=manager,
        bootstrap_iters=0, **options,
    )  # fmt: skip
    return {
        task: [sample["resps"] for sample in sorted(samples, key=lambda sample: sample["doc_id"])]
        for task, samples in found["samples"].items()
    }


def test_whole_tasks_run_under_an_intervention(folder: Path, tasks: Path, located: ModelView, tmp_path: Path) -> None:
    ablated, _ = save_sets(located, tmp_path)
    pretrained = {"pretrained": str(folder)}
    plain = responses(tasks, "hf", pretrained)
    assert responses(tasks, "neuroglot", pretrained) == plain
    changed = responses(tasks, "neuroglot", pretrained | {"ablate": str(tmp_path / "off.safetensors")})
    assert [text for ((text,),) in changed["tiny_writing"]] == expected_generation(located, ablated)
    assert changed["tiny_writing"] != plain["tiny_writing"]
    for prompt, found in zip(PROMPTS, changed["tiny_choice"], strict=True):
        for option, ((likelihood, _),) in zip(("w4", "w5 w6"), found, strict=True):
            expected = expected_likelihood(located, ablated, prompt, f" {option}")
            assert float(likelihood) == pytest.approx(expected, abs=1e-4)


def test_a_cache_of_responses_is_of_one_intervention(
    folder: Path, tasks: Path, located: ModelView, tmp_path: Path
) -> None:
    save_sets(located, tmp_path)
    cache = {"use_cache": str(tmp_path / "responses")}
    plain, changed = (
        {"pretrained": str(folder)},
        {"pretrained": str(folder), "ablate": str(tmp_path / "off.safetensors")},
    )
    first = responses(tasks, "neuroglot", plain, **cache)
    assert responses(tasks, "neuroglot", plain, **cache) == first
    with pytest.raises(ConfigError, match="cache of responses is of model:.*--use_cache"):
        responses(tasks, "neuroglot", changed, **cache)
    hf = {"use_cache": str(tmp_path / "of hf")}
    responses(tasks, "hf", plain, **hf)
    with pytest.raises(ConfigError, match="of another model"):
        responses(tasks, "neuroglot", plain, **hf)


def test_the_command_hands_its_arguments_to_lm_eval(
    folder: Path, tasks: Path, located: ModelView, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_sets(located, tmp_path)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))  # thousands of files
    app = App()
    app.command(harness, help_epilogue=HARNESS_EXAMPLES)
    before = list(sys.argv)
    app(
        [
            "harness", "run", "--model", "neuroglot", "--include_path", str(tasks), "--tasks", "tiny_choice",
            "--model_args", f"pretrained={folder},ablate={tmp_path / 'off.safetensors'}", "--device", "cpu",
            "--output_path", str(tmp_path / "results.json"),
        ],
        result_action="return_value", exit_on_error=False,
    )  # fmt: skip
    assert "tiny_choice" in capsys.readouterr().out
    assert sys.argv == before
    (written,) = tmp_path.glob("results_*.json")
    config = json.loads(written.read_text())["config"]
    assert "switched off to 0.0" in config["neuroglot"]
    assert config["model_args"]["ablate"] == str(tmp_path / "off.safetensors")


def test_lab_is_the_shipped_model() -> None:
    lm = NeuroglotLM("lab", device="cpu")
    assert str(lm.signature).startswith("model:lab|")
