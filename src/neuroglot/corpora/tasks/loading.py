"""`load_task`: a task from files, the layout known by the names of the files and never by a guess."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Task, require_limit
from neuroglot.corpora.languages import wanted_codes
from neuroglot.corpora.loading import names_in
from neuroglot.corpora.symbols import symbol_source, symbol_task
from neuroglot.corpora.tasks.described import read_described
from neuroglot.corpora.tasks.mlqa import MLQA_EXAMPLE, MLQA_FILES, read_mlqa_task
from neuroglot.corpora.tasks.mpararel import read_facts
from neuroglot.corpora.tasks.readers import (
    MZSRE_EXAMPLE,
    MZSRE_FILES,
    XNLI_FILES,
    read_editing,
    read_inference,
    read_mgsm_task,
    read_msvamp_task,
    read_xquad_task,
)
from neuroglot.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class TaskLayout:
    """One layout: it is there where each of `names`, regular expressions, matches a whole name.

    Names are those in the folder that was given, or the name of the file, as far as the layout may be either.
    """

    name: str
    example: str
    names: tuple[str, ...]
    read: Callable[..., Task]
    options: tuple[str, ...] = ()
    folder: bool = True
    file: bool = False


TASK_LAYOUTS = (
    TaskLayout(
        name="mpararel",
        example="patterns/de/P103.jsonl and tuples/de/P103.jsonl",
        names=("patterns", "tuples"),
        read=read_facts,
        options=("relations", "distractors"),
    ),
    TaskLayout(name="mgsm", example="mgsm_de.tsv", names=(r"mgsm_.+\.tsv",), read=read_mgsm_task),
    TaskLayout(name="msvamp", example="test_German.json", names=(r"test_[A-Z][a-z]+\.json",), read=read_msvamp_task),
    TaskLayout(name="xquad", example="xquad.de.json", names=(r"xquad\..+\.json",), read=read_xquad_task),
    TaskLayout(
        name="mlqa",
        example=MLQA_EXAMPLE,
        names=(MLQA_FILES,),
        read=read_mlqa_task,
        options=("direction",),
        file=True,
    ),
    TaskLayout(
        name="xnli",
        example="xnli.test.tsv",
        names=(XNLI_FILES,),
        read=read_inference,
        options=("scaffolding",),
        file=True,
    ),
    TaskLayout(
        name="mzsre",
        example=MZSRE_EXAMPLE,
        names=(MZSRE_FILES,),
        read=read_editing,
        options=("direction", "query"),
        file=True,
    ),
    TaskLayout(
        name="described",
        example="a task of your own, my_task.yaml",
        names=(r".+\.ya?ml",),
        read=read_described,
        folder=False,
        file=True,
    ),
)


def load_task(
    source: str | Path,
    *,
    languages: Sequence[str] | None = None,
    on_missing: OnMissing = "refuse",
    limit: int | None = None,
    **options: Any,
) -> Task:
    """Reads a task, or refuses it: prompts, answers and, in a multiple choice, options, aligned across languages.

    `source` is the folder of mParaRel, MGSM, MSVAMP or XQuAD, the folder or file of MLQA, XNLI or MzsRE, a YAML file
    that describes a task of one's own, or `symbols`, `symbols:1000` or `symbols-renamed`, generated rows whose
    languages are formal ones. `languages` and `on_missing` are as in `corpora.load`; rows that are left out are counted
    by reason in `Task.dropped`. `limit` takes the first rows only. Options, by layout:

    * mParaRel: `relations=("P103", ...)`; `distractors=3`, wrong options beside the right one, 0 for no options.
    * MLQA: `direction="x-to-x"`, from the passage's language to the question's, of which x is the row's: `"en-to-x"`
      asks in each language on English passages, `"x-to-en"` in English on passages in each.
    * XNLI: `scaffolding="en"`, or `"own"`, the words of the prompt and of the labels in the row's language.
    * MzsRE: `direction="en-to-x"` (the edit in English, the query in the row's language) or `"x-to-en"`;
      `query="src"`, the edited question itself, or `"rephrase"`.

    Prompts end without a space; answers and options begin with one where their language is written with spaces.
    Raises `CorpusError` on what cannot be read or is not parallel, `ConfigError` on an option that does not fit.
    """
    if on_missing not in get_args(OnMissing):
        raise ConfigError(f"on_missing={on_missing!r} was given.", "Expected 'refuse' or 'drop'.")
    require_limit(limit)
    generated = symbol_source(str(source))
    if generated is not None and not options:
        return symbol_task(generated, None if languages is None else wanted_codes(languages)).head(limit)
    path = Path(source).expanduser()
    layout = _layout(path)
    unknown = [name for name in options if name not in layout.options]
    if unknown:
        raise ConfigError(
            f"The option {unknown[0]!r} was given for {path}, of the layout {layout.name!r}.",
            f"Its options are {', '.join(layout.options)}." if layout.options else "It has no options.",
        )
    task = layout.read(path, languages, on_missing, **options)
    return task.head(limit)


def is_task(source: str | Path) -> bool:
    """Whether `load` knows the layout of what lies there; what does not exist is no task."""
    path = Path(source).expanduser()
    try:
        _layout(path)
    except CorpusError:
        return False
    return True


def _layout(path: Path) -> TaskLayout:
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise CorpusError(f"{str(path)[:200]!r} cannot be read: {error}.") from error
    if not is_there:
        raise CorpusError(f"There is no {str(path)[:200]!r}.", "Expected the path of a task's folder or file.")
    names = names_in(path) if is_folder else [path.name]
    possible = [layout for layout in TASK_LAYOUTS if (layout.folder if is_folder else layout.file)]
    found = [
        layout
        for layout in possible
        if all(any(re.fullmatch(pattern, name) for name in names) for pattern in layout.names)
    ]
    if len(found) != 1:
        kinds = " and ".join(repr(layout.name) for layout in found)
        raise CorpusError(
            f"{path} holds files of several layouts: {kinds}." if found else f"{path} is no task that can be read.",
            f"Expected one of {', '.join(layout.example for layout in TASK_LAYOUTS)}.",
            "Move the others out." if found else "See neuroglot.corpora.load_task for what each layout needs.",
        )
    return found[0]
