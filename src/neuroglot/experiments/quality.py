"""Translation quality with neurons off: whole translations under every condition of an ablation matrix, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.seen import SameRows, rows_selected_on
from neuroglot.errors import ConfigError
from neuroglot.experiments.evaluation import ablation_conditions, independent_rows, matrix_of, selected_elsewhere
from neuroglot.experiments.scoring import Condition
from neuroglot.experiments.translations import Translations, translate_directions
from neuroglot.generation.decoding import Decoding
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.reading import read_as

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QualityName = Literal["chrf++", "chrf", "bleu", "spbleu"]


@dataclass(frozen=True)
class TranslationQuality:
    """A metric of `metrics.texts` that compares whole translations with the corpus's own text in the target."""

    key: QualityName
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if self.key not in QualityName.__args__:  # type: ignore[attr-defined]
            raise ConfigError(
                f"Translation quality was asked for by {self.key!r}.",
                f"Expected one of {', '.join(QualityName.__args__)}.",  # type: ignore[attr-defined]
            )

    @property
    def name(self) -> str:
        return TEXT_METRICS[self.key].name

    @property
    def unit(self) -> str:
        return TEXT_METRICS[self.key].unit

    @property
    def ends(self) -> tuple[float, float]:
        return TEXT_METRICS[self.key].ends

    def counts(self, texts: Texts, direction: Direction) -> Tensor:
        """Counts of each translation: `[R, C]`."""
        return choose_metrics([self.key], TextOptions(language=direction.target))[self.key].counts(texts)

    def value(self, counts: Tensor) -> Tensor:
        """The number from summed counts: `[..., C]` → `[...]`, NaN where there are none."""
        flat = counts.reshape(-1, counts.shape[-1])
        values = torch.full((len(flat),), torch.nan, dtype=torch.float64)
        known = flat.isfinite().all(-1)
        metric = choose_metrics([self.key], TextOptions(language="en"))[self.key]  # the formula knows no language
        values[known] = metric.value(flat[known])
        return values.reshape(counts.shape[:-1])

    def signature(self, texts: Mapping[Direction, Texts]) -> Signature:
        """Every option that can change a number; where directions differ, such as in BLEU's tokenizer, each one's."""
        by_direction = {
            direction: choose_metrics([self.key], TextOptions(language=direction.target))[self.key].signature(part)
            for direction, part in texts.items()
        }
        named = sorted({str(signature) for signature in by_direction.values()})
        if len(named) > 1:
            named = [f"{direction}: {signature}" for direction, signature in by_direction.items()]
        return Signature.of(metric=self.name, unit=self.unit, scored_with="; ".join(named).replace("|", ","))


def quality_matrices(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Directed,
    sets: Mapping[str, NeuronSet],
    metrics: Sequence[QualityName] = ("chrf++",),
    *,
    draws: int = 5,
    seed: int = 0,
    same_rows: SameRows = "refuse",
    decoding: Decoding | None = None,
    token_budget: int = TOKEN_BUDGET,
    kept: Kept = NOTHING_KEPT,
) -> tuple[AblationMatrix, ...]:
    """Translate with each direction's neurons off, and score all directions: a matrix for each metric.

    The neurons are off in the encoder, in the decoder, and in every token that is written. Beside each set stand
    `draws` random ones of its size in every layer, which translate the set's own direction only. Rows whose source does
    not fit the model's context are dropped in all directions and under all conditions. Greedy by default, for at most
    64 tokens. Raises as `ablation_matrix` and `translate_directions` do.
    """
    qualities = [TranslationQuality(key) for key in metrics]
    seen = rows_selected_on(data, [*sets.values(), *chosen_in(view.model)], same_rows)
    conditions = ablation_conditions(view, data.languages, sets, draws, seed, random_on="own")
    how = decoding or Decoding(64)
    translated: list[Translations] = []
    whole = data
    for number, condition in track(enumerate(conditions), f"translating {data.name}", len(conditions)):
        part = kept.below(f"condition-{number}")
        translated.append(_translated(view, tokenizer, data, condition, how, token_budget, part))
        data = _rows(whole, translated[0].ids)  # a control's own direction may have room for rows that others have not
    ids = translated[0].ids
    made = made_with(view, tokenizer, whole, rows=len(ids), dropped=len(whole) - len(ids))
    made |= read_as(data) | selected_elsewhere(view, sets) | how.signature | generation_signature(view.model)
    made |= translated[0].unknown
    groups, repeated = independent_rows(data, ids)
    return tuple(
        matrix_of(
            data.name, data.languages, sets, quality, _counts(translated, data, quality), groups,
            signature=made | quality.signature(_texts(translated[0], data)), draws=draws, seed=seed, random_on="own",
            dropped=translated[0].dropped, repeated=repeated, seen=seen,
        )
        for quality in qualities
    )  # fmt: skip


def _translated(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Directed, condition: Condition, decoding: Decoding,
    token_budget: int, kept: Kept,
) -> Translations:  # fmt: skip
    directions = data.directions if condition.only is None else (data.directions[condition.only],)
    with switch_off(view, condition.neurons):
        return translate_directions(
            view, tokenizer, data.corpus, directions, decoding=decoding, token_budget=token_budget, tags=data.tags,
            kept=kept,
        )  # fmt: skip


def _texts(translations: Translations, data: Directed) -> dict[Direction, Texts]:
    """The translations beside what they are compared with."""
    texts = data.corpus.texts
    return {
        direction: Texts(column, (tuple(texts[direction.target]),), tuple(texts[direction.source]))
        for direction, column in translations.texts.items()
    }


def _rows(data: Directed, ids: Sequence[str]) -> Directed:
    rows = {row_id: row for row, row_id in enumerate(data.ids)}
    return data.take([rows[row_id] for row_id in ids])


def _counts(translated: Sequence[Translations], data: Directed, quality: TranslationQuality) -> Tensor:
    """Counts by condition, row and direction, `[C, R, G, K]`; NaN for directions that a condition leaves out."""
    by_condition = [
        {direction: quality.counts(texts, direction) for direction, texts in _texts(part, data).items()}
        for part in translated
    ]
    like = by_condition[0][data.directions[0]]
    missing = torch.full(like.shape, torch.nan, dtype=torch.float64)
    stacked = [
        torch.stack([counts.get(direction, missing) for direction in data.directions], dim=1) for counts in by_condition
    ]
    return torch.stack(stacked)
