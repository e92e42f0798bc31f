"""Probes of a model's decisions: what each rule writes, how likelihood tells quality, and how well choices are
calibrated, on rows that no transform was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.decisions.fitting import LEAST_CHOICES, NEXT_TOKEN, Fitted, fit_transform
from neuroglot.errors import CorpusError
from neuroglot.experiments.choices import (
    AMONG_LIKELIEST,
    FITTED_TO,
    LIKELIEST,
    OPTION,
    Calibrated,
    Choices,
    among_likeliest,
    calibrated,
    has_options,
    next_tokens,
    options,
)
from neuroglot.experiments.ruled_texts import (
    Columns,
    OnceTexts,
    Probed,
    Probing,
    best_drawn,
    references_by_language,
    rule_probe,
    write_all,
    writers_of,
)
from neuroglot.experiments.scoring import Condition, counts_of
from neuroglot.metrics.calibration import CONTROL, Calibration
from neuroglot.metrics.metrics import NatsPerToken
from neuroglot.metrics.probing import LikelihoodProbe, RuleProbe, rank_correlation
from neuroglot.metrics.texts.metric import Texts
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.tokens.asked import AskedTokens, asked_tokens
from neuroglot.tokens.questions import read_questions
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OnceFitted = Callable[[str, Callable[[], Fitted]], Fitted]


@dataclass(frozen=True, eq=False)
class Findings:
    """The results of all probes of one model on one set of rows; `remarks` say what could not be told."""

    rules: RuleProbe
    likelihoods: LikelihoodProbe
    calibrations: tuple[Calibration, ...]
    remarks: tuple[str, ...] = ()


def probe(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    selection: Probed,
    held_out: Probed,
    probing: Probing,
    *,
    once_texts: OnceTexts = lambda name, make: make(),
    once_fitted: OnceFitted = lambda name, make: make(),
) -> Findings:
    """All probes on the held-out rows; transforms are fitted on the rows of the selection, by language.

    `once_texts` and `once_fitted` may keep what they are given by name. Raises as `asked_tokens` and `fit_transform`
    do, and `ConfigError` for prompts that leave no room for `max_new_tokens`.
    """
    asked, fit_on = asked_tokens(view, tokenizer, held_out), asked_tokens(view, tokenizer, selection)
    selection, held_out = _rows(selection, fit_on.tokens.ids), _rows(held_out, asked.tokens.ids)
    made = made_with(view, tokenizer, held_out, rows=len(held_out), dropped=sum(asked.dropped.values()))
    made |= generation_signature(view.model) | probing.signature
    made |= Signature.of(fitted_on=selection.hash, fitted_rows=len(fit_on.tokens.ids))
    by_kind, fitted, ranks, remarks = _calibrated(
        view, tokenizer, (selection, held_out), (fit_on, asked), made, once_fitted
    )
    temperatures = {language: fits[CONTROL].transform for language, fits in fitted[NEXT_TOKEN].items()}
    if probing.tuned_by == "metric":
        temperatures = best_drawn(writers_of(view, tokenizer, selection, probing), selection, probing, made, once_texts)
        chosen = ", ".join(f"{language} {power.beta:g}" for language, power in temperatures.items())  # type: ignore[attr-defined]
        remarks += (f"One over the temperature, by {probing.metric} of draws on the rows to fit on: {chosen}.",)
    writers = writers_of(view, tokenizer, held_out, probing)
    written = write_all(writers, held_out, probing, temperatures, made, once_texts)
    rules = rule_probe(held_out, written, probing, made)
    likelihoods = LikelihoodProbe(
        held_out.name, tuple(held_out.languages), correlations(view, tokenizer, held_out, written, probing), ranks, made
    )
    return Findings(rules, likelihoods, _calibrations(by_kind, held_out, fitted, made), remarks)


# ---- calibration


_Fits = dict[str, dict[str, dict[str, Fitted]]]  # by kind, language and family
_ByKind = dict[str, dict[str, tuple[dict[str, Calibrated], int]]]  # by kind and language, with what was left out


def _calibrated(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: tuple[Probed, Probed],
    asked: tuple[AskedTokens, AskedTokens], made: Signature, once: OnceFitted,
) -> tuple[_ByKind, _Fits, Tensor, tuple[str, ...]]:  # fmt: skip
    """Calibrations by kind and language, the fits, ranks of reference tokens `[R, G, 4]`, and what was left out; a
    language at a time.
    """
    by_kind: _ByKind = {}
    too_few = []
    fitted: _Fits = {}
    ranks = []
    limit = context_limit(tokenizer, text_config(view.model))
    asks_options = all(has_options(view, part) for part in data)
    questions = [read_questions(tokenizer, part, limit) for part in data if asks_options and isinstance(part, Task)]
    for place, language in track(list(enumerate(data[1].languages)), "calibrating", len(data[1].languages)):
        (fit_tokens, _), (tokens, of_language) = (next_tokens(view, part, place) for part in asked)
        ranks.append(of_language)
        pairs = {NEXT_TOKEN: (fit_tokens, tokens)}
        pairs[AMONG_LIKELIEST] = (among_likeliest(fit_tokens), among_likeliest(tokens))
        if questions:
            first, second = (options(view, part, place) for part in questions)
            pairs[OPTION] = (first, second)
        for kind, (fit_on, held_out) in pairs.items():
            if kind == AMONG_LIKELIEST and min(len(fit_on.chosen), len(held_out.chosen)) < LEAST_CHOICES:
                too_few.append(language)
                continue
            fits: dict[str, Fitted] = {
                family: once(
                    f"{language}-{kind.replace(' ', '-')}-{family}.json",
                    partial(fit_choices, fit_on, family, made | Signature.of(language=language, choice=kind)),
                )
                for family in FITTED_TO[kind]
            }
            fitted.setdefault(kind, {})[language] = fits
            by_kind.setdefault(kind, {})[language] = calibrated(held_out, fits), held_out.left_out
    remarks: tuple[str, ...] = ()
    if too_few:  # the same languages stand in every table
        by_kind.pop(AMONG_LIKELIEST, None)
        fitted.pop(AMONG_LIKELIEST, None)
        seldom = f"the right one is hardly ever among them in {', '.join(too_few)}"
        remarks = (f"Calibration among the {LIKELIEST} likeliest tokens is left out: {seldom}.",)
    return by_kind, fitted, torch.stack(ranks, dim=1), remarks


def fit_choices(choices: Choices, family: Any, signature: Signature) -> Fitted:
    """The family's likeliest parameters for these choices."""
    return fit_transform(family, choices.utilities, choices.chosen, choices.lengths, signature=signature)


def _calibrations(by_kind: _ByKind, data: Probed, fitted: _Fits, made: Signature) -> tuple[Calibration, ...]:
    results = []
    for kind, columns in by_kind.items():
        names = next(iter(columns.values()))[0]
        parts = {name: [column[name] for column, _ in columns.values()] for name in names}
        results.append(
            Calibration(
                kind, data.name, tuple(columns),
                {name: torch.stack([part.counts for part in column], dim=1) for name, column in parts.items()},
                {name: tuple(part.curve for part in column) for name, column in parts.items()},
                {name: tuple(part.parameters for part in column) for name, column in parts.items()},
                made | Signature.of(choice=kind), sum(count for _, count in columns.values()),
            )
        )  # fmt: skip
    return tuple(results)


# ---- likelihood against quality


def correlations(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Probed, written: Mapping[str, Columns], probing: Probing
) -> dict[str, Tensor]:
    """Of each row's different texts the rank correlation of quality with log-probability, `[R, G]`; NaN for none."""
    references = references_by_language(data)
    values = {of: torch.full((len(data), len(data.languages)), torch.nan, dtype=torch.float64) for of in _LIKELIHOODS}
    for place, language in enumerate(data.languages):
        candidates = candidates_of(written, language)
        likelihoods = log_probabilities(view, tokenizer, data, place, candidates)
        for row, texts in enumerate(candidates):
            known = [(text, likelihoods[row, text]) for text in texts if (row, text) in likelihoods]
            if len(known) < 2:
                continue
            metric, right = probing.metric_in(language), (references[language][row],) * len(known)
            quality = metric.value(metric.counts(Texts(tuple(text for text, _ in known), (right,)))).tolist()
            for of, read in _LIKELIHOODS.items():
                values[of][row, place] = rank_correlation([read(*pair) for _, pair in known], quality)
    return values


_LIKELIHOODS: Mapping[str, Callable[[float, float], float]] = {
    "whole": lambda total, _: total,
    "token": lambda total, count: total / count,
}


def candidates_of(written: Mapping[str, Columns], language: str) -> list[list[str]]:
    """The different texts of each row that say something, in the order of the rules that wrote them."""
    rows = zip(*(columns[language] for columns in written.values()), strict=True)
    return [
        [text for text in dict.fromkeys(text for texts in row for text in texts) if not is_blank(text)] for row in rows
    ]


def log_probabilities(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Probed, place: int, candidates: Sequence[Sequence[str]]
) -> dict[tuple[int, str], tuple[float, float]]:
    """Of each text of each row its log-probability and its tokens; without texts that the model cannot be asked."""
    listed = [(row, text) for row, texts in enumerate(candidates) for text in texts]
    if not listed:
        return {}
    try:
        asked = asked_tokens(view, tokenizer, _answered(data, place, listed))
    except CorpusError:  # none of them has tokens of its own behind the prompt
        return {}
    counts = counts_of(view, asked, NatsPerToken(), [Condition(NeuronSet.empty(view.layout))], "scoring texts")
    sums = counts[0, :, 0, :2].tolist()
    return {listed[int(number)]: (-loss, tokens) for number, (loss, tokens) in zip(asked.tokens.ids, sums, strict=True)}


def _answered(data: Probed, place: int, listed: Sequence[tuple[int, str]]) -> Probed:
    """The rows with these texts in place of their references, in one language or direction."""
    ids, texts = tuple(map(str, range(len(listed)))), tuple(text for _, text in listed)
    if isinstance(data, Task):
        language = data.languages[place]
        asked = tuple(data.prompts.texts[language][row] for row, _ in listed)
        return Task(data.name, Corpus("prompts", ids, {language: asked}), Corpus("texts", ids, {language: texts}))
    direction = data.directions[place]
    sources = tuple(data.corpus.texts[direction.source][row] for row, _ in listed)
    written = tuple(map(str.strip, texts))
    return Directed(
        Corpus(data.name, ids, {direction.source: sources, direction.target: written}), (direction,), data.tags
    )


def _rows(data: Probed, ids: Sequence[str]) -> Probed:
    if tuple(ids) == tuple(data.ids):
        return data
    rows = {row_id: row for row, row_id in enumerate(data.ids)}
    part: Probed = data.take([rows[row_id] for row_id in ids])
    return replace(part, dropped={}) if isinstance(part, Task) else part
