"""Which language a text is in, and how often a model wrote the language that it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot import extras
from neuroglot.corpora.languages import known_code, language_code, language_name
from neuroglot.corpora.suspicion import chinese_script, han_script
from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Score, share_means
from neuroglot.showing import Shown, scores_in_short
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from lingua import Language

UNDECIDED = "und"  # ISO 639 for a language that is not known
ANY_SCRIPT = frozenset({"zh"})  # languages that lingua knows in several scripts, without telling them apart


@dataclass(frozen=True, eq=False, repr=False)
class LanguageForcing(Shown):
    """The languages of R texts in each of G target languages: `identified[target][r]`, `und` where undecided."""

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    candidates: tuple[str, ...]
    identified: Mapping[str, tuple[str, ...]]
    signature: Signature

    @property
    def counts(self) -> Tensor:
        """1 where the text is in its target language, 0 otherwise: `[R, G]`, int64."""
        columns = [[code == target for code in self.identified[target]] for target in self.languages]
        return torch.tensor(columns, dtype=torch.int64).T

    @property
    def outcomes(self) -> Tensor:
        """How many texts of each target were taken for each candidate, the last column for none: `[G, C+1]`, int64."""
        codes = (*self.candidates, UNDECIDED)
        return torch.tensor([[self.identified[target].count(code) for code in codes] for target in self.languages])

    def _numbers(self) -> str:
        return scores_in_short(self.scores, "share of texts in the target language", self.mean)

    @property
    def scores(self) -> dict[str, Score]:
        """Share of texts in the target language, by target, with an interval over rows."""
        return dict(zip(self.languages, share_means(self.counts), strict=True))

    @property
    def mean(self) -> Score:
        """The mean share over target languages."""
        (score,) = share_means(self.counts.double().mean(1, keepdim=True), len(self.languages))
        return score


def language_forcing(
    texts: Mapping[str, Sequence[str]],
    ids: Sequence[str],
    *,
    candidates: Sequence[str],
    min_distance: float = 0.0,
    signature: Signature | None = None,
) -> LanguageForcing:
    """Whether generated texts are in the language that was asked for: `texts[target][r]`, of rows with these `ids`.

    For a `Generation` give its `texts`, `ids` and `signature`. `candidates` and `min_distance` are those of `identify`;
    name every language into which the model may fall back, such as English, because what is none of the candidates is
    mostly taken for one of them. The measure is the language forcing success of CLaS-Bench (2601.08331), there by
    another identifier. Raises `ConfigError` where a target is no candidate or texts and ids differ in number; and as
    `identify` does.
    """
    chosen = tuple(language_code(code) for code in candidates)
    targets = {language: language_code(language) for language in texts}
    missing = [language for language, code in targets.items() if code not in chosen]
    uneven = [language for language, column in texts.items() if len(column) != len(ids)]
    if missing or uneven or not texts or not ids or len(set(targets.values())) < len(targets):
        raise ConfigError(
            f"Got {len(ids)} ids, texts in {', '.join(texts) or 'no language'}, candidates {', '.join(chosen)}.",
            "Expected a text for each id in each language, one row or more, and each language once and a candidate.",
            f"Look at {', '.join(dict.fromkeys(missing + uneven))}." if missing or uneven else "",
        )
    identified = {
        targets[language]: identify(column, candidates, min_distance=min_distance) for language, column in texts.items()
    }
    said = _identifier(chosen, min_distance)
    joined = said if signature is None else signature | said
    return LanguageForcing(tuple(identified), tuple(ids), chosen, MappingProxyType(identified), joined)


def identify(texts: Sequence[str], candidates: Sequence[str], *, min_distance: float = 0.0) -> tuple[str, ...]:
    """The language of each text, one of the `candidates`; `und` where it is empty or nothing decides.

    `und` is the outcome for texts without letters, in a script of no candidate, or of which the two likeliest languages
    differ by less than `min_distance` (0 to 0.99, in lingua's relative confidence). Short texts are often mistaken.
    Raises `ConfigError` for fewer than two candidates, candidates that lingua does not know or tell apart, or another
    distance; `CorpusError` for what is no language code; `MissingExtraError` without `neuroglot[identification]`.
    """
    known = _lingua_languages(candidates)
    if not 0 <= min_distance <= 0.99:
        raise ConfigError(f"min_distance={min_distance} was given.", "Expected a number from 0 to 0.99.")
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_languages(*known)
    detector = builder.with_minimum_relative_distance(min_distance).build()
    languages = detector.detect_languages_in_parallel_of(list(texts))
    codes = (UNDECIDED if language is None else known[language] for language in languages)
    return tuple(_in_its_script(code, text) for code, text in zip(codes, texts, strict=True))


def identifiable(language: str) -> bool:
    """Whether lingua knows a language; of a region it tells nothing."""
    try:
        _refuse_region(language_code(language))
    except ConfigError:
        return False
    return _without_region(language_code(language)) in _lingua_table()


def _in_its_script(code: str, text: str) -> str:
    """The code; `und` for Chinese that is not, by its characters, in the script of the code: lingua does not tell."""
    asked = chinese_script(code)
    return code if asked is None or han_script(text) == asked else UNDECIDED


def _identifier(candidates: Sequence[str], min_distance: float) -> Signature:
    return Signature.of(
        identified_among=",".join(candidates), min_distance=min_distance, lingua=version("lingua-language-detector")
    )


def _lingua_languages(candidates: Sequence[str]) -> dict[Language, str]:
    """The candidates by lingua's languages."""
    table, found = _lingua_table(), dict[Any, str]()
    for code in map(language_code, candidates):
        language = table.get(_without_region(code))
        if language is None:
            raise ConfigError(
                f"{language_name(code)} ({code}) is not known to lingua.",
                f"It knows {', '.join(sorted(table))}.",
                "Leave the language out; texts in it cannot be identified.",
            )
        if language in found:
            raise ConfigError(f"Candidates {found[language]} and {code} are one language to lingua.", "Name one.")
        _refuse_region(code)
        found[language] = code
    if len(found) < 2:
        raise ConfigError(f"Candidates {', '.join(candidates) or 'none'} were given.", "Expected two or more.")
    return found


def _refuse_region(code: str) -> None:
    """Raise `ConfigError` for the language of a region, which nothing here can tell: pt-BR is pt-PT to lingua."""
    language, *rest = code.split("-")
    region = next((part for part in rest if len(part) in (2, 3) and part.isupper()), None)
    if region is not None and chinese_script(code) is None:
        raise ConfigError(
            f"{language_name(code)} ({code}) cannot be told from {language_name(language)} of other regions.",
            f"Expected a language without a region, such as {language}.",
            f"Ask for {language}.",
        )


def _lingua_table() -> dict[str, Language]:
    """Lingua's languages by our codes."""
    every = extras.require("lingua", extra="identification").Language.all()
    codes: dict[Any, str | None] = {language: known_code(language.iso_code_639_3.name.lower()) for language in every}
    return {code: language for language, code in codes.items() if code is not None}


def _without_region(code: str) -> str:
    """`pt` for `pt-BR`, and `zh` for `zh-Hans`; a script stays in all languages that lingua knows in one."""
    language, *rest = code.split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
    return language if script is None or language in ANY_SCRIPT else f"{language}-{script}"
