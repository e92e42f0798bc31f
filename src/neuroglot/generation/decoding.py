"""Decoding: how the next token is chosen, and what a decoder answers to prompts in several languages.

What every generation needs stands here once: batches, padding on the left, the config of transformers, the tokens that
end a text, and the answer up to them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.seen import rows_selected_on, told_rows
from neuroglot.errors import ConfigError
from neuroglot.generation.stopping import check_stop, cut, stopping
from neuroglot.models.finite import not_finite
from neuroglot.models.locating import text_config
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.showing import Described
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, pad
from neuroglot.tokens.tokenizing import Text, TokenizedCorpus, context_limit, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


LEAST_TEMPERATURE = 1e-3  # below, scores divided by it leave the range of floats


class DecidesTexts(Protocol):
    """A decision rule (`neuroglot.decisions`), which transformers calls in place of its own search.

    `copies` are the rows a prompt takes in a batch, `texts` those it gives back, one after another.
    """

    @property
    def copies(self) -> int: ...
    @property
    def texts(self) -> int: ...
    @property
    def signature(self) -> Signature: ...

    def reading(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> DecidesTexts:
        """The same for texts of this tokenizer that end before the first of the strings `stop`."""
        ...

    def __call__(self, model: Any, input_ids: Tensor, **given: Any) -> Tensor: ...


@dataclass(frozen=True)
class Decoding:
    """How a text is decided on: the likeliest token (`temperature` 0), by chance, by beams, or by a `rule`.

    `top_p` keeps the likeliest tokens that together have this probability; `seed` is that of sampling. Raises
    `ConfigError` on values that contradict each other.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    beams: int = 1
    seed: int = 0
    rule: DecidesTexts | None = None

    def __post_init__(self) -> None:
        warm = self.temperature == 0 or self.temperature >= LEAST_TEMPERATURE
        sound = self.max_new_tokens >= 1 and warm and 0 < self.top_p <= 1 and self.beams >= 1
        if not sound or (self.beams > 1 and self.temperature > 0):
            raise ConfigError(
                f"Got {self}.",
                f"Expected one new token or more, a temperature of 0 or from {LEAST_TEMPERATURE}, top_p in (0, 1], and "
                "beams only without sampling.",
            )
        if self.rule is not None and (self.temperature, self.top_p, self.beams) != (0.0, 1.0, 1):
            raise ConfigError(
                f"A decision rule was given beside temperature={self.temperature:g}, top_p={self.top_p:g} and "
                f"beams={self.beams}.",
                "Expected none of these: the rule decides.",
                "Give a transform of the scores, such as a temperature, to the rule.",
            )

    @property
    def signature(self) -> Signature:
        if self.rule is not None:
            return Signature.of(max_new_tokens=self.max_new_tokens) | self.rule.signature
        own = {"temperature": self.temperature, "top_p": self.top_p, "beams": self.beams, "seed": self.seed}
        return Signature.of(max_new_tokens=self.max_new_tokens, **own)

    @property
    def copies(self) -> int:
        """The rows that a prompt takes in a batch."""
        return self.beams if self.rule is None else self.rule.copies

    @property
    def reads_others(self) -> bool:
        """Whether the model may read other texts on the way than the one that it gives."""
        return self.beams > 1 or self.rule is not None

    def rule_for(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> DecidesTexts | None:
        """The rule, if there is one, for texts of this tokenizer."""
        return None if self.rule is None else self.rule.reading(tokenizer, stop)


@dataclass(frozen=True, eq=False, repr=False)
class Generation(Described):
    """What was generated for R prompts in G languages.

    * `texts[language][r]`: the generated text, without special tokens.
    * `read`: prompt and generated tokens as the model read them, that is without the last generated one; `scored` is
      set on the generated ones.
    * `token_ids[language][r]`: all generated tokens.
    """

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    token_ids: Mapping[str, tuple[tuple[int, ...], ...]]
    read: tuple[Text, ...]
    signature: Signature


def generate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Corpus,
    decoding: Decoding | None = None,
    *,
    stop: Sequence[str] = (),
    chats: bool = False,
    token_budget: int = TOKEN_BUDGET,
    around: Callable[[Batch, Callable[[], Tensor]], Tensor] = lambda batch, run: run(),
    kept: Kept = NOTHING_KEPT,
) -> Generation:
    """Continue every prompt; an intervention that is active around the call is in force.

    Prompts are padded on the left, which changes no text. Special tokens that the tokenizer puts behind a text are left
    off, and rows in which a prompt leaves no room for `max_new_tokens` are dropped. A text ends before the first of the
    strings `stop`. `chats` are prompts that a chat template wrote, special tokens and all. `around(batch, run)` calls
    `run` for each batch, and may watch the model meanwhile. A batch that is in `kept` is not generated again. The
    signature says on how many of the rows neurons that are in force were selected. Raises `UnsupportedModelError` for a
    model that is no decoder, or cannot generate.
    """
    decoding = decoding or Decoding()
    check_stop(stop)
    view.require("next-token predictions")
    view.require("generated text")
    limit = context_limit(tokenizer, text_config(view.model))
    room = None if limit is None else limit - decoding.max_new_tokens
    if room is not None and room < 1:
        raise ConfigError(
            f"max_new_tokens={decoding.max_new_tokens} was asked for.",
            f"Expected at most {limit - 1}, because the model's context has {limit} tokens.",  # type: ignore[operator]
        )
    tokenized = tokenize(tokenizer, prompts, room, to_continue=True, special_tokens=not chats)
    unscored = tuple(replace(text, scored=(False,) * len(text.token_ids)) for text in tokenized.texts)
    tokenized = replace(tokenized, texts=unscored)  # scored are, from here on, the generated tokens
    config = generation_config(view, tokenizer, decoding)
    generated: dict[tuple[int, int], tuple[int, ...]] = {}
    batches = list(_batches(tokenized, decoding, token_budget))
    rule = decoding.rule_for(tokenizer, stop)
    torch.manual_seed(decoding.seed)
    with view.evaluating():
        for number, batch in enumerate(track(batches, "generating", len(batches))):
            ends = stopping(tokenizer, batch.token_ids.shape[1], stop) if stop else None
            run = partial(around, batch, partial(continued, view, batch, config, stopped=ends, rule=rule))
            sequences = _once(kept, f"batch-{number:06d}", run, view.model.device)
            for text, sequence in zip(batch.texts, sequences.tolist(), strict=True):
                generated[text.language, text.row] = until_end(sequence, config.eos_token_id)
    return _generation(view, tokenizer, prompts, tokenized, generated, decoding, token_budget, stop)


def drawn_with(decoding: Decoding, token_budget: int) -> Signature:
    """The batches as far as they change a text: the draws of one text depend on those of others in its batch."""
    return Signature.of(token_budget=token_budget) if decoding.temperature else Signature()


def _once(kept: Kept, name: str, run: Callable[[], Tensor], device: torch.device) -> Tensor:
    """What `run` draws; taken from `kept` with the random state behind it, so that later draws are the same."""
    if kept.folder is None:
        return run()
    drawn = kept.once(name, lambda: {"sequences": run(), **_random_states(device)})
    torch.set_rng_state(drawn["cpu"])
    if "cuda" in drawn:
        torch.cuda.set_rng_state(drawn["cuda"], device)
    return drawn["sequences"]


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def end_tokens(view: ModelView, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a text, as the model's generation config or its tokenizer says."""
    stated = getattr(getattr(view.model, "generation_config", None), "eos_token_id", None)
    stated = [] if stated is None else [stated] if isinstance(stated, int) else list(stated)
    own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    return list(dict.fromkeys([*stated, *own]))


def until_end(token_ids: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """Up to the token that ends the text, that one included."""
    end = next((index + 1 for index, token_id in enumerate(token_ids) if token_id in ends), len(token_ids))
    return tuple(token_ids[:end])


def generation_config(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, decoding: Decoding, **options: Any
) -> GenerationConfig:
    """What transformers is told; what is not set here is taken from the model's own generation config."""
    sampling = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    return GenerationConfig(
        max_new_tokens=decoding.max_new_tokens, do_sample=decoding.temperature > 0, num_beams=decoding.beams,
        eos_token_id=end_tokens(view, tokenizer), pad_token_id=padding_token(view, tokenizer), use_cache=_caches(view),
        **(sampling if decoding.temperature else {}), **options,
    )  # fmt: skip


def padding_token(view: ModelView, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that stands where a batch has no text."""
    stated = [tokenizer.pad_token_id, *end_tokens(view, tokenizer)]
    return next((token_id for token_id in stated if token_id is not None), 0)


def _caches(view: ModelView) -> bool:
    """Transformers 5.23 makes T5's cache as deep as the encoder, and fails if the decoder is deeper."""
    config = text_config(view.model)
    return getattr(config, "num_decoder_layers", 0) <= getattr(config, "num_layers", 0)


def in_batches(lengths: Sequence[int], decoding: Decoding, token_budget: int) -> Iterator[list[int]]:
    """Which texts of these lengths are generated together: the longest first, each with room for its answer."""
    waiting = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    while waiting:
        held = (lengths[waiting[0]] + decoding.max_new_tokens) * decoding.copies
        size = max(1, token_budget // held)
        yield waiting[:size]
        waiting = waiting[size:]


def _batches(tokenized: TokenizedCorpus, decoding: Decoding, token_budget: int) -> Iterator[Batch]:
    """Prompts of one language and similar length, padded on the left."""
    for language in range(len(tokenized.languages)):
        texts = [text for text in tokenized.texts if text.language == language]
        for indices in in_batches([len(text.token_ids) for text in texts], decoding, token_budget):
            yield pad_left([texts[index] for index in indices])


def pad_left(texts: Sequence[Text]) -> Batch:
    """One batch of texts that end together, so that they can go on."""
    batch = pad(texts)
    width = batch.token_ids.shape[1]
    missing = width - batch.real.sum(1, keepdim=True)
    positions = (torch.arange(width)[None] - missing) % width  # each row turned to the right by its padding
    names = ("token_ids", "real", "special", "scored")
    return replace(batch, **{name: getattr(batch, name).gather(1, positions) for name in names})


def continued(
    view: ModelView,
    batch: Batch,
    config: GenerationConfig,
    begin: Sequence[int] = (),
    stopped: Callable[..., Tensor] | None = None,
    rule: DecidesTexts | None = None,
) -> Tensor:
    """The generated part of each sequence, `[B, new tokens]`: behind the prompts of a decoder, which are padded on the
    left, or of a decoder beside an encoder, which begins with `begin`, or with its own start token.

    A rule that gives back several texts a prompt gives `[B × texts, new tokens]`.
    """
    device, count = view.model.device, len(batch.texts)
    ids = batch.token_ids.masked_fill(~batch.real, int(config.pad_token_id or 0))
    given: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": batch.real.long().to(device)}
    if begin:
        given["decoder_input_ids"] = torch.tensor([list(begin)] * count, device=device)
        config = copy.copy(config)
        config.decoder_start_token_id = begin[0]  # else another start token is put before
    model: Any = view.model
    criteria = [stopped] if stopped else None
    checks = LogitsProcessorList([_finite_scores(model)])
    sequences: Tensor = model.generate(
        **given, generation_config=config, stopping_criteria=criteria, logits_processor=checks,
        **({} if rule is None else {"custom_generate": rule}),
    )  # fmt: skip
    start = ids.shape[1] if view.family.kind == "decoder" else max(1, len(begin))
    return sequences[:, start:]


def _finite_scores(model: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Refuses scores of next tokens that are no numbers, of which the first token of the vocabulary would be made."""

    def check(_sequences: Tensor, scores: Tensor) -> Tensor:
        if not bool(scores.amax(-1).isfinite().all()):
            raise not_finite(model, "Scores of next tokens are")
        return scores

    return check


def _generation(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Corpus,
    tokenized: TokenizedCorpus,
    generated: Mapping[tuple[int, int], tuple[int, ...]],
    decoding: Decoding,
    token_budget: int,
    stop: Sequence[str],
) -> Generation:
    rows = range(len(tokenized.ids))
    token_ids = {
        language: tuple(generated[place, row] for row in rows) for place, language in enumerate(tokenized.languages)
    }
    texts = {
        language: tuple(cut(str(tokenizer.decode(list(ids), skip_special_tokens=True)), stop)[0] for ids in column)
        for language, column in token_ids.items()
    }
    made = made_with(view, tokenizer, prompts, rows=len(tokenized.ids), dropped=len(tokenized.dropped))
    signature = made | decoding.signature | generation_signature(view.model) | drawn_with(decoding, token_budget)
    signature |= Signature.of(stop=repr(tuple(stop))) if stop else Signature()
    signature |= told_rows(rows_selected_on(prompts, chosen_in(view.model), "allow"))
    read = tuple(_read(text, generated[text.language, text.row]) for text in tokenized.texts)
    return Generation(tokenized.languages, tokenized.ids, texts, token_ids, read, signature)


def _read(prompt: Text, generated: tuple[int, ...]) -> Text:
    """What the model read: the last generated token was never its input."""
    new = generated[:-1]
    return replace(
        prompt,
        token_ids=prompt.token_ids + new,
        special=prompt.special + (False,) * len(new),
        scored=(False,) * len(prompt.token_ids) + (True,) * len(new),
    )
