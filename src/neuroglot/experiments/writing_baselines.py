"""An autoregressive baseline: transformers' encoder–decoder, both sides initialised from the same encoder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import UnsupportedModelError
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.canvases import canvas_batch, with_target_mark
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pair, Pairs
from neuroglot.tokens.tokenizing import token_ids_of
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep, Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WRITTEN_AT_ONCE = 32  # texts of a batch


@dataclass(frozen=True, eq=False)
class WrittenDirections:
    """`texts[direction][r]` of the rows `ids`, passes and seconds a text in the mean, rows dropped by reason."""

    ids: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    passes: float
    seconds: float
    dropped: Mapping[str, int]


def encoder_decoder(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Any:
    """Both sides have the encoder's weights; the attention of the decoder to the encoder is new.

    Raises `UnsupportedModelError` for an encoder that transformers has no decoder of, such as ModernBERT.
    """
    from transformers import AutoModel, AutoModelForCausalLM, EncoderDecoderModel

    config = type(encoder.config).from_dict(encoder.config.to_dict())
    config.is_decoder = config.add_cross_attention = True
    try:
        decoder: Any = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    except ValueError as error:
        raise UnsupportedModelError(
            f"transformers has no decoder of the type {encoder.config.model_type!r}.",
            "Expected an encoder that is one too, such as XLM-R or BERT.", "Leave out the autoregressive baseline.",
        ) from error  # fmt: skip
    said = decoder.load_state_dict(encoder.state_dict(), strict=False)
    if missing := [name for name in said.missing_keys if "cross" not in name]:
        raise UnsupportedModelError(
            f"The decoder of {encoder.config.model_type!r} lacks {missing[0]}.", "Expected the encoder's weights in it."
        )
    reader = AutoModel.from_config(encoder.config, attn_implementation="sdpa")
    reader.load_state_dict(encoder.base_model.state_dict(), strict=False)
    pair: Any = EncoderDecoderModel(encoder=reader, decoder=decoder)
    pair = pair.to(encoder.device)
    pair.config.decoder_start_token_id, pair.config.pad_token_id = _start(tokenizer), tokenizer.pad_token_id
    pair.generation_config.update(
        decoder_start_token_id=_start(tokenizer), pad_token_id=tokenizer.pad_token_id, eos_token_id=_end(tokenizer),
        bos_token_id=_start(tokenizer),
    )  # fmt: skip
    return pair


def train_encoder_decoder(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    training: Training,
    *,
    temperature: float = 5.0,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> Any:
    """The encoder–decoder, trained in full on the pairs, by cross-entropy in nats per target token."""
    torch.manual_seed(training.seed)
    pair = encoder_decoder(encoder, tokenizer)
    order = drawn(
        [each.language for each in pairs.pairs], training.steps * training.accumulation, training.batch_size,
        temperature=temperature, mixed=True, lengths=[len(each.token_ids) for each in pairs.pairs], seed=training.seed,
    )  # fmt: skip
    end = _end(tokenizer)

    def collate(given: Sequence[Pair]) -> dict[str, Any]:
        batch = canvas_batch(given, pairs.pad_id)
        labels = torch.full((len(given), batch["labels"].shape[1] + 1), IGNORED)
        for row, each in enumerate(given):
            labels[row, : len(each.target_ids) + 1] = torch.tensor([*each.target_ids, end])
        return {**batch, "labels": labels}

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Version v4.12.0 introduces", FutureWarning)  # each time it sees labels
        fit(pair, [pairs.pairs[row] for row in order], collate, training, kept=kept, on_step=on_step)
    return pair.eval()


def write_with_decoder(
    pair: Any,
    tokenizer: PreTrainedTokenizerBase,
    test: Corpus,
    directions: Sequence[Direction],
    max_new_tokens: int,
) -> WrittenDirections:
    """What the encoder–decoder writes greedily of each source, token by token."""
    texts, tokens, started = {}, 0, time.perf_counter()
    for direction in directions:
        sources = [with_target_mark(tokenizer, direction.target, text) for text in test.texts[direction.source]]
        read = token_ids_of(tokenizer, sources)["input_ids"]
        column: dict[int, str] = {}
        order = sorted(range(len(read)), key=lambda row: -len(read[row]))
        for first in range(0, len(order), WRITTEN_AT_ONCE):
            rows = order[first : first + WRITTEN_AT_ONCE]
            width = max(len(read[row]) for row in rows)
            ids = torch.full((len(rows), width), int(tokenizer.pad_token_id or 0))
            mask = torch.zeros(len(rows), width, dtype=torch.long)
            for place, row in enumerate(rows):
                ids[place, : len(read[row])], mask[place, : len(read[row])] = torch.tensor(read[row]), 1
            with torch.inference_mode():
                written = pair.generate(
                    input_ids=ids.to(pair.device), attention_mask=mask.to(pair.device), do_sample=False, num_beams=1,
                    max_new_tokens=max_new_tokens,
                )  # fmt: skip
            tokens += int((written[:, 1:] != tokenizer.pad_token_id).sum())
            said = tokenizer.batch_decode(written, skip_special_tokens=True)
            column |= {row: text.strip() for row, text in zip(rows, said, strict=True)}
        texts[str(direction)] = tuple(column[row] for row in range(len(read)))
    count = len(test) * len(directions)
    return WrittenDirections(tuple(test.ids), texts, 1 + tokens / count, (time.perf_counter() - started) / count, {})


def _start(tokenizer: PreTrainedTokenizerBase) -> int:
    return _first_of(tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.mask_token_id)


def _end(tokenizer: PreTrainedTokenizerBase) -> int:
    return _first_of(tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)


def _first_of(*tokens: int | None) -> int:
    return int(next(token for token in tokens if token is not None))
