"""Any parallel corpus or task as parallel inputs, and two sets of inputs joined on their originals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.languages import language_code
from neuroglot.corpora.parallel_inputs.items import ParallelInputs, ParallelItem
from neuroglot.errors import CorpusError


def from_corpora(
    fields: Mapping[str, Corpus],
    original: str,
    *,
    task: str = "translation",
    target: str | None = None,
    references: Sequence[str] | Corpus | None = None,
    wordings: Mapping[str, Corpus] | None = None,
) -> ParallelInputs:
    """Inputs from a corpus for each field of the template `task`: `{"text": corpus}`, `{"premise": ..., ...}`.

    The corpora have the same ids; `original` is the language of each that comes first. `target` is a language of the
    only field that is to be produced: its texts become the references and leave the fields. Else `references` has one
    for each row, or is a corpus, whose texts in `original` are taken (the answers of MGSM). `wordings` are more texts
    of the only field in languages it has, by a name of theirs: `{"paraphrase": corpus}` gives the columns
    `"de#paraphrase"`. Raises `CorpusError` where corpora are not aligned or a language is not there.
    """
    if not fields:
        raise CorpusError("No field was given.", "Expected a corpus for each field of the template.")
    first, original = next(iter(fields.values())), language_code(original)
    others = [*fields.values(), *(wordings or {}).values(), *([references] if isinstance(references, Corpus) else [])]
    if any(corpus.ids != first.ids for corpus in others):
        raise CorpusError(
            f"The corpora of {', '.join(fields)} have different ids.", "Expected the same rows in the same order."
        )
    if (target is not None or wordings) and len(fields) > 1:
        raise CorpusError(f"There are the fields {', '.join(fields)}.", "A target or wordings need one field only.")
    columns = {f: {g: tuple(texts) for g, texts in corpus.texts.items()} for f, corpus in fields.items()}
    given = references.select([original]).texts[original] if isinstance(references, Corpus) else references
    if target is not None:
        given = _taken(columns, language_code(target), original)
    for name, corpus in (wordings or {}).items():
        next(iter(columns.values())).update({f"{g}#{name}": tuple(texts) for g, texts in corpus.texts.items()})
    if given is not None and len(given) != len(first):
        raise CorpusError(f"{first.name!r} has {len(first)} rows and {len(given)} references.", "Expected one a row.")
    return _inputs(
        first, task, original, columns, [() if given is None else (given[row],) for row in range(len(first))]
    )


def from_task(task: Task, original: str, *, answer_language: str | None = None) -> ParallelInputs:
    """The worded prompts of a task as questions, its answer and options as references and options.

    They are those of `answer_language`, `original` by default. Raises `CorpusError` on a language it lacks.
    """
    original = language_code(original)
    answers_in = language_code(answer_language or original)
    task.select([original] if answers_in == original else [original, answers_in])
    rows = range(len(task))
    references = [(task.answers.texts[answers_in][row].strip(),) for row in rows]
    options = [tuple(option.texts[answers_in][row].strip() for option in task.options) for row in rows]
    inputs = _inputs(task.prompts, "question", original, {"question": dict(task.prompts.texts)}, references)
    items = tuple(replace(item, options=of) for item, of in zip(inputs.items, options, strict=True))
    return replace(inputs, name=task.name, items=items)


def join_on_original(first: ParallelInputs, second: ParallelInputs) -> ParallelInputs:
    """Items of both whose originals are the same, with the columns of both, in the order of `first`.

    Of items with one original (chat one-liners) the first counts. What `second` has in a column of `first` becomes the
    column `"es#2"`: another wording in the same language, a control. References are those of `first`, else of `second`.
    Raises `CorpusError` where nothing is shared.
    """
    there: dict[object, ParallelItem] = {}
    for item in second.items:
        there.setdefault(_original(item), item)
    here: dict[object, ParallelItem] = {}
    for item in first.items:
        here.setdefault(_original(item), item)
    items = tuple(_joined(item, there[key]) for key, item in here.items() if key in there)
    if not items:
        raise CorpusError(
            f"{first.name!r} and {second.name!r} share no original.",
            "Expected inputs whose original texts are the same.",
            "Compare their languages and fields.",
        )
    return ParallelInputs(
        f"{first.name}+{second.name}", first.task, items, first.faults + second.faults,
        first.excluded + second.excluded, first.licence,
    )  # fmt: skip


def _taken(columns: dict[str, dict[str, tuple[str, ...]]], target: str, original: str) -> Sequence[str]:
    (texts,) = columns.values()
    if target not in texts or target == original:
        raise CorpusError(
            f"The target {target!r} was asked for, of the original {original!r}.",
            f"Expected another of {', '.join(texts)}.",
        )
    return texts.pop(target)


def _inputs(
    corpus: Corpus,
    task: str,
    original: str,
    columns: Mapping[str, Mapping[str, Sequence[str]]],
    references: Sequence[tuple[str, ...]],
) -> ParallelInputs:
    items = tuple(
        ParallelItem(row_id, {f: {c: t[row] for c, t in of.items()} for f, of in columns.items()}, original, right)
        for row, (row_id, right) in enumerate(zip(corpus.ids, references, strict=True))
    )
    return ParallelInputs(corpus.name, task, items, licence=corpus.licence)


def _original(item: ParallelItem) -> object:
    return item.original, tuple((name, columns[item.original]) for name, columns in item.fields.items())


def _joined(item: ParallelItem, other: ParallelItem) -> ParallelItem:
    fields = {}
    for name, columns in item.fields.items():
        more = {c: text for c, text in other.fields[name].items() if c != item.original}
        fields[name] = {**columns, **{f"{c}#2" if c in columns else c: text for c, text in more.items()}}
    return replace(item, fields=fields, references=item.references or other.references)
