"""Transforms against plain formulas, and the equations that they rest on (E1 to E6, our reconstruction)."""

import json
import math
import random
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, TemperatureLogitsWarper

from neuroglot.decisions.fitting import Fitted, best_by, fit_transform
from neuroglot.decisions.transforms import (
    BradleyTerry,
    Chain,
    Epsilon,
    Inversion,
    Power,
    Ranks,
    Softmax,
    TopK,
    TopP,
    Transformed,
)
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.signature import Signature

DOUBLE = {"dtype": torch.float64}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **DOUBLE)


def plain_softmax(values: list[float]) -> list[float]:
    weights = [math.exp(value) for value in values]
    return [weight / sum(weights) for weight in weights]


# ---- each transform


def test_every_transform_gives_probabilities_and_none_to_what_is_no_candidate() -> None:
    utilities = normal(3, 6)
    utilities[1, 4:] = -torch.inf
    inversion = Inversion(tuple([0.0] * 6), tuple([1 / 6] * 6), 50.0)
    for transform in (
        Softmax(),
        Power(2.0),
        BradleyTerry(2.0, 3.0),
        Ranks(1.5),
        TopK(2),
        TopP(0.7),
        Epsilon(0.2),
        inversion,
    ):
        probabilities = transform(utilities).exp()
        assert torch.allclose(probabilities.sum(-1), torch.ones(3, **DOUBLE))
        assert probabilities[1, 4:].tolist() == [0, 0]


def test_a_power_of_next_tokens_is_a_temperature() -> None:
    scores = normal(4, 9)
    for beta in (0.5, 1.0, 3.0):
        warmed = TemperatureLogitsWarper(1 / beta)(None, scores).log_softmax(-1)
        assert torch.allclose(Power(beta)(scores), warmed, rtol=0, atol=1e-12)


def test_a_power_divides_by_the_length() -> None:
    utilities, lengths = torch.tensor([-1.0, -2.0, -5.0], **DOUBLE), torch.tensor([1, 2, 4])
    weights = [math.exp(0.5 * u) / n**0.75 for u, n in zip([-1, -2, -5], [1, 2, 4])]
    expected = [weight / sum(weights) for weight in weights]
    assert Power(0.5, 0.75)(utilities, lengths).exp().tolist() == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ConfigError, match="lengths"):
        Power(0.5, 0.75)(utilities)


def test_bradley_terry_is_the_mean_rate_of_wins() -> None:
    utilities = [0.3, -1.2, 2.0, 0.3]
    wins = [sum(1 / (1 + math.exp(-1.5 * (a - b))) for b in utilities) / 4 for a in utilities]
    weights = [win**2 for win in wins]
    expected = [weight / sum(weights) for weight in weights]
    given = torch.tensor(utilities, **DOUBLE)
    assert BradleyTerry(1.5, 2.0)(given).exp().tolist() == pytest.approx(expected, abs=1e-12)
    longer = torch.cat([given, torch.tensor([-torch.inf], **DOUBLE)])  # what is no candidate is no opponent
    assert BradleyTerry(1.5, 2.0)(longer).exp().tolist() == pytest.approx([*expected, 0], abs=1e-12)
    with pytest.raises(ConfigError, match="pairs"):
        BradleyTerry()(torch.zeros(5000))


def test_ranks_read_only_the_order_and_share_ties() -> None:
    utilities = torch.tensor([0.3, -1.2, 2.0, 0.3, -torch.inf], **DOUBLE)
    weights = [2.5**-2, 4**-2, 1, 2.5**-2]
    expected = [*(weight / sum(weights) for weight in weights), 0]
    assert Ranks(2.0)(utilities).exp().tolist() == pytest.approx(expected, abs=1e-12)
    assert torch.equal(
        Ranks(2.0)(utilities.exp() * 3 - 1), Ranks(2.0)(torch.tensor([0.3, -1.2, 2.0, 0.3, -9.0], **DOUBLE))
    )


def test_truncations_keep_the_likeliest() -> None:
    probabilities = torch.tensor([0.5, 0.25, 0.15, 0.1], **DOUBLE)
    for transform, kept in ((TopK(2), 2), (TopP(0.8), 3), (Epsilon(0.12), 3), (Epsilon(0.3), 1)):
        expected = [p / sum(probabilities[:kept].tolist()) for p in probabilities[:kept].tolist()] + [0] * (4 - kept)
        assert transform(probabilities.log()).exp().tolist() == pytest.approx(expected, abs=1e-12)


def test_a_chain_is_one_transform_after_another() -> None:
    scores = normal(2, 8)
    assert torch.allclose(Chain((Power(2.0), TopK(3)))(scores), TopK(3)(2 * scores))


def test_a_processor_applies_the_transform_to_next_tokens() -> None:
    config = LlamaConfig(
        vocab_size=12, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, pad_token_id=0
    )
    torch.manual_seed(0)
    model, prompt = LlamaForCausalLM(config).eval(), torch.tensor([[3, 4, 5]])
    options = {"max_new_tokens": 1, "output_scores": True, "return_dict_in_generate": True, "do_sample": False}
    plain = model.generate(prompt, **options).scores[0]
    changed = model.generate(prompt, logits_processor=[Transformed(Ranks(1.0))], **options).scores[0]
    assert torch.allclose(changed, Ranks(1.0)(plain))


# ---- E1 to E6


def test_e1_the_gradient_raises_the_choice_and_lowers_what_the_model_would_choose() -> None:
    weights, state = normal(5, 3).requires_grad_(), normal(3, seed=1)
    (-(weights @ state).log_softmax(-1)[2]).backward()
    p = plain_softmax((weights @ state).tolist())
    expected = [[((y == 2) - p[y]) * float(state[j]) for j in range(3)] for y in range(5)]
    assert torch.allclose(-weights.grad, torch.tensor(expected, **DOUBLE), rtol=0, atol=1e-10)


def trained(draws: list[int], size: int, rate: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A table of utilities after SGD by autograd: u₀, u_K and the mean softmax."""
    start = normal(size, seed=3)
    utilities, mean = start.clone().requires_grad_(), torch.zeros(size, **DOUBLE)
    optimizer = torch.optim.SGD([utilities], lr=rate)
    for draw in draws:
        mean += utilities.detach().softmax(-1) / len(draws)
        optimizer.zero_grad()
        (-utilities.log_softmax(-1)[draw]).backward()
        optimizer.step()
    return start, utilities.detach(), mean


def test_e2_a_step_of_a_table_keeps_the_sum() -> None:
    start, after, _ = trained([1], 4, 0.3)
    p = plain_softmax(start.tolist())
    expected = [u + 0.3 * ((y == 1) - p[y]) for y, u in enumerate(start.tolist())]
    assert after.tolist() == pytest.approx(expected, abs=1e-10)
    assert float(trained([1, 0, 3, 3, 2] * 20, 4, 0.3)[1].sum()) == pytest.approx(float(start.sum()), abs=1e-10)


def test_e3_the_mean_drift_by_enumeration() -> None:
    data, rate = [0.5, 0.3, 0.2], 0.7
    start = normal(3, seed=3)
    p = plain_softmax(start.tolist())
    drift = sum(data[y] * (trained([y], 3, rate)[1] - start) for y in range(3))
    assert drift.tolist() == pytest.approx([rate * (data[y] - p[y]) for y in range(3)], abs=1e-10)
    for a, b in product(range(3), repeat=2):
        assert (float(drift[a] - drift[b]) > 1e-12) == (data[a] - data[b] > p[a] - p[b] + 1e-12)


def test_e4_the_inverted_trajectory_is_the_empirical_frequency() -> None:
    draws = random.Random(0).choices(range(6), [8, 5, 3, 2, 1, 1], k=400)
    start, utilities, mean = trained(draws, 6, 0.5)
    frequency = [draws.count(y) / len(draws) for y in range(6)]
    inversion = Inversion(tuple(start.tolist()), tuple(mean.tolist()), 0.5 * len(draws))
    assert len(repr(inversion)) < 80  # it stands in signatures, and its numbers by their hash
    assert repr(inversion) != repr(replace(inversion, start=(9.0, *inversion.start[1:])))
    assert inversion(utilities).exp().tolist() == pytest.approx(frequency, abs=1e-10)
    assert max(abs(p - q) for p, q in zip(plain_softmax(utilities.tolist()), frequency)) > 0.02  # the softmax is not


def test_e5_one_reference_a_source_has_no_finite_fixed_point() -> None:
    gaps = []
    for steps in (10, 100, 1000, 4000):
        _, utilities, _ = trained([2] * steps, 5, 0.5)
        gaps.append(float(utilities[2] - utilities.sum().sub(utilities[2]) / 4))
    assert all(after > before + 1 for before, after in pairwise(gaps))
    certain = fit_transform("temperature", torch.tensor([[0.0, 1.0], [0.5, 2.0], [0.0, 3.0]]), torch.tensor([1, 1, 1]))
    assert math.isnan(certain.intervals["beta"].low)
    assert certain.transform.beta > 20


def table(seed: int) -> torch.Tensor:
    """Log-probabilities of the next of 3 tokens after each prefix, `[prefix, 3]`; a text has 3 tokens."""
    return normal(1 + 3 + 9, 3, seed=seed).mul(2).log_softmax(-1)


def text_scores(steps: torch.Tensor, beta: float = 1.0) -> dict[tuple[int, ...], float]:
    steps = (beta * steps).log_softmax(-1)
    return {
        (a, b, c): float(steps[0, a] + steps[1 + a, b] + steps[4 + 3 * a + b, c])
        for a, b, c in product(range(3), repeat=3)
    }


def greedy_text(steps: torch.Tensor) -> tuple[int, ...]:
    a = int(steps[0].argmax())
    b = int(steps[1 + a].argmax())
    return a, b, int(steps[4 + 3 * a + b].argmax())


def test_e6_maps_of_the_final_score_keep_the_order_and_powers_of_tokens_keep_greedy_only() -> None:
    changed = 0
    for seed in range(60):
        steps = table(seed)
        scores = text_scores(steps)
        utilities = torch.tensor(list(scores.values()), **DOUBLE)
        for transform in (Power(0.4), Power(3.0), BradleyTerry(2.0, 0.5), Ranks(1.0)):
            assert transform(utilities).argsort(descending=True).tolist() == utilities.argsort(descending=True).tolist()
        assert greedy_text(Power(0.3)(steps)) == greedy_text(steps)
        flat = text_scores(steps, 0.3)
        changed += max(flat, key=flat.get) != max(scores, key=scores.get)
    assert 1 <= changed <= 30


# ---- fits


def simulated(rows: int, make, size: int = 5, seed: int = 0, lengths: torch.Tensor | None = None):
    utilities = normal(rows, size, seed=seed)
    probabilities = make(utilities, lengths).exp()
    generator = torch.Generator().manual_seed(seed + 1)
    return utilities, probabilities.multinomial(1, generator=generator)[:, 0]


def test_a_fit_is_the_smallest_loss_on_a_grid() -> None:
    utilities, chosen = simulated(300, Power(2.0))
    fitted = fit_transform("temperature", utilities, chosen)

    def loss(beta: float) -> float:
        rows = zip(utilities.tolist(), chosen.tolist())
        return sum(-math.log(plain_softmax([beta * u for u in row])[y]) for row, y in rows) / 300

    best = min((beta / 1000 for beta in range(1000, 3200)), key=loss)
    assert fitted.transform.beta == pytest.approx(best, abs=1e-3)
    assert fitted.loss == pytest.approx(loss(fitted.transform.beta), abs=1e-12)


@pytest.mark.parametrize(
    ("family", "truth"),
    [("temperature", Power(1.7)), ("bradley-terry", BradleyTerry(1.0, 3.0)), ("ranks", Ranks(1.4))],
)
def test_a_fit_finds_the_parameters_that_made_the_choices(family, truth) -> None:
    fitted = fit_transform(family, *simulated(3000, truth))
    for name, score in fitted.intervals.items():
        assert getattr(truth, name) / 1.1 < score.value < getattr(truth, name) * 1.1
        assert score.low < score.value < score.high


def test_a_power_with_length_finds_both_and_needs_lengths() -> None:
    lengths = torch.randint(1, 30, (2000, 5), generator=torch.Generator().manual_seed(5))
    utilities, chosen = simulated(2000, Power(1.5, 0.8), lengths=lengths)
    fitted = fit_transform("power", utilities, chosen, lengths)
    assert fitted.intervals["beta"].value == pytest.approx(1.5, abs=0.15)
    assert fitted.intervals["alpha"].value == pytest.approx(0.8, abs=0.15)
    with pytest.raises(ConfigError, match="without lengths"):
        fit_transform("power", utilities, chosen)


def test_the_interval_is_that_of_fits_without_each_row() -> None:
    utilities, chosen = simulated(60, Power(1.5))
    rows = list(range(60))
    logs = [
        math.log(fit_transform("temperature", utilities[kept], chosen[kept]).transform.beta)
        for row in rows
        if (kept := [other for other in rows if other != row])
    ]
    mean = sum(logs) / 60
    deviation = math.sqrt(59 / 60 * sum((value - mean) ** 2 for value in logs))
    score = fit_transform("temperature", utilities, chosen).intervals["beta"]
    assert (math.log(score.high) - math.log(score.low)) / 2 / 2.001 == pytest.approx(
        deviation, rel=0.05
    )  # one step of Newton's method


@pytest.mark.parametrize(("family", "truth"), [("temperature", Power(1.7)), ("bradley-terry", BradleyTerry(1.0, 3.0))])
def test_intervals_of_95_percent_hold_the_truth_in_92_to_98(family, truth) -> None:
    """The whole table is `python -m benchmarks.decisions`."""
    name = "beta" if family == "temperature" else "kappa"
    fits = [fit_transform(family, *simulated(60, truth, seed=2 * seed)).intervals[name] for seed in range(400)]
    assert 0.92 < sum(score.low <= getattr(truth, name) <= score.high for score in fits) / 400 < 0.98


def test_choices_that_cannot_be_fitted_are_refused() -> None:
    utilities = normal(4, 3)
    for family, given, chosen in (
        ("gamma", utilities, [0, 1, 2, 0]), ("ranks", utilities, [0, 1, 3, 0]), ("ranks", utilities[:2], [0, 1]),
        ("ranks", utilities.masked_fill(utilities > 0, -torch.inf), utilities.argmax(-1).tolist()),
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            fit_transform(family, given, torch.tensor(chosen))


def test_the_rules_own_metric_may_choose_and_the_first_of_equal_ones_wins() -> None:
    assert best_by(lambda transform: -abs(transform.beta - 2), [Power(1.0), Power(3.0), Power(5.0)]) == Power(1.0)
    with pytest.raises(ConfigError):
        best_by(lambda transform: 0.0, [])


def test_a_fitted_transform_is_kept_as_json(tmp_path) -> None:
    utilities, chosen = simulated(50, Power(2.0))
    fitted = fit_transform("temperature", utilities, chosen, signature=Signature.of(data="x"))
    loaded = Fitted.load(fitted.save(tmp_path / "fitted.json"))
    assert loaded == fitted
    assert loaded.signature["origin"] == "our reconstruction"
    assert torch.equal(loaded.transform(utilities), fitted.transform(utilities))
    inverted = Fitted(Inversion((0.0, 1.0), (0.5, 0.5), 3.0), {}, 0.5, 2, Signature())
    assert Fitted.load(inverted.save(tmp_path / "inverted.json")) == inverted


@pytest.mark.parametrize(
    "change",
    [{"kind": "none"}, {"parameters": {"beta": 1.0}}, {"parameters": {"beta": "1", "alpha": 0.0}}, {"format": "0"},
     {"parameters": {"beta": -1.0, "alpha": 0.0}}, {"rows": True}, {"intervals": {"beta": {"value": "1"}}},
     {"parameters": {"beta": 0, "alpha": 0.0}}, {"parameters": {"beta": -2, "alpha": 0.0}},
     {"parameters": {"beta": 1e308, "alpha": 0.0}}, {"parameters": {"beta": 10**400, "alpha": 0.0}},
     {"parameters": {"beta": [1.0, 2.0], "alpha": 0.0}}, {"kind": "ranks", "parameters": {"kappa": -1.0}},
     {"kind": "bradley-terry", "parameters": {"beta": -1.0, "kappa": 1.0}},
     {"kind": "bradley-terry", "parameters": {"beta": 1.0, "kappa": 0}}, {"kind": "top-k", "parameters": {"k": 2.5}},
     {"kind": "top-k", "parameters": {"k": 0}}, {"kind": "top-p", "parameters": {"p": 2.0}},
     {"kind": "epsilon", "parameters": {"least": 5}}, {"loss": 10**400},
     {"kind": "inversion", "parameters": {"start": [None], "mean_choice": [1.0], "total_rate": 1.0}}],
)  # fmt: skip
def test_another_file_is_refused(tmp_path, change) -> None:
    path = fit_transform("temperature", *simulated(50, Power(2.0))).save(tmp_path / "fitted.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match="no fitted transform"):
        Fitted.load(path)
