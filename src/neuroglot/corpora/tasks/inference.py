"""XNLI as a task: does the premise entail the hypothesis, contradict it, or neither; three options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.columns import Column, OnMissing
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.folders import inside, names_in
from neuroglot.corpora.languages import choose
from neuroglot.corpora.tables import Table, read_literal_tsv, text_column
from neuroglot.corpora.tasks.phrasing import fill
from neuroglot.corpora.tasks.rows import LACKED, Rows, align_fields, build
from neuroglot.errors import ConfigError, CorpusError

FILES = r"xnli\.(dev|test)\.tsv"
LABELS = ("entailment", "contradiction", "neutral")
FIELDS = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}


@dataclass(frozen=True)
class Scaffold:
    """A template with {premise} and {hypothesis}, and the words that stand for `LABELS`, in their order."""

    template: str
    labels: tuple[str, str, str]


# The English wording is the template "take the following as truth" of PromptSource; the others say the same.
SCAFFOLDS: Mapping[str, Scaffold] = {
    "de": Scaffold(
        'Nimm das Folgende als wahr an: {premise}\nDann ist die folgende Aussage: "{hypothesis}" "wahr", "falsch" oder '
        '"unklar"?',
        ("wahr", "falsch", "unklar"),
    ),
    "en": Scaffold(
        'Take the following as truth: {premise}\nThen the following statement: "{hypothesis}" is "true", "false", or '
        '"inconclusive"?',
        ("true", "false", "inconclusive"),
    ),
    "es": Scaffold(
        "Toma lo siguiente como verdad: {premise}\nEntonces la siguiente afirmación: «{hypothesis}» ¿es «verdadera», "
        "«falsa» o «incierta»?",
        ("verdadera", "falsa", "incierta"),
    ),
    "fr": Scaffold(
        "Prends ce qui suit comme vrai : {premise}\nAlors l'affirmation suivante : « {hypothesis} » est-elle "
        "« vraie », « fausse » ou « incertaine » ?",
        ("vraie", "fausse", "incertaine"),
    ),
    "ru": Scaffold(
        "Прими следующее за истину: {premise}\nТогда следующее утверждение: «{hypothesis}» — «верно», «неверно» или "
        "«неясно»?",
        ("верно", "неверно", "неясно"),
    ),
    "tr": Scaffold(
        'Aşağıdakini doğru kabul et: {premise}\nBuna göre şu ifade: "{hypothesis}" "doğru", "yanlış" ya da "belirsiz" '
        "midir?",
        ("doğru", "yanlış", "belirsiz"),
    ),
    "vi": Scaffold(
        'Hãy coi điều sau là đúng: {premise}\nVậy câu sau: "{hypothesis}" là "đúng", "sai" hay "không rõ"?',
        ("đúng", "sai", "không rõ"),
    ),
    "zh": Scaffold(
        "假定以下内容为真：{premise}\n那么下面的说法：“{hypothesis}”是“正确”、“错误”还是“不确定”？",
        ("正确", "错误", "不确定"),
    ),
}


def read_inference(
    source: Path, languages: Sequence[str] | None, on_missing: OnMissing, scaffolding: str = "en"
) -> Task:
    """Rows are pairs of sentences, aligned by `pairID` where the file has it, else by their order in each language.

    With `scaffolding="en"` prompts and labels are English around the sentences of each language; with `"own"` they are
    in the language, which must be in `SCAFFOLDS`. The label of a row must be the same in every language.
    """
    if scaffolding not in ("en", "own"):
        raise ConfigError(f"scaffolding={scaffolding!r} was given.", "Expected is 'en' or 'own'.")
    path = _file(source) if source.is_dir() else source
    fields = _columns(read_literal_tsv(path), languages)
    rows = align_fields(fields, on_missing)
    scaffolds = {g: _scaffold(scaffolding, g) for g in fields["premise"]}
    _check_labels(rows, path)
    label = [LABELS.index(name) for name in next(iter(rows.values["label"].values()))]
    prompts = {g: _prompts(scaffold.template, rows, g) for g, scaffold in scaffolds.items()}
    answers = {g: [scaffold.labels[n] for n in label] for g, scaffold in scaffolds.items()}
    options = [{g: [scaffold.labels[n]] * len(label) for g, scaffold in scaffolds.items()} for n in range(len(LABELS))]
    answers_in = "en" if scaffolding == "en" else None
    return build("xnli", "CC BY-NC 4.0", rows.ids, prompts, answers, options, {LACKED: rows.lacked}, answers_in)


def _file(folder: Path) -> Path:
    found = [name for name in names_in(folder) if re.fullmatch(FILES, name)]
    if len(found) > 1:
        raise CorpusError(f"{folder} holds {' and '.join(found)}.", "One is a task.", "Give the file itself.")
    return inside(folder, found[0])


def _columns(table: Table, languages: Sequence[str] | None) -> dict[str, dict[str, Column]]:
    """The columns of each field by language; the label is the witness of alignment."""
    missing = [name for name in ("language", *FIELDS.values()) if name not in table.values]
    if missing:
        raise CorpusError(
            f"{table.origin} has no column {missing[0]!r}.",
            f"XNLI has the columns language, {', '.join(FIELDS.values())} and others.",
        )
    tags = list(text_column(table, "language", None).texts)
    names = choose({tag: tag for tag in dict.fromkeys(tags)}, languages, table.origin)
    rows = {code: [row for row, tag in enumerate(tags) if tag == name] for code, name in names.items()}
    return {field: {g: _column(table, column, of) for g, of in rows.items()} for field, column in FIELDS.items()}


def _column(table: Table, name: str, rows: Sequence[int]) -> Column:
    texts, labels = list(table.values[name]), list(table.values[FIELDS["label"]])
    pairs = list(table.values["pairID"]) if "pairID" in table.values else None
    return Column(
        table.origin,
        [str(texts[row]) for row in rows],
        [table.places[row] for row in rows],
        ids=None if pairs is None else [str(pairs[row]) for row in rows],
        witness=[str(labels[row]) for row in rows],
    )


def _check_labels(rows: Rows, path: Path) -> None:
    for language, labels in rows.values["label"].items():
        for row_id, label in zip(rows.ids, labels):
            if label not in LABELS:
                raise CorpusError(
                    f"{path}: the row {row_id!r} in {language!r} has the label {label[:40]!r}.",
                    f"Expected is {', '.join(LABELS)}.",
                )


def _scaffold(scaffolding: str, code: str) -> Scaffold:
    found = SCAFFOLDS.get("en" if scaffolding == "en" else code)
    if found is None:
        raise ConfigError(
            f"scaffolding='own' was given, and there are no words for {code!r}.",
            f"There are for {', '.join(SCAFFOLDS)}.",
            "Ask for those languages, use scaffolding='en', or describe the task in a YAML file.",
        )
    return found


def _prompts(template: str, rows: Rows, code: str) -> list[str]:
    pairs = zip(rows.values["premise"][code], rows.values["hypothesis"][code])
    return [
        fill(template, {"premise": premise.strip(), "hypothesis": hypothesis.strip()}) for premise, hypothesis in pairs
    ]
