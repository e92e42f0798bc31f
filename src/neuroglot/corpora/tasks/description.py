"""What a YAML file says about a task, checked key by key; see `described.py` for the keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from neuroglot.corpora.folders import inside
from neuroglot.corpora.languages import language_code
from neuroglot.corpora.yamlfiles import read_yaml
from neuroglot.errors import CorpusError

KEYS = ("name", "source", "rows", "prompt", "answer", "options", "verbalisers", "licence")
REQUIRED = ("name", "prompt", "answer")
TEXT = "text"  # the field of a source that is one corpus
QUOTE = "Put quotes around it: YAML reads no, on, true and numbers as other things than text."


@dataclass(frozen=True)
class Description:
    """A task as described: paths by field, templates, and words by language and label."""

    path: Path
    name: str
    licence: str
    source: Mapping[str, Path]  # a corpus for each field; empty where there is a table
    rows: Path | None
    prompt: str | Mapping[str, str]
    answer: str
    options: tuple[str, ...]
    verbalisers: Mapping[str, Mapping[str, str]]

    def prompt_in(self, code: str) -> str:
        """The template of a language; raises `CorpusError` where there is none."""
        if isinstance(self.prompt, str):
            return self.prompt
        if code not in self.prompt:
            raise CorpusError(
                f"{self.path} has no prompt in {code!r}.",
                f"It has prompts in {', '.join(self.prompt)}.",
                "Add one, or say which languages to take with languages=[...].",
            )
        return self.prompt[code]

    def check_verbalisers(self, codes: Sequence[str]) -> None:
        """Raises `CorpusError` where there are verbalisers, but not for one of the languages."""
        missing = [code for code in codes if code not in self.verbalisers]
        if self.verbalisers and missing:
            raise CorpusError(
                f"{self.path} has no verbalisers in {missing[0]!r}.",
                f"It has verbalisers in {', '.join(self.verbalisers)}.",
                "Add them, or say which languages to take with languages=[...].",
            )


def read_description(path: Path) -> Description:
    """Reads and checks the file; raises `CorpusError` on an unknown key, a missing one, or a value of another kind."""
    root = _mapping(read_yaml(path), path, "the file")
    unknown = [key for key in root if key not in KEYS]
    missing = [key for key in REQUIRED if key not in root]
    if unknown or missing or ("source" in root) == ("rows" in root):
        got = f"the unknown key {unknown[0]!r}" if unknown else f"the keys {', '.join(root) or 'none'}"
        raise CorpusError(
            f"{path} has {got}.",
            f"Expected are {', '.join(REQUIRED)}, one of source and rows, and perhaps options, verbalisers, licence.",
            "Correct the key." if unknown else "Add what is missing, or remove one of source and rows.",
        )
    prompt, verbalisers = root["prompt"], _verbalisers(root.get("verbalisers", {}), path)
    options = _options(root.get("options"), path)
    return Description(
        path=path,
        name=_string(root["name"], path, "name"),
        licence=_string(root.get("licence", "unknown"), path, "licence"),
        source=_source(root.get("source"), path),
        rows=_beside(_string(root["rows"], path, "rows"), path) if "rows" in root else None,
        prompt=_by_language(prompt, path, "prompt") if isinstance(prompt, dict) else _string(prompt, path, "prompt"),
        answer=_string(root["answer"], path, "answer"),
        options=options or tuple(next(iter(verbalisers.values()), ())),
        verbalisers=verbalisers,
    )


def _source(value: object, path: Path) -> dict[str, Path]:
    if value is None:
        return {}
    fields = _mapping(value, path, "source") if isinstance(value, dict) else {TEXT: value}
    if not fields:
        raise CorpusError(f"{path}: 'source' is empty.", "Expected is a corpus for each field.", "Name one.")
    return {field: _beside(_string(name, path, f"source of {field!r}"), path) for field, name in fields.items()}


def _beside(name: str, path: Path) -> Path:
    """A path in the folder of the YAML file; one that leads out of it is refused, so that a task is what it shows."""
    parts = PureWindowsPath(name)  # which knows both slashes, and drives
    if "\0" in name or parts.drive or parts.root or ".." in parts.parts:
        raise CorpusError(
            f"{path} names the file {name!r}.",
            "Expected is a file or folder in the folder of the YAML file, without '..' and not absolute.",
            "Put the data beside the YAML file.",
        )
    return inside(path.parent, name)


def _options(value: object, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) < 2:
        raise CorpusError(f"{path}: 'options' is a {type(value).__name__}.", "Expected is a list of two or more.")
    return tuple(_string(option, path, "an option") for option in value)


def _verbalisers(value: object, path: Path) -> dict[str, dict[str, str]]:
    languages = _mapping(value, path, "verbalisers")
    words = {
        language_code(g): {
            label: _string(word, path, f"the word for {label!r} in {g!r}")
            for label, word in _mapping(of, path, f"the verbalisers in {g!r}").items()
        }
        for g, of in languages.items()
    }
    for code, of_language in words.items():
        first = next(iter(words))
        if set(of_language) != set(words[first]) or len(words) < len(languages):
            raise CorpusError(
                f"{path}: the verbalisers in {code!r} are for {', '.join(of_language) or 'nothing'}.",
                f"Those in {first!r} are for {', '.join(words[first]) or 'nothing'}.",
                "Give every language, named once, a word for every label.",
            )
    return words


def _by_language(value: object, path: Path, what: str) -> dict[str, str]:
    texts = _mapping(value, path, what)
    found = {language_code(g): _string(text, path, f"{what} in {g!r}") for g, text in texts.items()}
    if len(found) < len(texts) or not found:
        raise CorpusError(f"{path}: {what} has the languages {', '.join(texts) or 'none'}.", "Each may be named once.")
    return found


def _mapping(value: object, path: Path, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorpusError(f"{path}: {what} is a {type(value).__name__}.", "Expected are keys with values.")
    for key in value:
        _string(key, path, f"a key of {what}")
    return value


def _string(value: object, path: Path, what: str) -> str:
    if not isinstance(value, str):
        raise CorpusError(f"{path}: {what} is of type {type(value).__name__}.", "Expected is text.", QUOTE)
    if not value.strip():
        raise CorpusError(f"{path}: {what} is empty.", "Expected is text.", "Fill it in.")
    return value
