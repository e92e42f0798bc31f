"""What fits an encoder that is to write, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.writing import AUTOREGRESSIVE, WritingConfig, sga_options
from neuroglot.experiments.writing_baselines import encoder_decoder
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.tokens.canvases import canvas_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def require_writable(
    config: WritingConfig,
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parts: tuple[Corpus, Corpus],
    directions: Sequence[Direction],
) -> None:
    """Raise, before anything is trained, what would be raised behind a training.

    `CorpusError` where no row to train on or to translate fits the encoder, and of the autoregressive baseline for a
    target that leaves no position for its end; `ConfigError` for texts of more tokens than it has positions, and
    `UnsupportedModelError` for an encoder that cannot be read so, or has no decoder. The encoder is as it was.
    """
    model = SGAForConditionalGeneration.sketch(encoder, **sga_options(config, tokenizer))
    train, test = parts
    pairs = canvas_pairs(model, tokenizer, train, directions)
    canvas_pairs(model, tokenizer, test, directions, ask_for_targets=False)
    if AUTOREGRESSIVE not in config.baselines:
        return
    with torch.device("meta"):
        encoder_decoder(model.backbone, tokenizer)
    positions = model.longest_canvas
    if config.max_new_tokens > positions:
        raise ConfigError(
            f"The autoregressive baseline was asked for texts of {config.max_new_tokens} tokens.",
            f"Expected at most {positions}, the positions of its encoder.", f"Say --max-new-tokens {positions}.",
        )  # fmt: skip
    longest = max(pairs.pairs, key=lambda pair: len(pair.target_ids))
    if len(longest.target_ids) + 1 > positions:
        raise CorpusError(
            f"A target of row {pairs.ids[longest.row]} has {len(longest.target_ids)} tokens.",
            f"Expected at most {positions - 1}, so that its end has a position in the autoregressive baseline.",
            "Leave out long rows (--longest), or that baseline.",
        )
