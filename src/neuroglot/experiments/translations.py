"""Translations by direction, with each direction's own neurons only or with all, and their scores beside a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, as_direction
from neuroglot.errors import ConfigError, CorpusError, listed
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.translation import DirectionGate, translate
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.metrics.texts import TextOptions, Texts, TextScore, score_texts
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.showing import Described
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.tokenizing import Text, token_ids_of
from neuroglot.tokens.unknown import UnknownTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.tokens.language_tokens import Tags


@dataclass(frozen=True, eq=False, repr=False)
class Translations(Described):
    """`texts[direction][r]` translates the row `ids[r]`; `dropped` counts by reason the rows that failed somewhere.

    `unknown` says which share of the sources' tokens the tokenizer does not know.
    """

    ids: tuple[str, ...]
    texts: Mapping[Direction, tuple[str, ...]]
    dropped: Mapping[str, int]
    unknown: Signature = field(default_factory=Signature)


def translate_directions(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    masks: DirectionMasks | None = None,
    *,
    semantics: Semantics = "activation",
    decoding: Decoding | None = None,
    token_budget: int = TOKEN_BUDGET,
    tags: Tags | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Translations:
    """What the model makes of every source text, by direction, under the direction's mask, or with all neurons.

    By default 5 beams are searched, for at most 256 tokens. Texts that reach the longest length are kept, empty ones
    too. Rows whose source does not fit the model's context in some direction are dropped in all. A batch has at most
    `token_budget` positions, read and written, beams and all. What is in `kept` is not translated again. Raises as
    `translate` does, `ConfigError` if a direction has no mask, `CorpusError` if no row is left.
    """
    if token_budget < 1:
        raise ConfigError(f"Got a token budget of {token_budget}.", "Expected one token or more.")
    chosen = [as_direction(direction) for direction in directions]
    known = UnknownTokens(tokenizer, corpus.languages)
    for language in dict.fromkeys(direction.source for direction in chosen):
        ids = token_ids_of(tokenizer, corpus.texts[language], special_tokens=False)["input_ids"]
        known.count(Text.of(row, language=corpus.languages.index(language)) for row in ids)
    known.refuse()
    gate = None if masks is None else _gate(view, masks, chosen, semantics)
    backend = LocalBackend(view, tokenizer, token_budget, keep_truncated=True, tags=tags or {})
    columns: dict[Direction, tuple[Completion | None, ...]] = {}
    for source in dict.fromkeys(direction.source for direction in chosen):
        into = [direction.target for direction in chosen if direction.source == source]
        translated = translate(
            backend, corpus, into, decoding or Decoding(256, beams=5), source=source, gate=gate, kept=kept.below(source)
        )
        for target, column in zip(into, translated.completions.values(), strict=True):
            columns[Direction(source, target)] = column
    whole = _whole_rows(corpus, {direction: columns[direction] for direction in chosen})
    return replace(whole, unknown=known.signature)


def require_translatable(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    decoding: Decoding,
) -> None:
    """Raise `ConfigError`, before a model is trained, for sources that are longer than its context, and as `translate`
    for translations that are to become so.
    """
    for direction in map(as_direction, directions):
        backend = LocalBackend(view, tokenizer)
        texts = corpus.texts[direction.source]
        if long := (backend.towards(direction) or backend).overlong(texts, decoding):
            raise ConfigError(
                f"The rows {listed([corpus.ids[row] for row in long])} of {corpus.name!r}, which are to be translated, "
                f"are longer than the model's context in {direction.source!r}.",
                "Expected shorter ones.",
                "Leave them out.",
            )


def _gate(
    view: ModelView, masks: DirectionMasks, directions: Sequence[Direction], semantics: Semantics
) -> DirectionGate:
    for direction in directions:
        masks.place(direction)  # refuses a direction without a mask

    def gate(direction: Direction) -> AbstractContextManager[object]:
        return gating(view, masks, direction, semantics=semantics)

    return gate


def _whole_rows(corpus: Corpus, columns: Mapping[Direction, Sequence[Completion | None]]) -> Translations:
    """The rows that failed in no direction; to say nothing is no failure here, but the worst translation."""
    reasons = [
        next((each.failure for each in row if each and each.failure not in (None, "empty")), None)
        for row in zip(*columns.values(), strict=True)
    ]
    kept = [row for row, reason in enumerate(reasons) if reason is None]
    dropped = Counter(reason for reason in reasons if reason)
    if not kept:
        listed = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise CorpusError(f"No row of {corpus.name!r} could be translated ({listed}).", "Expected one row or more.")
    texts = {
        direction: tuple(((column[row] or _NOTHING).text or "").strip() for row in kept)
        for direction, column in columns.items()
    }
    return Translations(tuple(corpus.ids[row] for row in kept), texts, dict(dropped))


_NOTHING = Completion(None, "empty")


def score_translations(
    translations: Translations,
    corpus: Corpus,
    metrics: Sequence[str] = ("bleu", "chrf++"),
    baseline: Translations | None = None,
) -> dict[Direction, list[TextScore]]:
    """Each direction's scores by metrics of `neuroglot.metrics.texts`, against the corpus's own text in the target.

    To a `baseline`, such as the same model without masks, the difference is tested. Raises as `score_texts` does, and
    `CorpusError` if the corpus lacks rows, or a baseline lacks rows or directions.
    """
    rows = {row_id: row for row, row_id in enumerate(corpus.ids)}
    lacking = [row_id for row_id in translations.ids if row_id not in rows]
    if baseline is not None:
        lacking += [row_id for row_id in translations.ids if row_id not in set(baseline.ids)]
        lacking += [str(direction) for direction in translations.texts if direction not in baseline.texts]
    if lacking:
        raise CorpusError(
            f"There is nothing to compare with for {lacking[0]!r}.",
            "Expected every row in the corpus, and every row and direction in the baseline.",
        )
    references = corpus.take(rows[row_id] for row_id in translations.ids)
    scores = {}
    for direction, column in translations.texts.items():
        source, reference = (tuple(references.texts[code]) for code in (direction.source, direction.target))
        texts = Texts(column, (reference,), source)
        beside = None if baseline is None else _of_rows(baseline, direction, translations.ids)
        scores[direction] = score_texts(texts, metrics, TextOptions(language=direction.target), beside)
    return scores


def _of_rows(translations: Translations, direction: Direction, ids: Sequence[str]) -> list[str]:
    by_id = dict(zip(translations.ids, translations.texts[direction], strict=True))
    return [by_id[row_id] for row_id in ids]
