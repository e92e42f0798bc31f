"""The artefact: contrastive targets, readings with intervals, files, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.activity.recording import Recording
from neuroglot.attribution.attribution import Attribution
from neuroglot.attribution.recording import CategoriesTally, attribute
from neuroglot.attribution.unembedding import TARGETS_KEPT, Unembedding
from neuroglot.errors import ArtifactError, ConfigError, InterventionError, UnsupportedModelError
from neuroglot.metrics.intervals import mean_scores
from neuroglot.models import view
from neuroglot.neurons.categories import CATEGORIES
from tests.attribution import oracle
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
LLAMA = view(tiny_model("llama"))


@pytest.fixture(scope="module")
def found() -> Attribution:
    return attribute(LLAMA, TOKENIZER, tiny_task(rows=7, options=3), top_share=0.1)


@pytest.mark.parametrize("options", [2, 4])
def test_a_contrastive_target_is_the_right_row_less_the_mean_wrong_one(options: int) -> None:
    task = tiny_task(rows=5, options=options)
    ours = attribute(LLAMA, TOKENIZER, task, contrastive=True)
    for row in range(5):
        for g, language in enumerate(task.languages):
            prompt = task.prompts.texts[language][row]
            tokens = [TOKENIZER(prompt + one.texts[language][row])["input_ids"][len(TOKENIZER(prompt)["input_ids"])]
                      for one in task.options]  # fmt: skip
            right = tokens.pop(task.right[row])
            wrong = torch.stack([oracle.head_row(LLAMA.model, token) for token in tokens]).mean(0)
            direction = oracle.head_row(LLAMA.model, right) - wrong
            scores = oracle.scores_of(LLAMA.model, TOKENIZER(prompt)["input_ids"], direction)
            for layer, of_layer in enumerate(scores):
                summed = float(ours.values["effective_sum"][row, g, layer].sum())
                assert summed == pytest.approx(math.fsum(effect for _, effect in of_layer), rel=1e-4, abs=1e-4)


def test_few_projections_are_kept_and_are_right() -> None:
    unembedding, layer = Unembedding(LLAMA), LLAMA.layout.layers[1]
    vectors = oracle.value_vectors(LLAMA.model)[1]
    for start in (0, 20, 0, 50):
        targets = [(token % 64, (token + 1) % 64) for token in range(start, start + 70)]
        targets = list(dict.fromkeys(targets))
        expected = torch.stack([
            vectors @ (oracle.head_row(LLAMA.model, a) - oracle.head_row(LLAMA.model, b)) for a, b in targets
        ])  # fmt: skip
        torch.testing.assert_close(unembedding.projected(layer, targets), expected, rtol=1e-4, atol=1e-5)
        assert len(unembedding._kept[layer]) <= TARGETS_KEPT


def test_projections_that_were_used_last_are_kept() -> None:
    unembedding, layer = Unembedding(LLAMA), LLAMA.layout.layers[0]
    unembedding.projected(layer, [(token, 0) for token in range(TARGETS_KEPT)])
    unembedding.projected(layer, [(0, 0), (1,)])
    assert {(0, 0), (1,)} < set(unembedding._kept[layer])
    assert (1, 0) not in unembedding._kept[layer]


def test_labels_that_repeat_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    unembedding, layer = Unembedding(LLAMA), LLAMA.layout.layers[0]
    first = unembedding.projected(layer, [(3,), (4,)])
    monkeypatch.setattr(unembedding, "directions", None)
    assert torch.equal(unembedding.projected(layer, [(4,), (3,)]), first[[1, 0]])


def test_shares_and_sizes_add_up(found: Attribution) -> None:
    assert found.neurons().sum(-1).unique().tolist() == [24]
    assert torch.allclose(found.top_shares().sum(-1), torch.ones(7, 3, 3, dtype=torch.float64))
    assert bool((found.top_shares("active") <= found.top_shares() + 1e-9).all())
    assert bool((found.neurons("active") <= found.neurons()).all())
    total = found.statistic("contribution", "sum").nansum(-1)
    torch.testing.assert_close(total, found.values["contribution_sum"].sum(-1).double(), rtol=1e-5, atol=1e-5)


def test_an_empty_type_has_no_score(found: Attribution) -> None:
    empty = found.neurons("active")[..., CATEGORIES.index("non-activated")]
    assert int(empty.sum()) == 0
    for statistic in ("sum", "mean", "max", "min"):
        for score in ("contribution", "effective"):
            for among in ("any", "active"):
                values = found.statistic(score, statistic, among)
                assert torch.equal(values.isnan(), found.neurons(among) == 0)
                assert not values.isinf().any()


def test_rows_without_a_value_are_skipped_in_means_and_intervals() -> None:
    by_row = torch.tensor([[1.0, math.nan], [math.nan, math.nan], [3.0, math.nan], [5.0, math.nan]])
    mean, nothing = mean_scores(by_row)
    half = 4.302653 * 2 / 3**0.5  # t of 2 degrees of freedom, standard deviation 2
    assert (mean.value, mean.low, mean.high) == pytest.approx((3, 3 - half, 3 + half))
    assert math.isnan(nothing.value)


def test_concentration_is_top_share_over_share(found: Attribution) -> None:
    for place, (name, (neurons, top, ratio)) in enumerate(found.concentration().items()):
        assert name == CATEGORIES[place]
        assert neurons.value == pytest.approx(float(found.neurons()[..., place].sum()) / (7 * 3 * 3 * 24))
        assert top.value == pytest.approx(float(found.top()[..., place].sum()) / (7 * 3 * sum(found.top_sizes)))
        assert ratio.value == pytest.approx(top.value / neurons.value)
        assert ratio.low <= ratio.value <= ratio.high


def test_a_file_keeps_everything(found: Attribution, tmp_path: Path) -> None:
    loaded = Attribution.load(found.save(tmp_path / "attribution.safetensors"))
    assert torch.equal(loaded.sizes, found.sizes)
    assert all(torch.equal(loaded.values[name], values) for name, values in found.values.items())
    for name in ("layout", "languages", "data", "recording", "top_share", "frozen_norm", "contrastive", "signature",
                 "dropped", "collisions", "first_tokens"):  # fmt: skip
        assert getattr(loaded, name) == getattr(found, name)
    again = loaded.save(tmp_path / "again.safetensors")
    assert again.read_bytes() == (tmp_path / "attribution.safetensors").read_bytes()


def test_foreign_and_damaged_values_are_refused(found: Attribution, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        replace(found, sizes=found.sizes + 1)
    with pytest.raises(ArtifactError):
        replace(found, values={name: found.values[name] for name in list(found.values)[1:]})
    with pytest.raises(ArtifactError):
        replace(found, languages=("de", "sw"))
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ArtifactError):
        Attribution.load(path)


def test_half_precision_gives_the_same_picture() -> None:
    task = tiny_task(rows=6)
    for name in ("llama", "gpt2", "mixtral"):
        exact, half = (
            attribute(view(tiny_model(name).to(dtype)), TOKENIZER, task, frozen_norm=True)
            for dtype in (torch.float32, torch.bfloat16)
        )
        assert int((exact.neurons() - half.neurons()).abs().sum()) < 0.1 * int(exact.neurons().sum())
        ours, theirs = (one.values["contribution_sum"].sum(-1) for one in (half, exact))
        assert bool(((ours - theirs).abs() < 0.1 * theirs).all())


def test_what_is_not_finite_is_refused_by_layer() -> None:
    model = tiny_model("llama")
    located = view(model)
    model.model.layers[1].mlp.act_fn.register_forward_hook(lambda _module, _inputs, output: output * torch.inf)
    with pytest.raises(ConfigError, match=r"Values of layer 1 \(decoder\) are not finite at \d+ tokens"):
        attribute(located, TOKENIZER, tiny_task())


def test_first_tokens_are_counted(found: Attribution) -> None:
    task = tiny_task(rows=7, options=3)
    expected = {g: len({oracle.first_token(TOKENIZER, task, g, row) for row in range(7)}) for g in task.languages}
    assert found.first_tokens == expected


def test_the_signature_names_every_option(found: Attribution) -> None:
    fields = dict(found.signature.fields)
    assert (fields["corpus"], fields["rows"], fields["site"], fields["tokens"]) == ("tiny", 7, "post_act", "last")
    assert (fields["top_share"], fields["target"], fields["final_norm"]) == (0.1, "first token of the answer", "none")
    other = attribute(LLAMA, TOKENIZER, tiny_task(rows=7, options=3), contrastive=True, frozen_norm=True).signature
    assert dict(other.fields)["final_norm"] == "frozen"
    assert "less the mean of the wrong options" in str(other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recording": Recording()}, "last token"),
        ({"recording": Recording(tokens="last", fires=(0.0, 1.0))}, "one threshold"),
        ({"top_share": 0}, "top_share=0"),
        ({"top_share": 1.5}, "top_share=1.5"),
    ],
)
def test_what_is_not_defined_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        attribute(LLAMA, TOKENIZER, tiny_task(), **options)


def test_one_language_and_other_kinds_of_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="two languages or more"):
        attribute(LLAMA, TOKENIZER, tiny_task(languages=("de",)))
    for name in ("bert", "t5"):
        with pytest.raises(UnsupportedModelError, match="Expected a decoder"):
            attribute(view(tiny_model(name)), TOKENIZER, tiny_task())


def test_a_head_of_another_width_is_refused() -> None:
    model = tiny_model("llama")
    located = view(model)
    model.lm_head = torch.nn.Linear(8, 64, bias=False)
    with pytest.raises(ConfigError, match=r"weights \[64, 8\]"):
        attribute(located, TOKENIZER, tiny_task())


def test_a_layer_that_writes_before_it_fires_is_refused() -> None:
    with pytest.raises(InterventionError, match="wrote before"):
        CategoriesTally(2, Recording.sharing_matters()).take(LLAMA.layout.layers[0])


def test_negative_thresholds_and_uncounted_special_tokens_are_as_said() -> None:
    task = tiny_task(rows=3)
    low = attribute(LLAMA, TOKENIZER, task, recording=Recording(tokens="last", fires=(-1e9,)))
    assert low.neurons()[..., 0].unique().tolist() == [24]
    plain = attribute(LLAMA, TOKENIZER, task, recording=Recording(tokens="last"))
    special = attribute(LLAMA, TOKENIZER, task)
    assert torch.equal(plain.sizes, special.sizes)  # the last token is a word
