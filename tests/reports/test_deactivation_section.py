"""The section of a deactivation: its sentence whichever way it comes out, and its figures."""

import json
from dataclasses import replace

import plotly.graph_objects as go
import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.reports import Report
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature
from tests.reports import making


def simulated(
    falls: tuple[float, ...] = (2.0, 1.0, 0.5, 0.0), random: tuple[float, ...] = (0.5, 1.0, 1.0, 0.0), rows: int = 60,
    languages: tuple[str, ...] = making.TEN[:4], draws: int = 3, seed: int = 0, options: bool = True,
) -> Deactivation:  # fmt: skip
    """A deactivation whose falls of the log-probability are on average those given, in nats, by category."""
    generator = torch.Generator().manual_seed(seed)
    layout, size = making.layout_of(3, 400), len(languages)
    easy = torch.randn(rows, 1, generator=generator).double()

    def counts(fall: torch.Tensor) -> torch.Tensor:
        shape = (*fall.shape[:-2], rows, size)
        noise = 0.5 * torch.randn(shape, generator=generator).double()
        of_row = 0.5 * torch.randn((*shape[:-1], 1), generator=generator).double()
        score = -1 + easy - fall + noise + of_row
        right = (score > -2).double()
        undefined = torch.full_like(right, torch.nan)
        columns = {"log_probability": score, "tokens": torch.full_like(right, 2), "exact": right}
        columns |= {"option": right, "option_per_token": right} if options else {}
        return torch.stack([columns.get(name, undefined) for name in OUTCOMES], dim=-1)

    def by_category(values: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None, None]

    control = by_category(random).expand(draws, -1, -1, -1)
    sizes = torch.tensor([100, 50, 10, 40], dtype=torch.int32)[:, None, None].expand(-1, rows, 3)
    signature = making.SIGNATURE | Signature.of(
        level="row", scope="all", value="zero", random_draws=draws, equal_size=False, seed=0
    )
    return Deactivation(
        "dates", layout, tuple(languages), CATEGORIES, tuple(f"row{place}" for place in range(rows)),
        counts(torch.zeros(1, 1)), counts(by_category(falls)), counts(control), sizes, signature, {"too long": 2},
    )  # fmt: skip


def test_intervals_hold_what_was_simulated() -> None:
    hits = {"deactivated": 0, "random": 0, "beyond_random": 0}
    trials = 40
    for seed in range(trials):
        effects = simulated(seed=seed).effects("log_probability")
        for name, truth in (("deactivated", 2.0), ("random", 0.5), ("beyond_random", 1.5)):
            score = getattr(effects[0][-1], name)
            hits[name] += score.low <= truth <= score.high
    assert all(0.85 * trials <= hit <= trials for hit in hits.values()), hits


def test_effects_are_what_arithmetic_by_hand_gives() -> None:
    result = simulated()
    on, off, random = (part[..., 0] for part in (result.baseline, result.deactivated, result.random))
    effects = result.effects("log_probability")
    for t in range(4):
        for g in range(5):
            of = slice(None) if g == 4 else g
            fall = float((on - off[t])[:, of].mean())
            control = sum(float((on - draw[t])[:, of].mean()) for draw in random) / 3
            effect = effects[t][g]
            assert effect.deactivated.value == pytest.approx(fall)
            assert effect.random.value == pytest.approx(control)
            assert effect.beyond_random.value == pytest.approx(fall - control)
            assert effect.per_thousand.value == pytest.approx(fall / int(result.sizes[t, 0].sum()) * 1000)
            assert effect.deactivated.low < effect.deactivated.value < effect.deactivated.high
    levels = result.levels("exact")
    assert levels["on"][1].value == pytest.approx(float(result.baseline[:, 1, 2].mean()))
    assert levels["specific"][4].value == pytest.approx(float(result.deactivated[2, ..., 2].mean()))
    assert levels["random: specific"][0].value == pytest.approx(float(result.random[:, 2, :, 0, 2].mean()))


def test_tests_are_by_row_and_by_language() -> None:
    result = simulated()
    tests = result.tests()["all-shared"]
    on, off = result.baseline[..., 3], result.deactivated[0, ..., 3]
    assert tests.rows.fell == sum(float(b.sum()) < float(a.sum()) for a, b in zip(on, off))
    assert tests.rows.rose == sum(float(b.sum()) > float(a.sum()) for a, b in zip(on, off))
    assert tests.by_language[2].fell == int(((on == 1) & (off == 0))[:, 2].sum())
    assert tests.rows.p < 1e-6
    assert tests.against_random < 1e-3
    assert result.tests()["non-activated"].against_random > 0.05
    with pytest.raises(ConfigError, match="right or wrong"):
        result.tests("log_probability")


def test_the_sentence_says_what_came_out() -> None:
    section = section_of(simulated())
    sentence = section.sentence
    assert sentence.startswith(
        "Switching off the all-shared neurons lowers the log-probability of the right answer most"
    )
    assert sentence.count("(more harm)") == 1
    assert sentence.count("(less harm)") == 1
    assert sentence.count("(not to be told from zero)") == 2
    assert "For each 1,000 neurons the specific ones do most" in section.remarks[0]
    assert "with all neurons on" in section.remarks[1]
    other = section_of(simulated((0.0, 0.2, 3.0, 0.0), (0.0, 0.2, 4.0, 0.0))).sentence
    assert "Switching off the specific neurons" in other
    assert "specific −1.0" in other or "specific −0.9" in other
    harmless = section_of(simulated((-1.0,) * 4, (0.0,) * 4)).sentence
    assert harmless.startswith("Switching off no category lowers")


def test_empty_types_are_not_effects_of_zero() -> None:
    result = simulated()
    sizes = result.sizes.clone()
    sizes[1] = 0
    section = section_of(replace(result, sizes=sizes))
    assert "partial-shared" not in section.sentence
    table = next(table for table in section.all_tables() if table.key == "fall-by-category")
    assert table.rows[1][2:5] == (None, None, None)
    nothing = section_of(replace(result, sizes=torch.zeros_like(sizes)))
    assert nothing.sentence.startswith("No row of dates has a neuron")


@pytest.mark.parametrize("options", [True, False])
def test_the_section_holds_all_numbers(options: bool, tmp_path) -> None:
    result = simulated(options=options)
    report = Report([result, making.sharing()])
    section = report.sections[0]
    assert section.key == "deactivation"
    assert [figure.key for figure in section.figures] == [
        "fall-by-category", "fall-per-thousand", "accuracy-by-condition",
    ]  # fmt: skip
    keys = {table.key: table for table in section.all_tables()}
    assert len(keys["fall-by-category"].rows) == 4
    assert len(keys["accuracy-by-condition"].rows) == 9 * 4
    assert len(keys["accuracy-tests"].rows) == (12 if options else 4)
    assert len(keys["sizes-by-layer"].rows) == 12
    assert len(keys["mcnemar-by-language"].rows) == 16
    assert any("2 rows (too long)" in remark for remark in section.remarks)
    assert any("mean of 3 draws" in remark for remark in section.remarks)
    for figure in section.figures:
        for plot in figure.plots:
            go.Figure(plot.spec.data, {k: v for k, v in plot.spec.layout.items() if k != "meta"})
    json.dumps(report.to_json(), allow_nan=False)
    assert report.save(tmp_path / "report.html").stat().st_size > 10_000
    assert "partial-shared" in report._plain_text().split("\n\n")[1]


def test_accuracy_is_that_of_the_options_where_there_are_any() -> None:
    assert simulated(options=True).accuracy == "option"
    assert simulated(options=False).accuracy == "exact"
