"""Tiny translation models, texts and masks, and a row-masked copy of a model made by hand."""

import copy
import re
from collections.abc import Iterator

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn import Module
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import directions_of
from neuroglot.layout import Layout
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.masks import DirectionMasks
from tests.families import VOCABULARY, tiny_model
from tests.oracles import modules_of
from tests.tiny import tiny_corpus

LANGUAGES = ("en", "de", "fr")
SPECIAL = {"<pad>": 0, "<s>": 1, "</s>": 2, "__en__": 3, "__de__": 4, "__fr__": 5, "<unk>": 6, ">>deu<<": 7}
PAIRS = ("m2m_100", "marian", "bart", "pegasus", "mbart", "t5", "mt5", "umt5")
DECODERS = ("gpt2", "llama", "opt", "bloom", "phi3", "xglm", "falcon", "mpt")
UPS = ("fc1", "wi", "wi_0", "wi_1", "gate_proj", "up_proj", "gate_up_proj", "c_fc", "dense_h_to_4h")


def translation_tokenizer(without: tuple[str, ...] = (">>deu<<",)) -> PreTrainedTokenizerFast:
    """The words of `tiny_tokenizer` behind special tokens, among them M2M-100's for three languages."""
    words = [f"w{index}" for index in range(VOCABULARY - len(SPECIAL))]
    vocabulary = SPECIAL | {word: index + len(SPECIAL) for index, word in enumerate(words)}
    vocabulary = {token: place for token, place in vocabulary.items() if token not in without}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="<pad>", model_max_length=64
    )


def texts(rows: int = 5) -> Corpus:
    return tiny_corpus(rows, LANGUAGES)


def located(model_type: str, seed: int = 0) -> ModelView:
    """A tiny model whose biases are not zero, without dropout."""
    model = tiny_model(model_type, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.3)
    return view(model)


def random_masks(layout: Layout, seed: int = 0, share: float = 0.6) -> DirectionMasks:
    directions = directions_of(LANGUAGES)
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(len(directions), layout.neuron_count, generator=generator) < share
    return DirectionMasks(layout, directions, kept)


def up_projections(model: PreTrainedModel) -> Iterator[tuple[tuple[str, int], Module]]:
    for (stack, index), module in modules_of(model, UPS):
        yield (stack if model.config.is_encoder_decoder else "decoder", index), module


def row_masked(located: ModelView, kept: Tensor, biases_too: bool) -> PreTrainedModel:
    """A copy in which the rows of removed neurons are zero in every up projection, and their biases where asked."""
    model = copy.deepcopy(located.model)
    parts = {(layer.stack, layer.index): part for layer, part in located.layout.by_layer(kept)}
    found = list(up_projections(model))
    assert {place for place, _ in found} == set(parts)
    for place, module in found:
        removed = ~parts[place]
        if re.search("gate_up", next(name for name, other in model.named_modules() if other is module)):
            removed = torch.cat([removed, removed])
        with torch.no_grad():
            weight = module.weight.T if type(module).__name__ == "Conv1D" else module.weight
            assert weight.shape[0] == len(removed)
            weight[removed] = 0
            if biases_too and module.bias is not None:
                module.bias[removed] = 0
    return model
