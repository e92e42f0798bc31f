"""`probe`: which rows it fits on and reports, what it writes for other commands, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from neuroglot.corpora.directed import Directed
from neuroglot.decisions.fitting import Fitted
from neuroglot.decisions.transforms import Power
from neuroglot.errors import ConfigError
from neuroglot.experiments import probing, ruled_texts
from neuroglot.experiments.choices import Choices
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.lab import lab_questions, tasks
from neuroglot.recipes.generate import Generate
from neuroglot.recipes.probe import Probe
from neuroglot.runs.identity import Identity
from tests.specialization import making
from tests.tiny import tiny_corpus

ON_LAB = {"model": "lab", "corpus": "lab", "task": "sum", "languages": ["en", "de"], "device": "cpu"}
FEW = {"limit": 8, "rules": ["mbr-match"], "beam_sizes": [2], "samples": 2, "max_new_tokens": 3}


def probe_of(**options) -> Probe:
    return Probe.from_json({**ON_LAB, **FEW, **options})


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A translator, and texts in three languages, the current folder."""
    making.located("m2m_100").model.save_pretrained(tmp_path / "translator")
    making.translation_tokenizer().save_pretrained(tmp_path / "translator")
    (tmp_path / "pairs").mkdir()
    for language, column in making.texts(8).texts.items():
        (tmp_path / "pairs" / f"{language}.txt").write_text("\n".join(column) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_rows_that_fit_are_others_than_those_reported() -> None:
    inputs = probe_of(limit=40, split=0.25, languages=["de"]).read(Identity())
    assert (len(inputs.selection), len(inputs.held_out)) == (10, 30)
    assert not set(inputs.selection.prompts.texts["de"]) & set(inputs.held_out.prompts.texts["de"])
    assert inputs.probing.signature["metric"] == "exact-match"
    assert inputs.probing.stop == ("\n",)


def test_questions_of_the_lab_are_held_out_from_its_training() -> None:
    inputs = probe_of(limit=100).read(Identity())
    asked = {*inputs.selection.prompts.texts["en"], *inputs.held_out.prompts.texts["en"]}
    assert asked == {*lab_questions("sum", 100, 0, held_out=True).prompts.texts["en"]}
    assert not asked & {*lab_questions("sum", 400, 0).prompts.texts["en"]}
    (shipped,) = (task for task in tasks() if task.name == "sum")
    assert asked & {*shipped.prompts.texts["en"]}  # the same side


def test_every_option_arrives() -> None:
    recipe = probe_of(
        beam_sizes=[3, 5],
        rules=["exact", "majority"],
        samples=7,
        max_new_tokens=9,
        metric="f1",
        stop=["x"],
        seed=11,
        tuned_by="metric",
    )
    how = recipe.read(Identity()).probing
    assert (how.beam_sizes, how.rules, how.samples) == ((3, 5), ("exact", "majority"), 7)
    assert (how.max_new_tokens, how.metric, how.stop, how.seed) == (9, "f1", ("x",), 11)
    assert (how.tuned_by, how.signature["tuned_by"]) == ("metric", "metric")


def test_a_run_keeps_texts_and_transforms_that_other_commands_read(tmp_path: Path) -> None:
    report = probe_of(seed=3).run(tmp_path / "run")
    keys = [section.key for section in report.sections]
    assert keys == ["rule-probe", "likelihood-probe", "calibration", "calibration-2"]
    plots = [plot for figure in report.sections[0].figures for plot in figure.plots]
    (beams,) = [plot.table for plot in plots if plot.table.key == "beams-de"]
    assert {column.unit for column in beams.columns[1:]} == {"percent", "percent of texts"}
    texts = {path.stem: GeneratedTexts.load(path) for path in (tmp_path / "run" / "texts").iterdir()}
    assert set(texts) == {"greedy", "beam-2", "draws", "draws-tuned"}
    assert len(texts["draws"].ids) == 2 * len(texts["greedy"].ids)
    names = {path.name for path in (tmp_path / "run" / "transforms").iterdir()}
    assert "de-next-token-temperature.json" in names
    assert "en-next-token-of-the-20-likeliest-ranks.json" in names
    file = tmp_path / "run" / "transforms" / "de-next-token-temperature.json"
    fitted = Fitted.load(file)
    assert fitted.signature["language"] == "de"
    assert fitted.signature["fitted_rows"] == 4
    prompts = probe_of(seed=3).read(Identity()).held_out.prompts.texts["de"]
    written = Generate(
        model="lab", prompt=prompts[0], rule="sample", transform=file, seed=3, max_new_tokens=3, stop=("\n",),
        device="cpu",
    ).run(tmp_path / "written")  # fmt: skip
    drawn = texts["draws-tuned"].texts["de"][0]
    assert written.results[0].texts["und"][0] == drawn


def test_a_temperature_may_be_chosen_by_the_metric_of_draws_on_other_rows(tmp_path: Path) -> None:
    recipe = probe_of(tuned_by="metric", limit=12, max_new_tokens=6)
    inputs = recipe.read(Identity())
    report = recipe.run(tmp_path / "run")
    texts = {path.stem: GeneratedTexts.load(path) for path in (tmp_path / "run" / "texts").iterdir()}
    tried = {float(name.removeprefix("to-fit-")): part for name, part in texts.items() if name.startswith("to-fit-")}
    assert tuple(sorted(tried)) == ruled_texts.TRIED
    drawn_on = [f"{row_id}/{number}" for row_id in inputs.selection.ids for number in (1, 2)]
    assert all(list(part.ids) == drawn_on for part in tried.values())  # never rows that are reported
    best = {}
    for language in ("en", "de"):
        right = [answer for answer in inputs.selection.answers.texts[language] for _ in range(2)]
        shares = {}
        for beta in ruled_texts.TRIED:
            written = tried[beta].texts[language]
            assert len(written) == len(right) == 12
            shares[beta] = sum(text.strip() == answer.strip() for text, answer in zip(written, right, strict=True))
        best[language] = max(ruled_texts.TRIED, key=shares.__getitem__)
    assert any(f"en {best['en']:g}, de {best['de']:g}" in note for note in report.notes)
    for language in ("en", "de"):
        prompt = inputs.held_out.prompts.texts[language][0]
        rule = ruled_texts.Candidates("mbr-match", samples=2, seed=0, transform=Power(best[language]))
        writers = ruled_texts.writers_of(inputs.view, inputs.tokenizer, inputs.held_out.take([0]), inputs.probing)
        drawn = [completion.text for completion in writers[language](Decoding(6, rule=rule))[0]]
        assert drawn == list(texts["draws-tuned"].texts[language][:2]), prompt
    lines = {line.step: line.times for line in recipe.price(inputs).lines}
    assert lines["choosing a temperature on sum"] == 7 * 2
    by_likelihood = probe_of()
    steps = {line.step for line in by_likelihood.price(by_likelihood.read(Identity())).lines}
    assert "choosing a temperature on sum" not in steps


def test_a_language_without_likely_tokens_leaves_the_others_their_tables(tmp_path: Path, monkeypatch) -> None:
    among = probing.among_likeliest
    calls = []

    def seldom(choices):  # the second language's right tokens are never among them
        calls.append(choices)
        found = among(choices)
        none = torch.zeros(0, dtype=torch.long)
        return found if len(calls) <= 2 else Choices(found.utilities[:0], none, none, found.row_count, left_out=99)

    monkeypatch.setattr(probing, "among_likeliest", seldom)
    report = probe_of().run(tmp_path / "run")
    assert [section.key for section in report.sections] == ["rule-probe", "likelihood-probe", "calibration"]
    assert any("in de" in note and "20 likeliest" in note for note in report.notes)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe_of().run(tmp_path / "whole")
    rule_probe = probing.rule_probe

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(probing, "rule_probe", killed)
    with pytest.raises(KeyboardInterrupt):
        probe_of().run(tmp_path / "killed")
    monkeypatch.setattr(probing, "rule_probe", rule_probe)
    from neuroglot.experiments import ruled_texts

    def again(*_: object) -> None:
        pytest.fail("done a second time")

    monkeypatch.setattr(ruled_texts, "_written", again)
    monkeypatch.setattr(probing, "fit_choices", again)
    probe_of().run(tmp_path / "killed", resume=True)
    both = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("whole", "killed")]
    assert both[0] == both[1]


def test_translators_are_probed_by_direction(texts: Path) -> None:
    recipe = Probe.from_json(
        {"model": "translator", "corpus": "pairs", "directions": ["en-de", "fr-en"], "device": "cpu", **FEW}
    )
    inputs = recipe.read(Identity())
    assert isinstance(inputs.held_out, Directed)
    assert not {*inputs.selection.corpus.ids} & {*inputs.held_out.corpus.ids}
    assert inputs.probing.metric == "chrf"
    report = recipe.run(texts / "out")
    assert report.results[0].languages == ("en-de", "fr-en")
    assert recipe.estimate(texts / "priced").seconds > 0


def test_a_price_counts_every_text_that_is_written() -> None:
    recipe = probe_of(rules=["epsilon", "mbr-match"], beam_sizes=[2, 4], samples=3)
    inputs = recipe.read(Identity())
    assert inputs.probing.texts_a_row == 1 + 2 + 4 + 1 + 2 * 3
    lines = {line.step: line.times for line in recipe.price(inputs).lines}
    assert lines["writing on sum"] == lines["scoring texts"] == 14


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"part": "rest"}, "a part of them"), ({"split": 1.0}, "between 0 and 1"), ({"samples": 0}, "samples"),
        ({"beam_sizes": [1]}, "beams of two"), ({"metric": "nothing"}, "metrics"), ({"stop": [""]}, "stop"),
        ({"task": "nothing"}, "task"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(given: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        probe_of(**given).read(Identity())


def test_parallel_text_without_directions_is_refused_for_a_decoder(tmp_path: Path) -> None:
    for language, column in tiny_corpus(8).texts.items():
        (tmp_path / f"{language}.txt").write_text("\n".join(column) + "\n")
    recipe = Probe.from_json({"model": "lab", "corpus": str(tmp_path), "device": "cpu"})
    with pytest.raises(ConfigError, match="--directions en-de"):
        recipe.read(Identity())


def test_the_page_says_rules_costs_and_calibration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = probe_of().run(tmp_path / "run")
    rules = report.sections[0]
    assert "The control is “sample, tuned”" in " ".join(rules.remarks)
    costs = {row[0]: row[-1] for table in rules.tables if table.key == "rules-on-the-mean" for row in table.rows}
    assert costs["mbr-match"] == "2 forwards a token, and up to 4 gains a text"
    assert costs["beam 2"] == "2 forwards a token"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Risk by coverage" in page
    assert "Right by confidence" in page
