"""Prompts with n versions of the input and one answer, for every task and setting by one function.

Beside an item's own texts a prompt may show those of another row, or filler of exactly their length.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.languages import language_code, language_name
from neuroglot.corpora.parallel_inputs.items import ParallelInputs, ParallelItem, language_of
from neuroglot.corpora.tasks.phrasing import fill
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models.provenance import prompts_signature
from neuroglot.prompting.prompt import Piece, Prompt
from neuroglot.prompting.settings import Setting
from neuroglot.prompting.templates import REVEALED, Form, Line, Template, template_of
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


TextLength = Callable[[str], int]
NEARBY = 24  # characters around the likely cut in which one with exactly as many tokens is looked for
STARTS = 200  # beginnings of the filler that are tried
FILLER_ROWS = 20


def added_text(
    item: ParallelItem, setting: Setting, field: str, column: str, donors: Sequence[ParallelItem], seed: int,
    measure: TextLength,
) -> str:  # fmt: skip
    """The text of a column in this setting: the item's own, another row's, or filler as long as the item's own."""
    own = item.fields[field][column]
    if column == setting.main or setting.added == "own":
        return own
    others = unlike(item, donors, seed)
    if setting.added == "shuffled":
        return others[0].fields[field][column]
    words = [word for other in others[:FILLER_ROWS] for word in other.fields[field][setting.main].split()]
    # each column of the prompt begins at another word
    start = random.Random(f"{seed} {item.id} {field} {column}").randrange(len(words))
    return _cut(words[start:] + words[:start], measure(own), measure, item.id)


def unlike(item: ParallelItem, donors: Sequence[ParallelItem], seed: int) -> list[ParallelItem]:
    """The donors with other originals in every field, from a place that seed and id of the item choose.

    The list is the same for every setting. Raises `ConfigError` where there is none.
    """
    start = random.Random(f"{seed} {item.id}").randrange(len(donors)) if donors else 0
    turned = [*donors[start:], *donors[:start]]
    found = [other for other in turned if not _share_a_text(item, other)]
    if not found:
        raise ConfigError(
            f"No other row is there to draw from for item {item.id!r}.",
            "Shuffled rows and filler need at least one whose original text is another.",
        )
    return found


def _share_a_text(item: ParallelItem, other: ParallelItem) -> bool:
    return any(
        columns[item.original] == other.fields[field][other.original]
        for field, columns in item.fields.items()
        if field in other.fields
    )


def length_in(tokenizer: PreTrainedTokenizerBase | None) -> TextLength:
    """How long a text is: in characters, or in tokens of the tokenizer as they are behind a label and a space."""
    if tokenizer is None:
        return len
    return lambda text: len(tokenizer(f" {text}", add_special_tokens=False)["input_ids"])


def _cut(words: Sequence[str], length: int, measure: TextLength, item_id: str) -> str:
    """A stretch of the words, repeated where needed, that is exactly so long; raises `ConfigError` where none is."""
    for start in range(min(len(words), STARTS)):
        stream = once = " ".join([*words[start:], *words[:start]])
        while 0 < measure(stream) <= length:
            stream += f" {once}"
        likely = bisect_left(range(len(stream)), length, key=lambda end: measure(stream[:end]))
        for end in range(max(1, likely - NEARBY), min(len(stream), likely + NEARBY) + 1):
            text = stream[:end]
            if text[-1] == " ":  # a space at the end is lost on the way to many models
                text = f"{text[:-1]}."
            if measure(text) == length:
                return text
    raise ConfigError(
        f"No filler of exactly {length} tokens or characters was found for item {item_id!r}.",
        "Expected other rows whose text can be cut at that length.",
        "Match the length in characters (tokenizer=None), or give more rows.",
    )


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one setting, one for each id, in the order of the inputs; `references[r]` are right answers.

    `target` is the language of the answer.
    """

    name: str
    setting: Setting
    target: str
    ids: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    references: tuple[tuple[str, ...], ...]
    signature: Signature

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def corpus(self) -> Corpus:
        """The texts as a corpus in the language of the answer, as `generate` and `record` take it."""
        texts = {self.target: tuple(prompt.text for prompt in self.prompts)}
        return Corpus(f"{self.name}/{self.setting.name}", self.ids, texts)

    def as_chat(self, tokenizer: PreTrainedTokenizerBase, system: str | None = None, **options: Any) -> PromptSet:
        """All prompts in the tokenizer's chat template; see `Prompt.as_chat`."""
        prompts = tuple(prompt.as_chat(tokenizer, system, **options) for prompt in self.prompts)
        used = Signature.of(chat=_digest(repr((tokenizer.chat_template, system, sorted(options.items())))))
        written = prompts_signature(tokenizer, (prompt.text for prompt in prompts))
        return replace(self, prompts=prompts, signature=self.signature | used | written)


@dataclass(frozen=True)
class _Wording:
    """What is the same in the blocks of the demonstrations and of the item."""

    setting: Setting
    form: Form
    instruction: str
    names: Mapping[str, str]  # what stands for the fields of labels
    donors: Sequence[ParallelItem]
    seed: int
    measure: TextLength


def choose_demonstrations(
    inputs: ParallelInputs, count: int, seed: int = 0
) -> tuple[tuple[ParallelItem, ...], ParallelInputs]:
    """`count` items drawn with `seed`, and the inputs without them; the same for every setting.

    Better demonstrations come from inputs that are not evaluated at all, as the paper's from FLORES dev.
    """
    if not 0 <= count < len(inputs):
        raise ConfigError(f"{count} demonstrations were asked of {len(inputs)} items.", "Expected fewer.")
    drawn = random.Random(seed).sample(range(len(inputs)), count)
    rest = inputs.take(row for row in range(len(inputs)) if row not in set(drawn))
    return tuple(inputs.items[row] for row in drawn), rest


def build_prompts(
    inputs: ParallelInputs,
    setting: Setting,
    *,
    template: str | Template | None = None,
    target: str | None = None,
    demonstrations: Sequence[ParallelItem] = (),
    instruction: str | None = None,
    reveal_source: bool = False,
    seed: int = 0,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PromptSet:
    """One prompt for each item in one setting.

    `template` is that of the inputs' task unless given. `target` is the language of the answer: needed for translation,
    else the original's. `demonstrations` are shown in the same setting, the same ones before every item; in the paper
    direct and parallel prompts had different ones. `instruction` replaces the template's, as it is. `reveal_source`
    says, where several languages are shown, which is the original. `seed` chooses other rows for `shuffled` and
    `filler`; the length of filler is matched in characters, or in tokens of `tokenizer`.

    Raises `ConfigError` on a column that the inputs lack, a missing target or one that is shown, and demonstrations
    that are among the items or lack an answer.
    """
    chosen = template_of(inputs.task if template is None else template)
    code = _target(inputs, setting, chosen, target)
    form = chosen.one if len(setting.columns) == 1 else chosen.several
    for item in (inputs.items[0], *demonstrations):
        _check_columns(item, setting, form)
    _check_demonstrations(inputs, demonstrations)
    names = _names(setting, code)
    said = _instruction(inputs, setting, form, instruction, reveal_source, names)
    wording = _Wording(setting, form, said, names, (*inputs.items, *demonstrations), seed, length_in(tokenizer))
    shown = chosen.between.join(_shown(item, wording) for item in demonstrations)
    before = [Piece(shown, "demonstrations"), Piece(chosen.between)] if demonstrations else []
    prompts = tuple(Prompt.of([*before, *_block(item, wording)]) for item in inputs.items)
    signature = setting.signature | Signature.of(
        inputs=inputs.hash, template=f"{_named(inputs, template)}/{_digest(chosen.text)}", target=code,
        shots=len(demonstrations), demonstrations=_digest(repr(tuple(demonstrations))), instruction=_digest(said),
        reveal_source=reveal_source, prompt_seed=seed, length="tokens" if tokenizer else "characters",
    )  # fmt: skip
    ids, references = tuple(item.id for item in inputs.items), tuple(item.references for item in inputs.items)
    return PromptSet(inputs.name, setting, code, ids, prompts, references, signature)


def _named(inputs: ParallelInputs, template: str | Template | None) -> str:
    return "own" if isinstance(template, Template) else template or inputs.task


def _block(item: ParallelItem, wording: _Wording) -> list[Piece]:
    """Instruction, a line for each version of each field, and the open answer."""
    form, names = wording.form, wording.names
    pieces = [Piece(wording.instruction, "instruction")]
    for line in form.lines:
        for column in wording.setting.columns if line.every else (wording.setting.main,):
            before = line.before if len(pieces) > 1 else form.gap if wording.instruction else ""
            label = fill(line.label, {**names, "language": language_name(language_of(column))})
            pieces += [Piece(before + label), _segment(item, wording, line, column)]
    return [*pieces, Piece(form.before_answer * bool(form.answer) + fill(form.answer, names)), Piece("", "answer")]


def _segment(item: ParallelItem, wording: _Wording, line: Line, column: str) -> Piece:
    setting = wording.setting
    text = added_text(item, setting, line.field, column, wording.donors, wording.seed, wording.measure)
    is_filler = setting.added == "filler" and column != setting.main
    return Piece(text, "segment", line.field, column, language_of(setting.main if is_filler else column))


def _shown(item: ParallelItem, wording: _Wording) -> str:
    return Prompt.of(_block(item, wording)).with_answer(item.references[0]).text


def _names(setting: Setting, target: str) -> dict[str, str]:
    *first, last = map(language_name, setting.languages)
    return {
        "languages": f"{', '.join(first)} and {last}" if first else last,
        "original": language_name(language_of(setting.main)),
        "target": language_name(target),
    }


def _instruction(
    inputs: ParallelInputs,
    setting: Setting,
    form: Form,
    instruction: str | None,
    reveal_source: bool,
    names: Mapping[str, str],
) -> str:
    # braces of an instruction that was given are text
    given = fill(form.instruction, names) if instruction is None else instruction
    if not reveal_source or len(setting.columns) == 1:
        return given
    if len(setting.languages) < len(setting.columns) or setting.main != inputs.original or setting.added != "own":
        raise ConfigError(
            f"reveal_source was asked for in the setting {setting.name!r}.",
            "Expected a setting in which the others are translations of the original.",
        )
    return f"{given} {fill(REVEALED, names)}".strip()


def _target(inputs: ParallelInputs, setting: Setting, template: Template, target: str | None) -> str:
    if target is None and template.translates:
        raise ConfigError("The target of the translation is missing.", "", "Give target='en', for instance.")
    code = language_of(inputs.original) if target is None else language_code(target)
    if template.translates and code in setting.languages:
        raise ConfigError(
            f"The setting {setting.name!r} shows {code!r}, into which is to be translated.",
            f"Expected other languages than the target ({', '.join(setting.languages)} are shown).",
        )
    return code


def _check_columns(item: ParallelItem, setting: Setting, form: Form) -> None:
    for line in form.lines:
        there = item.columns.get(line.field, ())
        missing = [column for column in setting.columns if column not in there]
        if missing if line.every else setting.main not in there:
            raise CorpusError(
                f"Item {item.id!r} has no field {line.field!r} in {', '.join(map(repr, missing))}.",
                f"It has {item.columns}.",
                "Choose a setting or a template that fits the inputs.",
            )


def _check_demonstrations(inputs: ParallelInputs, demonstrations: Sequence[ParallelItem]) -> None:
    ids = {item.id for item in inputs.items}
    for item in demonstrations:
        if item.id in ids or not item.references:
            raise ConfigError(
                f"The demonstration {item.id!r} is among the items, or has no answer.",
                "Expected other items, each with an answer.",
                "See `choose_demonstrations`.",
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
