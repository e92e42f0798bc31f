"""Languages by family and by amount of training text, as EC30 has them; and whether neurons cluster by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import permutation_test
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError

# EC30 (Tan et al. 2024): English with thirty languages, five families of six, two of each at each amount. The published
# grouping, in which Kannada, a Dravidian language, stands with the Indo-Aryan ones.
LANGUAGE_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Germanic": ("de", "nl", "sv", "da", "af", "lb"),
    "Romance": ("fr", "es", "it", "pt", "ro", "oc"),
    "Slavic": ("ru", "cs", "pl", "bg", "uk", "sr"),
    "Indo-Aryan": ("hi", "bn", "kn", "mr", "sd", "gu"),
    "Afro-Asiatic": ("ar", "he", "mt", "ha", "ti", "am"),
}
RESOURCES: Mapping[str, tuple[str, ...]] = {
    "high (5 M pairs)": ("de", "nl", "fr", "es", "ru", "cs", "hi", "bn", "ar", "he"),
    "medium (1 M)": ("sv", "da", "it", "pt", "pl", "bg", "kn", "mr", "mt", "ha"),
    "low (100 k)": ("af", "lb", "ro", "oc", "uk", "sr", "sd", "gu", "ti", "am"),
}


@dataclass(frozen=True)
class FamilyTest:
    """Mean overlap of two directions whose languages are of one family, and of two of different ones; and the one-sided
    `p` of as large a difference where families are dealt to the languages at random.
    """

    within: float
    between: float
    p: float


def cluster_by_family(
    overlap: Tensor,
    languages: Sequence[str],
    families: Mapping[str, Sequence[str]] = LANGUAGE_FAMILIES,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> FamilyTest:
    """Whether directions of one family share more neurons, from the overlap `[G, G]` of one layer or a mean of layers.

    `languages[g]` is the other language of direction g than the pivot. p is the share of all ways to deal the families
    to the languages that give as large a difference; of more ways than `draws`, of so many drawn ones, the one found
    counting as a draw. Raises `ConfigError` for a language of no family, and where all pairs are alike in family.
    """
    of_language = {code: family for family, codes in families.items() for code in codes}
    unknown = [code for code in languages if code not in of_language]
    if unknown or overlap.shape != (len(languages),) * 2:
        raise ConfigError(
            f"Overlaps {list(overlap.shape)} of {', '.join(languages)} were given.",
            f"Expected [G, G], each language of one of {', '.join(families)}.",
            f"Name the family of {unknown[0]}." if unknown else "",
        )
    names = list(families)
    labels = np.array([names.index(of_language[code]) for code in languages])
    first, second = np.triu_indices(len(labels), 1)
    overlaps = overlap.double().numpy()[first, second]
    same = labels[first] == labels[second]
    if same.all() or not same.any():
        raise ConfigError("All pairs of languages are alike in family.", "Expected some of one family, and some not.")

    def difference(dealt: np.ndarray) -> float:
        within = dealt[first] == dealt[second]
        return float(overlaps[within].mean() - overlaps[~within].mean())

    test = permutation_test(
        (labels,), difference, permutation_type="pairings", alternative="greater", n_resamples=draws,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return FamilyTest(float(overlaps[same].mean()), float(overlaps[~same].mean()), float(test.pvalue))


def means_by_group(
    scores: Mapping[Direction, float], groups: Mapping[str, Sequence[str]] = RESOURCES, pivot: str = "en"
) -> dict[str, dict[str, float]]:
    """Mean score of each group out of the pivot, into it, and of both, as the published tables have it.

    Of exactly the scores given: the published means are of scores rounded to one decimal. A group without a direction
    is left out; "all" is the mean over languages. Raises `ConfigError` where no language is of a group.
    """
    found: dict[str, dict[str, float]] = {}
    everything = tuple(code for codes in groups.values() for code in codes)
    for name, codes in {**groups, "all": everything}.items():
        out = [score for direction, score in scores.items() if direction.source == pivot and direction.target in codes]
        into = [score for direction, score in scores.items() if direction.target == pivot and direction.source in codes]
        sides = {side: float(torch.tensor(of, dtype=torch.float64).mean()) for side, of in
                 (("en2x", out), ("x2en", into)) if of}  # fmt: skip
        if sides:
            found[name] = {**sides, "mean": sum(sides.values()) / len(sides)}
    if not found:
        raise ConfigError(f"Scores of {', '.join(map(str, scores))} were given.", f"Expected languages of {groups}.")
    return found
