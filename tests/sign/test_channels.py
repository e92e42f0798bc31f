"""Channels as neurons: counted as by a plain loop, switched off as by their kernels, with roles in the shift."""

from pathlib import Path
from typing import get_args

import pytest
import torch

from neuroglot.errors import CorpusError, UnsupportedModelError
from neuroglot.experiments.signs import (
    channel_matrix,
    clip_hashes,
    known_clips,
    record_channels,
    role_effects,
    score_recognised,
)
from neuroglot.generation.glosses import Readings, reader_for
from neuroglot.interventions import switch_off
from neuroglot.models.architectures.tscm import Timeline
from neuroglot.models.channels import channels, roles
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.table import SELECTORS, Evidence
from neuroglot.recipes.sign_channels import ChannelRule, SignChannels
from tests.families import tiny_model
from tests.sign.making import few_clips, recogniser


def blocks(model):  # type: ignore[no-untyped-def]
    return [block for stage in model.resnet.encoder.stages for block in stage.layers]


def test_the_layout_has_the_channels_between_the_convolutions_of_each_block() -> None:
    view = channels(recogniser())
    assert view.layout.stacks == (("frame", (4, 6)), ("temporal", (6, 6)))
    assert "video recogniser tscm" in repr(view)
    seen: list[int] = []
    with view.evaluating(), view.tapping("write", lambda _layer, rows, _: seen.append(len(rows))):
        view.model.base_model(**view.family.reads.dummy(view.model))
    assert seen == [4 * 64, 4 * 64, 4 * 64, 2 * 16]  # pixels of 4 frames; of 2, where time is halved, at half the scale
    with pytest.raises(UnsupportedModelError, match="no next-token predictions: tscm is a video recogniser"):
        view.require("next-token predictions")
    bottleneck = channels(recogniser(layer_type="bottleneck", hidden_sizes=(8, 16, 16)))
    assert bottleneck.layout.stacks == (("frame", (2, 4)), ("temporal", (4, 4)))
    assert {point.convolution.kernel_size for point in bottleneck.points.values()} == {(3, 3)}
    with pytest.raises(UnsupportedModelError, match="LlamaForCausalLM"):
        channels(tiny_model("llama"))


@pytest.mark.parametrize("shift", ["tscm", "conv3d"])
def test_a_channel_that_is_off_is_a_channel_without_kernels(shift: str) -> None:
    model = recogniser(shift=shift).eval()
    view, batch = channels(model), next(reader_for(model).batches(few_clips().of("test"), 3))[1]
    with torch.no_grad():
        before = model(**batch).logits
        for layer, block in zip(view.layout.layers, blocks(model), strict=True):
            with switch_off(view, NeuronSet.of(view.layout, {(layer.stack, layer.index): [2]})):
                off = model(**batch).logits
            assert torch.equal(model(**batch).logits, before)
            weight = block.layer[-1].convolution.weight
            kept, width = weight.clone(), block.layer[0].convolution.out_channels
            weight[:, 2::width] = 0
            torch.testing.assert_close(off, model(**batch).logits, atol=1e-5, rtol=1e-4)
            weight.copy_(kept)
            assert view.value_vectors(layer).shape == (width, weight[:, 2::width].numel())
            assert torch.equal(view.value_vectors(layer)[2], weight[:, 2::width].flatten())


def written_by_hand(model, pixels):  # type: ignore[no-untyped-def]
    """What the first convolution of each block gives for one clip alone, block by block as in the paper's drawing."""
    hidden, found, temporal = model.resnet.embedder(pixels), [], 0
    for block in blocks(model):
        first, second = block.layer
        shifts = type(block).__name__ == "ResBlockT"
        line = (Timeline((len(hidden),)),) if shifts else ()
        inner = first.activation(first.normalization(first.convolution(hidden, *line)))
        found.append(inner)
        hidden = block.activation(second.normalization(second.convolution(inner, *line)) + block.shortcut(hidden))
        if shifts:  # one temporal block in each of the last two stages
            temporal += 1
            hidden = Timeline((len(hidden),)).pooled(hidden)
    assert temporal == 2
    return found


def test_counts_are_those_of_a_plain_loop() -> None:
    model, clips = recogniser().eval(), few_clips().of("train")
    activity = record_channels(channels(model), reader_for(model), clips)
    fired = torch.zeros(2, 22, dtype=torch.int64)
    sums, frames = torch.zeros(2, 22, dtype=torch.float64), [0, 0]
    squares = torch.zeros(2, 22, dtype=torch.float64)
    for clip in clips.clips:
        language = ("made-a", "made-b").index(clip.language)
        pixels = torch.from_numpy(clip.source.read()).permute(0, 3, 1, 2).float() / 127.5 - 1
        frames[language] += len(pixels)
        with torch.no_grad():
            found = written_by_hand(model, pixels)
        flat = torch.cat([(part > 0).sum((0, 2, 3)) for part in found])
        fired[language] += flat
        sums[language] += torch.cat([part.double().sum((0, 2, 3)) for part in found])
        squares[language] += torch.cat([part.double().square().sum((0, 2, 3)) for part in found])
    assert torch.equal(activity.fired[0], fired)
    assert activity.tokens.tolist() == frames
    assert activity.reached[:, 0].tolist() == [64 * count for count in frames]
    torch.testing.assert_close(activity.statistics["sum"], sums, atol=1e-2, rtol=1e-4)
    torch.testing.assert_close(activity.statistics["sum_of_squares"], squares, atol=1e-2, rtol=1e-4)
    assert {"entropy", "mean-difference"} <= {
        name for name, rule in SELECTORS.items() if rule.needs in ("counts", "moments")
    }
    sets = SELECTORS["mean-difference"].sets(Evidence.recorded(activity), top_share=0.1)
    assert set(sets) == {"made-a", "made-b"}
    assert all(torch.equal(neurons.read, clip_hashes(clips)) for neurons in sets.values())


@pytest.mark.parametrize("rule", get_args(ChannelRule))
@pytest.mark.parametrize("size", [{}, {"channel_count": 3}])
def test_every_rule_that_is_offered_selects_channels(rule: str, size: dict[str, int]) -> None:
    model = recogniser().eval()
    activity = record_channels(channels(model), reader_for(model), few_clips().of("train").head(2))
    job = SignChannels(model=Path("none"), corpus=("made",), rule=rule, share=0.4, **size)
    selector = SELECTORS[rule]
    options = job._options(selector.options)
    sets = selector.sets(Evidence.recorded(activity), **selector.with_options(options))
    assert set(sets) == {"made-a", "made-b"}
    if size and "count" in selector.options and rule != "entropy":
        assert {len(neurons) for neurons in sets.values()} == {3}


def test_roles_are_the_offsets_of_the_shift() -> None:
    found = roles(channels(recogniser()))
    assert [int(found[name].sum()) for name in ("past", "present", "future", "single frame")] == [4, 4, 4, 10]
    assert sum(part.int() for part in found.values()).tolist() == [1] * 22
    assert found["past"].nonzero()[:, 0].tolist() == [10, 13, 16, 19]
    without = roles(channels(recogniser(shift="none")))
    assert int(without["past"].sum()) == int(without["future"].sum()) == 0


def test_the_matrix_is_the_change_of_the_loss_and_refuses_clips_that_chose_the_channels() -> None:
    model = recogniser().eval()
    view, reader = channels(model), reader_for(model)
    clips, _ = known_clips(reader, few_clips().of("test"))
    sets = {
        language: NeuronSet.of(view.layout, {("temporal", 0): [place]})
        for place, language in enumerate(("made-a", "made-b"))
    }
    matrix = channel_matrix(view, reader, clips, sets, draws=2)
    rows = len(clips) // 2
    assert matrix.baseline.shape == (rows, 2, 2)
    assert matrix.random.shape == (2, 2, rows, 2, 2)
    for place, clip in enumerate(clips.clips):
        _, batch = next(reader.batches(clips.take([place]), 1, labelled=True))
        with torch.no_grad(), switch_off(view, sets["made-b"]):
            loss = float(model(**batch).losses)
        row, language = divmod(place, 2)
        assert clip.language == clips.languages[language]
        assert float(matrix.ablated[1, row, language, 0]) == pytest.approx(loss, abs=1e-3)
        assert int(matrix.ablated[1, row, language, 1]) == len(clip.glosses)
    effects = role_effects(view, reader, clips, sets, draws=2)
    assert effects.roles == ("past", "present", "future")
    assert effects.selected["made-a"] == {"past": 1, "present": 0, "future": 0, "single frame": 0}
    plain = (effects.off[0].sum(0) / effects.off[0, ..., 1].sum(0)[:, None])[:, 0] - (
        effects.baseline[..., 0].sum(0) / effects.baseline[..., 1].sum(0)
    )
    assert effects.effects()[0].value == pytest.approx(float(plain.mean()))
    assert len(effects.random_effects()) == 3
    assert not torch.equal(effects.random[0], effects.random[1])  # other channels in each draw
    chosen = {language: neurons.selected_on(clip_hashes(clips)) for language, neurons in sets.items()}
    with pytest.raises(CorpusError, match=f"{len(clips)} of the {len(clips)} clips are among those"):
        channel_matrix(view, reader, clips, chosen, draws=1)


def test_scores_are_by_sign_language_and_paired_by_clip() -> None:
    pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")
    wanted = (("A", "B"), ("A",), ("C", "D"))
    found = Readings(("1", "2", "1"), ("x", "x", "y"), wanted, (("A",), ("A",), ()), (0.0,) * 3)
    other = Readings(("1", "2", "1"), ("x", "x", "y"), wanted, wanted, (0.0,) * 3)
    scores = score_recognised(found, ["wer"], other)
    assert scores["x"][0].score.value == pytest.approx(100 / 3)
    assert scores["y"][0].score.value == 100
    assert scores["x"][0].baseline is not None
    assert scores["x"][0].baseline.score == 0
    with pytest.raises(CorpusError, match="read other clips"):
        score_recognised(found, ["wer"], Readings(("9", "2", "1"), other.languages, wanted, wanted, (0.0,) * 3))
