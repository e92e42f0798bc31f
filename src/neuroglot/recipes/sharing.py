"""`sharing`: neurons sorted by the languages in which they fire, on one task or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from neuroglot.recipes.options import FIND, Natural, OnLanguages, OnModel, OnSite
from neuroglot.recipes.parallel import Directable
from neuroglot.recipes.reading import Asked, note_data

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.activity.sharing import Sharing as Shared
    from neuroglot.corpora import Corpus, Directed
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price, PricedStep
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpora: tuple[Corpus | Directed, ...]
    notes: list[str]


class Signed(Protocol):
    """A result that says how it was made."""

    @property
    def signature(self) -> Signature: ...


@dataclass(frozen=True, kw_only=True)
class Sharing(OnModel, Directable, OnLanguages, OnSite):
    """Sort neurons into all-shared, partial-shared, specific and non-activated, row by row (Sharing Matters).

    For each corpus: the last token of each prompt at every threshold, all tokens, and what the model says next. Source:
    Wang et al. 2024, §§3–4.
    """

    command = "sharing"
    group = FIND
    examples = """
    neuroglot sharing lab --corpus lab --out run
    neuroglot sharing ./my-model --corpus mpararel/ --languages en de fr --on-missing drop --out run
    neuroglot sharing ./my-model --corpus mgsm/ xquad/ --limit 200 --new-tokens 16 --out run"""
    positional = ("model",)
    shares_rows = True

    corpus: tuple[str, ...]
    """A task (a folder of mParaRel, MGSM, XQuAD, MLQA, XNLI or MzsRE, or a YAML that describes one) or parallel text;
    several are compared."""

    new_tokens: Natural = 0
    """Let the model go on from each prompt by so many tokens, and read those as well."""

    fires: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """A neuron fires where its value is greater than this; the first threshold is the main one."""

    special_tokens: bool = True

    def read(self, identity: Identity) -> _Inputs:
        family = self.family_of(self.model)
        read = [prompts_of(self, source) for source in self.corpus]
        for number, (corpus, _) in enumerate(read, 1):
            note_data(identity, corpus, f"data {number}")
        corpora = tuple(
            self.as_read_by(family, corpus, identity, f"directions {number}")
            for number, (corpus, _) in enumerate(read, 1)
        )
        self._require_writing(corpora)
        notes = [note for _, notes in read for note in notes]
        return _Inputs(*self.load_model(identity, self.model), corpora, notes)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.reports import Report

        results: list[Any] = []
        main: list[Shared] = []
        for number, corpus in enumerate(inputs.corpora, 1):
            by_threshold, others = self._recorded(run, inputs, corpus, number)
            main.append(by_threshold[0])
            results += [by_threshold[0], *others, *([by_threshold] if len(by_threshold) > 1 else [])]
        if len(main) > 1:
            results.append(tuple(main))
        title = f"Shared neurons of {main[0].signature['model']}"
        return Report(results, title=title, notes=inputs.notes + over_long(main))

    def price(self, inputs: _Inputs) -> Price:
        """One reading of each corpus, whatever the number of thresholds, and what is generated."""
        from neuroglot.recipes.steps import REPORT_BYTES, sharing_bytes
        from neuroglot.runs.price import price

        kept = sum(sharing_bytes(inputs.view, corpus, self._last) for corpus in inputs.corpora)
        steps = [step for corpus in inputs.corpora for step in self._steps(inputs, corpus)]
        return price(*inputs[:2], steps, (len(self.fires) + 1) * kept, kept + REPORT_BYTES)

    def _require_writing(self, corpora: Sequence[Corpus | Directed]) -> None:
        from neuroglot.corpora import Directed
        from neuroglot.errors import ConfigError

        if self.new_tokens and any(isinstance(corpus, Directed) for corpus in corpora):
            raise ConfigError(
                f"Got new_tokens={self.new_tokens} for directions of translation.",
                "Expected 0: what is read of a direction is the source with the translation that the corpus has.",
                "`neuroglot translate` writes translations.",
            )

    @property
    def _last(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, "last", self.fires[:1], self.special_tokens)

    @property
    def _recordings(self) -> list[Recording]:
        """Of the prompts: at the last token by threshold, and over all tokens at the first threshold."""
        return [
            *(replace(self._last, fires=(threshold,)) for threshold in self.fires),
            replace(self._last, tokens="all"),
        ]

    def _recorded(
        self, run: Run, inputs: _Inputs, corpus: Corpus | Directed, number: int
    ) -> tuple[tuple[Shared, ...], list[Shared]]:
        """At the last token by threshold; and over all tokens and what was generated, at the first threshold."""
        from neuroglot.activity.record import record_several_sharings

        *by_threshold, everywhere = record_several_sharings(
            *inputs[:2], corpus, self._recordings, kept=run.kept(f"counts-{number}")
        )
        run.save(f"sharing-{number}.safetensors", by_threshold[0])
        others = [everywhere]
        if self.new_tokens:
            others.append(self._generated(run, inputs, corpus, number))
        return tuple(by_threshold), others

    def _generated(self, run: Run, inputs: _Inputs, corpus: Corpus | Directed, number: int) -> Shared:
        from neuroglot.activity.record import record_generated_sharing
        from neuroglot.activity.sharing import Sharing as Shared
        from neuroglot.corpora import Corpus
        from neuroglot.generation.decoding import Decoding, generate

        def make() -> Shared:
            assert isinstance(corpus, Corpus)  # directions were refused
            generation = generate(*inputs[:2], corpus, Decoding(max_new_tokens=self.new_tokens))
            (sharing,) = record_generated_sharing(inputs.view, generation, [replace(self._last, tokens="generated")])
            return sharing

        return run.once(f"generated-{number}.safetensors", Shared, make)

    def _steps(self, inputs: _Inputs, corpus: Corpus | Directed) -> list[PricedStep]:
        from neuroglot.activity.record import record_several_sharings
        from neuroglot.corpora import Corpus
        from neuroglot.generation.decoding import Decoding
        from neuroglot.recipes.steps import writing
        from neuroglot.runs.price import PricedStep

        view, tokenizer = inputs[:2]
        steps = [
            PricedStep(
                f"counting on {corpus.name}", corpus,
                lambda part: record_several_sharings(view, tokenizer, part, self._recordings),
            )
        ]  # fmt: skip
        if isinstance(corpus, Corpus) and self.new_tokens:
            generated = replace(self._last, tokens="generated")
            steps.append(writing(view, tokenizer, corpus, Decoding(self.new_tokens), generated))
        return steps


class ParallelOptions(Asked, Protocol):
    """Options that say which languages are read, or which directions."""

    @property
    def languages(self) -> tuple[str, ...] | None: ...
    def languages_asked(self, languages: tuple[str, ...] | None) -> tuple[str, ...] | None: ...


def prompts_of(options: ParallelOptions, source: str) -> tuple[Corpus, list[str]]:
    """The texts to read and what was left out of them: a task's prompts, or parallel text."""
    from neuroglot.corpora.tasks import is_task
    from neuroglot.recipes.reading import read_corpus, read_task

    languages = options.languages_asked(options.languages)
    if is_task(source):
        task = read_task(options, source, None, languages)
        return task.prompts, [f"{task.name}: {count:,} rows left out: {why}." for why, count in task.dropped.items()]
    corpus = read_corpus(options, source, languages)
    notes = [f"{corpus.name}: {corpus.dropped:,} rows left out: a language lacked the text."] if corpus.dropped else []
    return corpus, notes


def over_long(results: Sequence[Signed]) -> list[str]:
    """Rows that did not fit into the model's context, by corpus."""
    notes = []
    for result in results:
        if count := int(result.signature.get("rows_dropped") or 0):
            rows = "1 row" if count == 1 else f"{count:,} rows"
            notes.append(f"{result.signature['corpus']}: {rows} left out: longer than the model's context.")
    return notes
