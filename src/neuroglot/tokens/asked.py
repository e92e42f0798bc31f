"""Asked: the tokens whose probability a model is asked for, and the logits with which it answers.

A decoder is asked for the next token of texts, and of answers behind prompts; an encoder–decoder for translations,
given their sources, and one that is asked in words, such as T5, for answers too; an encoder for tokens that are masked.
Scores and gradients are both of these losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.errors import CorpusError, UnsupportedModelError
from neuroglot.models.inputs import EncoderInputs, PairInputs
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.tokens.answers import encode_answers
from neuroglot.tokens.batches import Batch, by_length
from neuroglot.tokens.examples import LONG, Unfit
from neuroglot.tokens.language_tokens import reads_questions
from neuroglot.tokens.masking import mask_id, masked_texts
from neuroglot.tokens.pairs import PairBatch, batches_by_direction, encode_pairs, translation_inputs
from neuroglot.tokens.questions import read_questions
from neuroglot.tokens.tokenizing import TokenizedCorpus, context_limit, tokenize
from neuroglot.tokens.unknown import UnknownTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Readable = Corpus | Task | Directed


@dataclass(frozen=True, eq=False)
class AskedTokens:
    """Texts of R rows in G languages with the tokens that are asked for; `dropped` counts the other rows by reason.

    `pad_id` is there if the texts are pairs, of which several may be of one row and language. `unknown` says
    which share of the tokens the tokenizer does not know, by language.
    """

    tokens: TokenizedCorpus
    dropped: Mapping[str, int]
    pad_id: int | None = None
    unknown: Signature = field(default_factory=Signature)

    def batches(self, token_budget: int, language: int | None = None) -> list[Batch]:
        """Batches of at most so many padded tokens, of all languages or of one, by its number."""
        texts = tuple(text for text in self.tokens.texts if language is None or text.language == language)
        if self.pad_id is None:
            return by_length(replace(self.tokens, texts=texts), token_budget)
        return list(batches_by_direction(texts, self.pad_id, token_budget))  # type: ignore[arg-type]  # they are pairs


class Answered(NamedTuple):
    """What a model says of a batch at each position that may be `scored`: `logits [B, T, V]`, `targets [B, T]`."""

    logits: Tensor
    targets: Tensor
    scored: Tensor


def asked_tokens(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, unfit: Unfit = "drop"
) -> AskedTokens:
    """What a model of this kind is asked of the data.

    Rows with a text longer than the model's context, and rows of a task or of translations that are unfit otherwise,
    are dropped in all languages, or refused. Raises `UnsupportedModelError` for data that a model of this kind cannot
    be asked about, `CorpusError` for rows to refuse, if none is left, or for a language that the tokenizer does
    not know.
    """
    require_askable(view, tokenizer, data)
    limit = context_limit(tokenizer, text_config(view.model))
    if isinstance(data, Task) and isinstance(view.family.reads, PairInputs):
        pairs = encode_answers(tokenizer, data, limit)
        tokens = TokenizedCorpus(data.languages, pairs.ids, pairs.pairs, pairs.dropped)
        asked = AskedTokens(tokens, pairs.reasons, pairs.pad_id)
    elif isinstance(data, Task):
        questions = read_questions(tokenizer, data, limit, unfit)
        asked = AskedTokens(questions.answered(), dict(questions.dropped))
    elif isinstance(data, Directed):
        pairs = encode_pairs(view, tokenizer, data.corpus, data.directions, data.tags)
        tokens = TokenizedCorpus(data.languages, pairs.ids, pairs.pairs, pairs.dropped)
        asked = AskedTokens(tokens, pairs.reasons, pairs.pad_id)
    else:
        tokens = tokenize(tokenizer, data, limit)
        dropped = {LONG: len(tokens.dropped)} if tokens.dropped else {}
        is_encoder = isinstance(view.family.reads, EncoderInputs)
        asked = (
            AskedTokens(masked_texts(tokenizer, data, tokens), dropped, _pad_id(tokenizer))
            if is_encoder
            else AskedTokens(tokens, dropped)
        )
    if asked.tokens.dropped and unfit == "refuse":
        raise _refused(data, asked, limit)
    unknown = UnknownTokens(tokenizer, asked.tokens.languages).count(asked.tokens.texts).refuse()
    return replace(asked, unknown=unknown.signature)


def asked_inputs(view: ModelView, batch: Batch) -> dict[str, Any]:
    """What the whole model is given to be asked about a batch on its device."""
    if isinstance(batch, PairBatch):
        return translation_inputs(view, batch)
    return {"input_ids": batch.token_ids, "attention_mask": batch.real.long(), "use_cache": False}


def asked_positions(view: ModelView, batch: Batch) -> tuple[slice, Tensor, Tensor]:
    """At which positions a model answers, and for each of them the target and whether it may be scored: `[B, T]`."""
    if isinstance(batch, PairBatch) and not view.family.predicts_next:
        return slice(None), batch.targets, batch.target_scored
    return slice(-1), batch.token_ids[:, 1:], batch.scored[:, 1:]


def answered(view: ModelView, batch: Batch) -> Answered:
    """One forward of the whole model over a batch on its device."""
    positions, targets, scored = asked_positions(view, batch)
    return Answered(view.model(**asked_inputs(view, batch)).logits[:, positions], targets, scored)


def require_askable(view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable) -> None:
    """Raise `UnsupportedModelError`, with what to do instead, unless a model of this kind predicts such data; and
    `ConfigError` for an encoder whose tokenizer has no mask.
    """
    reads, name = view.family.reads, type(view.model).__name__
    if not isinstance(reads, PairInputs | EncoderInputs):
        view.require("next-token predictions")
        return
    kind = f"{view.family.model_type} is an {view.family.kind}"
    wanted = Directed if isinstance(reads, PairInputs) else Corpus
    is_asked = isinstance(data, Task) and wanted is Directed and reads_questions(view, tokenizer)
    if not isinstance(data, wanted) and not is_asked:
        what = {Corpus: "text by itself", Task: "answers of a task", Directed: "translations"}[type(data)]
        raise UnsupportedModelError(f"{name} predicts no {what}: {kind}.", *_INSTEAD[wanted])
    if view.model.get_output_embeddings() is None:
        raise UnsupportedModelError(
            f"{name} has no head that predicts tokens.",
            f"Expected what {view.family.loader.__name__} loads.",
            "`neuroglot.models.load` loads a model with its head.",
        )
    if isinstance(reads, EncoderInputs):
        mask_id(tokenizer)


_INSTEAD: Mapping[type, tuple[str, str]] = {
    Directed: (
        "Expected directions of translation, or a decoder; for answers also T5, mT5 or UMT5.",
        "Read parallel text in directions: `corpora.Directed.around(corpus, pivot)`, or --directions en-de de-en.",
    ),
    Corpus: (
        "Expected plain parallel text, of which tokens are masked, or a decoder.",
        "Give a corpus without directions.",
    ),
}


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    return int(tokenizer.pad_token_id or 0)


def _refused(data: Readable, asked: AskedTokens, limit: int | None) -> CorpusError:
    count, first = len(asked.tokens.dropped), asked.tokens.dropped[0]
    reasons = "" if set(asked.dropped) == {LONG} else f" ({', '.join(asked.dropped)})"
    return CorpusError(
        f"Corpus {data.name!r} has {count} rows with a text of more than {limit} tokens{reasons}, {first!r} the first.",
        "Expected texts that fit into the model's context.",
        "Drop such rows (unfit='drop').",
    )
