"""Tasks in the layouts of XNLI, MzsRE, MGSM, MSVAMP and XQuAD, one function a layout.

XNLI is a pair of sentences with a label, MzsRE an edit and a query, in one language or across two; MGSM, MSVAMP and
XQuAD are questions in the language's own words, in XQuAD behind their passage.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuroglot.corpora.columns import OnMissing, TextColumn
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.languages import choose
from neuroglot.corpora.loading import inside, names_in, read_folder
from neuroglot.corpora.readers import string_field
from neuroglot.corpora.tables import RawTable, read_literal_tsv, text_column
from neuroglot.corpora.tasks.phrasing import fill, question_prompt, spaced
from neuroglot.corpora.tasks.rows import LACKED, Rows, align_fields, build
from neuroglot.corpora.textfiles import parse_text_json, read_text
from neuroglot.errors import ConfigError, CorpusError

XNLI_FILES = r"xnli\.(dev|test)\.tsv"
LABELS = ("entailment", "contradiction", "neutral")
XNLI_FIELDS = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}


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
        raise ConfigError(f"scaffolding={scaffolding!r} was given.", "Expected 'en' or 'own'.")
    path = _file(source) if source.is_dir() else source
    fields = _xnli_columns(read_literal_tsv(path), languages)
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
    found = [name for name in names_in(folder) if re.fullmatch(XNLI_FILES, name)]
    if len(found) > 1:
        raise CorpusError(f"{folder} holds {' and '.join(found)}.", "One is a task.", "Give the file itself.")
    return inside(folder, found[0])


def _xnli_columns(table: RawTable, languages: Sequence[str] | None) -> dict[str, dict[str, TextColumn]]:
    """The columns of each field by language; the label is the witness of alignment."""
    missing = [name for name in ("language", *XNLI_FIELDS.values()) if name not in table.values]
    if missing:
        raise CorpusError(
            f"{table.origin} has no column {missing[0]!r}.",
            f"XNLI has the columns language, {', '.join(XNLI_FIELDS.values())} and others.",
        )
    tags = list(text_column(table, "language", None).texts)
    names = choose({tag: tag for tag in dict.fromkeys(tags)}, languages, table.origin)
    rows = {code: [row for row, tag in enumerate(tags) if tag == name] for code, name in names.items()}
    return {field: {g: _column(table, column, of) for g, of in rows.items()} for field, column in XNLI_FIELDS.items()}


def _column(table: RawTable, name: str, rows: Sequence[int]) -> TextColumn:
    texts, labels = list(table.values[name]), list(table.values[XNLI_FIELDS["label"]])
    pairs = list(table.values["pairID"]) if "pairID" in table.values else None
    return TextColumn(
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
                    f"Expected {', '.join(LABELS)}.",
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


MZSRE_FILES = r"mzsre.*\.json"
PAIRS = r"mzsre_test_duplicate_en([a-z]{2})\.json"
MZSRE_EXAMPLE = "mzsre_test_duplicate_ende.json"
MZSRE_TAGS = {"cz": "cs", "du": "nl"}  # what MzsRE calls Czech and Dutch
DIRECTIONS = ("en-to-x", "x-to-en")
QUERIES = ("src", "rephrase")
ENGLISH = "en"
_OBJECT = "{'en': {'src': ..., 'rephrase': ..., 'alt': ...}, 'de': {...}}"


def read_editing(
    source: Path,
    languages: Sequence[str] | None,
    on_missing: OnMissing,
    direction: str = "en-to-x",
    query: str = "src",
) -> Task:
    """`Question: ... Answer: ...`, the edit, then `Question: ... Answer:`, the query, each in its language's words.

    With `direction="en-to-x"` the edit is English, query and answer are in the row's language; with `"x-to-en"` the
    edit is in the row's language, query and answer are English. English itself is a language like any other: there
    edit and query are both English. `query` is `src`, the edited question, or `rephrase`.
    """
    for name, value, expected in (("direction", direction, DIRECTIONS), ("query", query, QUERIES)):
        if value not in expected:
            raise ConfigError(f"{name}={value!r} was given.", f"Expected {' or '.join(map(repr, expected))}.")
    files = _files(source)
    codes = choose({tag: MZSRE_TAGS.get(tag, tag) for tag in files}, languages, str(source))
    entries = {path: _entries(path) for path in {files[tag] for tag in codes.values()}}
    columns = {g: _mzsre_columns(files[tag], entries[files[tag]], tag, query) for g, tag in codes.items()}
    names = next(iter(columns.values()))
    rows = align_fields(
        {name: {g: of_language[name] for g, of_language in columns.items()} for name in names}, on_missing
    )
    made = {g: _texts(rows, g, direction, query) for g in codes}
    prompts, answers = ({g: texts[n] for g, texts in made.items()} for n in (0, 1))
    answers_in = None if direction == "en-to-x" else ENGLISH
    return build(f"mzsre {direction}", "unknown", rows.ids, prompts, answers, (), {LACKED: rows.lacked}, answers_in)


def _files(source: Path) -> dict[str, Path]:
    """The file of each language by its tag; English is read from any of them."""
    if not source.is_dir():
        return dict.fromkeys((tag for entry in _entries(source) for tag in entry), source)
    found = {m[1]: inside(source, name) for name in names_in(source) if (m := re.fullmatch(PAIRS, name))}
    if not found:
        raise CorpusError(f"{source} has no file with English.", f"Expected one such as {MZSRE_EXAMPLE}.")
    return {ENGLISH: next(iter(found.values())), **found}


def _entries(path: Path) -> list[Mapping[str, Any]]:
    root = parse_text_json(read_text(path), path)
    if not isinstance(root, list) or not root:
        raise CorpusError(f"{path} is a {type(root).__name__} of no rows.", f"Expected a list of {_OBJECT}.")
    for number, entry in enumerate(root, 1):
        languages = list(entry.values()) if isinstance(entry, dict) else []
        if ENGLISH not in (entry if languages else ()) or not all(isinstance(fields, dict) for fields in languages):
            raise CorpusError(f"{path}, row {number} is not as in MzsRE.", f"Expected {_OBJECT}, English always there.")
    return root


def _mzsre_columns(path: Path, entries: Sequence[Mapping[str, Any]], tag: str, query: str) -> dict[str, TextColumn]:
    """`own src`, `en src` and so on, from one language's file; a language that an entry lacks is a missing text."""
    english = [(f"{path}, row {number}", entry[ENGLISH]) for number, entry in enumerate(entries, 1)]
    witness = [f"{string_field(row, 'src', where)} {string_field(row, 'alt', where)}" for where, row in english]
    columns = {}
    for side, of in (("own", tag), (ENGLISH, ENGLISH)):
        for name in dict.fromkeys(("src", "alt", query)):
            texts = [_text(entry, of, name, where) for (where, _), entry in zip(english, entries)]
            columns[f"{side} {name}"] = TextColumn(
                str(path), texts, range(1, len(texts) + 1), witness=witness, unit="row"
            )
    return columns


def _text(entry: Mapping[str, Any], tag: str, name: str, where: str) -> str:
    return string_field(entry[tag], name, where) if tag in entry else ""


def _texts(rows: Rows, code: str, direction: str, query: str) -> tuple[list[str], list[str]]:
    """Prompts and answers of one language."""
    edit, asked = (ENGLISH, "own") if direction == "en-to-x" else ("own", ENGLISH)
    language = {"own": code, ENGLISH: ENGLISH}
    column = {field: of_language[code] for field, of_language in rows.values.items()}
    stated = zip(column[f"{edit} src"], column[f"{edit} alt"], column[f"{asked} {query}"])
    prompts = [
        f"{question_prompt(language[edit], question)}{spaced(answer, language[edit])}\n"
        + question_prompt(language[asked], query_text)
        for question, answer, query_text in stated
    ]
    return prompts, list(column[f"{asked} alt"])


def read_mgsm_task(folder: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """`Question: ... Answer:` and the number; the numbers of a row must agree across languages."""
    return _read_sums(folder, languages, on_missing, "question", "answer")


def read_msvamp_task(folder: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """The same of MSVAMP, whose numbers are written as `8.0`."""
    return _read_sums(folder, languages, on_missing, "m_query", "response")


def _read_sums(
    folder: Path, languages: Sequence[str] | None, on_missing: OnMissing, question: str, answer: str
) -> Task:
    source, questions = read_folder(folder, languages, question)
    _, answers = read_folder(folder, languages, answer)
    rows = align_fields({"question": questions, "answer": answers}, on_missing)
    prompts = {g: [question_prompt(g, text) for text in column] for g, column in rows.values["question"].items()}
    return build(source.name, source.licence, rows.ids, prompts, rows.values["answer"], dropped={LACKED: rows.lacked})


def read_xquad_task(folder: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """`Context: ... Question: ... Answer:` and the first answer, a part of the passage."""
    source, questions = read_folder(folder, languages, "question")
    fields = {field: read_folder(folder, languages, field)[1] for field in ("passage", "answer")}
    rows = align_fields({"question": questions, **fields}, on_missing)
    prompts = {
        g: [question_prompt(g, *texts) for texts in zip(column, rows.values["passage"][g])]
        for g, column in rows.values["question"].items()
    }
    return build(source.name, source.licence, rows.ids, prompts, rows.values["answer"], dropped={LACKED: rows.lacked})
