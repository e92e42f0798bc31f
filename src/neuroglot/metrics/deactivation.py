"""Deactivation: what switching off each category of neurons does to answers, beside random sets of the same size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.headers import STRICT, Counts, Names, StoredLayout, StoredSignature, load_artefact, save_artefact
from neuroglot.layout import Layout
from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, combined, holm, over, row_means
from neuroglot.metrics.metrics import SHARE_RIGHT
from neuroglot.metrics.paired import PairedTest, mcnemar, over_draws
from neuroglot.showing import Shown, scores_in_short
from neuroglot.signature import Signature

_COUNTS = ("baseline", "deactivated", "random", "sizes")


@dataclass(frozen=True)
class AnswerMeasure:
    """What is read from an answer: a mean over answers in `unit`, higher being better."""

    name: str
    unit: str


# The columns C of all counts, in this order; NaN where the task or the options of the run do not give them.
OUTCOMES: Mapping[str, AnswerMeasure] = {
    "log_probability": AnswerMeasure("log-probability of the right answer", "nats"),
    "tokens": AnswerMeasure("length of the right answer", "tokens"),
    "exact": AnswerMeasure("accuracy (exact answer)", SHARE_RIGHT),
    "option": AnswerMeasure("accuracy (likeliest option)", SHARE_RIGHT),
    "option_per_token": AnswerMeasure("accuracy (likeliest option, per token)", SHARE_RIGHT),
    "generated": AnswerMeasure("accuracy (generated text)", SHARE_RIGHT),
}


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    data: str
    layout: StoredLayout
    languages: Names
    categories: Names
    ids: Names
    outcomes: Names
    dropped: Counts
    signature: StoredSignature


@dataclass(frozen=True)
class CategoryEffect:
    """How much an outcome falls when a category's neurons are off, in its unit; positive is harm done.

    `random`: with as many random neurons in every layer off, mean over the draws. `beyond_random`: the difference.
    `per_thousand`: the fall for each 1,000 neurons that are off. NaN where no row has a neuron of the category. `p` and
    `p_beyond_random`: that the fall, and the difference, are 0, adjusted for both of all categories (Holm).
    """

    deactivated: Score
    random: Score
    beyond_random: Score
    per_thousand: Score
    random_per_thousand: Score
    p: float
    p_beyond_random: float

    @property
    def harmful(self) -> bool:
        """Whether it does harm, claimed for all categories at once."""
        return self.deactivated.value > 0 and self.p <= 1 - CONFIDENCE

    @property
    def beyond(self) -> int:
        """1 where it does more harm than random neurons, −1 where less, 0 where they cannot be told apart."""
        if self.p_beyond_random > 1 - CONFIDENCE:
            return 0
        return 1 if self.beyond_random.value > 0 else -1


@dataclass(frozen=True)
class CategoryTests:
    """Exact tests of one category: rows in which fewer or more answers are right than with all neurons on, the p-value
    against the random draws, and McNemar's test against all neurons on for each language.

    `Deactivation.tests` gives p-values as they are, `Deactivation.adjusted_tests` for all of them being looked at.
    """

    rows: PairedTest
    against_random: float
    by_language: tuple[PairedTest, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Deactivation(Shown):
    """Counts of the answers of R parallel rows in G languages, `C` = `OUTCOMES`, float64; T categories, K random draws.

    * `baseline [R, G, C]`: all neurons on.
    * `deactivated [T, R, G, C]`: the neurons of one category off. `random [K, T, R, G, C]`: as many random ones
      instead.
    * `sizes [T, R, L]`: neurons of the category that were off on the row, by layer (int32).
    * `dropped`: rows left out in all languages, by reason.

    Source: Wang et al. 2024 (Sharing Matters), whose own code for this is not released; see `deactivate` for what we
    fix in its place. All intervals are over parallel rows, and those of random sets over the draws too.
    """

    data: str
    layout: Layout
    languages: tuple[str, ...]
    categories: tuple[str, ...]
    ids: tuple[str, ...]
    baseline: Tensor
    deactivated: Tensor
    random: Tensor
    sizes: Tensor
    signature: Signature
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dropped", MappingProxyType(dict(self.dropped)))
        rows = (len(self.ids), len(self.languages), len(OUTCOMES))
        categories, draws = len(self.categories), self.random.shape[0] if self.random.dim() else 0
        layers = len(self.layout.layers)
        expected = [rows, (categories, *rows), (draws, categories, *rows), (categories, len(self.ids), layers)]
        found = [tuple(getattr(self, name).shape) for name in _COUNTS]
        floats = [getattr(self, name).is_floating_point() for name in _COUNTS]
        if found != expected or not all(expected[2]) or floats != [True, True, True, False]:
            raise ArtifactError(
                f"A deactivation has counts of the shapes {found}.", f"Expected {expected}, none empty."
            )

    def _numbers(self) -> str:
        falls = {name: effect.deactivated for name, effect in self.mean_effects(self.accuracy).items()}
        return scores_in_short(falls, "fall of the share of right answers")

    @property
    def draws(self) -> int:
        return int(self.random.shape[0])

    @property
    def accuracy(self) -> str:
        """The outcome that says whether an answer is right: by options where the task has them, else exact."""
        return "exact" if bool(self._of(self.baseline, "option").isnan().any()) else "option"

    @property
    def mean_sizes(self) -> Tensor:
        """Neurons off by category and layer, mean over rows: `[T, L]`, float64."""
        return self.sizes.double().mean(1)

    def levels(self, outcome: str) -> dict[str, list[Score]]:
        """The outcome by language, then its mean over languages, under `on`, each category, and `random: ` each
        category.
        """
        names = ["on", *self.categories, *(f"random: {name}" for name in self.categories)]
        conditions, languages = self._conditions(outcome), len(self.languages)
        found = {}
        for index, name in enumerate(names):
            draws = self.draws if index > len(self.categories) else 1
            row = conditions.map(lambda values, index=index: values[..., index, :])  # type: ignore[misc]
            by_language = _levels(row.map(lambda values: values[..., :-1]), outcome, draws)
            found[name] = by_language + _levels(row.map(lambda values: values[..., -1:]), outcome, languages * draws)
        return found

    def effects(self, outcome: str) -> list[list[CategoryEffect]]:
        """By category, by language; the last of each category's G + 1 is the mean over languages."""
        sizes = self.sizes.double().sum(2)  # [T, R]
        falls = combined(_falls, self._conditions(outcome), row_means(sizes.T))
        empty = (sizes.sum(1) == 0)[:, None]
        falls = falls.map(lambda values: values.masked_fill(empty, torch.nan))  # [5, T, G + 1]
        columns = [_differences(falls, index, outcome, len(self.languages)) for index in range(5)]
        p_values = falls.map(lambda values: values[..., (0, 2), :, :]).p_values()  # [2, T, G + 1]
        adjusted = [holm(of_language.flatten().tolist()) for of_language in p_values.unbind(-1)]
        width, count = len(self.languages) + 1, len(self.categories)
        return [
            [
                _effect([column[width * index + language] for column in columns], adjusted[language][index::count])
                for language in range(width)
            ]
            for index in range(count)
        ]

    def mean_effects(self, outcome: str) -> dict[str, CategoryEffect]:
        """The mean over languages, by category."""
        return {name: by_language[-1] for name, by_language in zip(self.categories, self.effects(outcome))}

    def tests(self, outcome: str | None = None) -> dict[str, CategoryTests]:
        """Exact tests of an outcome that is right or wrong, by category; of `accuracy` where None.

        Over all languages the unit is the row (`mcnemar` of right answers a row), because its answers depend on each
        other. Against the control every draw is one comparison, and `over_draws` makes one p-value of them. Raises
        `ConfigError` for another outcome.
        """
        outcome = outcome or self.accuracy
        if outcome not in OUTCOMES or OUTCOMES[outcome].unit != SHARE_RIGHT:
            raise ConfigError(f"A test was asked for of {outcome!r}.", "Expected an outcome that is right or wrong.")
        on, off, random = (self._of(part, outcome) for part in (self.baseline, self.deactivated, self.random))
        return {
            name: CategoryTests(
                mcnemar(on.sum(1), off[place].sum(1)),
                over_draws([mcnemar(draw[place].sum(1), off[place].sum(1)).p for draw in random]),
                tuple(mcnemar(on[:, language], off[place, :, language]) for language in range(len(self.languages))),
            )
            for place, name in enumerate(self.categories)
        }

    def adjusted_tests(self) -> tuple[int, dict[str, dict[str, CategoryTests]]]:
        """The tests of all outcomes that are right or wrong and known, by outcome and category, with p-values adjusted
        as one family (Holm), and how many there are; those by language are of `accuracy` only.
        """
        raw = {name: self.tests(name) for name in OUTCOMES if self._is_known(name)}
        family = [p for outcome, tests in raw.items() for test in tests.values() for p in self._p_values(outcome, test)]
        adjusted = iter(holm(family))
        return len(family), {
            outcome: {name: self._adjusted(outcome, test, adjusted) for name, test in tests.items()}
            for outcome, tests in raw.items()
        }

    def _is_known(self, outcome: str) -> bool:
        columns = [self._of(part, outcome) for part in (self.baseline, self.deactivated, self.random)]
        return OUTCOMES[outcome].unit == SHARE_RIGHT and not any(bool(part.isnan().any()) for part in columns)

    def _p_values(self, outcome: str, test: CategoryTests) -> list[float]:
        by_language = [one.p for one in test.by_language] if outcome == self.accuracy else []
        return [test.rows.p, test.against_random, *by_language]

    def _adjusted(self, outcome: str, test: CategoryTests, p_values: Iterator[float]) -> CategoryTests:
        rows, against_random = replace(test.rows, p=next(p_values)), next(p_values)
        if outcome != self.accuracy:
            return CategoryTests(rows, against_random, ())
        return CategoryTests(rows, against_random, tuple(replace(one, p=next(p_values)) for one in test.by_language))

    def _of(self, counts: Tensor, outcome: str) -> Tensor:
        return counts[..., list(OUTCOMES).index(outcome)]

    def _conditions(self, outcome: str) -> Estimate:
        """Means over rows and draws, of all languages and of their mean: `[1 + 2T, G + 1]`."""
        on, off, random = (self._of(part, outcome) for part in (self.baseline[None], self.deactivated, self.random))
        parts = row_means(on.movedim(-2, 0)), row_means(off.movedim(-2, 0)), row_means(random.movedim(-2, 0))
        return combined(_with_mean, *parts[:2], over(parts[2], "draws"))

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        names = [field.name for field in fields(_Header) if field.name != "outcomes"]
        header = _Header(**{name: getattr(self, name) for name in names}, outcomes=tuple(OUTCOMES))
        return save_artefact(path, "deactivation", {name: getattr(self, name) for name in _COUNTS}, header)

    @classmethod
    def load(cls, path: Path | str) -> Deactivation:
        """The deactivation in a file; raises `ArtifactError` where the file is anything else."""
        tensors, header = load_artefact(path, "deactivation", _Header, needed=_COUNTS)
        described = dict(vars(header))
        if described.pop("outcomes") != tuple(OUTCOMES):
            raise ArtifactError(f"{path} holds the outcomes {header.outcomes}.", f"Expected {tuple(OUTCOMES)}.")
        return cls(**described | {name: tensors[name] for name in _COUNTS})


def _levels(values: Estimate, outcome: str, cells: int) -> list[Score]:
    return values.share_scores(cells) if OUTCOMES[outcome].unit == SHARE_RIGHT else values.scores()


def _effect(numbers: list[Score], p_values: list[float]) -> CategoryEffect:
    fall, random, beyond, per_thousand, random_per_thousand = numbers
    return CategoryEffect(fall, random, beyond, per_thousand, random_per_thousand, *p_values)


def _differences(falls: Estimate, index: int, outcome: str, languages: int) -> list[Score]:
    """One of the five numbers of all categories and languages; falls of answers that are right or wrong are shares."""
    chosen = falls.map(lambda values: values[..., index, :, :].flatten(-2))
    if OUTCOMES[outcome].unit != SHARE_RIGHT or index > 2:
        return chosen.scores()
    single, mean = chosen.share_differences(), chosen.share_differences(languages)
    width = languages + 1
    return [mean[at] if at % width == languages else single[at] for at in range(len(single))]


def _with_mean(on: Tensor, off: Tensor, random: Tensor) -> Tensor:
    """Conditions in one axis, and the mean over languages as one language more: `[..., G]` each → `[..., G + 1]`."""
    values = torch.cat([on, off, random], dim=-2)
    return torch.cat([values, values.mean(-1, keepdim=True)], dim=-1)


def _falls(conditions: Tensor, sizes: Tensor) -> Tensor:
    """The five numbers of a `CategoryEffect`: `[..., 1 + 2T, G]` and neurons off `[..., T]` → `[..., 5, T, G]`."""
    categories = sizes.shape[-1]
    fall = conditions[..., :1, :] - conditions[..., 1:, :]
    off, random = fall[..., :categories, :], fall[..., categories:, :]
    thousands = sizes[..., None] / 1000
    return torch.stack([off, random, off - random, off / thousands, random / thousands], dim=-3)
