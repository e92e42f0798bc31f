"""The section of a deactivation: its sentence whichever way it comes out, and its figures."""

import json
import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest
import torch
from scipy.stats import ttest_1samp

from neuroglot.errors import ConfigError
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.reports import Report
from neuroglot.reports.section import section_of
from neuroglot.reports.wording import number
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


def holm_of(p_values: list[float]) -> list[float]:
    adjusted, largest = [1.0] * len(p_values), 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - position)))
        adjusted[index] = largest
    return adjusted


def test_p_of_falls_and_of_what_is_beyond_random_are_of_paired_t_tests() -> None:
    """Draws that are all alike leave the rows alone."""
    result = simulated(falls=(0.3, 0.2, 0.1, 0.0), random=(0.1, 0.2, 0.3, 0.0), rows=20)
    result = replace(result, random=result.random[:1].expand(3, -1, -1, -1, -1).clone())
    effects = result.effects("log_probability")
    for g in range(5):
        of = slice(None) if g == 4 else slice(g, g + 1)
        on, off, chance = (
            part[..., of, 0].mean(-1) for part in (result.baseline, result.deactivated, result.random[0])
        )
        raw = [float(ttest_1samp(on - off[t], 0).pvalue) for t in range(4)]
        raw += [float(ttest_1samp(chance[t] - off[t], 0).pvalue) for t in range(4)]
        expected = holm_of(raw)
        assert [effects[t][g].p for t in range(4)] == pytest.approx(expected[:4], rel=1e-6)
        assert [effects[t][g].p_beyond_random for t in range(4)] == pytest.approx(expected[4:], rel=1e-6)


def right_or_wrong(**answers: list[list[str]]) -> Deactivation:
    """Of two languages and the first category from strings of 1 and 0; `random` by draw, all else is right."""
    result = simulated(languages=("en", "de"), rows=8, draws=2)
    parts = {name: torch.ones_like(getattr(result, name)) for name in ("baseline", "deactivated", "random")}
    for name, of_draws in answers.items():
        columns = torch.tensor([[[float(sign) for sign in column] for column in draw] for draw in of_draws])
        part = columns.transpose(1, 2)[..., None].double()  # [draws, R, G, 1]
        if name == "baseline":
            parts[name] = part[0].expand(-1, -1, len(OUTCOMES)).clone()
        elif name == "deactivated":
            parts[name][0] = part[0]
        else:
            parts[name][:, 0] = part
    return replace(result, **parts)


def test_falls_of_answers_have_a_pair_of_rows_more_for_each_answer_of_a_row() -> None:
    """Bonett and Price: one language gives one answer a row, the mean over two of them two."""
    columns = ["01011110", "11001111"]
    result = right_or_wrong(deactivated=[columns])
    falls = [[1 - float(column[row]) for column in columns] for row in range(8)]
    by_language = [([row[g] for row in falls], 1) for g in range(2)]
    for g, (values, cells) in enumerate([*by_language, ([sum(row) / 2 for row in falls], 2)]):
        score = result.effects("exact")[0][g].deactivated
        middle, squares = sum(values) / 10, sum(value**2 for value in values) + 2 / cells
        half = 2.364624 * math.sqrt((squares / 10 - middle**2) / 10)
        assert (score.value, score.low, score.high) == pytest.approx((sum(values) / 8, middle - half, middle + half))


def test_levels_of_rows_that_are_all_alike_are_of_all_their_answers() -> None:
    """Wilson's interval of a half: of 8 rows with an answer in each of two languages, in two draws, or in both."""

    def wilson(answers: int) -> tuple[float, float, float]:
        z = 1.959964
        half = z * math.sqrt(0.25 / answers + z**2 / (4 * answers**2)) / (1 + z**2 / answers)
        return 0.5, 0.5 - half, 0.5 + half

    one, other = "10101010", "01010101"
    result = right_or_wrong(baseline=[[one, other]], deactivated=[[one, other]], random=[[one, other], [other, one]])
    levels = result.levels("exact")
    for name, language, answers in (
        ("on", 2, 16), ("all-shared", 2, 16), ("random: all-shared", 0, 16), ("random: all-shared", 2, 32),
    ):  # fmt: skip
        score = levels[name][language]
        assert (score.value, score.low, score.high) == pytest.approx(wilson(answers), abs=1e-6)


def test_every_number_stands_under_its_title() -> None:
    result = simulated(seed=3)
    section = section_of(result)
    tables = {table.key: table for table in section.all_tables()}

    def cells(key: str) -> list[dict[str, object]]:
        table = tables[key]
        return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]

    def rounded(value: float) -> float:
        return float(f"{value:.6g}")

    effects = result.mean_effects("log_probability")
    for row, own in zip(cells("fall-by-category"), cells("fall-per-thousand"), strict=True):
        effect = effects[str(row["category"])]
        for title, score in (
            ("fall", effect.deactivated), ("random", effect.random), ("beyond random", effect.beyond_random),
        ):  # fmt: skip
            found = [row[name] for name in (title, f"{title}, low", f"{title}, high")]
            assert found == [rounded(end) for end in (score.value, score.low, score.high)]
        assert own["fall"] == rounded(effect.per_thousand.value)
        assert own["random"] == rounded(effect.random_per_thousand.value)
    _, adjusted = result.adjusted_tests()
    for row in cells("mcnemar-by-language"):
        test = adjusted["option"][str(row["category"])].by_language[result.languages.index(str(row["language"]))]
        assert (row["became wrong"], row["became right"]) == (test.fell, test.rose)
    uneven = replace(result, sizes=result.sizes * torch.tensor([1, 2, 3], dtype=torch.int32))
    for row in next(t for t in section_of(uneven).all_tables() if t.key == "sizes-by-layer").rows:
        place = CATEGORIES.index(row[1])
        assert row[2] == int(result.sizes[place, 0, 0]) * (1 + int(str(row[0]).split()[-1]))
    assert section.summary is not None
    assert [row[4] for row in section.summary.rows] == [
        number(result.levels("option")[name][-1].value) for name in CATEGORIES
    ]
    assert any(number(result.levels("option")[row[0]][0].value) != row[4] for row in section.summary.rows)
