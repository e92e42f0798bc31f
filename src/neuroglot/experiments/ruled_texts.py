"""What decision rules write for a task or for translations, and how good it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction, is_direction
from neuroglot.decisions.fitting import best_by
from neuroglot.decisions.names import NamedRule
from neuroglot.decisions.rules import Candidates, Rule
from neuroglot.decisions.transforms import Power, Softmax, Transform
from neuroglot.errors import ConfigError
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.metrics.probing import SHORT_SHARE, RuleProbe
from neuroglot.metrics.texts.answered import references_of
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.metrics.texts.scoring import TEXT_METRICS, choose_metrics
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.prompting.translating import translation_prompts, translation_stop
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Probed = Task | Directed
OnceTexts = Callable[[str, Callable[[], GeneratedTexts]], GeneratedTexts]
Columns = Mapping[str, Sequence[Sequence[str]]]  # by language, of each row one text or several
TunedBy = Literal["likelihood", "metric"]
TRIED = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0)  # β, one over the temperature, where the metric chooses
TUNED = ", tuned"  # behind the name of a rule that draws at the fitted temperature


@dataclass(frozen=True)
class Probing:
    """Which rules write, beside greedy search and samples: beams of these sizes, and rules by name.

    Rules that compare draws have `samples` of them, once of the model's own probabilities, and once at the temperature
    that was fitted on other rows: the likeliest, or (`tuned_by`) that of `TRIED` whose draws the metric likes best.
    `metric` is a text metric's name; a text ends before one of `stop`.
    """

    metric: str
    beam_sizes: tuple[int, ...] = (2, 4, 8)
    rules: tuple[NamedRule, ...] = ("epsilon", "majority", "mbr-chrf")
    samples: int = 8
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()
    seed: int = 0
    tuned_by: TunedBy = "likelihood"

    def __post_init__(self) -> None:
        once = len({*self.beam_sizes}) == len(self.beam_sizes) and len({*self.rules}) == len(self.rules)
        if not once or self.samples < 1 or any(size < 2 for size in self.beam_sizes):
            raise ConfigError(
                f"Got the beams {self.beam_sizes}, the rules {self.rules} and {self.samples} samples.",
                "Expected each once, beams of two or more, and one sample or more.",
            )
        choose_metrics([self.metric], TextOptions(language="en"))

    def metric_in(self, language: str) -> TextMetric:
        """The metric of texts in a language, or of a direction's target."""
        target = Direction.parse(language).target if is_direction(language) else language
        return choose_metrics([self.metric], TextOptions(language=target))[self.metric]

    @property
    def signature(self) -> Signature:
        return Signature.of(
            metric=self.metric, samples=self.samples, max_new_tokens=self.max_new_tokens, stop=repr(self.stop),
            seed=self.seed, tuned_by=self.tuned_by,
        )  # fmt: skip

    @property
    def texts_a_row(self) -> int:
        """How many texts are written for each row and language."""
        drawn = [rule for rule in self.rules if rule in ("epsilon", "exact")]
        return 1 + sum(self.beam_sizes) + len(drawn) + 2 * self.samples

    @property
    def texts_to_fit(self) -> int:
        """How many texts are written for each row to fit on, and language."""
        return len(TRIED) * self.samples if self.tuned_by == "metric" else 0


Writer = Callable[[Decoding], list[list[Completion]]]


def writers_of(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Probed, probing: Probing
) -> dict[str, Writer]:  # fmt: skip
    """By language, or direction, what writes a text, or several, for each row."""
    backend = LocalBackend(view, tokenizer, keep_truncated=True, tags=data.tags if isinstance(data, Directed) else {})
    if isinstance(data, Task):
        prompts = data.prompts.texts
        return {
            language: partial(backend.completions, list(prompts[language]), stop=probing.stop)
            for language in data.languages
        }
    return {str(direction): _translator(backend, data, direction, probing) for direction in data.directions}


def _translator(backend: LocalBackend, data: Directed, direction: Direction, probing: Probing) -> Writer:
    sources = list(data.corpus.texts[direction.source])
    if (told := backend.towards(direction)) is not None:
        return partial(told.completions, sources, stop=probing.stop)
    prompts = translation_prompts(sources, direction.source, direction.target)
    stop = probing.stop or translation_stop(sources, direction.source)
    return partial(backend.completions, prompts, stop=stop)


def write_all(
    writers: Mapping[str, Writer],
    data: Probed,
    probing: Probing,
    temperatures: Mapping[str, Transform],
    made: Signature,
    once: OnceTexts = lambda name, make: make(),
) -> dict[str, Columns]:
    """The texts of every rule by name, and of the draws of both kinds, `draws` and `draws, tuned`."""
    rules: dict[str, Callable[[str], Rule]] = {"greedy": lambda _: Rule("greedy")}
    rules |= {f"beam {size}": partial(_beam, size) for size in probing.beam_sizes}
    rules |= {
        name: lambda _, name=name: Rule(name, seed=probing.seed)  # type: ignore[misc]
        for name in probing.rules
        if name in ("epsilon", "exact")
    }
    draw = _draws_of(probing)
    rules["draws"] = lambda _: draw(transform=Softmax())
    rules[f"draws{TUNED}"] = lambda language: draw(transform=temperatures[language])
    written = {}
    for name, rule in track(rules.items(), "writing", len(rules)):
        make = partial(_written, writers, data, probing, rule, made | Signature.of(rule=name))
        written[name] = _by_row(once(name.replace(", ", "-").replace(" ", "-"), make), len(data))
    return {**_decided(written, probing), **written}


def best_drawn(
    writers: Mapping[str, Writer], data: Probed, probing: Probing, made: Signature,
    once: OnceTexts = lambda name, make: make(),
) -> dict[str, Transform]:  # fmt: skip
    """By language the temperature whose draws the metric likes best, all draws of all rows taken together."""
    references, sign = references_by_language(data), 1 if TEXT_METRICS[probing.metric].higher_is_better else -1
    quality: dict[str, dict[Transform, float]] = {language: {} for language in writers}
    for beta in track(TRIED, "choosing a temperature", len(TRIED)):
        rule = _draws_of(probing)(transform=Power(beta))
        make = partial(_written, writers, data, probing, partial(_same, rule), made | rule.signature)
        columns = _by_row(once(f"to-fit-{beta:g}", make), len(data))
        for language, rows in columns.items():
            metric = probing.metric_in(language)
            right = tuple(reference for reference in references[language] for _ in range(probing.samples))
            counts = metric.counts(Texts(tuple(text for texts in rows for text in texts), (right,)))
            quality[language][Power(beta)] = sign * metric.value(counts.sum(0)).item()
    return {language: best_by(tried.__getitem__, list(tried)) for language, tried in quality.items()}


def _same(rule: Rule, _: str) -> Rule:
    return rule


def _draws_of(probing: Probing) -> Callable[..., Candidates]:
    return partial(Candidates, "mbr-match", samples=probing.samples, seed=probing.seed)


def _beam(size: int, _: str) -> Rule:
    return Rule("beam", samples=size)


def _written(
    writers: Mapping[str, Writer], data: Probed, probing: Probing, rule: Callable[[str], Rule], made: Signature
) -> GeneratedTexts:
    """One text a row, or several, whose ids are then `row/number`."""
    columns = {}
    for language, write in writers.items():
        decided = rule(language)
        each = write(Decoding(probing.max_new_tokens, rule=decided))
        if any(completion.failure == "over_length" for texts in each for completion in texts):
            raise ConfigError(
                f"max_new_tokens={probing.max_new_tokens} was asked for, and prompts in {language!r} leave less room.",
                "Expected prompts and texts that share the model's context.", "Take fewer new tokens.",
            )  # fmt: skip
        columns[language] = tuple(completion.text or "" for texts in each for completion in texts)
    count = rule(next(iter(writers))).texts
    ids = data.ids if count == 1 else [f"{row_id}/{number}" for row_id in data.ids for number in range(1, count + 1)]
    return GeneratedTexts(tuple(ids), columns, {}, made)


def _by_row(texts: GeneratedTexts, rows: int) -> Columns:
    each = len(texts.ids) // rows
    return {
        language: [column[start : start + each] for start in range(0, len(column), each)]
        for language, column in texts.texts.items()
    }


def _decided(written: Mapping[str, Columns], probing: Probing) -> dict[str, Columns]:
    """What rules that read draws decide: the first draw, and those that compare them."""
    decided: dict[str, Columns] = {name: texts for name, texts in written.items() if not name.startswith("draws")}
    for name in ("draws", f"draws{TUNED}"):
        suffix = name.removeprefix("draws")
        decided[f"sample{suffix}"] = {
            language: [[texts[0]] for texts in column] for language, column in written[name].items()
        }
        for rule in (Rule(rule) for rule in probing.rules if Rule(rule).compares):
            decided[f"{rule.name}{suffix}"] = {
                language: [[rule.choose(list(texts)) or ""] for texts in column]
                for language, column in written[name].items()
            }
    return decided


def rule_probe(data: Probed, written: Mapping[str, Columns], probing: Probing, made: Signature) -> RuleProbe:
    """Quality, and empty and short texts, of all rules that decide."""
    references = references_by_language(data)
    rules = [name for name in written if not name.startswith("draws")]
    counts, empty, short = {}, {}, {}
    for name in rules:
        columns = {language: [texts[0] for texts in column] for language, column in written[name].items()}
        counts[name] = torch.stack(
            [
                probing.metric_in(language).counts(Texts(tuple(column), (references[language],)))
                for language, column in columns.items()
            ],
            dim=1,
        )
        empty[name] = _flags(columns, references, lambda text, _: is_blank(text))
        short[name] = _flags(columns, references, _is_short)
    beams = {1: "greedy", **{size: f"beam {size}" for size in probing.beam_sizes}}
    costs = {name: _cost(name, probing) for name in rules}
    return RuleProbe(
        data.name, tuple(data.languages), probing.metric, f"sample{TUNED}", counts, empty, short, costs, beams, made
    )


def references_by_language(data: Probed) -> dict[str, tuple[str, ...]]:
    """The right text of each row, by language or direction."""
    if isinstance(data, Task):
        return references_of(data)
    return {str(direction): tuple(map(str.strip, data.corpus.texts[direction.target])) for direction in data.directions}


def _cost(name: str, probing: Probing) -> str:
    base = name.removesuffix(TUNED)
    if base.startswith("beam "):
        return Rule("beam", samples=int(base.removeprefix("beam "))).cost
    return Rule(base, samples=probing.samples).cost  # type: ignore[arg-type]


def _is_short(text: str, reference: str) -> bool:
    return len(text.strip().encode()) < SHORT_SHARE * len(reference.strip().encode())


def _flags(
    columns: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[str]], holds: Callable[[str, str], bool]
) -> Tensor:
    """1 where it holds of a text and its reference: `[R, G]`, float64."""
    flags = [[float(holds(*pair)) for pair in zip(column, references[g], strict=True)] for g, column in columns.items()]
    return torch.tensor(flags, dtype=torch.float64).T
