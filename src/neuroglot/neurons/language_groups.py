"""Languages by family and by amount of training text, as EC30 has them; and whether neurons cluster by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError

# EC30 (Tan et al. 2024): English with thirty languages, five families of six, two of each at each amount. The published
# grouping, in which Kannada, a Dravidian language, stands with the Indo-Aryan ones.
FAMILIES: Mapping[str, tuple[str, ...]] = {
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
    overlap: Tensor, languages: Sequence[str], families: Mapping[str, Sequence[str]] = FAMILIES, *, draws: int = 2000,
    seed: int = 0,
) -> FamilyTest:  # fmt: skip
    """Whether directions of one family share more neurons, from the overlap `[G, G]` of one layer or a mean of layers.

    `languages[g]` is the other language of direction g than the pivot. p = (1 + draws with as large a difference) /
    (1 + draws). Raises `ConfigError` for a language of no family, and where no two languages share one or differ in it.
    """
    of_language = {code: family for family, codes in families.items() for code in codes}
    unknown = [code for code in languages if code not in of_language]
    if unknown or overlap.shape != (len(languages),) * 2:
        raise ConfigError(
            f"Overlaps {list(overlap.shape)} of {', '.join(languages)} were given.",
            f"Expected [G, G], each language of one of {', '.join(families)}.",
            f"Name the family of {unknown[0]}." if unknown else "",
        )
    labels = np.array([of_language[code] for code in languages])
    pairs = np.triu_indices(len(labels), 1)
    values = overlap.double().numpy()[pairs]
    same = labels[pairs[0]] == labels[pairs[1]]
    if same.all() or not same.any():
        raise ConfigError("All pairs of languages are alike in family.", "Expected some of one family, and some not.")
    generator, found = np.random.default_rng(seed), values[same].mean() - values[~same].mean()
    at_least = 0
    for _ in range(draws):
        dealt = generator.permutation(labels)
        drawn = dealt[pairs[0]] == dealt[pairs[1]]
        at_least += values[drawn].mean() - values[~drawn].mean() >= found - 1e-12
    return FamilyTest(float(values[same].mean()), float(values[~same].mean()), (1 + int(at_least)) / (1 + draws))


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
