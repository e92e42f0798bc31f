"""The experiment on the shipped lab model: counts against plain loops, resuming, and what is refused."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import binomtest

from neuroglot import models
from neuroglot.cli import app
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.experiments.prompts import MeasuredSetting, measure_setting, side_by_side
from neuroglot.layout import Layout
from neuroglot.metrics.prompts import Counted, PromptComparison, SettingResult
from neuroglot.recipes import Pmi, all_recipes
from neuroglot.reports import Report
from neuroglot.runs.files import load_recipe
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature

JOB = Pmi(
    models=("lab",), corpus="lab", task="iso_date", originals=("de", "sw"), languages=("en", "fr"), parallel=(0, 2),
    controls=("repeated", "filler"), limit=3, max_new_tokens=6, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def loaded():
    return models.load("lab", device="cpu")


def compared(job: Pmi) -> PromptComparison:
    (comparison,) = job.run().results
    assert isinstance(comparison, PromptComparison)
    return comparison


@pytest.fixture(scope="module")
def comparison() -> PromptComparison:
    return compared(JOB)


def inputs_of(job: Pmi, original: str):
    """All rows of the original that the job asks about."""
    return job.read(Identity())[original]


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
    for place, original in enumerate(JOB.originals):
        inputs = inputs_of(JOB, original)
        for name, prompts in JOB.prompt_sets(inputs, tokenizer, original).items():
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
    for _ in range(JOB.max_new_tokens):
        with torch.no_grad():
            token_ids.append(int(model(torch.tensor([token_ids])).logits[0, -1].argmax()))
        if token_ids[-1] == end:
            break
    return token_ids[len(prompt) :]


def test_forced_outputs_are_the_same_tokens_in_every_setting(loaded, comparison) -> None:
    view, tokenizer = loaded
    tokens = [result.firing["forced"].tokens for result in comparison.settings.values()]
    assert all(torch.equal(one, tokens[0]) for one in tokens)
    prompts = replace(JOB, controls=()).prompt_sets(inputs_of(JOB, "de").take([1]), tokenizer, "de")["pmi-2"]
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
    job = replace(JOB, originals=("de",), limit=2, controls=())
    found = compared(job)
    prompts = job.prompt_sets(inputs_of(job, "de"), tokenizer, "de")["pmi-2"]
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
    job = replace(JOB, originals=("de",), parallel=(0, 1), controls=(), limit=2)
    whole = job.run(tmp_path / "whole")
    settings = tmp_path / "whole" / "settings" / "model-1"
    assert sorted(path.name for path in settings.iterdir()) == ["direct-de.safetensors", "pmi-1-de.safetensors"]
    measured = MeasuredSetting.load(settings / "direct-de.safetensors")
    assert (len(measured.ids), len(measured.answers)) == (2, 2)

    class Killed(BaseException):
        pass

    done = []

    def measure(*given, **options):
        done.append(given)
        if len(done) == 2:
            raise Killed
        return MeasuredSetting.load(settings / "direct-de.safetensors")

    with monkeypatch.context() as patched:
        patched.setattr("neuroglot.experiments.prompts.measure_setting", measure)
        with pytest.raises(Killed):
            job.run(tmp_path / "run")
        with pytest.raises(ConfigError, match="max_new_tokens: 6 there, 5 here"):
            replace(job, max_new_tokens=5).run(tmp_path / "run", resume=True)
    unfinished = tmp_path / "run" / ".unfinished" / "files" / "settings" / "model-1"
    assert [path.name for path in unfinished.iterdir()] == ["direct-de.safetensors"]
    direct = unfinished / "direct-de.safetensors"
    before = direct.stat().st_ino
    again = job.run(tmp_path / "run", resume=True)
    assert again.to_json() == whole.to_json()
    assert (tmp_path / "run/settings/model-1/direct-de.safetensors").stat().st_ino == before  # not measured again
    for path in (tmp_path / "whole").rglob("*.*"):
        if path.is_file() and path.name != "report.html":
            assert path.read_bytes() == (tmp_path / "run" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_models_of_one_name_do_not_meet(tmp_path: Path) -> None:
    shipped = Path(models.__file__).parents[1] / "lab" / "shipped"
    for name in ("a", "b"):
        shutil.copytree(shipped, tmp_path / name / "model")
    folders = tuple(str(tmp_path / name / "model") for name in ("a", "b"))
    job = replace(JOB, models=folders, originals=("de",), parallel=(0,), controls=(), limit=2, forced=False)
    report = job.run(tmp_path / "run")
    assert len(report.sections) == 2
    assert sorted(path.name for path in (tmp_path / "run" / "settings").iterdir()) == ["model-1", "model-2"]


YAML = "models: [lab]\ncorpus: lab\ntask: iso_date\noriginals: [de]\nlanguages: [en]\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1, 2]", "Expected a mapping"), (f"{YAML}data: lab", "'data'"),
        ("models: [lab]", "lacks languages, corpus, originals"),
        (f"{YAML}parallel: [0, 2]", "2 languages were to be"), (f"{YAML}parallel: [1]", "0 among"),
        (f"{YAML}controls: [chess]", "chess"), (f"{YAML}parallel: [0, -1]", r"parallel\[1\]"),
        (f"{YAML}parallel: [0]\nmetric: best", "'best'"), (f"{YAML}parallel: [0]\nlimit: '3'", "'3'"),
        (f"{YAML}parallel: [0]\nbeams: 2\ntemperature: 0.5", "beams"), (f"{YAML}parallel: [0]\nlimit: 0", "limit"),
        (f"{YAML}parallel: [0]\nreleased: GSM8K", "one of them"), (YAML.replace("[lab]", "[]"), "one or more of each"),
        (YAML.replace("[en]", "[en, en]"), "each language once"), ("a: [", "is not YAML"),
        (f"recipe: select\n{YAML}", "of the recipe 'select'"),
        (YAML.replace("[lab]", "[gone]") + "parallel: [0]", "gone"),
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "experiment.yaml").write_text(text)
    words = ["pmi", "--config", str(tmp_path / "experiment.yaml"), "--out", str(tmp_path / "run")]
    with pytest.raises((ConfigError, UnsupportedModelError), match=found):
        app(words, result_action="return_value", exit_on_error=False)
    assert not (tmp_path / "run").exists()


def test_flags_python_and_both_ways_to_give_the_file_are_one_job(tmp_path: Path) -> None:
    text = f"{YAML}parallel: [0]\nlimit: 2\nforced: false\nmax_new_tokens: 4\n"
    (tmp_path / "experiment.yaml").write_text(f"recipe: pmi\n{text}")
    file, folders = str(tmp_path / "experiment.yaml"), [str(tmp_path / name) for name in "abc"]
    flags = [
        "lab",
        "--corpus",
        "lab",
        "--task",
        "iso_date",
        "--originals",
        "de",
        "--languages",
        "en",
        "--parallel",
        "0",
    ]
    flags += ["--limit", "2", "--no-forced", "--max-new-tokens", "4"]
    for words in (["run", file], ["pmi", "--config", file], ["pmi", *flags]):
        app([*words, "--out", folders.pop()], result_action="return_value", exit_on_error=False)
    stored = [(tmp_path / name / "report.json").read_bytes() for name in "abc"]
    assert len(set(stored)) == 1
    job = Pmi(
        models=("lab",), corpus="lab", task="iso_date", originals=("de",), languages=("en",), parallel=(0,), limit=2,
        forced=False, max_new_tokens=4,
    )  # fmt: skip
    assert [load_recipe(tmp_path / name, all_recipes()) for name in "abc"] == [job] * 3
    assert json.loads((tmp_path / "a/recipe.json").read_text())["controls"] == list(job.controls)


def test_a_dry_run_prices_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuroglot.runs.price.ENOUGH_SECONDS", 0.0)
    price = JOB.estimate()
    assert [line.step.split(": ")[1] for line in price.lines] == [
        f"{name} of {original}" for original in JOB.originals for name in ("direct", "pmi-2", "repeated", "filler")
    ]
    assert {line.tokens for line in price.lines} == {3 * 6}
    assert all(line.seconds > 0 for line in price.lines)


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lab's task"):
        inputs_of(replace(JOB, task="chess"), "de")
    for code in ("de", "en", "fr", "sw"):
        (tmp_path / f"{code}.txt").write_text("a b\nc d\n")
    with pytest.raises(ConfigError, match="Expected a target"):
        inputs_of(replace(JOB, corpus=str(tmp_path), task=None), "de")


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


def test_p_values_are_of_their_role_and_adjusted_together(comparison) -> None:
    base, raw = comparison.settings["direct"], {}
    neurons = sum(layer.width for layer in comparison.layout.layers)
    for name, result in list(comparison.settings.items())[1:]:
        pairs = {"score": [one.score[..., 0].mean(1) for one in (base, result)]}
        for role in ("steps", "forced"):
            pairs[role] = [
                one.firing[role].fired.sum((1, 2)) / (one.firing[role].tokens.sum(1) * neurons)
                for one in (base, result)
            ]
        for role, (first, second) in pairs.items():
            fell, rose = int((second < first).sum()), int((second > first).sum())
            raw[role, name] = float(binomtest(fell, fell + rose).pvalue) if fell + rose else 1.0
    expected, largest = {}, 0.0
    for position, key in enumerate(sorted(raw, key=raw.__getitem__)):
        largest = max(largest, min(1.0, raw[key] * (len(raw) - position)))
        expected[key] = largest
    assert comparison.p_values == pytest.approx(expected)
    marked = {key: place / 100 for place, key in enumerate(raw)}
    told = replace(comparison)
    told.__dict__["p_values"] = marked
    for role in ("steps", "forced"):
        found = told.activated_differences(role)
        assert {name: found[name].p for name in found} == {name: marked[role, name] for name in found}
    assert {name: one.p for name, one in told.score_differences().items()} == {
        name: p for (role, name), p in marked.items() if role == "score"
    }


def test_p_values_of_many_rows_are_adjusted() -> None:
    layout = Layout((("decoder", (4,)),))

    def setting(scores: list[float]) -> SettingResult:
        score = torch.tensor(scores, dtype=torch.float64)[:, None, None]
        tokens = torch.ones(len(scores), 1, dtype=torch.int64)
        firing = {"steps": Counted(torch.ones(len(scores), 1, 1, dtype=torch.int64), tokens)}
        return SettingResult(score, firing, torch.zeros(4), torch.zeros(1), tokens, tokens)

    settings = {"direct": setting([0.0] * 10), "a": setting([1.0] * 10), "b": setting([1.0] * 8 + [-1.0] * 2)}
    made = PromptComparison("m", "d", ("de",), layout, "hits", "share", lambda c: c[..., 0], settings, Signature())
    a, b = 2 / 2**10, 2 * (1 + 10 + 45) / 2**10
    assert made.p_values["score", "a"] == pytest.approx(4 * a)  # of four tests
    assert made.p_values["score", "b"] == pytest.approx(3 * b)


def test_right_and_wrong_answers_have_the_intervals_of_answers() -> None:
    """Wilson 1927 for one original, and Bonett and Price 2012 for the difference, in percent."""
    layout = Layout((("decoder", (4,)),))

    def setting(right: int) -> SettingResult:
        score = torch.tensor([[[100.0 * (row < right), 1.0]] for row in range(20)], dtype=torch.float64)
        tokens = torch.ones(20, 1, dtype=torch.int64)
        firing = {"steps": Counted(torch.ones(20, 1, 1, dtype=torch.int64), tokens)}
        return SettingResult(score, firing, torch.zeros(4), torch.zeros(1), tokens, tokens)

    settings = {"direct": setting(20), "pmi-3": setting(15)}
    made = PromptComparison(
        "m", "d", ("de",), layout, "exact match", "percent", lambda sums: sums[..., 0] / sums[..., 1], settings,
        Signature(), right_or_wrong=True,
    )  # fmt: skip
    z, n = 1.959963984540054, 20
    for name, share in (("direct", 1.0), ("pmi-3", 0.75)):
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        score = made.scores()[name]
        assert (score.value, score.low, score.high) == pytest.approx(
            (100 * share, 100 * (middle - half), 100 * min(1.0, middle + half))
        )
    t, worse, better = 2.093024054408263, (5 + 1) / 22, 1 / 22  # Student's t with 19 degrees of freedom
    middle = better - worse
    half = t * math.sqrt((worse + better - middle**2) / 22)
    change = made.score_differences()["pmi-3"].score
    assert (change.value, change.low, change.high) == pytest.approx((-25, 100 * (middle - half), 100 * (middle + half)))


def test_zeros_of_several_originals_are_weighted_by_their_steps() -> None:
    def setting(tokens: int, zeros: float) -> SettingResult:
        counts = torch.full((2, 1), tokens)
        firing = {"steps": Counted(torch.zeros(2, 1, 1, dtype=torch.int64), counts)}
        return SettingResult(torch.zeros(2, 1, 1), firing, torch.ones(4), torch.tensor([zeros]), counts, counts)

    both = side_by_side([setting(1, 0.2), setting(3, 0.6)])
    assert both.zero_by_layer.tolist() == pytest.approx([0.2 * 0.25 + 0.6 * 0.75])


def test_the_cost_of_a_prompt_is_its_tokens(loaded, comparison) -> None:
    """Without those that were generated and read again."""
    _, tokenizer = loaded
    for place, original in enumerate(JOB.originals):
        for name, prompts in JOB.prompt_sets(inputs_of(JOB, original), tokenizer, original).items():
            expected = [len(tokenizer(prompt.text)["input_ids"]) for prompt in prompts.prompts]
            assert comparison.settings[name].prompt_tokens[:, place].tolist() == expected


def test_an_answer_ends_where_the_first_stop_begins(loaded) -> None:
    view, tokenizer = loaded
    prompts = JOB.prompt_sets(inputs_of(JOB, "de"), tokenizer, "de")["direct"]

    def answers(stop: str) -> tuple[str, ...]:
        given = {"decoding": JOB.decoding, "stop": stop, "forced_too": False, "by_segment": False}
        return measure_setting(view, tokenizer, prompts, "de", JOB._metric("de"), **given).answers

    whole = answers("\N{CHECK MARK}")
    stop = whole[0][len(whole[0]) // 2]
    assert answers(stop) == tuple(text[: f"{text}{stop}".index(stop)].strip() for text in whole)
