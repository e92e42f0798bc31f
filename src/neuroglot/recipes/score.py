"""`score`: texts against references, and against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.errors import ConfigError
from neuroglot.recipes.options import USE, Normalized, Sifted

if TYPE_CHECKING:
    from neuroglot.corpora.generate_log import GenerateLog
    from neuroglot.metrics.texts import TextOptions, Texts
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature


class _System(NamedTuple):
    texts: tuple[str, ...]
    log: GenerateLog | None  # where they come from, if from one


class _Inputs(NamedTuple):
    texts: Texts
    baseline: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Score(Sifted, Normalized):
    """Score texts against references, line by line, with intervals; and against a baseline, with a paired test."""

    command = "score"
    group = USE
    examples = """
    neuroglot score --hypotheses sys.txt --references ref.txt --metrics bleu chrf++
    neuroglot score --hypotheses new.txt --baseline old.txt \\
        --references ref.txt --metrics bleu ter
    neuroglot score --log generate-test.txt --language en --metrics bleu --json
    neuroglot score --hypotheses answers.txt --references mgsm.txt \\
        --metrics numeric --language sw
    neuroglot score --hypotheses formulas.txt --references right.txt \\
        --metrics form --form x-fol"""
    keeping = "optional"

    metrics: tuple[str, ...]
    """bleu, spbleu, chrf, chrf++, ter, rouge-1, rouge-2, rouge-l, meteor, sari, accuracy, exact-match, f1, containment,
    numeric (the number behind the sign of an answer), numeric-published (the last number, as published for MGSM and
    MSVAMP), form or form-f1 (the meaning of answers in a formal language) or comet; several are allowed."""

    hypotheses: Path | None = None
    """The system's texts, one a line; or a log of fairseq-generate, which is recognised."""

    log: Path | None = None
    """The same, but refused if it is no log."""

    references: tuple[Path, ...] = ()
    """References, one a line; several files are several wordings. Those of the log by default."""

    sources: Path | None = None
    """Sources, one a line, for sari and comet, and prompts for form. Those of the log by default, if --source says
    their language."""

    baseline: Path | None = None
    """Another system's texts on the same lines, or its log."""

    language: str | None = None
    """Language of hypotheses and references; needed for a log, numeric, `--tokenize auto` and `--normalization
    mlqa`."""

    source: str | None = None
    """Language of a log's sources, if a metric reads them."""

    tokenize: str | None = None
    """For bleu and sari: a tokenizer of sacrebleu (13a by default), or `auto`, what it recommends for the language."""

    comet_model: str | None = None
    """For comet: name or checkpoint file of the model."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.metrics.texts import Texts, choose_metrics

        choose_metrics(self.metrics, self._options)  # refuses, before any file is read
        hypotheses, log = self._hypotheses(identity)
        files = {f"references {number}": path for number, path in enumerate(self.references, 1)}
        references = tuple(_lines(identity, name, path) for name, path in files.items())
        sources = None if self.sources is None else _lines(identity, "sources", self.sources)
        if log is not None:
            references, sources = references or self._references_of(log), sources or self._sources_of(log)
        if not references:
            raise ConfigError("There is no reference.", "Expected --references FILE, or a log with lines T-0, T-1, ….")
        texts, baseline = Texts(hypotheses, references, sources), None
        if self.baseline is not None:
            baseline = replace(texts, hypotheses=self._system(identity, "baseline", self.baseline).texts)
        inputs = _Inputs(self._first(texts), None if baseline is None else self._first(baseline).hypotheses)
        return self._sound(identity, inputs)

    def _sound(self, identity: Identity, inputs: _Inputs) -> _Inputs:
        """Hypotheses that are perhaps no text are counted, left out on all sides, or refused."""
        from neuroglot.corpora.suspicion import Context, counts_by_kind, kinds_of, said
        from neuroglot.errors import CorpusError

        texts, language = inputs.texts, self.language or "und"
        sources = texts.sources or (None,) * len(texts.hypotheses)
        kinds = [kinds_of(text, Context(language, source)) for text, source in zip(texts.hypotheses, sources)]
        remarks = said(counts_by_kind({self.language or "the hypotheses": kinds}))
        sound = [row for row, suspicions in enumerate(kinds) if not suspicions]
        if remarks and (self.suspicious == "refuse" or (self.suspicious == "drop" and not sound)):
            raise CorpusError(
                " ".join(remarks), "Expected text in every row.", "Take them as they are (suspicious='keep')."
            )
        identity.remarks += remarks
        if self.suspicious == "keep" or not remarks:
            return inputs
        identity.remarks.append(f"Of {len(kinds):,} rows {len(kinds) - len(sound):,} were left out.")
        return _Inputs(_rows(texts, sound), inputs.baseline and tuple(inputs.baseline[row] for row in sound))

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.metrics.texts import score_texts
        from neuroglot.reports import Report
        from neuroglot.reports.sections.scoring import scores_section

        scores = score_texts(inputs.texts, self.metrics, self._options, inputs.baseline)
        name = (self.hypotheses or self.log or Path()).name
        return Report([scores_section({name: scores}, self._signature(run, inputs))], title="Scores of texts")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        paths = (self.hypotheses, self.log, self.baseline, self.sources, *self.references)
        return of_files([path for path in paths if path is not None], [], REPORT_BYTES)

    def _signature(self, run: Run, inputs: _Inputs) -> Signature:
        """Which files were scored, by the hash of their bytes; each score has the signature of its metric beside."""
        from neuroglot.signature import Signature, versions

        files = {name: fields["sha256"] for name, fields in run.identity.noted.items() if "sha256" in fields}
        return Signature.of(**files, rows=len(inputs.texts.hypotheses), language=self.language) | versions()

    @property
    def _options(self) -> TextOptions:
        from neuroglot.metrics.texts import TextOptions
        from neuroglot.metrics.texts.metric import COMET_MODEL

        return TextOptions(
            self.language, self.tokenize, self.normalization, self.comet_model or COMET_MODEL, self.form,
            self.databases, self.execute,
        )  # fmt: skip

    def _hypotheses(self, identity: Identity) -> _System:
        if self.log is not None and self.hypotheses is None:
            return self._system(identity, "log", self.log, must_be_log=True)
        if self.hypotheses is None or self.log is not None:
            raise ConfigError(
                "The texts to score are missing or there twice.", "Expected either --hypotheses or --log."
            )
        return self._system(identity, "hypotheses", self.hypotheses)

    def _system(self, identity: Identity, name: str, path: Path, must_be_log: bool = False) -> _System:
        """A system's texts, from plain lines or from a log; refused if it must be one and is none."""
        from neuroglot.corpora.generate_log import detokenized, is_generate_log, read_generate_log

        lines = _lines(identity, name, path)
        if not must_be_log and not is_generate_log(lines):
            return _System(lines, None)
        log = read_generate_log(path, lines)
        return _System(detokenized(log.hypotheses, self._language_of_log), log)

    @property
    def _language_of_log(self) -> str:
        if self.language is None:
            raise ConfigError("A generate log is detokenized by the rules of its language.", "Expected --language xx.")
        return self.language

    def _references_of(self, log: GenerateLog) -> tuple[tuple[str, ...], ...]:
        from neuroglot.corpora.generate_log import detokenized

        return () if log.references is None else (detokenized(log.references, self._language_of_log),)

    def _sources_of(self, log: GenerateLog) -> tuple[str, ...] | None:
        from neuroglot.corpora.generate_log import detokenized

        return None if self.source is None else detokenized(log.sources, self.source)

    def _first(self, texts: Texts) -> Texts:
        """The first lines of all sides, as many as are asked for."""
        return _rows(texts, range(len(texts.hypotheses))[: self.limit])


def _rows(texts: Texts, rows: Sequence[int]) -> Texts:
    """These rows of all sides."""

    def taken(column: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(column[row] for row in rows)

    sources = None if texts.sources is None else taken(texts.sources)
    return replace(
        texts, hypotheses=taken(texts.hypotheses), references=tuple(map(taken, texts.references)), sources=sources
    )


def _lines(identity: Identity, name: str, path: Path) -> tuple[str, ...]:
    from neuroglot.corpora.textfiles import read_lines

    return tuple(identity.file(name, path, read_lines))
