"""Neurons of a frozen encoder while it reads and writes: counted as by hand, and off in the passes that write only."""

from typing import Any

import pytest
import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.writing_neurons import record_writing, writing_matrix
from neuroglot.generation.sga import CanvasDecoding
from neuroglot.interventions import switch_off
from neuroglot.metrics.writing_neurons import ReadingAndWriting
from neuroglot.models import view
from neuroglot.neurons import NeuronSet
from neuroglot.signature import Signature
from neuroglot.tokens.canvases import canvas_batch, canvas_pairs
from tests.models.sga.making import tiny_sga
from tests.tiny import masking_tokenizer, tiny_corpus

LANGUAGES = ("de", "en", "sw")
FEW = CanvasDecoding(2)


def fired_by_hand(model: Any, given: dict[str, Tensor], special: set[int]) -> dict[str, Tensor]:
    """On how many positions each neuron of a BERT is above 0 while one source is read and while it is written."""
    counts = {"reading": torch.zeros(72, dtype=torch.int64), "writing": torch.zeros(72, dtype=torch.int64)}
    tokens, passes = {"reading": 0, "writing": 0}, []
    layers = model.backbone.bert.encoder.layer
    fired: list[Tensor] = []
    hooks = [
        layer.intermediate.intermediate_act_fn.register_forward_hook(lambda _m, _i, out: fired.append(out[0] > 0))
        for layer in layers
    ]
    model.write(**{name: given[name] for name in ("input_ids", "attention_mask")}, denoising_passes=2)
    for hook in hooks:
        hook.remove()
    for start in range(0, len(fired), 3):
        what = "writing" if passes else "reading"
        passes.append(start)
        kept = torch.ones(len(fired[start]), dtype=torch.bool)
        if what == "reading":
            kept = torch.tensor([token not in special for token in given["input_ids"][0].tolist()])
        counts[what] += torch.cat([layer[kept] for layer in fired[start : start + 3]], dim=1).sum(0)
        tokens[what] += int(kept.sum())
    return {**counts, **{f"{name} tokens": torch.tensor(count) for name, count in tokens.items()}}


def test_neurons_are_counted_by_the_language_that_is_read_and_the_one_that_is_written() -> None:
    model, tokenizer, corpus = tiny_sga("bert"), masking_tokenizer(), tiny_corpus(3, LANGUAGES)
    recorded = record_writing(model, tokenizer, corpus, "en", Recording("post_act"), FEW)
    pairs = canvas_pairs(model, tokenizer, corpus, ("en-de", "en-sw", "de-en", "sw-en"), ask_for_targets=False)
    expected = {name: torch.zeros(3, 72, dtype=torch.int64) for name in ("reading", "writing")}
    tokens = {name: torch.zeros(3, dtype=torch.int64) for name in ("reading", "writing")}
    for pair in pairs.pairs:
        direction = pairs.directions[pair.language]
        found = fired_by_hand(model, canvas_batch([pair], 0), set(tokenizer.all_special_ids))
        for name, code in (("reading", direction.source), ("writing", direction.target)):
            expected[name][LANGUAGES.index(code)] += found[name]
            tokens[name][LANGUAGES.index(code)] += found[f"{name} tokens"]
    for name, activity in recorded.items():
        assert torch.equal(activity.fired[0], expected[name])
        assert torch.equal(activity.tokens, tokens[name])
    with pytest.raises(ConfigError, match="Expected one of all tokens"):
        record_writing(model, tokenizer, corpus, "en", Recording(tokens="last"))


def test_neurons_are_off_while_it_writes_and_not_while_it_reads() -> None:
    model, tokenizer, corpus = tiny_sga("bert"), masking_tokenizer(), tiny_corpus(4, LANGUAGES)
    layout = view(model.backbone).layout
    sets = {
        language: NeuronSet.of(layout, {("encoder", layer): range(place, 24, 3) for layer in range(3)})
        for place, language in enumerate(LANGUAGES)
    }
    matrix = writing_matrix(model, tokenizer, corpus, sets, "en", draws=2, decoding=FEW)
    always = writing_matrix(model, tokenizer, corpus, sets, "en", draws=1, decoding=FEW, off="always")
    assert matrix.set_sizes == (24, 24, 24)
    assert torch.equal(matrix.baseline, always.baseline)
    assert not torch.equal(matrix.ablated, matrix.baseline.expand_as(matrix.ablated))
    # by hand: one source, encoded with all neurons, written without those of the first language
    pair = canvas_pairs(model, tokenizer, corpus, ("en-sw",), ask_for_targets=False).pairs[0]
    given = canvas_batch([pair], 0)
    memory = model.encode(given["input_ids"], given["attention_mask"])
    with switch_off(view(model.backbone), sets["de"]):
        (ids,) = model.write_from(memory, denoising_passes=2).texts(model.config)
    from neuroglot.experiments.quality import TranslationQuality
    from neuroglot.metrics.texts import Texts

    text = tokenizer.decode(ids, skip_special_tokens=True).strip()
    counts = TranslationQuality("chrf++").counts(
        Texts((text,), ((corpus.texts["sw"][0],),)), canvas_pairs(model, tokenizer, corpus, ("en-sw",)).directions[0]
    )
    assert torch.equal(matrix.ablated[0, 0, 2], counts[0])
    none = {language: NeuronSet.empty(layout) for language in LANGUAGES}
    unchanged = writing_matrix(model, tokenizer, corpus, none, "en", draws=1, decoding=FEW)
    assert torch.equal(unchanged.ablated, unchanged.baseline.expand_as(unchanged.ablated))


def test_rows_that_neurons_were_selected_on_prove_nothing() -> None:
    from neuroglot.neurons import by_entropy

    model, tokenizer, corpus = tiny_sga("bert"), masking_tokenizer(), tiny_corpus(4, LANGUAGES)
    activity = record_writing(model, tokenizer, corpus, "en", decoding=FEW)["writing"]
    sets = by_entropy(activity, top_share=0.3, filter_quantile=0.5, owner_quantile=0.5)
    with pytest.raises(CorpusError, match="selected"):
        writing_matrix(model, tokenizer, corpus, sets, "en", draws=1, decoding=FEW)


def test_the_overlap_is_that_of_the_sets_and_chance_is_that_of_their_sizes() -> None:
    layout = view(tiny_sga("bert").backbone).layout
    reading = {"de": NeuronSet.of(layout, {("encoder", 0): range(6), ("encoder", 2): range(12)})}
    writing = {"de": NeuronSet.of(layout, {("encoder", 0): range(4, 16), ("encoder", 1): range(3)})}
    found = ReadingAndWriting(reading, writing, Signature()).overlaps()["de"]
    assert (found.reading, found.writing, found.both) == (18, 15, 2)
    assert found.by_chance == pytest.approx(6 * 12 / 24)
    assert found.jaccard == pytest.approx(2 / 31)
    with pytest.raises(ConfigError, match="Expected the same languages"):
        ReadingAndWriting(reading, {}, Signature())


def test_rows_that_are_too_long_are_left_out_and_random_sets_write_their_own_language() -> None:
    model, tokenizer, corpus = tiny_sga("bert"), masking_tokenizer(), tiny_corpus(5, LANGUAGES)
    layout = view(model.backbone).layout
    sets = {language: NeuronSet.of(layout, {("encoder", 0): range(4)}) for language in LANGUAGES}
    first = {language: ("w1 " * 90, *column[1:]) for language, column in corpus.texts.items()}
    long = type(corpus)("long", corpus.ids, first)
    matrix = writing_matrix(model, tokenizer, long, sets, "en", draws=2, decoding=FEW)
    others = corpus.take([1, 2, 3, 4])
    short = writing_matrix(model, tokenizer, others, sets, "en", draws=2, decoding=FEW)
    assert torch.equal(matrix.baseline, short.baseline)
    unscored = ~torch.eye(3, dtype=torch.bool)[None, :, None].expand(2, -1, 4, -1)
    assert torch.equal(matrix.random.isnan().any(-1), unscored)
