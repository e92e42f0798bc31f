"""Numbers of the smaller sections stand under their titles: each is one that its neighbours cannot be."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from neuroglot.activity.sharing import Sharing
from neuroglot.interventions.compacting import Cost
from neuroglot.layout import Layout
from neuroglot.metrics.identification import LanguageForcing
from neuroglot.metrics.intervals import Score, holm
from neuroglot.metrics.losses import LossCurve
from neuroglot.metrics.prompts import Counted, PromptComparison, SettingResult
from neuroglot.metrics.sharing import category_shares, change_of_shares, constant_shares, expected_shares
from neuroglot.metrics.texts.scoring import Comparison, TextScore
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.neurons.categories import CATEGORIES, repetition_histogram
from neuroglot.neurons.comparing import SharingChange
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.reports.parts import Section
from neuroglot.reports.section import section_of, section_of_several
from neuroglot.reports.sections.change import _sentence
from neuroglot.reports.sections.compaction import compaction_section
from neuroglot.reports.sections.scoring import scores_section
from neuroglot.reports.tables import Table
from neuroglot.reports.wording import number, percent
from neuroglot.signature import Signature
from tests.reports import making
from tests.specialization.making import random_masks

LANGUAGES = ("en", "de", "fr")


def cells_of(table: Table) -> list[dict[str, object]]:
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]


def table_of(section: Section, key: str) -> list[dict[str, object]]:
    return cells_of(next(table for table in section.all_tables() if table.key == key))


def near(values: Sequence[float]) -> object:
    return pytest.approx(list(values), rel=1e-4)


def test_a_training_has_its_first_and_last_loss_and_the_ends_of_each_window() -> None:
    losses = tuple(3 - 0.02 * step + 0.3 * (step % 2) for step in range(84))
    section = section_of(LossCurve(losses, Signature(), dropped={"too long": 2}))
    assert f"{number(losses[0])} nats per learned token in the first step and {number(losses[-1])}" in section.sentence
    assert section.remarks == ("2 examples left out: too long.",)
    rows = table_of(section, "loss-by-step")
    assert [(row["first step"], row["last step"]) for row in rows[:2]] == [(1, 3), (4, 6)]
    for row in rows:
        part = losses[row["first step"] - 1 : row["last step"]]  # type: ignore[operator, misc]
        assert [row["mean loss"], row["least"], row["most"]] == near([sum(part) / len(part), min(part), max(part)])
    (figure,) = section.figures
    ticks = [trace["x"] for trace in figure.plots[0].spec.data if "x" in trace]
    assert [str(row["last step"]) for row in rows] in [list(map(str, places)) for places in ticks]


def test_an_identification_has_each_candidate_under_its_code() -> None:
    says = {"de": ("de", "und", "en"), "en": ("en", "en", "und")}
    forcing = LanguageForcing(("de", "en"), ("a", "b", "c"), ("de", "en", "fr"), says, Signature())
    section = section_of(forcing)
    rows = table_of(section, "identified")
    for row in rows:
        texts = says[str(row["language"])]
        assert [row[f"found {code}"] for code in ("de", "en", "fr", "und")] == [
            texts.count(code) for code in ("de", "en", "fr", "und")
        ]
    assert [line.partition("(")[2] for line in section.lines] == ["found: de 1, en 1, und 1)", "found: en 2, und 1)"]


def uneven_sharing(seed: int = 0) -> Sharing:
    """Its layers differ in all categories."""
    made, generator = making.sharing(LANGUAGES, layers=3, width=24, rows=9), torch.Generator().manual_seed(seed)
    chance = torch.linspace(0.1, 0.9, 3).repeat_interleave(24) + 0.1 * torch.rand(72, generator=generator)
    active = torch.rand(9, 3, 72, generator=generator) < chance
    active[..., ::24] = True  # on every row all-shared
    count = active.sum(1)
    histogram = torch.stack([(count == shared).sum(0) for shared in range(4)])
    by_row = torch.stack([(count.view(9, 3, 24) == shared).sum(2) for shared in range(4)], dim=2).int()
    by_language = made.layout.sum_by_layer(active.long()).transpose(1, 2).int()
    return Sharing(
        made.layout, LANGUAGES, made.recording, histogram, active.sum(0), by_row, by_language, made.signature
    )


def test_sharing_has_chance_and_constancy_of_the_layer_they_stand_beside() -> None:
    sharing = uneven_sharing()
    section = section_of(sharing)
    observed, chance, always = category_shares(sharing), expected_shares(sharing), constant_shares(sharing)
    for key, beside, column in (
        ("sharing-by-layer", chance, "if independent"), ("repetition", always, "every row"),
    ):  # fmt: skip
        rows = table_of(section, key)
        assert len(rows) == 12
        for place, row in enumerate(rows):
            depth, kind = divmod(place, 4)
            assert row["category"] == CATEGORIES[kind]
            assert row[column] == pytest.approx(beside.by_layer[kind][depth], rel=1e-4)
            name = "observed" if key == "sharing-by-layer" else "mean over rows"
            assert row[name] == pytest.approx(observed.by_layer[kind][depth].value, rel=1e-4)
    assert f"{percent(chance.overall[0])} would fire in all" in section.sentence
    counts = repetition_histogram(sharing, 10)
    rows = table_of(section, "repetition-histogram")
    names = ["never"] + [f"{10 * tenth}–{10 * tenth + 10}% of rows" for tenth in range(10)]
    assert [row["share of rows"] for row in rows] == names
    assert [row[CATEGORIES[1]] for row in rows] == counts[1].tolist()


def test_thresholds_are_told_with_the_shares_at_them() -> None:
    low = uneven_sharing()
    high = replace(uneven_sharing(1), recording=replace(low.recording, fires=(0.5,)))
    sentence = section_of_several(low, (low, high)).sentence
    first, last = (percent(category_shares(made).overall[0].value) for made in (low, high))
    assert first != last
    assert sentence == f"Above a threshold of 0, {first} of the neurons are all-shared; above 0.5, {last}."


def test_every_clear_change_is_named_in_the_sentence() -> None:
    overall = [Score(2.0, 1.0, 3.0), Score(-4.0, -5.0, -3.0), Score(0.5, -1.0, 2.0), Score(0.1, 0.0, 0.2)]
    assert _sentence(["old", "new"], overall, [1, -1, 0, 0], 1) == (
        "On 1 parallel row, new has more all-shared neurons (+2.00 [1.00, 3.00]) and fewer partial-shared neurons "
        "(−4.00 [−5.00, −3.00]) than old, in percentage points of all neurons; no clear difference in specific and "
        "non-activated ones."
    )
    assert _sentence(["old", "new"], overall, [0] * 4, 2).endswith("is clearly larger or smaller in new than in old.")


def test_a_change_is_of_the_second_model_against_the_first_layer_by_layer() -> None:
    before, after = (
        replace(uneven_sharing(seed), signature=making.SIGNATURE.without("model") | Signature.of(model=name))
        for seed, name in enumerate(("old", "new"))
    )
    change = SharingChange(before, after)
    points = change_of_shares(change)
    section = section_of(change)
    assert section.sentence == (
        "On 9 parallel rows, no category of neurons is clearly larger or smaller in new than in old."
    )
    assert section.signature["model"] == "old and new"
    overall = table_of(section, "sharing-change-overall")
    assert [row["change"] for row in overall] == pytest.approx([score.value for score in points.overall], rel=1e-4)
    for place, row in enumerate(table_of(section, "sharing-change")):
        depth, kind = divmod(place, 4)
        score = points.by_layer[kind][depth]
        numbers = zip(("change", "change, low", "change, high"), (score.value, score.low, score.high), strict=True)
        for name, value in numbers:
            assert row[name] == (None if math.isnan(value) else pytest.approx(value, rel=1e-4, abs=1e-9))


def test_masks_have_the_share_that_they_keep_and_its_ends_in_the_sentence() -> None:
    layout = making.layout_of(3, 20)
    masks = random_masks(layout)
    kept = masks.kept.clone()
    kept[1] &= torch.arange(60) % 3 == 0
    masks = replace(masks, kept=kept)
    section = section_of(masks)
    sizes = kept.sum(1).tolist()
    assert f"keep {percent(min(sizes) / 60)} to {percent(max(sizes) / 60)}" in section.sentence
    rows = table_of(section, "masks-by-layer")
    for place, row in enumerate(rows):
        direction, depth = divmod(place, 3)
        size = int(kept[direction, 20 * depth : 20 * depth + 20].sum())
        assert (row["neurons kept"], row["share"]) == (size, pytest.approx(size / 20, rel=1e-4))
    (plot,) = section.figures[0].plots
    (drawn,) = [trace["z"] for trace in plot.spec.data if trace["type"] == "heatmap"]
    assert [value for line in drawn for value in line] == near([row["share"] for row in rows])  # type: ignore[misc]


def test_a_compaction_has_before_and_after_in_their_columns() -> None:
    costs = {"before": Cost(0.08, 1000, 4000, None), "after": Cost(0.02, 600, 2400, None)}
    compacted = SimpleNamespace(widths=(7, 9))
    section = compaction_section(compacted, making.layout_of(2, 24), costs, Signature())  # type: ignore[arg-type]
    rows = {row["of"]: row for row in table_of(section, "compacted")}
    assert [rows["bytes"][name] for name in ("before", "after", "after over before")] == [4000, 2400, 0.6]
    assert [rows["one forward"][name] for name in ("before", "after", "after over before")] == near([80, 20, 0.25])
    widths = table_of(section, "compacted-layers")
    assert [(row["neurons before"], row["neurons after"]) for row in widths] == [(24, 7), (24, 9)]
    assert "60" in section.sentence.split("which is")[1]


def text_score(value: float, p: float) -> TextScore:
    beside = Comparison(value - 3, Score(3.0, 1.0, 5.0), p, "exchange of systems")
    return TextScore("bleu", Score(value, value - 2, value + 1), Signature(), "", 8, beside)


def test_scores_have_the_ends_of_their_difference_and_count_what_holm_leaves() -> None:
    p_values = [0.01, 0.03, 0.04]
    scores = {f"s{place}": [text_score(30 + place, p)] for place, p in enumerate(p_values)}
    section = scores_section(scores, Signature(), "direction", "the baseline")
    for row, p in zip(table_of(section, "scores-of-texts"), p_values, strict=True):
        assert [row["difference"], row["difference, low"], row["difference, high"], row["p"]] == [3, 1, 5, p]
        assert [row["low"], row["high"]] == [row["score"] - 2, row["score"] + 1]  # type: ignore[operator]
    told = sum(p <= 0.05 for p in holm(p_values))
    assert told == 1
    assert f"{told} of 3 differences are told from none (Holm)" in section.sentence


def test_systems_of_translation_stand_less_the_base_then_less_random_then_seed_by_seed() -> None:
    shape, generator = (2, 6, 3, 1), making.random(3)  # seeds, rows, directions
    means = {"continued": 20.0, "specialized": 27.0, "random": 22.0}
    systems = {name: mean + torch.rand(shape, generator=generator).double() for name, mean in means.items()}
    overlap = torch.tensor([[0.3, 0.5], [0.4, 0.7]], dtype=torch.float64)  # seeds, layers
    removed = torch.tensor([[0.05, 0.1], [0.06, 0.2]], dtype=torch.float64)
    counted = {name: torch.cat([score, torch.ones_like(score)], -1) for name, score in systems.items()}
    comparison = TranslationComparison(
        "BLEU", "points", lambda counts: counts[..., 0] / counts[..., 1], ("en-de", "de-en", "fr-en"), counted,
        ("encoder 0", "decoder 0"), overlap, removed, Signature(),
    )  # fmt: skip
    section = section_of(comparison)
    rows = {str(row["system"]): row for row in table_of(section, "score-by-system")}
    mean = {name: float(score.mean()) for name, score in systems.items()}
    for name, row in rows.items():
        assert row["BLEU"] == pytest.approx(mean[name], rel=1e-4)
        for base in ("continued", "random"):
            expected = None if name == base else pytest.approx(mean[name] - mean[base], rel=1e-4)
            assert row[f"less {base}"] == expected
        assert [row["seed 1 of 2"], row["seed 2 of 2"]] == near(systems[name].mean((1, 2, 3)).tolist())
    for place, row in enumerate(table_of(section, "overlap-by-layer")):
        for name, values in (("intersection over union", overlap[:, place]), ("removed", removed[:, place])):
            numbers = [row[name], row[f"{name}, low"], row[f"{name}, high"]]
            assert numbers == near([float(values.mean()), float(values.min()), float(values.max())])


def test_prompts_have_the_zeros_and_the_shift_of_each_layer() -> None:
    layout, rows = making.layout_of(2, 10), 4

    def setting(fired: list[int], zeros: list[float]) -> SettingResult:
        tokens = torch.full((rows, 1), 5)
        counted = Counted(torch.tensor(fired).expand(rows, 1, 2), tokens)
        return SettingResult(
            torch.ones(rows, 1, 1), {"steps": counted}, torch.arange(20), torch.tensor(zeros), 3 * tokens, tokens
        )

    settings = {"direct": setting([10, 20], [0.1, 0.2]), "pmi-2": setting([25, 15], [0.3, 0.4])}
    comparison = PromptComparison(
        "lab", "task", ("de",), layout, "accuracy", "%", lambda counts: counts[..., 0], settings, Signature()
    )
    section = section_of(comparison)
    cells = table_of(section, "activated-by-layer")
    assert [cell["exact zeros"] for cell in cells] == near([0.1, 0.2, 0.3, 0.4])
    assert [cell["activated"] for cell in cells] == near([0.2, 0.4, 0.5, 0.3])  # of 5 tokens × 10 neurons
    (figure,) = (figure for figure in section.figures if figure.key == "activated-by-layer")
    (shift,) = [trace["z"] for trace in figure.plots[0].spec.data if "z" in trace]
    assert list(shift[0]) == near([30.0, -10.0])  # percentage points, with more languages than without


def test_neuron_sets_lie_where_they_have_most_neurons() -> None:
    layout = Layout((("decoder", (10, 20, 40)),))
    own = NeuronSet.of(layout, {("decoder", 0): [1], ("decoder", 1): range(5), ("decoder", 2): [3]})
    other = NeuronSet.of(layout, {("decoder", 1): [2, 7], ("decoder", 2): [0]})
    rows = table_of(section_of(own), "neuron-set")
    assert [(row["neurons"], row["layer width"]) for row in rows] == [(1, 10), (5, 20), (1, 40)]
    assert [row["share"] for row in rows] == near([0.1, 0.25, 0.025])
    sentence = section_of({"de": own, "en": other}).sentence
    assert f"No layer holds more of the sets' neurons than layer 1, with {percent(7 / 10)}." in sentence
