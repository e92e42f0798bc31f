"""Groups of languages for a branched translation model: one each, by family, by amount of text, or by likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.neurons.comparing import average_linkage
from neuroglot.neurons.language_groups import LANGUAGE_FAMILIES
from neuroglot.neurons.masks import DirectionMasks

Groups = dict[str, list[str]]


def each_alone(languages: Sequence[str]) -> Groups:
    """Every language its own group, as in the release's `original`."""
    return {_name(code): [code] for code in languages}


def by_family(languages: Sequence[str], families: Mapping[str, Sequence[str]] = LANGUAGE_FAMILIES) -> Groups:
    """The languages of each family; one of no family is its own group, as in the release."""
    of_language = {code: family for family, codes in families.items() for code in codes}
    groups: Groups = {}
    for code in languages:
        groups.setdefault(_name(of_language.get(code, code)), []).append(code)
    return groups


def by_size(sizes: Mapping[str, int], count: int) -> Groups:
    """`count` groups of languages in the order of their amount of text, each with about as much, so that they grow.

    A language is in group ⌊k · b⌋, b the share of all text that languages before it have together with half its own;
    a group that would be empty takes the next language. Raises `ConfigError` for more groups than languages.
    """
    _require_count(count, len(sizes))
    ordered = sorted(sizes, key=lambda code: (-sizes[code], code))
    total = sum(sizes.values())
    groups: list[list[str]] = [[] for _ in range(count)]
    place, before = 0, 0
    for number, code in enumerate(ordered):
        wanted = int(count * (before + sizes[code] / 2) / total) if total else 0
        left, empty = len(ordered) - number, count - place - 1
        if groups[place] and empty and (wanted > place or left <= empty):
            place += 1
        groups[place].append(code)
        before += sizes[code]
    return _numbered(groups)


def by_likeness(similarity: Tensor, languages: Sequence[str], count: int) -> Groups:
    """`count` groups of languages that are alike: average linkage of 1 − `similarity [G, G]`, until so many are left.

    Raises `ConfigError` for another shape, more groups than languages, and what is no number.
    """
    _require_count(count, len(languages))
    if similarity.shape != (len(languages),) * 2 or not bool(similarity.isfinite().all()):
        raise ConfigError(f"Got likenesses {list(similarity.shape)}.", f"Expected numbers [{len(languages)}] twice.")
    left: dict[int, tuple[int, ...]] = {place: (place,) for place in range(len(languages))}
    if len(languages) > 1:
        distances = (1 - similarity.double()).numpy()
        distances = (distances + distances.T) / 2
        np.fill_diagonal(distances, 0)
        for join in average_linkage(distances)[: len(languages) - count]:
            first, second = left.pop(min(join.first)), left.pop(min(join.second))
            left[min(*first, *second)] = tuple(sorted(first + second))
    return _numbered([[languages[place] for place in members] for members in left.values()])


def likeness_of_tokens(embeddings: Tensor) -> Tensor:
    """Cosines of the embeddings of language tokens, `[G, D]` → `[G, G]`, as Lego-MT clusters them."""
    units = torch.nn.functional.normalize(embeddings.double(), dim=-1)
    return units @ units.T


def likeness_of_neurons(masks: DirectionMasks, languages: Sequence[str], pivot: str) -> Tensor:
    """How much translation neurons of two languages overlap: intersection over union, mean over layers, `[G, G]`.

    In encoders those of x→pivot, in decoders those of pivot→x. Raises `ConfigError` for a language without both.
    """
    into = [masks.place(Direction(code, pivot)) for code in languages]
    out_of = [masks.place(Direction(pivot, code)) for code in languages]
    by_layer = []
    for layer, overlap in zip(masks.layout.layers, masks.overlap(), strict=True):
        places = into if layer.stack.startswith("encoder") else out_of
        by_layer.append(overlap[places][:, places])
    return torch.stack(by_layer).mean(0)


def groups_at_random(groups: Mapping[str, Sequence[str]], seed: int) -> Groups:
    """Groups as many and as large, with the languages dealt to them at random: what chance would give.

    Raises `ConfigError` for a negative seed.
    """
    if seed < 0:
        raise ConfigError(f"Got the seed {seed}.", "Expected 0 or more.")
    codes = [code for members in groups.values() for code in members]
    dealt = iter([codes[place] for place in np.random.default_rng(seed).permutation(len(codes))])
    return {name: [next(dealt) for _ in members] for name, members in groups.items()}


def _numbered(groups: Sequence[Sequence[str]]) -> Groups:
    return {f"g{number}": list(members) for number, members in enumerate(groups, 1)}


def _name(name: str) -> str:
    return name.replace(" ", "-")


def _require_count(count: int, languages: int) -> None:
    if not 1 <= count <= languages:
        raise ConfigError(f"{count} groups of {languages} languages were asked for.", "Expected 1 to one for each.")
