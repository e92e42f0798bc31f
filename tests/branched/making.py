"""A tiny M2M-100 of three languages, its branches, and what they give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import M2M100ForConditionalGeneration

from neuroglot.models.branched import BranchedFolder, BranchedSeq2Seq, create
from tests.specialization.making import located, translation_tokenizer

# Names that are attributes of modules, or parts of the names of weights: they are data, and nothing else.
GROUPS = {"train": ["de"], "embed_tokens": ["fr"]}


def translator(seed: int = 0, **shape: float) -> M2M100ForConditionalGeneration:
    """A tiny model whose biases are not zero; by default without dropout and dropped layers."""
    model = located("m2m_100", seed).model.eval()
    for name, value in ({"dropout": 0.0, "attention_dropout": 0.0} | shape).items():
        for module in model.modules():
            if hasattr(module, name):
                setattr(module, name, value)
    model.model.encoder.layerdrop = model.model.decoder.layerdrop = 0.0
    return model


def folder(path: Path, groups: Mapping[str, Sequence[str]] = GROUPS, seed: int = 0) -> BranchedFolder:
    """The folder of a branched model, with its tokenizer."""
    create(translator(seed), groups, path)
    translation_tokenizer().save_pretrained(path)
    return BranchedFolder(path)


def without_chance(start: BranchedFolder) -> BranchedFolder:
    """The same without dropout and dropped layers."""
    path = start.path / "config.json"
    stored = json.loads(path.read_text())
    for name in ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"):
        stored["base"][name] = 0.0
    path.write_text(json.dumps(stored))
    return start


def inputs() -> dict[str, Tensor]:
    """A batch with padding."""
    generator = torch.Generator().manual_seed(1)
    read, answered = (torch.randint(8, 40, (3, length), generator=generator) for length in (6, 5))
    mask = torch.ones_like(read)
    read[1, 4:], mask[1, 4:] = 0, 0
    return {"input_ids": read, "attention_mask": mask, "decoder_input_ids": answered}


@torch.no_grad()
def logits(model: nn.Module, **options: str) -> Tensor:
    """What a model gives for the batch."""
    found: Tensor = model(**inputs(), **options).logits
    return found


def count(parameters: Iterable[Tensor]) -> int:
    """How many numbers there are, shared ones once."""
    return sum(each.numel() for each in {id(each): each for each in parameters}.values())


def moved(model: BranchedSeq2Seq, seed: int = 3) -> BranchedSeq2Seq:
    """The model with every branch moved away from the others."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "shared.weight":
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model
