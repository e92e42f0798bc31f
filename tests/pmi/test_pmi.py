"""The experiment on the shipped lab model: counts against plain loops, resuming, and what is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot import models
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.prompts import PromptComparison
from neuroglot.recipes.pmi_ import PmiConfig, _prompt_sets, compare_prompts, inputs_of, run_pmi
from neuroglot.reports import Report

CONFIG = PmiConfig(
    models=("lab",), data="lab", task="iso_date", originals=("de", "sw"), languages=("en", "fr"), parallel=(0, 2),
    controls=("repeated", "filler"), rows=3, max_new_tokens=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def loaded():
    return models.load("lab", device="cpu")


@pytest.fixture(scope="module")
def comparison(loaded) -> PromptComparison:
    return compare_prompts(*loaded, CONFIG)


def fired_at(model, token_ids: list[int], places: list[int]) -> list[torch.Tensor]:
    """Which neurons fire at some positions of one text, by layer: `[places, N]` each."""
    seen = []
    handles = [
        layer.mlp.act_fn.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0] > 0))
        for layer in model.model.layers
    ]
    with torch.no_grad():
        model(torch.tensor([token_ids]))
    for handle in handles:
        handle.remove()
    return [one[places] for one in seen]


def test_settings_are_scored_and_counted_on_the_same_rows(loaded, comparison) -> None:
    view, tokenizer = loaded
    assert list(comparison.settings) == ["direct", "pmi-2", "repeated", "filler"]
    for place, original in enumerate(CONFIG.originals):
        inputs = inputs_of(CONFIG, original).take(range(3))
        for name, prompts in _prompt_sets(inputs, tokenizer, CONFIG, original).items():
            result = comparison.settings[name]
            for row, prompt in enumerate(prompts.prompts):
                ids = tokenizer(prompt.text)["input_ids"]
                new = greedy(view.model, ids, view.model.generation_config.eos_token_id)
                answer = tokenizer.decode(new, skip_special_tokens=True).split("\n")[0].strip()
                right = answer.lower() == prompts.references[row][0].lower()
                assert bool(result.score[row, place, 0]) == right
                steps = fired_at(view.model, ids + new[:-1], list(range(len(ids) - 1, len(ids) + len(new) - 1)))
                assert result.firing["steps"].fired[row, place].tolist() == [int(one.sum()) for one in steps]
                assert int(result.firing["steps"].tokens[row, place]) == len(new)
                assert int(result.prompt_tokens[row, place]) == len(ids)


def greedy(model, prompt: list[int], end: int | None) -> list[int]:
    token_ids = list(prompt)
    for _ in range(CONFIG.max_new_tokens):
        with torch.no_grad():
            token_ids.append(int(model(torch.tensor([token_ids])).logits[0, -1].argmax()))
        if token_ids[-1] == end:
            break
    return token_ids[len(prompt) :]


def test_forced_outputs_are_the_same_tokens_in_every_setting(loaded, comparison) -> None:
    view, tokenizer = loaded
    tokens = [result.firing["forced"].tokens for result in comparison.settings.values()]
    assert all(torch.equal(one, tokens[0]) for one in tokens)
    config = replace(CONFIG, controls=())
    (prompts,) = [_prompt_sets(inputs_of(CONFIG, "de").take([1]), tokenizer, config, "de")["pmi-2"]]
    ids = tokenizer(prompts.prompts[0].with_answer(prompts.references[0][0]).text)["input_ids"]
    start = len(tokenizer(prompts.prompts[0].text)["input_ids"])
    expected = fired_at(view.model, ids[:-1], list(range(start - 1, len(ids) - 1)))
    found = comparison.settings["pmi-2"].firing["forced"].fired[1, 0]
    assert found.tolist() == [int(one.sum()) for one in expected]


def test_numbers_follow_from_counts(comparison) -> None:
    neurons = sum(layer.width for layer in comparison.layout.layers)
    for name, result in comparison.settings.items():
        counted = result.firing["steps"]
        share = int(counted.fired.sum()) / (int(counted.tokens.sum()) * neurons)
        assert math.isclose(comparison.activated()[name].value, share)
        assert math.isclose(comparison.scores()[name].value, 100 * float(result.score[..., 0].mean()))
        by_layer = [score.value for score in comparison.activated_by_layer()[name]]
        assert math.isclose(sum(by_layer) / len(by_layer), share)  # layers are of equal width
        assert comparison.cost()[name][0] == float(result.prompt_tokens.double().mean())
    change = comparison.activated_differences()["pmi-2"].score.value
    shares = comparison.activated()
    assert math.isclose(change, shares["pmi-2"].value - shares["direct"].value)
    assert comparison.segment_roles() == ["segment original", "segment en", "segment fr"]


def test_segments_are_counted_for_one_original() -> None:
    view, tokenizer = models.load("lab", device="cpu")
    config = replace(CONFIG, originals=("de",), rows=2, controls=())
    found = compare_prompts(view, tokenizer, config)
    prompts = _prompt_sets(inputs_of(config, "de").take(range(2)), tokenizer, config, "de")["pmi-2"]
    assert found.segment_roles() == ["segment original", "segment en", "segment fr"]
    for row, prompt in enumerate(prompts.prompts):
        (segment,) = prompt.segments("fr")
        encoded = tokenizer(prompt.text, return_offsets_mapping=True)
        inside = [
            place
            for place, (start, end) in enumerate(encoded["offset_mapping"])
            if start < end and min(end, segment.end) - max(start, segment.start) > 0
        ]
        expected = fired_at(view.model, encoded["input_ids"], inside)
        counted = found.settings["pmi-2"].firing["segment fr"]
        assert int(counted.tokens[row, 0]) == len(inside)
        assert counted.fired[row, 0].tolist() == [int(one.sum()) for one in expected]


def test_a_run_goes_on_where_it_was_and_refuses_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, originals=("de",), parallel=(0, 1), controls=(), rows=2)
    run_pmi(config, tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    kept = sorted(path.name for path in (tmp_path / "run" / "settings").iterdir())
    assert kept == ["lab-direct-de.safetensors", "lab-pmi-1-de.safetensors"]
    monkeypatch.setattr("neuroglot.recipes.pmi_.measure", None)  # nothing is measured again
    again = run_pmi(config, tmp_path / "run")
    assert again.to_json()["sections"] == report["sections"]
    assert PmiConfig(**json.loads((tmp_path / "run" / "config.json").read_text())) == config
    with pytest.raises(ArtifactError, match="another experiment"):
        run_pmi(replace(config, max_new_tokens=5), tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1, 2]", "no mapping"), ("models: [lab]\nlanguage: de", "'language'"), ("models: [lab]", "not an experiment"),
        ("models: [lab]\ndata: lab\noriginals: [de]\nlanguages: [de, en]\nparallel: [0, 2]", "2 languages were to be"),
        ("models: [lab]\ndata: lab\noriginals: [de]\nlanguages: [en]\nparallel: [1]", "0 among"),
        ("models: [lab]\ndata: lab\noriginals: [de]\nlanguages: [en]\nparallel: [0]\ncontrols: [chess]", "chess"),
        ("a: [", "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "experiment.yaml").write_text(text)
    with pytest.raises(ConfigError, match=found):
        PmiConfig.load(tmp_path / "experiment.yaml")


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lab's task"):
        inputs_of(replace(CONFIG, task="chess"), "de")
    for code in ("de", "en", "fr"):
        (tmp_path / f"{code}.txt").write_text("a b\nc d\n")
    with pytest.raises(ConfigError, match="Expected a target"):
        inputs_of(replace(CONFIG, data=str(tmp_path)), "de")


def test_the_report_has_both_panels_of_the_peak_figure(comparison) -> None:
    (section,) = Report([comparison]).to_json()["sections"]
    tables = {table["key"]: table["rows"] for table in section["tables"]}
    assert {"score-by-setting", "activated-by-setting", "activated-by-layer", "activated-by-segment"} <= set(tables)
    neurons = comparison.layout.neuron_count
    for name, result in comparison.settings.items():
        assert sum(row[2] for row in tables["peaks-by-layer"] if row[0] == name) == neurons // 5
        steps = int(result.firing["steps"].tokens.sum())
        ordered = sorted(result.neurons.tolist(), reverse=True)
        for _, rank, rate in (row for row in tables["peaks-by-rank"] if row[0] == name):
            assert rate == pytest.approx(ordered[rank - 1] / steps, rel=1e-5)
    assert len(tables["activated-by-layer"]) == len(comparison.settings) * len(comparison.layout.layers)
