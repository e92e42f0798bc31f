"""Tiny SGAs over encoders of several families, and sources for them."""

from typing import Any

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus
from neuroglot.lab.encoder import EncoderConfig, new_encoder
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from tests.families import tiny_model

MASK, PAD = 3, 0
BACKBONES = ("xlm-roberta", "bert", "modernbert", "eurobert", "distilbert", "electra")


def tiny_sga(kind: str = "xlm-roberta", dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    """A random SGA in eval mode whose prompts, gains and memory are wide enough to be seen."""
    encoder = tiny_model(kind, attention_dropout=0.0, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
    given = {"prompt_length": 3, "mask_token_id": MASK, "pad_token_id": PAD} | options
    model = SGAForConditionalGeneration.over(encoder.to(dtype), **given)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("backbone."):
                parameter.normal_(0, 0.5)
        model.gains.copy_(torch.linspace(0.5, 1.7, len(model.gains)))
    return model.to(dtype).eval()


def sources(lengths: tuple[int, ...] = (5, 3, 4), seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, 64, (length,), generator=generator).tolist() for length in lengths]


def batch(rows: list[list[int]], side: str = "right", extra: int = 0) -> dict[str, Tensor]:
    width = max(map(len, rows)) + extra
    ids, mask = torch.full((len(rows), width), PAD), torch.zeros(len(rows), width, dtype=torch.long)
    for row, tokens in enumerate(rows):
        place = slice(0, len(tokens)) if side == "right" else slice(width - len(tokens), width)
        ids[row, place], mask[row, place] = torch.tensor(tokens), 1
    return {"input_ids": ids, "attention_mask": mask}


def own_logits(model: Any, rows: list[list[int]], **how: Any) -> list[Tensor]:
    """The logits of the alignment of each row, without padding."""
    with torch.no_grad():
        output = model(**batch(rows, **how))
    return [logits[:frames] for logits, frames in zip(output.logits, output.frames.tolist(), strict=True)]


def tiny_writer(corpus: Corpus) -> tuple[Any, Any]:
    """A random SGA over a tiny XLM-R with a tokenizer of the corpus, wide enough to write something, if no sense."""
    encoder, tokenizer = new_encoder(corpus, EncoderConfig(16, 2, 2, 24, 300, 120), 0)
    torch.manual_seed(2)
    options = {"prompt_length": 3, "mask_token_id": tokenizer.mask_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = SGAForConditionalGeneration.over(encoder, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    return model.eval(), tokenizer
