"""`lint`: what is wrong with parallel text, and the rows without it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from annotated_types import Gt

from neuroglot.recipes.artefacts import CORPUS, corpus_source, write_corpus
from neuroglot.recipes.options import USE, Limited, OnColumn
from neuroglot.recipes.reading import MissingText

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.metrics.linting import Lint
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

FINDINGS = "findings.jsonl"


class _Inputs(NamedTuple):
    corpus: Corpus
    against: tuple[Corpus, ...]


@dataclass(frozen=True, kw_only=True)
class LintCorpus(Limited, OnColumn):
    """Find untranslated rows, changed numbers, odd lengths, other scripts and languages, repeated rows and rows of test
    sets in parallel text.

    The run folder is a corpus: its corpus.jsonl has the rows without the findings in --drop, and findings.jsonl names
    every finding by row and language.
    """

    command = "lint"
    group = USE
    examples = """
    neuroglot lint texts.tsv
    neuroglot lint texts.tsv --against mgsm msvamp --candidates en fr --out clean
    neuroglot lint texts.tsv --drop untranslated "numbers changed" --out clean"""
    positional = ("corpus",)
    keeping = "optional"

    corpus: str
    """Parallel text in any layout that `--corpus` takes elsewhere."""

    languages: tuple[str, ...] | None = None
    """Languages to read, by code; all that are there by default."""

    on_missing: MissingText = "drop"
    """What to do where a language lacks a text: `drop` the whole row and count it, or `refuse` to read."""

    relative_to: str | None = None
    """Language that the others translate; English if it is there, else the first."""

    against: tuple[str, ...] = ()
    """Test sets that must not be in the corpus, in no language: their texts are looked for, and, through the rows they
    stand in, their translations."""

    length_factor: Annotated[float, Gt(1)] = 3.0
    """A text is too short or too long if it is so many times what its source lets expect."""

    candidates: tuple[str, ...] = ()
    """Tell the language of each text too, among these and the corpus's own; needs the extra `identification`."""

    drop: tuple[str, ...] | None = None
    """Findings whose rows corpus.jsonl leaves out; by default all but numbers that are lost or added alone."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot import corpora
        from neuroglot.metrics.linting import require_kinds
        from neuroglot.signature import Signature

        require_kinds(self._dropped)
        rows = corpora.load(
            corpus_source(self.corpus), languages=self.languages, on_missing=self.on_missing, column=self.column
        ).head(self.limit)
        tests = tuple(corpora.load(corpus_source(name), on_missing="drop") for name in self.against)
        for what, data in (("data", rows), *((f"test set {number}", test) for number, test in enumerate(tests, 1))):
            identity.note(what, Signature.of(name=data.name, hash=data.hash, rows=len(data)))
        return _Inputs(rows, tests)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.linting import lint
        from neuroglot.reports import Report

        found = lint(
            inputs.corpus, relative_to=self.relative_to, length_factor=self.length_factor, candidates=self.candidates,
            against=inputs.against,
        )  # fmt: skip
        _write_findings(found, run.files / FINDINGS)
        left = len(found.corpus) - len(found.rows(self._dropped))
        if left:
            write_corpus(found.clean(self._dropped), run.files / CORPUS)
        notes = [f"{CORPUS} has {left:,} of {len(found.corpus):,} rows." if left else f"No row is left for {CORPUS}."]
        if found.corpus.dropped:
            notes.append(f"{found.corpus.dropped:,} rows more were not read, because a language lacked them.")
        notes += [
            f"{test.dropped:,} rows of {test.name} were not looked for, because a language lacked them."
            for test in inputs.against
            if test.dropped
        ]
        return Report([found], title=f"Lint of {found.corpus.name}", notes=notes)

    def following(self, out: Path) -> tuple[str, ...]:
        """Read the rows that are left, as any corpus."""
        return ("fertility", "MODEL", "--corpus", str(out))

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        size = sum(len(text.encode()) for column in inputs.corpus.texts.values() for text in column)
        return of_files([], [CORPUS, FINDINGS], 2 * size + REPORT_BYTES)

    @property
    def _dropped(self) -> tuple[str, ...]:
        from neuroglot.metrics.linting import FINDING_KINDS, HARMLESS

        return tuple(kind for kind in FINDING_KINDS if kind not in HARMLESS) if self.drop is None else self.drop


def _write_findings(found: Lint, path: Path) -> None:
    """One line a finding, in the order of the rows."""
    from neuroglot.storage import write_whole

    listed = sorted(
        (row, found.languages.index(language), number)
        for number, by_language in enumerate(found.findings.values())
        for language, rows in by_language.items()
        for row in rows
    )
    kinds = tuple(found.findings)
    lines = [
        {"id": found.corpus.ids[row], "language": found.languages[language], "finding": kinds[number]}
        for row, language, number in listed
    ]
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
