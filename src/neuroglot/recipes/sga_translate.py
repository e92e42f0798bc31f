"""`sga translate`: texts in other languages, written by an encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import CORPUS, TRANSLATIONS, corpus_source, write_corpus
from neuroglot.recipes.options import USE, Beams, OnTexts, Placed, Positive, Revised
from neuroglot.recipes.reading import first_sound, note_data, note_trained
from neuroglot.recipes.translation_options import Into, OnWriter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.generation.sga import CanvasDecoding, CanvasText
    from neuroglot.generation.translation import Translated
    from neuroglot.models.architectures.sga import SGAForConditionalGeneration
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

ALTERNATIVES = "alternatives.jsonl"


class _Inputs(NamedTuple):
    texts: Corpus
    model: SGAForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class SgaTranslate(OnTexts, Into, OnWriter, Revised, Placed):
    """Translate a corpus with an encoder that writes, in a number of passes that does not grow with the length.

    The run folder is a corpus for all commands: its corpus.jsonl has the rows that were translated into every language.
    """

    command = "sga translate"
    group = USE
    examples = """
    neuroglot sga translate writer --corpus texts.tsv --source en --into de es \\
        --out translated
    neuroglot sga translate writer --corpus texts.tsv --source en --into de \\
        --beams 10 --n-best 3 --out translated"""
    positional = ("model",)

    beams: Beams = 1
    """Prefixes that are followed by the beam search over frames; 1 takes the best path."""

    n_best: Positive = 1
    """Write so many texts of the beams for each source, the others into alternatives.jsonl."""

    token_budget: Positive | None = None
    """Tokens and frames a batch."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot import corpora
        from neuroglot.corpora.directions import Direction
        from neuroglot.generation.translation import original_of, targets_of
        from neuroglot.models.provenance import model_signature, tokenizer_signature
        from neuroglot.models.writers import load_writer

        self.decoding  # noqa: B018 (refuses more texts than beams)
        languages = None if self.source is None else [self.source]
        read = corpora.load(corpus_source(self.corpus), languages=languages, column=self.column)
        texts = first_sound(original_of(read, self.source), self.limit, self.suspicious)
        directions = [Direction(texts.languages[0], target) for target in targets_of(texts, self.into)]
        note_data(identity, texts)
        note_trained(identity, texts, self.model)
        model, tokenizer = load_writer(self.model, revision=self.revision, device=self.device)
        self.require_taught(identity, model, directions)
        identity.note("model", model_signature(model) | tokenizer_signature(tokenizer))
        return _Inputs(texts, model, tokenizer)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.reports import Report
        from neuroglot.reports.sections.translating import translated_section
        from neuroglot.storage import write_whole

        translated, written = self._translated(inputs)
        translated.save(run.files / TRANSLATIONS)
        corpus = translated.to_corpus(self.suspicious)
        write_corpus(corpus, run.files / CORPUS)
        if self.n_best > 1:
            lines = [
                {"id": row_id, "into": language, "passes": text.passes, "texts": [text.text, *text.others]}
                for language, column in written.items()
                for row_id, text in column.items()
            ]
            rows = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_whole(run.files / ALTERNATIVES, rows)
        section = translated_section(translated, len(corpus))
        return Report([section], title=f"{corpus.name} in {', '.join(corpus.languages)}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price

        texts, model, tokenizer = inputs
        size = (1 + len(self.into)) * sum(len(text.encode()) for column in texts.texts.values() for text in column)
        step = PricedStep(
            f"translating {texts.name}", texts, lambda part: self._translated(inputs._replace(texts=part)),
            len(self.into), timed=len(self.into),
        )  # fmt: skip
        return price(view(model.backbone), tokenizer, [step], size, 2 * size + REPORT_BYTES)

    @property
    def decoding(self) -> CanvasDecoding:
        """How texts are read off the frames."""
        from neuroglot.generation.ctc import BeamOptions
        from neuroglot.generation.sga import CanvasDecoding
        from neuroglot.tokens.batches import TOKEN_BUDGET

        beams = BeamOptions(self.beams) if self.beams > 1 else None
        return CanvasDecoding(self.denoising_passes, beams, self.n_best, self.token_budget or TOKEN_BUDGET)

    def _translated(self, inputs: _Inputs) -> tuple[Translated, dict[str, dict[str, CanvasText]]]:
        """Every text in every language, the empty ones and those that do not fit as failures."""
        from neuroglot.generation.sga import translate_texts
        from neuroglot.generation.translation import targets_of

        into = targets_of(inputs.texts, self.into)
        return translate_texts(inputs.model, inputs.tokenizer, inputs.texts, into, self.decoding)
