"""SGA by its formulas, and what must change nothing, over encoders of six families."""

import copy
import math
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, BertConfig, XLMRobertaConfig

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models import view
from neuroglot.models.architectures.sga import SGAConfig, SGAForConditionalGeneration
from neuroglot.models.architectures.sga.canvas import FrameReading, noised, real_positions
from neuroglot.models.architectures.sga.outputs import WrittenCanvas
from neuroglot.models.ctc import ctc_losses
from tests.families import tiny_model
from tests.models.sga.making import BACKBONES, MASK, batch, own_logits, sources, tiny_sga
from tests.models.sga.oracle import plain_logits

SHAPES = {"base": (12, 768, 12), "large": (24, 1024, 16)}
SIZES = {("base", 2): 5_899_778, ("base", 3): 8_259_075, ("large", 2): 14_682_114, ("large", 3): 20_973_571}


@pytest.mark.parametrize(("shape", "banks"), SIZES)
def test_new_weights_are_as_many_as_the_formula_says(shape: str, banks: int) -> None:
    layers, width, heads = SHAPES[shape]
    encoder = XLMRobertaConfig(
        vocab_size=250_002, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=514,
    )  # fmt: skip
    with torch.device("meta"):
        model = SGAForConditionalGeneration(
            SGAConfig(backbone_config=encoder, blank_token_id=6, mask_token_id=250_001, denoise=banks == 3)
        )
    trained = sum(part.numel() for part in model.parameters() if part.requires_grad)
    formula = banks * 2 * layers * 128 * width + 2 * (width**2 + width) + banks
    assert trained == model.new_parameters() == formula == SIZES[shape, banks]


@pytest.mark.parametrize("kind", ["xlm-roberta", "eurobert"])
@pytest.mark.parametrize("blank", [None, 7])
def test_both_passes_are_those_of_the_formulas(kind: str, blank: int | None) -> None:
    model, source = tiny_sga(kind, blank_token_id=blank), sources((4,))[0]
    memory = model.encode(torch.tensor([source]))
    for stage, canvas in ((1, [MASK] * 8), (2, sources((6,), seed=3)[0])):
        ids = torch.tensor([canvas])
        logits = model.look(stage, ids, torch.ones_like(ids, dtype=torch.bool), memory)[0]
        torch.testing.assert_close(logits, plain_logits(model, kind, source, canvas, stage), atol=1e-5, rtol=1e-5)
    (aligned,) = own_logits(model, [source])
    torch.testing.assert_close(aligned, plain_logits(model, kind, source, [MASK] * 8, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", BACKBONES)
def test_neither_batch_nor_padding_nor_order_changes_a_row(kind: str) -> None:
    model, rows = tiny_sga(kind), sources()
    alone = [own_logits(model, [row])[0] for row in rows]
    assert [len(logits) for logits in alone] == [2 * len(row) for row in rows]
    for how in ({}, {"extra": 3}, {"side": "left"}, {"side": "left", "extra": 2}):
        for one, together in zip(alone, own_logits(model, rows, **how), strict=True):
            torch.testing.assert_close(together, one, atol=1e-9, rtol=1e-9)
    for one, turned in zip(alone[::-1], own_logits(model, rows[::-1]), strict=True):
        torch.testing.assert_close(turned, one, atol=1e-9, rtol=1e-9)
    written = model.write(**batch(rows, side="left"), denoising_passes=3)
    for row, tokens in enumerate(rows):
        single = model.write(**batch([tokens]), denoising_passes=3)
        assert written.texts(model.config)[row] == single.texts(model.config)[0]
        assert int(written.passes[row]) == int(single.passes[0])


@pytest.mark.parametrize("kind", BACKBONES)
def test_the_encoder_alone_reads_as_it_did(kind: str) -> None:
    encoder = tiny_model(kind).double()
    ids = torch.tensor(sources((6, 6)))
    with torch.no_grad():
        before = encoder(ids).logits
        model = SGAForConditionalGeneration.over(encoder, prompt_length=2, mask_token_id=MASK)
        assert torch.equal(model.backbone(ids).logits, before)
    assert view(model.backbone).layout == view(tiny_model(kind)).layout


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_place_of_the_canvas_sees_every_other_and_the_whole_source(kind: str) -> None:
    model, source = tiny_sga(kind), sources((5,))[0]
    canvas = torch.tensor(sources((7,), seed=4))
    real = torch.ones_like(canvas, dtype=torch.bool)
    before = model.look(2, canvas, real, model.encode(torch.tensor([source])))
    changed = canvas.clone()
    changed[0, -1] = 4 + (changed[0, -1] - 3) % 60
    after = model.look(2, changed, real, model.encode(torch.tensor([source])))
    assert (after - before).abs().amax(-1).min() > 1e-9
    other = [*source[:-1], 4 + (source[-1] - 3) % 60]
    after = model.look(2, canvas, real, model.encode(torch.tensor([other])))
    assert (after - before).abs().amax(-1).min() > 1e-9


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_memory_has_no_positions_and_reaches_beyond_local_windows(kind: str) -> None:
    model = tiny_sga(kind)
    memory = model.encode(torch.tensor([sources((9,))[0]]))
    canvas = torch.full((1, 30), MASK)
    real = torch.ones_like(canvas, dtype=torch.bool)
    before = model.look(1, canvas, real, memory)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    turned = type(memory)(
        tuple(part[:, order] for part in memory.keys), tuple(part[:, order] for part in memory.values),
        memory.real, memory.first, memory.lengths,
    )  # fmt: skip
    torch.testing.assert_close(model.look(1, canvas, real, turned), before, atol=1e-9, rtol=1e-9)
    # the last layer alone is given another memory: what changes at a place, this layer saw there
    values = (*memory.values[:-1], memory.values[-1].flip(1) * 1.5)
    other = type(memory)(memory.keys, values, memory.real, memory.first, memory.lengths)
    assert (model.look(1, canvas, real, other) - before).abs().amax(-1).min() > 1e-9


@pytest.mark.parametrize("kind", BACKBONES)
def test_training_leaves_the_encoder_as_it_was_to_the_bit(kind: str) -> None:
    model = tiny_sga(kind, torch.float32).train()
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], lr=0.05)
    labels = torch.tensor([[9, 9, 12, -100], [5, 6, -100, -100], [8, -100, -100, -100]])
    losses = []
    for _ in range(25):
        torch.manual_seed(0)
        output = model(**batch(sources()), labels=labels)
        torch.testing.assert_close(output.loss, output.align_loss + output.denoise_loss)
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(output.loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) == name.startswith("backbone."), name


def test_the_loss_is_the_ctc_of_both_passes_over_all_target_tokens() -> None:
    model = tiny_sga(noise_rate=0.0)
    given, labels = batch(sources((4, 3))), torch.tensor([[9, 9, 12], [5, -100, -100]])
    output = model(**given, labels=labels)
    memory, frames, total = model.encode(**given), torch.tensor([8, 6]), torch.tensor(0.0)
    real = real_positions(frames)
    logits = model.look(1, torch.full((2, 8), MASK), real, memory)
    top = logits.topk(2).indices
    canvas = torch.where(top[..., 0] == 64, top[..., 1], top[..., 0])  # the blank's row stands behind 64 tokens
    for read in (logits, model.look(2, canvas, real, memory)):
        total = total + ctc_losses(
            read.float().log_softmax(-1), frames, labels.clamp(min=0), torch.tensor([3, 1]), 64
        ).sum()  # fmt: skip
    torch.testing.assert_close(output.loss, total / 4)
    torch.testing.assert_close(model(**given, labels=labels, num_items_in_batch=10).loss, total / 10)
    with pytest.raises(ConfigError, match="needs 9 frames and has 6"):
        model(**given, labels=torch.tensor([[9] * 3 + [-100] * 2, [5] * 5]))


@pytest.mark.parametrize("kind", ["xlm-roberta", "modernbert"])
def test_a_fixed_point_is_one_and_passes_do_not_grow_with_length(kind: str) -> None:
    model = tiny_sga(kind, canvas_factor=1.0)
    with torch.no_grad():
        model.prompts[2].mul_(0.1)
        for table in (model.memory_value, model.memory_key):
            table.weight.mul_(3)
    seen: dict[bool, int] = {True: 0, False: 0}
    for seed in range(6):
        rows = sources((2, 6, 15), seed=seed)
        written = model.write(**batch(rows), denoising_passes=5, keep_log_probs=True)
        assert ((written.passes >= 2) & (written.passes <= 7)).all()
        longer = model.write(**batch(rows), denoising_passes=9)
        for row, settled in enumerate(written.settled.tolist()):
            seen[settled] += 1
            frames = int(written.frames[row])
            assert model.write(**batch([rows[row]]), denoising_passes=5).passes[0] == written.passes[row]
            if settled:
                assert torch.equal(longer.reading.first[row, :frames], written.reading.first[row, :frames])
                assert longer.passes[row] == written.passes[row]
                canvas = written.reading.filled(model.config.blank)[row : row + 1, :frames]
                memory = model.encode(torch.tensor([rows[row]]))
                again = model.look(2, canvas, torch.ones_like(canvas, dtype=torch.bool), memory)
                assert torch.equal(FrameReading.of(again).filled(model.config.blank), canvas)
                torch.testing.assert_close(written.log_probs[row, :frames], again.float().log_softmax(-1)[0])
            else:
                assert written.passes[row] == 7
    assert seen[True] >= 2
    assert int(model.write(**batch(rows), denoising_passes=0).passes.max()) == 2


def test_a_blank_that_is_unsure_is_the_second_best_token_before_a_path_is_collapsed() -> None:
    config = SGAConfig(backbone_config=tiny_model("bert").config, mask_token_id=3, blank_token_id=5)
    reading = FrameReading(
        torch.tensor([[5, 5, 8, 8, 5, 8]]), torch.tensor([[0.9, 0.59, 0.3, 0.3, 0.61, 0.2]]),
        torch.tensor([[1, 9, 5, 5, 9, 5]]),
    )  # fmt: skip
    assert reading.texts(config, torch.tensor([6])) == [[9, 8, 8]]
    assert reading.texts(config, torch.tensor([5])) == [[9, 8]]
    assert reading.filled(5).tolist() == [[1, 9, 8, 8, 9, 8]]
    logits = torch.tensor([[[0.0, 2.0, 1.0]]])
    found = FrameReading.of(logits)
    assert (found.first.item(), found.second.item()) == (1, 2)
    assert found.confidence.item() == pytest.approx(float(logits.softmax(-1).max()))


def test_noise_falls_as_stated_and_copies_within_its_row() -> None:
    config = SGAConfig(backbone_config=tiny_model("bert").config, mask_token_id=3)
    torch.manual_seed(0)
    tokens = torch.tensor([[40] * 4000, [50] * 4000])
    real = real_positions(torch.tensor([4000, 2000]))
    after = noised(tokens, real, config, torch.tensor([0.5, 0.0]))
    assert torch.equal(after[1], tokens[1])
    assert (after[0] == config.blank).float().mean().item() == pytest.approx(0.5 * 0.4, abs=0.03)
    drawn = (after[0] != config.blank) & (after[0] != 40)
    assert drawn.float().mean().item() == pytest.approx(0.5 * 0.3 * 63 / 64, abs=0.03)
    copied = noised(torch.arange(4000).repeat(2, 1) % 60, real, SGAConfig(
        backbone_config=config.backbone, mask_token_id=3, noise_kinds=(0, 0, 1)
    ), torch.tensor([1.0, 1.0]))  # fmt: skip
    assert not torch.equal(copied[0, :2000], copied[1, :2000])  # each row from places of its own
    assert torch.equal(copied[1, 2000:], torch.arange(2000, 4000) % 60)


def test_a_memory_that_is_off_says_nothing_of_the_source_and_a_shuffled_one_is_anothers() -> None:
    off, own, shuffled = (tiny_sga(memory=kind) for kind in ("off", "own", "shuffled"))
    rows, others = sources((4, 4)), sources((4, 4), seed=9)
    for one, other in zip(own_logits(off, rows), own_logits(off, others), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(own_logits(shuffled, rows), own_logits(own, rows)[::-1], strict=True):
        torch.testing.assert_close(one, other)
    lengths = [len(logits) for logits in own_logits(shuffled, sources((3, 5)))]
    assert lengths == [6, 10]


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_prefix_tuning_reads_the_source_through_the_encoders_own_keys(kind: str) -> None:
    model = tiny_sga(kind, memory="encoder's")
    assert model.new_parameters() == 3 * 2 * 3 * 3 * 16 + 3 + 17  # prompts, gains, and the blank's row
    rows = sources((4, 3))
    for row, logits in zip(rows, own_logits(model, rows), strict=True):
        torch.testing.assert_close(logits, own_logits(model, [row])[0], atol=1e-9, rtol=1e-9)
    memory = model.encode(torch.tensor(rows[:1]))
    name, path = {
        "bert": ("key", "bert.encoder.layer.0.attention.self"),
        "distilbert": ("k_lin", "distilbert.transformer.layer.0.attention"),
    }[kind]  # fmt: skip
    states = model.backbone.base_model.embeddings(torch.tensor(rows[:1]))
    expected = getattr(model.backbone.get_submodule(path), name)(states)
    torch.testing.assert_close(memory.keys[0], expected)


@pytest.mark.parametrize("writing", ["mask-predict", "mask-predict, denoised"])
def test_the_variants_train_and_write_as_many_tokens_as_their_length_head_says(writing: str) -> None:
    model = tiny_sga(writing=writing, dtype=torch.float32, max_target=6, prompt_length=8, label_smoothing=0.0)
    denoises = writing.endswith("denoised")
    assert model.config.banks == 2 + denoises
    labels = torch.tensor([[9, 11, 12], [5, 40, -100], [8, -100, -100]])
    optimizer = torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], lr=0.05)
    losses = []
    for _ in range(120):
        output = model(**batch(sources()), labels=labels)
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(output.loss.item())
    assert losses[-1] < 0.4 * losses[0]
    written = model.write(**batch(sources()))
    assert written.frames.tolist() == [length * (1 + denoises) for length in (3, 2, 1)]
    if not denoises:
        assert written.texts(model.config) == [[9, 11, 12], [5, 40], [8]]
    alone = [model.write(**batch([row])).texts(model.config)[0] for row in sources()]
    assert alone == written.texts(model.config)
    with pytest.raises(ConfigError, match="A target has 7 tokens"):
        model(**batch(sources((3,))), labels=torch.arange(4, 11)[None])


def test_mask_predict_asks_for_hidden_tokens_and_for_the_length() -> None:
    model = tiny_sga(writing="mask-predict", max_target=6, label_smoothing=0.1)
    given, labels = batch(sources((4,))), torch.tensor([[9]])  # one token, which is always hidden
    memory = model.encode(**given)
    logits = model.look(1, torch.tensor([[MASK]]), torch.tensor([[True]]), memory)[0, 0, :64].log_softmax(-1)
    smoothed = -(0.9 * logits[9] + 0.1 * logits.mean())
    length = -model.length_head(memory.first).log_softmax(-1)[0, 1]
    torch.testing.assert_close(model(**given, labels=labels).loss.double(), smoothed + length, atol=1e-5, rtol=1e-5)


def test_a_model_is_saved_and_loaded_by_its_type(tmp_path: Path) -> None:
    model = tiny_sga(dtype=torch.float32)
    model.save_pretrained(tmp_path)
    for loaded in (SGAForConditionalGeneration.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert loaded.config.to_dict() | {"_name_or_path": ""} == model.config.to_dict() | {"_name_or_path": ""}
        assert not any(part.requires_grad for part in loaded.backbone.parameters())
        for one, other in zip(own_logits(loaded, sources()), own_logits(model, sources()), strict=True):
            assert torch.equal(one, other)


def test_generate_gives_padded_token_ids() -> None:
    model = tiny_sga()
    texts = model.write(**batch(sources())).texts(model.config)
    ids = model.generate(**batch(sources()))
    assert ids.shape == (3, max(map(len, texts)))
    assert [[*text, *[0] * (ids.shape[1] - len(text))] for text in texts] == ids.tolist()


REFUSED: list[tuple[Any, str]] = [
    (lambda: SGAForConditionalGeneration.over(tiny_model("roformer")), "is not told positions"),
    (lambda: SGAForConditionalGeneration.over(AutoModel.from_config(tiny_model("bert").config)), "no masked-LM head"),
    (lambda: tiny_sga(memory="none"), "memory='none'"),
    (lambda: tiny_sga(canvas_factor=0.5, noise_rate=2.0), "noise_rate=2.0, canvas_factor=0.5"),
    (lambda: tiny_sga(noise_kinds=(0.5, 0.5, 0.5)), "1 in sum"),
    (lambda: tiny_sga(blank_token_id=64), "blank_token_id=64"),
    (lambda: tiny_sga(mask_token_id=64), "mask_token_id=64"),
    (lambda: tiny_sga(noise_kinds=(math.nan, 0.5, 0.5)), "noise_kinds=.nan"),
    (lambda: tiny_sga(memory="shuffled").encode(torch.tensor([[5]])), "one row cannot be shuffled"),
    (lambda: tiny_sga(mask_token_id=None)(torch.tensor([[5]])), "names no mask_token_id"),
    (lambda: tiny_sga().encode(torch.tensor([[5]]), torch.tensor([[0]])), "has no token"),
    (lambda: tiny_sga().encode(torch.full((1, 80), 5)), "more than 63"),
    (lambda: tiny_sga().encode(torch.tensor([[5, 6]]), torch.tensor([[1]])), r"sources \[1, 2\] and a mask \[1, 1"),
    (lambda: tiny_sga().encode(torch.tensor([5, 6])), r"sources \[2\] and a mask None"),
    (lambda: tiny_sga().write(torch.tensor([[5]]), denoising_passes=-1), "-1 denoising passes were asked for"),
    (lambda: tiny_sga(denoise=False).generate(torch.tensor([[5]]), denoising_passes=-2), "-2 denoising passes"),
    (lambda: tiny_sga()(torch.tensor([[5, 6]]), labels=torch.tensor([[64]])), "Got the label 64.*0 to 63"),
    (lambda: tiny_sga()(torch.tensor([[5, 6]]), labels=torch.tensor([[-1]])), "Got the label -1"),
    (lambda: tiny_sga()(torch.tensor([[5, 6]]), labels=torch.tensor([[-100, 7]])), "In row 0 padding"),
    (lambda: tiny_sga()(torch.tensor([[5, 6]]), labels=torch.tensor([[-100]])), r"have labels of \[0\] tokens"),
    (lambda: tiny_sga()(torch.tensor([[5]]), labels=torch.tensor([[7], [8]])), r"1 sources have labels of \[1, 1\]"),
    (lambda: tiny_sga()(torch.tensor([[5], [6]]), labels=torch.tensor([[7], [-100]])), r"labels of \[1, 0\] tokens"),
    (
        lambda: tiny_sga(writing="mask-predict")(torch.tensor([[5]]), labels=torch.tensor([[7, -100, 8]])),
        "In row 0 padding",
    ),
    (lambda: tiny_sga(writing="mask-predict")(torch.tensor([[5]]), labels=torch.tensor([[70]])), "Got the label 70"),
    (lambda: SGAConfig(backbone_config=BertConfig(num_hidden_layers=0)), "layers=0"),
]


@pytest.mark.parametrize(("attempt", "message"), REFUSED, ids=[message for _, message in REFUSED])
@pytest.mark.filterwarnings("ignore")
def test_what_does_not_fit_is_refused(attempt: Any, message: str) -> None:
    with pytest.raises((ConfigError, UnsupportedModelError), match=message):
        attempt()


@pytest.mark.filterwarnings("ignore")
def test_an_encoder_whose_attention_asks_nobody_is_refused() -> None:
    model = SGAForConditionalGeneration.over(tiny_model("rembert"), prompt_length=2, mask_token_id=MASK)
    with pytest.raises(UnsupportedModelError, match="reached 0 attention modules of RemBertForMaskedLM"):
        model.encode(torch.tensor([[5, 6]]))


@pytest.mark.parametrize("factor", [1.1, 1.2, 1.5, 2.0])
def test_a_canvas_is_as_long_as_was_promised_when_its_target_was_kept(factor: float) -> None:
    model = tiny_sga(canvas_factor=factor)
    memory = model.encode(**batch(sources((50, 25, 45, 10, 3))))
    assert model.frames_of(memory).tolist() == [model.frames_for(length) for length in (50, 25, 45, 10, 3)]
    assert tiny_sga(canvas_factor=math.inf).frames_for(3) == 63  # as many as the encoder has positions


def test_mask_predict_keeps_words_that_are_repeated() -> None:
    config = SGAConfig(backbone_config=tiny_model("bert").config, mask_token_id=3, writing="mask-predict")
    reading = FrameReading(torch.tensor([[9, 9, 12, 12]]), torch.ones(1, 4), torch.ones(1, 4, dtype=torch.long))
    written = WrittenCanvas(reading, torch.tensor([3]), torch.tensor([3]), torch.tensor([False]), places=True)
    assert written.texts(config) == [[9, 9, 12]]


def test_a_denoiser_that_makes_no_pass_leaves_mask_predicts_text_as_it_is() -> None:
    """By the same weights without a denoiser: no token is merged with its like, because no path was written."""
    denoised = tiny_sga(writing="mask-predict, denoised", max_target=12)
    plain = tiny_sga(writing="mask-predict", max_target=12)
    with torch.no_grad():
        plain.prompts.copy_(denoised.prompts[:2]), plain.gains.copy_(denoised.gains[:2])
        for name in ("memory_key", "memory_value", "length_head", "blank_row"):
            plain.get_submodule(name).load_state_dict(denoised.get_submodule(name).state_dict())
    rows = sources((9, 5, 7, 3))
    texts = denoised.write(**batch(rows), denoising_passes=0).texts(denoised.config)
    assert texts == plain.write(**batch(rows)).texts(plain.config)
    assert any(first == second for text in texts for first, second in pairwise(text))
    read = denoised.write(**batch(rows), denoising_passes=1)
    assert read.frames.tolist() == [2 * len(text) for text in texts]
    assert read.passes.tolist() == [4] * 4
    paths = zip(read.reading.path(denoised.config).tolist(), read.frames.tolist(), strict=True)
    merged = [[token for token, _ in groupby(path[:count]) if token != 64] for path, count in paths]
    assert read.texts(denoised.config) == merged  # behind a pass it is a path
    assert any(len(text) < count for text, count in zip(merged, read.frames.tolist(), strict=True))


def test_a_sketch_says_what_fits_and_touches_nothing() -> None:
    encoder = tiny_model("xlm-roberta")
    before, attention = encoder.config.to_dict(), encoder.config._attn_implementation
    sketch = SGAForConditionalGeneration.sketch(encoder, canvas_factor=1.5, mask_token_id=MASK)
    assert {part.device.type for part in sketch.parameters()} == {"meta"}
    assert (encoder.config.to_dict(), encoder.config._attn_implementation) == (before, attention)
    assert all(part.requires_grad for part in encoder.parameters())
    model = SGAForConditionalGeneration.over(encoder, canvas_factor=1.5, mask_token_id=MASK)
    for tokens in (1, 3, 40, 63):
        assert sketch.frames_for(tokens) == model.frames_for(tokens)
    assert (sketch.longest_canvas, sketch.new_parameters()) == (model.longest_canvas, model.new_parameters())


@pytest.mark.parametrize("shared", [False, True])
def test_one_bank_of_prompts_may_serve_all_passes(shared: bool) -> None:
    model = tiny_sga(share_prompts=shared)
    assert model.config.banks == (1 if shared else 3)
    memory, canvas = model.encode(torch.tensor(sources((4,)))), torch.full((1, 8), MASK)
    real = torch.ones_like(canvas, dtype=torch.bool)
    assert torch.equal(model.look(1, canvas, real, memory), model.look(2, canvas, real, memory)) == shared


def test_each_unroll_is_noised_half_as_much_and_rows_at_rates_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rates = tiny_sga(unrolls=3, noise_rate=0.8), []

    def seen(tokens: torch.Tensor, real: torch.Tensor, config: SGAConfig, rate: torch.Tensor) -> torch.Tensor:
        rates.append(rate)
        return tokens

    monkeypatch.setattr("neuroglot.models.architectures.sga.model.noised", seen)
    monkeypatch.setattr(torch, "rand", lambda count, **_: torch.linspace(0.5, 1, count))
    output = model(**batch(sources()), labels=torch.tensor([[9, 9], [5, -100], [8, -100]]))
    expected = [torch.linspace(0.5, 1, 3) * highest for highest in (0.8, 0.4, 0.2)]
    torch.testing.assert_close(torch.stack(rates), torch.stack(expected))
    torch.testing.assert_close(output.loss, output.align_loss + output.denoise_loss)
    last = model.ctc(output.logits, output.frames, torch.tensor([[9, 9], [5, -100], [8, -100]])) / 4
    assert output.denoise_loss > last + 1e-3  # those of all unrolls, not the last alone


def test_the_first_state_is_that_of_the_first_token_on_either_side_of_padding() -> None:
    model = tiny_sga()
    left, right = (model.encode(**batch(sources(), side=side)).first for side in ("left", "right"))
    torch.testing.assert_close(left, right, atol=1e-9, rtol=1e-9)


def test_generate_takes_no_options_that_it_would_not_heed() -> None:
    with pytest.raises(TypeError, match="num_beams"):
        tiny_sga().generate(torch.tensor([[5, 6]]), num_beams=4)


def test_a_blank_that_is_no_token_is_read_as_the_mask() -> None:
    model = tiny_sga()
    memory, real = model.encode(torch.tensor(sources((4,)))), torch.ones(1, 3, dtype=torch.bool)
    blank, mask = (model.look(2, torch.tensor([[9, token, 8]]), real, memory) for token in (model.config.blank, MASK))
    assert torch.equal(blank, mask)


def test_noise_copies_nothing_from_behind_a_row() -> None:
    config = SGAConfig(backbone_config=tiny_model("bert").config, mask_token_id=3, noise_kinds=(0, 0, 1))
    torch.manual_seed(0)
    tokens, frames = torch.full((4, 200), 50), torch.tensor([200, 3, 40, 1])
    tokens[real_positions(frames)] = 9
    after = noised(tokens, real_positions(frames), config, torch.ones(4))
    assert torch.equal(after, tokens)


def test_mask_predict_hides_what_is_stated_and_its_denoiser_reads_what_was_predicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_sga(writing="mask-predict, denoised", max_target=6, noise_rate=0.0)
    reads: list[tuple[torch.Tensor, torch.Tensor]] = []
    look = type(model).look

    def seen(self: Any, stage: int, tokens: torch.Tensor, real: torch.Tensor, memory: Any) -> torch.Tensor:
        logits = look(self, stage, tokens, real, memory)
        reads.append((tokens, logits))
        return logits

    monkeypatch.setattr(type(model), "look", seen)
    labels, counts = torch.arange(4, 10).repeat(3, 1), set()
    for seed in range(12):
        torch.manual_seed(seed)
        reads.clear()
        model(**batch(sources()), labels=labels)
        (canvas, logits), (doubled, _) = reads
        hidden = canvas == MASK
        counts |= set(hidden.sum(1).tolist())
        predicted = torch.where(hidden, logits[..., :64].argmax(-1), labels)
        assert torch.equal(doubled, predicted.repeat_interleave(2, 1))
    assert (min(counts), max(counts)) == (2, 6)  # of 6 at the least a share of 0.2
    reads.clear()
    written = model.write(**batch(sources()), denoising_passes=0)
    (_, logits), (again, _) = reads
    for row, frames in enumerate(written.frames.tolist()):
        best = logits[row, :frames, :64].float().log_softmax(-1).max(-1)
        least = best.values.argsort()[: frames // 2].tolist()
        expected = [MASK if place in least else token for place, token in enumerate(best.indices.tolist())]
        assert again[row, :frames].tolist() == expected


def test_the_loss_of_lengths_is_summed_over_rows() -> None:
    model = tiny_sga(writing="mask-predict", max_target=6)
    rows, labels = sources((4, 3)), torch.tensor([[9], [8]])  # one token each, which is always hidden
    alone = [model(**batch([row]), labels=labels[[place]]).loss for place, row in enumerate(rows)]
    together = model(**batch(rows), labels=labels, num_items_in_batch=1).loss
    torch.testing.assert_close(together, sum(alone), atol=1e-5, rtol=1e-5)
