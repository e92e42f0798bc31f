"""Alignment of languages against loops over sentences, and what must not change it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neuroglot.activity.text_means import record_text_means
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.metrics.alignment import Alignment, alignment
from neuroglot.models import view
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

LAYOUT = Layout((("decoder", (5, 3)),))
LANGUAGES = ("de", "sw", "zh")
SIGNED = Signature.of(made="up")


def random_states(rows: int, seed: int = 0, languages: int = 3) -> Tensor:
    """Sentences of one meaning are more alike than others, so that some are aligned and some not."""
    generator = torch.Generator().manual_seed(seed)
    meaning = torch.rand(rows, 1, LAYOUT.neuron_count, generator=generator)
    return meaning + 0.5 * torch.rand(rows, languages, LAYOUT.neuron_count, generator=generator)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def looped(states: Tensor, first: int, second: int) -> list[list[bool]]:
    """`[R][L]`: which rows two languages agree on, by the formula."""
    found = []
    for row in range(len(states)):
        by_layer = []
        for start, end in ((0, 5), (5, 8)):
            own = cosine(states[row, first, start:end].tolist(), states[row, second, start:end].tolist())
            others = [other for other in range(len(states)) if other != row]
            by_layer.append(
                all(
                    own > cosine(states[row, first, start:end].tolist(), states[j, second, start:end].tolist())
                    and own > cosine(states[j, first, start:end].tolist(), states[row, second, start:end].tolist())
                    for j in others
                )
            )
        found.append(by_layer)
    return found


def aligned(states: Tensor, languages: tuple[str, ...] = LANGUAGES) -> Alignment:
    return alignment(LAYOUT, languages, states, SIGNED)


def test_outcomes_and_scores_equal_loops() -> None:
    states = random_states(7)
    found = aligned(states)
    assert found.pairs == (("de", "sw"), ("de", "zh"), ("sw", "zh"))
    shares = []
    for pair, (first, second) in enumerate([(0, 1), (0, 2), (1, 2)]):
        expected = looped(states, first, second)
        assert found.aligned[:, :, pair].tolist() == expected
        by_layer = [sum(row[layer] for row in expected) / 7 for layer in range(2)]
        assert found.by_layer[:, pair].tolist() == pytest.approx(by_layer)
        shares.append(sum(by_layer) / 2)
        assert found.scores[found.pairs[pair]].value == pytest.approx(shares[-1])
    assert found.mean.value == pytest.approx(sum(shares) / 3)
    assert 0 < found.mean.value < 1
    assert found.signature == SIGNED


def test_the_interval_resamples_the_rows_outcomes() -> None:
    """Half of 200 rows are aligned for certain: the interval is that of a share of 0.5."""
    outcomes = torch.zeros(200, 2, 1, dtype=torch.bool)
    outcomes[::2] = True
    score = Alignment(LAYOUT, ("de", "sw"), outcomes, SIGNED).scores["de", "sw"]
    half_width = 1.96 * math.sqrt(0.25 / 200)
    assert score.value == 0.5
    assert score.low == pytest.approx(0.5 - half_width, abs=0.02)
    assert score.high == pytest.approx(0.5 + half_width, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_order_and_scale_change_nothing(rows: int, seed: int, random) -> None:  # type: ignore[no-untyped-def]
    states = random_states(rows, seed)
    order = random.sample(range(rows), rows)
    found = aligned(states).aligned
    assert torch.equal(aligned(states[order]).aligned, found[order])
    scales = torch.tensor([random.uniform(0.5, 2) for _ in range(rows * 3)]).reshape(rows, 3, 1)
    assert torch.equal(aligned(states * scales).aligned, found)
    turned = aligned(states.flip(1), LANGUAGES[::-1]).aligned  # zh-sw, zh-de, sw-de
    assert torch.equal(turned.flip(2), found)


def test_a_language_is_wholly_aligned_with_itself() -> None:
    states = random_states(6)[:, :1].expand(-1, 2, -1)
    assert aligned(states, ("de", "sw")).mean.value == 1


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_equal_sentences_tie_and_are_not_aligned(noise: float) -> None:
    states = random_states(6)[:, :1].expand(-1, 2, -1).clone()
    states[1] = states[0] * (1 + noise)
    outcomes = aligned(states, ("de", "sw")).aligned
    assert not outcomes[:2].any()
    assert outcomes[2:].all()


@pytest.mark.parametrize("nothing", [0.0, math.nan])
def test_a_sentence_without_a_state_is_like_no_other_and_harms_none(nothing: float) -> None:
    states = random_states(6)
    expected = aligned(states[1:]).aligned
    states[0] = nothing
    found = aligned(states).aligned
    assert not found[0].any()
    assert torch.equal(found[1:], expected)


def test_what_is_not_defined_is_refused() -> None:
    for rows, languages in ((1, 3), (4, 1)):
        with pytest.raises(ConfigError, match=f"{rows} row.*{languages} language.*two of each"):
            aligned(random_states(rows, languages=languages), LANGUAGES[:languages])
    with pytest.raises(LayoutMismatchError, match=r"\[4, 3, 8\].*\[R, 2, 8\]"):
        aligned(random_states(4), LANGUAGES[:2])


def test_a_model_aligns_equal_texts_in_any_batches() -> None:
    located, tokenizer, corpus = view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus(rows=8)
    german = corpus.texts["de"]
    corpus = Corpus("twice", corpus.ids, {"de": german, "nl": german, "sw": corpus.texts["sw"]})
    found = []
    for budget in (1, 4096):
        means = record_text_means(
            located, tokenizer, corpus, quantities=["magnitude"], weights="position", token_budget=budget
        )
        found.append(alignment(means.layout, means.languages, means.values["magnitude"], means.signature))
    assert len(set(german)) == 8
    assert found[0].scores["de", "nl"].value == 1
    assert found[0].scores["de", "sw"].value < 1
    assert torch.equal(found[0].aligned, found[1].aligned)


@pytest.mark.parametrize("of", ["layers", "pairs"])
def test_a_score_has_the_interval_of_all_its_outcomes(of: str) -> None:
    """Every row is aligned in half of its outcomes: 20 rows of n are worth 20 n."""
    outcomes = torch.zeros(20, 2, 3, dtype=torch.bool)
    if of == "layers":
        outcomes[:, 0] = True
        score, cells = Alignment(LAYOUT, LANGUAGES, outcomes, SIGNED).scores["de", "zh"], 2
    else:
        outcomes[:, 0] = outcomes[:, 1, 0] = True
        outcomes[:, 0, 2] = False
        score, cells = Alignment(LAYOUT, LANGUAGES, outcomes, SIGNED).mean, 6
    worth = 1.959964**2 / (20 * cells)
    half = math.sqrt(worth * 0.25 + worth**2 / 4) / (1 + worth)
    assert score.value == 0.5
    assert (score.low, score.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
