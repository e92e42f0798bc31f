"""Translation of a corpus into other languages, by a translation model or by asking any other backend in a prompt."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.languages import language_code
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation.backend import Backend, Completion, prompts_for, stop_for
from neuroglot.generation.decoding import Decoding, drawn_with
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.vllm import VllmBackend
from neuroglot.models.provenance import made_with
from neuroglot.signature import Signature
from neuroglot.storage import FORMAT_VERSION, check_free, parse_json, stored_texts, write_whole

KIND = "translations"
SHORT = 0.5  # of the usual ratio of lengths in a language; below, a translation may have been cut


@dataclass(frozen=True, eq=False)
class Translated:
    """The texts of `original`, which has one language, and `completions[language][r]`; None where nothing was asked."""

    original: Corpus
    completions: Mapping[str, tuple[Completion | None, ...]]
    signature: Signature

    def __post_init__(self) -> None:
        columns = {language: tuple(column) for language, column in self.completions.items()}
        object.__setattr__(self, "completions", MappingProxyType(columns))
        sound = len(self.original.languages) == 1 and self.source not in columns
        if not sound or any(len(column) != len(self.original) for column in columns.values()):
            raise ConfigError("Got translations of another shape.", "Expected one a row and language, of one original.")

    @property
    def source(self) -> str:
        return self.original.languages[0]

    @property
    def is_complete(self) -> bool:
        return all(completion is not None for column in self.completions.values() for completion in column)

    def failures(self) -> dict[str, Counter[str]]:
        """How often each failure happened, by language."""
        return {
            language: Counter(completion.failure for completion in column if completion and completion.failure)
            for language, column in self.completions.items()
        }

    def suspects(self) -> dict[str, list[str]]:
        """By language, the ids of rows whose translation may have been cut.

        Its length in UTF-8 bytes over that of the original is less than half of the language's median ratio, so that
        scripts need no table. It is a flag: such rows stay.
        """
        return {language: self._suspects(column) for language, column in self.completions.items()}

    def _suspects(self, column: tuple[Completion | None, ...]) -> list[str]:
        texts = self.original.texts[self.source]
        ratios = {
            row_id: len(completion.text.strip().encode()) / len(texts[row].encode())
            for row, (row_id, completion) in enumerate(zip(self.original.ids, column))
            if completion and completion.text is not None
        }
        usual = median(ratios.values()) if ratios else 0.0
        return [row_id for row_id, ratio in ratios.items() if ratio < SHORT * usual]

    def to_corpus(self) -> Corpus:
        """Original and translations of the rows without any failure; `dropped` counts the others too.

        Raises `CorpusError` where no row is left.
        """
        columns = {
            language: [completion and completion.text for completion in column]
            for language, column in self.completions.items()
        }
        kept = [row for row in range(len(self.original)) if all(column[row] is not None for column in columns.values())]
        if not kept:
            counts = {language: dict(counter) for language, counter in self.failures().items()}
            raise CorpusError(
                f"No row of {self.original.name!r} was translated into every language: {counts}.",
                "At least one is needed.",
            )
        left = self.original.take(kept)
        texts = {language: tuple(str(column[row]).strip() for row in kept) for language, column in columns.items()}
        dropped = self.original.dropped + len(self.original) - len(kept)
        return Corpus(left.name, left.ids, {**left.texts, **texts}, left.licence, dropped)

    def save(self, path: Path | str) -> Path:
        """Write a header line and one line a row, whole or not at all."""
        header = {
            "neuroglot": KIND, "format": FORMAT_VERSION, "corpus": self.original.name, "licence": self.original.licence,
            "dropped": self.original.dropped, "source": self.source, "into": list(self.completions),
            "signature": self.signature.to_json(),
        }  # fmt: skip
        rows = [
            {"id": row_id, "text": text, **{g: _written(column[row]) for g, column in self.completions.items()}}
            for row, (row_id, text) in enumerate(zip(self.original.ids, self.original.texts[self.source]))
        ]
        lines = [json.dumps(line, ensure_ascii=False) for line in (header, *rows)]
        return write_whole(path, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Translated:
        """Read what `save` wrote; raises `ArtifactError` on any other file."""
        try:
            if not Path(path).is_file():
                raise ValueError("no file")
            header, *rows = (parse_json(line) for line in Path(path).read_text("utf-8").removesuffix("\n").split("\n"))
            if (header["neuroglot"], header["format"]) != (KIND, FORMAT_VERSION):
                raise ValueError("of another kind or format")
            texts = {header["source"]: tuple(row["text"] for row in rows)}
            ids, into = tuple(row["id"] for row in rows), stored_texts(header["into"], "languages")
            said = (header["corpus"], header["licence"], header["source"], *ids, *texts[header["source"]])
            if not all(isinstance(text, str) for text in said) or type(header["dropped"]) is not int:
                raise TypeError("values of another type")
            original = Corpus(header["corpus"], ids, texts, header["licence"], header["dropped"])
            completions = {language: tuple(_read(row[language]) for row in rows) for language in into}
            return cls(original, completions, Signature.from_json(header["signature"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{path} is no file of translations ({type(error).__name__}: {error}).") from error


def _written(completion: Completion | None) -> dict[str, Any] | None:
    known = asdict(completion) if completion else {}
    return {name: value for name, value in known.items() if value is not None} or None


def _read(found: dict[str, Any] | None) -> Completion | None:
    if found is None:
        return None
    counts = [found.get(name) for name in ("prompt_tokens", "generated_tokens")]
    if not all(isinstance(found.get(name), str | None) for name in ("text", "failure")):
        raise TypeError("texts of another type")
    if not all(count is None or (type(count) is int and count >= 0) for count in counts):
        raise TypeError("counts of another type")
    return Completion(**{"text": None, **found})


FILE = "translations.jsonl"
ANSWERS = "answers"  # where an endpoint's cache may lie beside it
WINDOW = 256  # texts that a backend is given at once
SAVE_SECONDS = 30.0

Ask = Callable[[Sequence[str]], list[Completion]]


def translate(
    backend: Backend,
    corpus: Corpus,
    into: Sequence[str],
    decoding: Decoding | None = None,
    *,
    source: str | None = None,
    demonstrations: Corpus | None = None,
    prompted: bool = False,
    folder: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> Translated:
    """Every text in `source` (the only language by default) in the languages `into`; failures are kept as such.

    A translation model (`direction_of`) reads the bare texts, unless `prompted`; other backends are asked, in a
    conversation where `backend.chat`, with all rows of `demonstrations` as examples. In a `folder`, translations are
    saved every `save_seconds` and when the call ends, by an error too; `resume` takes them up again, and tries failures
    once more. Raises `ConfigError` for languages or demonstrations that do not fit, and `ArtifactError` where the
    folder holds something, or with `resume` another job.
    """
    decoding = decoding or Decoding(max_new_tokens=512)
    original = _original(corpus, source)
    targets = _targets(original, into)
    translators = _translators(backend, original, targets, prompted)
    examples = _examples(demonstrations, original, targets, bool(translators))
    asks = {
        target: _ask(translators.get(target, backend), original, target, decoding, examples, target in translators)
        for target in targets
    }
    manner = "translation model" if translators else "messages" if backend.chat else "text"
    options = Signature.of(source=original.languages[0], into=",".join(targets), manner=manner)
    shown = Signature.of(demonstrations=examples.hash if examples else None, shots=len(examples) if examples else 0)
    prompts = _prompts(backend, original, targets, examples) if manner == "messages" else Signature()
    signature = made_with(data=original) | options | shown | prompts | decoding.signature | backend.signature
    if isinstance(backend, LocalBackend):
        signature |= drawn_with(decoding, backend.token_budget)
    path = None if folder is None else Path(folder) / FILE
    done = _begun(path, original, targets, signature, resume)
    return _translated(asks, original, done, signature, path, save_seconds)


def _original(corpus: Corpus, source: str | None) -> Corpus:
    if source is None and len(corpus.languages) > 1:
        raise ConfigError(
            f"Corpus {corpus.name!r} has the languages {', '.join(corpus.languages)}.",
            "Expected is the one to translate from.",
            "Name it: --source de (source='de').",
        )
    return corpus.select([source or corpus.languages[0]])


def _targets(original: Corpus, into: Sequence[str]) -> tuple[str, ...]:
    codes = [] if isinstance(into, str) else [language_code(tag) for tag in into]
    if not codes or len({*codes, language_code(original.languages[0])}) <= len(codes):
        raise ConfigError(
            f"Translation of {original.languages[0]!r} into {into!r} was asked for.",
            "Expected is a list of other languages, each named once.",
        )
    return tuple(codes)


def _translators(backend: Backend, original: Corpus, targets: Sequence[str], prompted: bool) -> dict[str, LocalBackend]:
    """The backend for each target language where it is a translation model, else nothing."""
    if prompted or not isinstance(backend, LocalBackend):
        return {}
    found = {target: backend.towards(original.languages[0], target) for target in targets}
    translators = {target: translator for target, translator in found.items() if translator is not None}
    silent = [each for each in translators.values() if each.direction and not each.direction.says_target]
    if silent and len(targets) > 1:
        raise ConfigError(
            f"Translation into {', '.join(targets)} was asked for.", "The model translates into one language only."
        )
    return translators


def _examples(
    demonstrations: Corpus | None, original: Corpus, targets: Sequence[str], by_translators: bool
) -> Corpus | None:
    if demonstrations is not None and by_translators:
        raise ConfigError("Demonstrations were given to a translation model.", "It reads none.", "Leave them out.")
    return None if demonstrations is None else demonstrations.select([*original.languages, *targets])


def _ask(
    backend: Backend, original: Corpus, target: str, decoding: Decoding, examples: Corpus | None, bare: bool
) -> Ask:
    """The function that gives a completion for each text."""
    source = original.languages[0]
    if bare:
        return lambda texts: backend.complete(texts, decoding)
    stop = stop_for(original.texts[source], source, backend.chat)
    return lambda texts: backend.complete(prompts_for(texts, source, target, examples, backend.chat), decoding, stop)


def _prompts(backend: Backend, original: Corpus, targets: Sequence[str], examples: Corpus | None) -> Signature:
    """A hash of all conversations as the chat template writes them, where that is ours to know."""
    if not isinstance(backend, LocalBackend | VllmBackend):
        return Signature()
    source = original.languages[0]
    asked = (prompts_for(original.texts[source], source, target, examples, chat=True) for target in targets)
    return backend.conversations.signature(chain.from_iterable(asked))


def _begun(
    path: Path | None, original: Corpus, targets: Sequence[str], signature: Signature, resume: bool
) -> dict[str, list[Completion | None]]:
    """What an earlier call has done, without its failures."""
    nothing: dict[str, list[Completion | None]] = {target: [None] * len(original) for target in targets}
    if path is None or not (resume and path.exists()):
        only_answers = path is not None and {entry.name for entry in path.parent.glob("*")} == {ANSWERS}
        if path is not None and not (resume and only_answers):
            check_free(path.parent)
        return nothing
    earlier = Translated.load(path)
    if earlier.signature != signature or earlier.original.hash != original.hash:
        differing = signature.differing_from(earlier.signature)
        raise ArtifactError(
            f"{path} holds another job ({differing or 'other texts'}).",
            "Expected the same corpus, model, tokenizer, prompts and options.",
            "Name another folder.",
        )
    return {
        target: [each if each and each.failure is None else None for each in earlier.completions[target]]
        for target in targets
    }


def _translated(
    asks: dict[str, Ask],
    original: Corpus,
    done: dict[str, list[Completion | None]],
    signature: Signature,
    path: Path | None,
    save_seconds: float,
) -> Translated:
    """Window by window; saved now and then, and whatever ends it."""
    texts, saved = original.texts[original.languages[0]], time.monotonic()

    def result() -> Translated:
        found = Translated(original, {target: tuple(column) for target, column in done.items()}, signature)
        if path is not None:
            found.save(path)
        return found

    try:
        for target, rows in _windows(done):
            for row, completion in zip(rows, asks[target]([texts[row] for row in rows]), strict=True):
                done[target][row] = completion
            if time.monotonic() - saved > save_seconds:
                saved, _ = time.monotonic(), result()
    except BaseException:
        if any(completion for column in done.values() for completion in column):
            result()
        raise
    return result()


def _windows(done: dict[str, list[Completion | None]]) -> Iterator[tuple[str, list[int]]]:
    for target, column in done.items():
        missing = [row for row, completion in enumerate(column) if completion is None]
        for start in range(0, len(missing), WINDOW):
            yield target, missing[start : start + WINDOW]
