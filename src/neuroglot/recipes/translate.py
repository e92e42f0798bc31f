"""`translate`: a corpus in other languages, by a model or an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import CORPUS, TRANSLATIONS, corpus_source, write_corpus
from neuroglot.recipes.backends import OnBackend
from neuroglot.recipes.deciding import ByRule
from neuroglot.recipes.options import USE, OnTexts, Positive
from neuroglot.recipes.reading import SuspiciousText, first_sound, note_data
from neuroglot.recipes.translation_options import Into, Truncating

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.generation.backend import Backend
    from neuroglot.generation.translation import Translated
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.storage import Kept


class _Inputs(NamedTuple):
    texts: Corpus
    demonstrations: Corpus | None
    backend: Backend


@dataclass(frozen=True, kw_only=True)
class Translate(OnTexts, Into, OnBackend, ByRule, Truncating):
    """Translate a corpus into other languages; rows with a failure in any of them are counted and left out.

    The run folder is a corpus for all commands: its corpus.jsonl has the rows that were translated into every language,
    its translations.jsonl all of them, with the failures by name.
    """

    command = "translate"
    group = USE
    examples = """
    neuroglot translate --corpus texts.tsv --source de --into es fr \\
        --model facebook/nllb-200-distilled-600M --out run
    neuroglot translate --corpus texts/ --source de --into es ru --out run \\
        --endpoint https://api.openai.com/v1 --endpoint-model gpt-4o-mini \\
        --key-variable OPENAI_API_KEY --answers answers
    neuroglot translate --corpus texts/ --source de --into es --out run \\
        --endpoint http://127.0.0.1:8000/v1 --endpoint-model my-model"""

    model: str | None = None
    """`lab`, a folder in the hub's layout, a GGUF file, or a hub id: a translation model, or any that is asked."""

    demonstrations: str | None = None
    """Parallel corpus whose rows are shown as examples."""

    prompted: bool = False
    """Ask a translation model in a prompt too."""

    max_new_tokens: Positive = 512

    thinking: bool = False
    """Let a model think first if its chat template can be told; what it thinks is cut off its translation."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot import corpora
        from neuroglot.generation.local import LocalBackend
        from neuroglot.generation.translation import original_of, targets_of

        self.require_one()
        self.decoding  # noqa: B018 (refuses options that contradict each other)
        self._require_local_rule()
        self.note_rule(identity)
        languages = None if self.source is None else [self.source]
        read = corpora.load(corpus_source(self.corpus), languages=languages, column=self.column)
        texts = first_sound(original_of(read, self.source), self.limit, self.suspicious)
        targets_of(texts, self.into)
        note_data(identity, texts)
        shown = None if self.demonstrations is None else corpora.load(corpus_source(self.demonstrations))
        if shown is not None:
            note_data(identity, shown, "demonstrations")
        backend = self.backend(identity, self.keep_truncated, self.thinking)
        if isinstance(backend, LocalBackend):
            self.require_rule(backend.view)
        return _Inputs(texts, shown, backend)

    def _require_local_rule(self) -> None:
        """Refuse a rule that an endpoint cannot follow, before it is asked."""
        from neuroglot.generation.backend import refuse_rule

        if self.endpoint is not None:
            refuse_rule(self.decoding, "an endpoint")

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.reports import Report
        from neuroglot.reports.sections.translating import translated_section

        translated = self._translated(
            inputs._replace(backend=self.keeping_answers(inputs.backend, run)), run.kept("windows")
        )
        translated.save(run.files / TRANSLATIONS)
        corpus = _translated_rows(translated, self.suspicious)
        write_corpus(corpus, run.files / CORPUS)
        section = translated_section(translated, len(corpus))
        return Report([section], title=f"{corpus.name} in {', '.join(corpus.languages)}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Analyse the model on the translations, which are a corpus."""
        return ("analyze", self.model or "MODEL", "--corpus", str(out), "--out", f"{out}-analyzed")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.generation.local import LocalBackend
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, of_files, price
        from neuroglot.storage import NOTHING_KEPT

        texts, backend = inputs.texts, inputs.backend
        size = (1 + len(self.into)) * sum(len(text.encode()) for column in texts.texts.values() for text in column)
        if not isinstance(backend, LocalBackend):
            asked = f"{self.endpoint} would be asked {len(texts) * len(self.into):,} times, less what is in --answers."
            return of_files([], [TRANSLATIONS, CORPUS], 2 * size + REPORT_BYTES, [asked])
        step = PricedStep(
            f"translating {texts.name}", texts,
            lambda part: self._translated(inputs._replace(texts=part), NOTHING_KEPT),
            self.decoding.copies, self.decoding.copies, written=self.max_new_tokens * len(self.into),
        )  # fmt: skip
        return price(backend.view, backend.tokenizer, [step], size, 2 * size + REPORT_BYTES)

    def _translated(self, inputs: _Inputs, kept: Kept) -> Translated:
        from neuroglot.generation.translation import translate

        return translate(
            inputs.backend, inputs.texts, self.into, self.decoding, demonstrations=inputs.demonstrations,
            prompted=self.prompted, kept=kept,
        )  # fmt: skip


def _translated_rows(translated: Translated, suspicious: SuspiciousText) -> Corpus:
    """The rows that were translated into every language; if none was, but may be later, the answers are kept."""
    from neuroglot.errors import CorpusError, EndpointError

    try:
        return translated.to_corpus(suspicious)
    except CorpusError as error:
        asked = (completion for column in translated.completions.values() for completion in column)
        if not any(completion is not None and completion.may_pass for completion in asked):
            raise
        next_step = "Go on with resume (--resume), which asks once more for what failed."
        raise EndpointError(error.got, error.expected, next_step) from error
