"""Texts that an encoder writes: pairs in batches, by the best path or by prefix beams, in few passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.generation.backend import Completion
from neuroglot.generation.ctc import BeamOptions, prefix_beam_search
from neuroglot.generation.translation import Translated
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.provenance import made_with
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.canvases import canvas_batch, canvas_pairs
from neuroglot.tokens.pairs import Pair, Pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class CanvasDecoding:
    """At most `denoising_passes` behind the alignment; with `beams` a prefix beam search over the frames of the last
    pass, of which `n_best` texts are given, else the best path. A batch has at most `token_budget` tokens and frames.

    Raises `ConfigError` for counts that make no sense, and for more texts than beams.
    """

    denoising_passes: int = 4
    beams: BeamOptions | None = None
    n_best: int = 1
    token_budget: int = TOKEN_BUDGET

    def __post_init__(self) -> None:
        most = 1 if self.beams is None else self.beams.width
        if self.denoising_passes < 0 or self.token_budget < 1 or not 1 <= self.n_best <= most:
            raise ConfigError(
                f"Got {self.denoising_passes} denoising passes, {self.n_best} of {most} texts, and a budget of "
                f"{self.token_budget}.",
                "Expected passes from 0, a budget from 1, and from one text to as many as there are beams.",
            )

    @property
    def signature(self) -> Signature:
        """What of it changes texts."""
        beams = 1 if self.beams is None else self.beams.width
        return Signature.of(denoising_passes=self.denoising_passes, beams=beams)


@dataclass(frozen=True)
class CanvasText:
    """A text, those that were almost as probable, how many passes it took, and whether more would change nothing."""

    text: str
    others: tuple[str, ...]
    passes: int
    settled: bool


Around = Callable[[], AbstractContextManager[Any]]


def write_texts(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    decoding: CanvasDecoding | None = None,
    *,
    around_writing: Around = nullcontext,
) -> list[CanvasText]:
    """What the model writes for each pair's source, in their order; targets are not looked at.

    `around_writing` is entered for all passes of a batch but the first, in which the source is read. Neither the batch
    nor its padding changes a text. Raises `ConfigError` for beams of another writing than CTC's.
    """
    decoding = decoding or CanvasDecoding()
    if decoding.beams is not None and model.config.writing != "ctc":
        raise ConfigError(f"Beams were asked for of {model.config.writing!r}.", "Expected a model that writes by CTC.")
    found: dict[int, CanvasText] = {}
    with torch.inference_mode():
        for places in canvas_batches(model, pairs.pairs, decoding.token_budget):
            found |= zip(places, _batch(model, tokenizer, pairs, places, decoding, around_writing), strict=True)
    return [found[place] for place in range(len(pairs.pairs))]


def canvas_batches(model: SGAForConditionalGeneration, pairs: Sequence[Pair], budget: int) -> Iterator[list[int]]:
    """Places of pairs, longest first, of at most so many tokens and frames together; one pair at the least, and two
    where there are two, so that a memory can be shuffled: then in one direction, so that no row sees its translation.
    """
    if model.config.memory != "shuffled":
        yield from _cut(model, pairs, range(len(pairs)), budget)
        return
    for language in sorted({pair.language for pair in pairs}):
        own = [place for place, pair in enumerate(pairs) if pair.language == language]
        yield from _cut(model, pairs, own, budget)


def _cut(
    model: SGAForConditionalGeneration, pairs: Sequence[Pair], places: Sequence[int], budget: int
) -> Iterator[list[int]]:
    order = sorted(places, key=lambda place: (-len(pairs[place].token_ids), place))
    batch: list[int] = []
    for number, place in enumerate(order):
        longest = len(pairs[(batch or [place])[0]].token_ids)
        cost = longest + model.frames_for(longest)
        is_last = number == len(order) - 1
        if len(batch) >= 2 and (len(batch) + 1) * cost > budget and not is_last:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _batch(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    places: Sequence[int],
    decoding: CanvasDecoding,
    around_writing: Around,
) -> list[CanvasText]:
    given = canvas_batch([pairs.pairs[place] for place in places], pairs.pad_id)
    memory = model.encode(given["input_ids"].to(model.device), given["attention_mask"].to(model.device))
    with around_writing():
        written = model.write_from(
            memory, denoising_passes=decoding.denoising_passes, keep_log_probs=decoding.beams is not None
        )
    if decoding.beams is None or written.log_probs is None:
        texts = [[ids] for ids in written.texts(model.config)]
    else:
        beams = prefix_beam_search(written.log_probs, written.frames, model.config.blank, decoding.beams)
        texts = [[list(each.symbols) for each in row[: decoding.n_best]] for row in beams]
    said = [tokenizer.batch_decode(row, skip_special_tokens=True) for row in texts]
    return [
        CanvasText(row[0].strip(), tuple(text.strip() for text in row[1:]), passes, settled)
        for row, passes, settled in zip(said, written.passes.tolist(), written.settled.tolist(), strict=True)
    ]


def translate_texts(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    original: Corpus,
    into: Sequence[str],
    decoding: CanvasDecoding | None = None,
) -> tuple[Translated, dict[str, dict[str, CanvasText]]]:
    """The texts of a corpus of one language in others, a failure where one is empty or longer than the context; and, by
    language and row id, what was written.
    """
    decoding, source = decoding or CanvasDecoding(), original.languages[0]
    directions = [Direction(source, target) for target in into]
    beside = dict.fromkeys(into, original.texts[source])  # in place of targets, which nobody looks at
    whole = replace(original, texts={**original.texts, **beside})
    pairs = canvas_pairs(model, tokenizer, whole, directions, ask_for_targets=False)
    texts = write_texts(model, tokenizer, pairs, decoding)
    written: dict[str, dict[str, CanvasText]] = {}
    for place, target in enumerate(into):
        column = texts[place * len(pairs.ids) : (place + 1) * len(pairs.ids)]
        written[target] = dict(zip(pairs.ids, column, strict=True))
    completions = {
        target: tuple(_completion(of_rows.get(row_id)) for row_id in original.ids)
        for target, of_rows in written.items()
    }
    options = Signature.of(source=source, into=",".join(into), manner="encoder that writes")
    signature = made_with(model, tokenizer, original) | options | decoding.signature
    return Translated(original, completions, signature), written


def _completion(text: CanvasText | None) -> Completion:
    if text is None:
        return Completion(None, "over_length")
    return Completion(text.text) if text.text else Completion(None, "empty")
