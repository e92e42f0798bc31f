"""`specialize evaluate`: translations with and without the directions' own neurons only, scored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import TRANSLATIONS
from neuroglot.recipes.options import USE, Beams, OnCorpus, OnDirections, OnMasks, OnModel, Positive, Proving
from neuroglot.recipes.translation_options import BatchedSearch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.experiments.translations import Translations
    from neuroglot.models import ModelView
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price, PricedStep
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature
    from neuroglot.storage import Kept


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    directions: tuple[Direction, ...]
    masks: DirectionMasks
    seen: int  # rows that the masks were counted on


@dataclass(frozen=True, kw_only=True)
class SpecializeEvaluate(OnModel, OnCorpus, OnDirections, OnMasks, BatchedSearch, Proving):
    """Translate with and without masks, and score both; the difference has a paired test."""

    command = "specialize evaluate"
    group = USE
    examples = """
    neuroglot specialize evaluate ./my-model --masks masks --corpus flores.tsv
    neuroglot specialize evaluate ./my-model --masks masks --corpus flores.tsv \\
        --part rest --metrics bleu comet --out run"""
    positional = ("model",)
    keeping = "optional"

    metrics: tuple[str, ...] = ("bleu", "chrf++")
    """Text metrics by name, as for `neuroglot score`."""

    beams: Beams = 5
    max_new_tokens: Positive = 256

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.seen import rows_selected_on
        from neuroglot.metrics.texts import TextOptions, choose_metrics
        from neuroglot.models.open_interventions import chosen_in

        choose_metrics(self.metrics, TextOptions(language=self.pivot))  # refuses, before anything is translated
        masks, corpus = self.load_masks(identity), self.load_corpus(identity)
        directions = self.directions_in(corpus)
        for direction in directions:
            masks.place(direction)
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(masks.layout, "The masks")
        seen = rows_selected_on(corpus, [masks, *chosen_in(view.model)], self.same_rows)
        return _Inputs(view, tokenizer, corpus, directions, masks, seen)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.translations import score_translations
        from neuroglot.reports import Report
        from neuroglot.reports.sections.scoring import scores_section

        masked = self._translated(inputs, inputs.corpus, inputs.masks, run.kept("masked"))
        plain = self._translated(inputs, inputs.corpus, None, run.kept("plain"))
        _save(inputs.corpus, masked, plain, run.files / TRANSLATIONS)
        scores = score_translations(masked, inputs.corpus, self.metrics, baseline=plain)
        by_direction = {str(direction): column for direction, column in scores.items()}
        section = scores_section(by_direction, self._signature(inputs, masked), "direction", "without masks")
        return Report([section], title=f"Translations of {Path(self.model).name} with and without masks")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora import Directed
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import price

        steps = [self._step(inputs, name) for name in ("with masks", "without masks")]
        sides = Directed(inputs.corpus, inputs.directions).sides
        size = 2 * sum(len(text.encode()) for column in sides for text in column)
        return price(*inputs[:2], steps, size, size + REPORT_BYTES)

    def _step(self, inputs: _Inputs, name: str) -> PricedStep:
        from neuroglot.corpora import Directed
        from neuroglot.runs.price import PricedStep
        from neuroglot.storage import NOTHING_KEPT

        masks = inputs.masks if name == "with masks" else None

        def translate(part: Directed) -> object:
            return self._translated(inputs, part.corpus, masks, NOTHING_KEPT)

        data = Directed(inputs.corpus, inputs.directions)
        return PricedStep(f"translating {name}", data, translate, written=self.max_new_tokens)

    def _translated(self, inputs: _Inputs, corpus: Corpus, masks: DirectionMasks | None, kept: Kept) -> Translations:
        from neuroglot.experiments.translations import translate_directions
        from neuroglot.generation.decoding import Decoding

        return translate_directions(
            inputs.view, inputs.tokenizer, corpus, inputs.directions, masks, semantics=self.semantics,
            decoding=Decoding(self.max_new_tokens, beams=self.beams), token_budget=self.token_budget, kept=kept,
        )  # fmt: skip

    def _signature(self, inputs: _Inputs, translations: Translations) -> Signature:
        from neuroglot.corpora.seen import told_rows
        from neuroglot.models.provenance import generation_signature, made_with
        from neuroglot.signature import Signature

        kept, dropped = len(translations.ids), sum(translations.dropped.values())
        made = made_with(inputs.view, inputs.tokenizer, inputs.corpus, rows=kept, dropped=dropped)
        options = Signature.of(semantics=self.semantics, beams=self.beams, max_new_tokens=self.max_new_tokens)
        made |= inputs.masks.described | options | generation_signature(inputs.view.model)
        return made | translations.unknown | told_rows(inputs.seen)


def _save(corpus: Corpus, masked: Translations, plain: Translations, path: Path) -> None:
    """One line a row and direction: source, reference, and both translations."""
    from neuroglot.storage import write_whole

    rows = {row_id: row for row, row_id in enumerate(corpus.ids)}
    lines = [
        {
            "direction": str(direction), "id": row_id, "source": corpus.texts[direction.source][rows[row_id]],
            "reference": corpus.texts[direction.target][rows[row_id]], "masked": with_masks, "plain": without,
        }
        for direction, column in masked.texts.items()
        for row_id, with_masks, without in zip(masked.ids, column, plain.texts[direction], strict=True)
    ]  # fmt: skip
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
