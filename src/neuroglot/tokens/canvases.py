"""Pairs for an encoder that writes: a source that names the language to write in, and the bare tokens of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.languages import language_name
from neuroglot.corpora.written import ToWrite
from neuroglot.errors import ConfigError, CorpusError, listed
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.ctc import frames_needed
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.pairs import Pair, Pairs
from neuroglot.tokens.tokenizing import token_ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INTO = " into "
LONG_SOURCE, LONG_TARGET, NO_TOKENS = "source longer than the context", "target longer than its canvas", "no tokens"


def canvas_pairs(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    *,
    ask_for_targets: bool = True,
) -> Pairs:
    """Every row in every direction: `token_ids` is the source behind its mark, `target_ids` the target's bare tokens.

    Rows with a source longer than the encoder's context, a text without tokens, or a target that its canvas cannot say
    are dropped in all directions; without `ask_for_targets` targets are not looked at. A blank that is a token of the
    vocabulary is left out of targets, because no path says it. Raises `CorpusError` if no row is left.
    """
    chosen = Directed(corpus, tuple(directions)).directions  # type: ignore[arg-type]  # or their texts
    columns = [_column(model, tokenizer, corpus, direction) for direction in chosen]
    reasons = [
        next((reason for column in columns if (reason := _unfit(model, *column[row], ask_for_targets))), None)
        for row in range(len(corpus))
    ]
    kept = [row for row, reason in enumerate(reasons) if reason is None]
    counts = Counter(reason for reason in reasons if reason)
    if not kept:
        listed = ", ".join(f"{reason}: {count}" for reason, count in counts.items())
        raise CorpusError(f"No row of {corpus.name!r} is left ({listed}).", "Expected one or more.")
    pairs = tuple(
        _pair(number, place, *columns[place][row]) for place in range(len(chosen)) for number, row in enumerate(kept)
    )
    dropped = tuple(corpus.ids[row] for row, reason in enumerate(reasons) if reason)
    pad_id = model.config.pad_token_id or 0
    return Pairs(chosen, pairs, tuple(corpus.ids[row] for row in kept), dropped, pad_id, dict(counts))


def task_pairs(
    model: SGAForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, tasks: ToWrite, longest: int | None = None
) -> Pairs:
    """Pairs of other tasks than translation, language by language; sources are cut to `longest` tokens, if it is said.

    Those that do not fit are dropped and counted one by one. Ids are `de-0`, counted with those that were dropped.
    Raises `CorpusError` if none is left.
    """
    pairs: list[Pair] = []
    ids: list[str] = []
    dropped: list[str] = []
    reasons: Counter[str] = Counter()
    for place, (language, texts) in enumerate(tasks.texts.items()):
        read = token_ids_of(tokenizer, [source for source, _ in texts])["input_ids"]
        targets = token_ids_of(tokenizer, [target for _, target in texts], special_tokens=False)["input_ids"]
        for row, (source, target) in enumerate(zip(read, targets, strict=True)):
            kept = [token for token in target if token != model.config.blank]
            reason = _unfit(model, list(source)[:longest], kept, True)
            (ids if reason is None else dropped).append(f"{language}-{row}")
            if reason is None:
                pairs.append(_pair(len(ids) - 1, place, list(source)[:longest], kept))
            else:
                reasons[reason] += 1
    if not pairs:
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise CorpusError(f"Nothing of {tasks.name!r} is left ({listed}).", "Expected one pair or more.")
    return Pairs((), tuple(pairs), tuple(ids), tuple(dropped), model.config.pad_token_id or 0, dict(reasons))


def with_target_mark(tokenizer: PreTrainedTokenizerBase, target: str, text: str) -> str:
    """The source behind what says in which language to write: the tokenizer's token `__de__`, or `German: `.

    The paper's text does not say how directions are told apart; words need no new vocabulary.
    """
    token = f"__{target}__"
    return f"{token} {text}" if token in tokenizer.get_vocab() else f"{language_name(target)}: {text}"


def taught_directions(directions: Sequence[Direction]) -> list[str]:
    """What an SGA's config says that it was taught; codes have hyphens of their own, so that none joins them."""
    return [f"{direction.source}{INTO}{direction.target}" for direction in directions]


def untaught(model: SGAForConditionalGeneration, directions: Sequence[Direction]) -> tuple[Direction, ...]:
    """The directions that a writer was not taught, all of whose languages to write in it was; none if it does not say.

    Raises `ConfigError` for one that was taught another task than translation, and for a language that it was never
    taught to write, because what it writes then is no text.
    """
    taught = model.config.taught
    if taught is None:
        return ()
    if not all(INTO in text for text in taught):
        raise ConfigError(
            f"The writer was taught {listed(taught)}, and no translation.", "Expected one that was taught directions.",
            "Teach one with `neuroglot sga train`.",
        )  # fmt: skip
    known = [Direction(*text.split(INTO)) for text in taught]
    written = tuple(dict.fromkeys(direction.target for direction in known))
    if odd := [direction.target for direction in directions if direction.target not in written]:
        raise ConfigError(
            f"Texts in {odd[0]!r} were asked for.",
            f"Expected some of {', '.join(written)}, which the writer was taught.",
            "Teach one that writes it: `neuroglot sga train --languages`.",
        )  # fmt: skip
    return tuple(direction for direction in directions if direction not in known)


def _column(
    model: SGAForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, direction: Direction
) -> list[tuple[list[int], list[int]]]:
    sources = [with_target_mark(tokenizer, direction.target, text) for text in corpus.texts[direction.source]]
    read = token_ids_of(tokenizer, sources)["input_ids"]
    targets = token_ids_of(tokenizer, corpus.texts[direction.target], special_tokens=False)["input_ids"]
    blank = model.config.blank
    return [
        (list(source), [token for token in target if token != blank])
        for source, target in zip(read, targets, strict=True)
    ]


def _unfit(
    model: SGAForConditionalGeneration, source: list[int], target: list[int], ask_for_targets: bool
) -> str | None:
    if not source or (ask_for_targets and not target):
        return NO_TOKENS
    if len(source) > model.longest_canvas:
        return LONG_SOURCE
    if not ask_for_targets:
        return None
    if model.config.writing != "ctc":
        return LONG_TARGET if len(target) > model.config.max_target else None
    needed = int(frames_needed(torch.tensor([target]), torch.tensor([len(target)]))[0])
    return LONG_TARGET if needed > model.frames_for(len(source)) else None


def _pair(number: int, place: int, source: list[int], target: list[int]) -> Pair:
    unmarked, answer = (False,) * len(source), (False,) * len(target)
    asked = (True,) * len(target)
    return Pair(number, place, tuple(source), unmarked, unmarked, 0, tuple(target), answer, asked)


def canvas_batch(pairs: Sequence[Pair], pad_id: int) -> dict[str, Tensor]:
    """What the model is given: sources and their mask `[B, S]`, and `labels` `[B, U]`, padded on the right."""
    return {
        "input_ids": _padded([pair.token_ids for pair in pairs], pad_id),
        "attention_mask": _padded([(1,) * len(pair.token_ids) for pair in pairs], 0),
        "labels": _padded([pair.target_ids for pair in pairs], IGNORED),
    }


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    padded = torch.full((len(rows), max(map(len, rows))), value)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    return padded
