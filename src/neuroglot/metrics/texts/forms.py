"""Answers in formal languages: whether they mean what the reference means, by the metric of their form."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.forms import FORMS, VERDICT_WORDS, Cage, Verdict, form_of
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.signature import Signature

DATABASE = re.compile(r"^Database: ([\w-]+)\s*$", re.MULTILINE)
BEST_FIRST = ("equal", "undecided", "unequal", "invalid")


def form(options: TextOptions) -> TextMetric:
    """Share of rows that mean what the reference means, by the metric of their form; undecided ones are not right."""
    _require_form(options)

    def counts(texts: Texts) -> Tensor:
        rows = [[*(float(told.word == word) for word in VERDICT_WORDS), 1.0] for told in form_verdicts(texts, options)]
        return torch.tensor(rows, dtype=torch.float64)

    def verbose(summed: Tensor) -> str:
        return ", ".join(f"{word} {int(count)}" for word, count in zip(VERDICT_WORDS, summed.tolist()))

    return TextMetric(counts, mean_percent, lambda texts: _signature(texts, options), verbose, right_or_wrong=True)


def form_f1(options: TextOptions) -> TextMetric:
    """F1 of the parts that are in both, over all rows: Smatch of AMR (Cai and Knight 2013), and facts of triples."""
    _require_form(options)

    def counts(texts: Texts) -> Tensor:
        if not form_of(_code(options)).counts:
            known_to = ", ".join(code for code, known in FORMS.items() if known.counts)
            raise ConfigError(f"{form_of(_code(options)).name} has no parts to count.", f"Expected one of {known_to}.")
        rows = [[told.matched, told.answered, told.expected] for told in form_verdicts(texts, options)]
        counted = torch.tensor(rows, dtype=torch.float64)
        return _with_expected(counted, texts, options)

    def value(counts: Tensor) -> Tensor:
        return 200 * counts[..., 0] / counts[..., 1:3].sum(-1)

    def verbose(summed: Tensor) -> str:
        matched, answered, expected = summed.tolist()
        return f"P = {_percent(matched, answered)} R = {_percent(matched, expected)}"

    return TextMetric(counts, value, lambda texts: _signature(texts, options), verbose)


def _require_form(options: TextOptions) -> None:
    if options.form is not None:
        form_of(options.form)


def _with_expected(counts: Tensor, texts: Texts, options: TextOptions) -> Tensor:
    """Counts whose rows without a reading of the answer hold what the first reference has, so that they are missed."""
    unread = [row for row, expected in enumerate(counts[:, 2].tolist()) if not expected]
    if unread:
        with Cage(_code(options)) as cage:
            for row in unread:
                reference = texts.of_row(row)[0]
                counts[row, 2] = cage.compare(reference, reference).expected
    return counts


def form_verdicts(texts: Texts, options: TextOptions) -> list[Verdict]:
    """The verdict on each row, the best over its references.

    Raises `ConfigError` if it is not known of which form the texts are, and `MissingExtraError` as `forms.Cage` does.
    """
    prompts = texts.sources or ("",) * len(texts.hypotheses)
    with Cage(_code(options), options.execute) as cage:
        return [
            _best([cage.compare(text, reference, _context(prompt, options)) for reference in texts.of_row(row)])
            for row, (text, prompt) in enumerate(zip(texts.hypotheses, prompts))
        ]


def _best(told: list[Verdict]) -> Verdict:
    return min(told, key=lambda verdict: (BEST_FIRST.index(verdict.word), -verdict.matched))


def _code(options: TextOptions) -> str:
    code = options.form or options.language or ""
    if code not in FORMS:
        raise ConfigError(
            f"The form of the answers is {code!r}." if code else "The form of the answers was not given.",
            f"Expected one of {', '.join(FORMS)}.",
            "Give it: --form x-sql. Tasks whose languages are forms need none.",
        )
    return code


def _context(prompt: str, options: TextOptions) -> dict[str, str]:
    """The prompt, and the file of the database that it names in a line `Database: NAME`, in the layout of Spider or
    flat; raises `ConfigError` if it is not there.
    """
    named = DATABASE.search(prompt)
    if options.databases is None or named is None:
        return {"prompt": prompt}
    name = named[1]
    places = (options.databases / name / f"{name}.sqlite", options.databases / f"{name}.sqlite")
    for path in map(Path.resolve, places):
        if path.is_file():
            return {"prompt": prompt, "database": str(path)}
    raise ConfigError(f"There is no database {name!r} in {options.databases}.", f"Expected {places[0]} or {places[1]}.")


def _signature(texts: Texts, options: TextOptions) -> Signature:
    code = _code(options)
    stored = {} if options.databases is None else {"databases": options.databases.name}
    return Signature.of(
        nrefs=len(texts.references), form=code, by=FORMS[code].method, **stored,
        **({"executed": options.execute} if FORMS[code].runs else {}), version=f"neuroglot {version('neuroglot')}",
    )  # fmt: skip


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "none"
