"""Translation of a corpus into other languages, by a translation model or by asking any other backend in a prompt.

`Translated` holds a translation or a failure for each text and is saved as it goes on; `translate` is the one way to
get it, with or without a gate around each direction.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.languages import language_code
from neuroglot.corpora.suspicion import Context, Suspicious, counts_by_kind, kinds_of, require_choice, said
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation.backend import Backend, Completion
from neuroglot.generation.decoding import Decoding, drawn_with
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.vllm import VllmBackend
from neuroglot.models.provenance import made_with
from neuroglot.prompting.translating import translation_prompts, translation_stop, translation_turns
from neuroglot.signature import Signature
from neuroglot.storage import FORMAT_VERSION, NOTHING_KEPT, Kept, parse_json, stored_texts, write_whole

KIND = "translations"
CUT_BELOW = 0.5  # of the usual ratio of lengths in a language; below, a translation may have been cut


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

    def kinds(self) -> dict[str, list[tuple[str, ...]]]:
        """By language, of each row the kinds of text that its translation may be instead (`corpora.suspicion`)."""
        texts = self.original.texts[self.source]
        return {
            language: [
                kinds_of(completion.text, Context(language, texts[row], self.source))
                if completion and completion.text is not None
                else ()
                for row, completion in enumerate(column)
            ]
            for language, column in self.completions.items()
        }

    def reasoned(self) -> dict[str, int]:
        """By language, off how many texts reasoning was cut."""
        return {
            language: sum(bool(completion and completion.reasoning) for completion in column)
            for language, column in self.completions.items()
        }

    def _suspects(self, column: tuple[Completion | None, ...]) -> list[str]:
        texts = self.original.texts[self.source]
        ratios = {
            row_id: len(completion.text.strip().encode()) / len(texts[row].encode())
            for row, (row_id, completion) in enumerate(zip(self.original.ids, column))
            if completion and completion.text is not None
        }
        usual = median(ratios.values()) if ratios else 0.0
        return [row_id for row_id, ratio in ratios.items() if ratio < CUT_BELOW * usual]

    def to_corpus(self, suspicious: Suspicious = "keep") -> Corpus:
        """Original and translations of the rows without any failure; `dropped` counts the others too.

        `suspicious="drop"` leaves out the rows of which `kinds` says something. Raises `ArtifactError` if there are
        some and they are to be refused, `CorpusError` if no row is left.
        """
        columns = {
            language: [completion and completion.text for completion in column]
            for language, column in self.completions.items()
        }
        kept = [row for row in range(len(self.original)) if all(column[row] is not None for column in columns.values())]
        kept = self._sound(kept, suspicious)
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

    def _sound(self, rows: list[int], choice: Suspicious) -> list[int]:
        require_choice(choice)
        kinds = {} if choice == "keep" else self.kinds()
        sound = [row for row in rows if not any(column[row] for column in kinds.values())]
        if choice == "refuse" and len(sound) < len(rows):
            raise ArtifactError(
                f"{len(rows) - len(sound)} translations are perhaps no text. {' '.join(said(counts_by_kind(kinds)))}",
                "Expected text in every language.",
                "Leave them out (suspicious='drop'), or take them as they are (suspicious='keep').",
            )
        return sound

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
    counts = [found.get(name) for name in ("prompt_tokens", "generated_tokens", "reasoning")]
    if not all(isinstance(found.get(name), str | None) for name in ("text", "failure")):
        raise TypeError("texts of another type")
    if not all(count is None or (type(count) is int and count >= 0) for count in counts):
        raise TypeError("counts of another type")
    return Completion(**{"text": None, **found})


WINDOW = 256  # texts that a backend is given at once

Ask = Callable[[Sequence[str]], list[Completion]]
DirectionGate = Callable[[Direction], AbstractContextManager[object]]  # around a direction


def translate(
    backend: Backend,
    corpus: Corpus,
    into: Sequence[str],
    decoding: Decoding | None = None,
    *,
    source: str | None = None,
    demonstrations: Corpus | None = None,
    prompted: bool = False,
    gate: DirectionGate | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Translated:
    """Every text in `source` (the only language by default) in the languages `into`; failures are kept as such.

    A translation model (`tokens.language_tokens`) reads the bare texts, unless `prompted`; other backends are asked
    (`prompting.translating`), in a conversation if `backend.chat`, with all rows of `demonstrations` as examples.
    `gate(direction)` is entered while a direction is translated. Some hundred texts that are in `kept` are not
    translated again, unless one of them failed and another request may give something else. Raises `ConfigError` for
    languages or demonstrations that do not fit, and if `kept` is of another job.
    """
    decoding = decoding or Decoding(max_new_tokens=512)
    original = original_of(corpus, source)
    targets = targets_of(original, into)
    translators = _translators(backend, original, targets, prompted)
    examples = _examples(demonstrations, original, targets, bool(translators))
    asks = {
        target: _gated(
            _ask(translators.get(target, backend), original, target, decoding, examples, target in translators),
            Direction(original.languages[0], target), gate,
        )
        for target in targets
    }  # fmt: skip
    manner = "translation model" if translators else "messages" if backend.chat else "text"
    options = Signature.of(source=original.languages[0], into=",".join(targets), manner=manner)
    shown = Signature.of(demonstrations=examples.hash if examples else None, shots=len(examples) if examples else 0)
    prompts = _prompts(backend, original, targets, examples) if manner == "messages" else Signature()
    signature = made_with(data=original) | options | shown | prompts | decoding.signature | backend.signature
    if isinstance(backend, LocalBackend):
        signature |= drawn_with(decoding, backend.token_budget)
    columns = {target: _column(asks[target], original, target, signature, kept) for target in targets}
    return Translated(original, columns, signature)


def _column(ask: Ask, original: Corpus, target: str, signature: Signature, kept: Kept) -> tuple[Completion | None, ...]:
    """The translations into one language, window by window."""
    starts = range(0, len(original), WINDOW)
    windows = [original.take(range(start, min(start + WINDOW, len(original)))) for start in starts]
    translated = [
        _window(ask, window, target, signature, kept.file(f"{target}-{number:06d}.jsonl"))
        for number, window in enumerate(windows)
    ]
    return tuple(completion for part in translated for completion in part.completions[target])


def _window(ask: Ask, window: Corpus, target: str, signature: Signature, path: Path | None) -> Translated:
    """What was kept of these texts, or what is translated now; kept if asking again would give the same."""
    if path is not None and path.exists():
        with suppress(ArtifactError):  # damaged: translated again
            return _of_this_job(Translated.load(path), window, signature, path)
    part = Translated(window, {target: tuple(ask(window.texts[window.languages[0]]))}, signature)
    if path is not None and not any(completion and completion.may_pass for completion in part.completions[target]):
        part.save(path)
    return part


def _of_this_job(kept: Translated, window: Corpus, signature: Signature, path: Path) -> Translated:
    differing = signature.differing_from(kept.signature)
    if differing or kept.original.hash != window.hash:
        raise ConfigError(
            f"{path.parent} holds another job ({differing or 'other texts'}).",
            "Expected the same corpus, model, tokenizer, prompts and options.", "Name another folder.",
        )  # fmt: skip
    return kept


def original_of(corpus: Corpus, source: str | None) -> Corpus:
    """The language to translate from; raises `ConfigError` if there are several and none is named."""
    if source is None and len(corpus.languages) > 1:
        raise ConfigError(
            f"Corpus {corpus.name!r} has the languages {', '.join(corpus.languages)}.",
            "Expected the one to translate from.",
            "Name it: --source de (source='de').",
        )
    return corpus.select([source or corpus.languages[0]])


def targets_of(original: Corpus, into: Sequence[str]) -> tuple[str, ...]:
    """The codes of the languages to translate into; raises `ConfigError` if they do not fit."""
    codes = [] if isinstance(into, str) else [language_code(tag) for tag in into]
    if not codes or len({*codes, language_code(original.languages[0])}) <= len(codes):
        raise ConfigError(
            f"Translation of {original.languages[0]!r} into {into!r} was asked for.",
            "Expected a list of other languages, each named once.",
        )
    return tuple(codes)


def _translators(backend: Backend, original: Corpus, targets: Sequence[str], prompted: bool) -> dict[str, LocalBackend]:
    """The backend for each target language where it is a translation model, else nothing."""
    if prompted or not isinstance(backend, LocalBackend):
        return {}
    towards = {target: backend.towards(Direction(original.languages[0], target)) for target in targets}
    translators = {target: translator for target, translator in towards.items() if translator is not None}
    silent = [each for each in translators.values() if each.told and not each.told.convention.says_target]
    if silent and len(targets) > 1:
        raise ConfigError(
            f"Translation into {', '.join(targets)} was asked for.", "Expected one language: the model has one only."
        )
    return translators


def _examples(
    demonstrations: Corpus | None, original: Corpus, targets: Sequence[str], by_translators: bool
) -> Corpus | None:
    if demonstrations is not None and by_translators:
        raise ConfigError(
            "Demonstrations were given to a translation model.", "Expected none, because it reads none.",
            "Leave them out, or ask it in a prompt (prompted=True).",
        )  # fmt: skip
    return None if demonstrations is None else demonstrations.select([*original.languages, *targets])


def _ask(
    backend: Backend, original: Corpus, target: str, decoding: Decoding, examples: Corpus | None, bare: bool
) -> Ask:
    """The function that gives a completion for each text."""
    source = original.languages[0]
    if bare:
        return lambda texts: backend.complete(texts, decoding)
    if backend.chat:
        return lambda texts: backend.complete(translation_turns(texts, source, target, examples), decoding)
    stop = translation_stop(original.texts[source], source)
    return lambda texts: backend.complete(translation_prompts(texts, source, target, examples), decoding, stop)


def _gated(ask: Ask, direction: Direction, gate: DirectionGate | None) -> Ask:
    def asked(texts: Sequence[str]) -> list[Completion]:
        with nullcontext() if gate is None else gate(direction):
            return ask(texts)

    return asked


def _prompts(backend: Backend, original: Corpus, targets: Sequence[str], examples: Corpus | None) -> Signature:
    """A hash of all conversations as the chat template writes them, where that is ours to know."""
    if not isinstance(backend, LocalBackend | VllmBackend):
        return Signature()
    source = original.languages[0]
    asked = (translation_turns(original.texts[source], source, target, examples) for target in targets)
    return backend.conversations.signature(chain.from_iterable(asked))
