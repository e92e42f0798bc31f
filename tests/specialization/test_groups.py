"""Families and resource groups: the published table's means, and a permutation test against all permutations."""

from itertools import permutations

import pytest
import torch

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.neurons.language_groups import LANGUAGE_FAMILIES, RESOURCES, cluster_by_family, means_by_group

# BLEU of the published NS system, the ten languages of most text (its README's table: 29.9, 33.0 and their mean)
EN_TO_X = {"de": 34.3, "nl": 24.5, "fr": 42.7, "es": 24.4, "ru": 24.4, "cs": 27.0, "hi": 41.5, "bn": 33.1, "ar": 20.7}
X_TO_EN = {"de": 38.8, "nl": 28.9, "fr": 38.4, "es": 26.2, "ru": 29.3, "cs": 34.4, "hi": 35.3, "bn": 29.9, "ar": 30.5}


def test_every_language_is_of_one_family_and_one_amount() -> None:
    families = [code for codes in LANGUAGE_FAMILIES.values() for code in codes]
    amounts = [code for codes in RESOURCES.values() for code in codes]
    assert sorted(families) == sorted(amounts)
    assert len(set(families)) == 30
    for codes in LANGUAGE_FAMILIES.values():
        assert [sum(code in codes for code in of) for of in RESOURCES.values()] == [2, 2, 2]


def test_group_means_are_plain_means() -> None:
    scores = {Direction("en", code): score for code, score in EN_TO_X.items()}
    scores |= {Direction(code, "en"): score for code, score in X_TO_EN.items()}
    found = means_by_group(scores)
    assert list(found) == ["high (5 M pairs)", "all"]
    assert found["all"]["en2x"] == pytest.approx(sum(EN_TO_X.values()) / 9)
    assert found["all"]["mean"] == pytest.approx((sum(EN_TO_X.values()) + sum(X_TO_EN.values())) / 18)
    with pytest.raises(ConfigError, match="Expected languages"):
        means_by_group({Direction("en", "sw"): 1.0})


def test_the_p_value_is_that_of_all_permutations() -> None:
    languages = ("de", "nl", "fr", "es", "ru")
    generator = torch.Generator().manual_seed(0)
    overlap = torch.rand(5, 5, generator=generator, dtype=torch.float64)
    overlap = (overlap + overlap.T) / 2
    overlap[0, 1] = overlap[1, 0] = overlap[2, 3] = overlap[3, 2] = 0.95
    families = ["G", "G", "R", "R", "S"]

    def difference(labels) -> float:
        pairs = [(a, b) for a in range(5) for b in range(a)]
        within = [float(overlap[a, b]) for a, b in pairs if labels[a] == labels[b]]
        between = [float(overlap[a, b]) for a, b in pairs if labels[a] != labels[b]]
        return sum(within) / len(within) - sum(between) / len(between)

    every = [difference(labels) >= difference(families) - 1e-12 for labels in permutations(families)]
    found = cluster_by_family(overlap, languages, draws=4000)
    assert found.within - found.between == pytest.approx(difference(families))
    assert found.p == pytest.approx(sum(every) / len(every))
    drawn = cluster_by_family(overlap, languages, draws=100)
    assert abs(drawn.p - sum(every) / len(every)) < 0.15
    for wrong in (("de", "nl", "fr", "es", "sw"), ("de", "nl", "fr", "es")):
        with pytest.raises(ConfigError):
            cluster_by_family(overlap, wrong)
    with pytest.raises(ConfigError, match="alike in family"):
        cluster_by_family(overlap[:2, :2], ("de", "nl"))
