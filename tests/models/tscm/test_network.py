"""The network: its size, padding, receptive field, gradient stop, multi-level CTC and what a teacher adds."""

import itertools
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, ResNetConfig, ResNetModel

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC, TSCMModel, multiplications_a_frame
from neuroglot.models.architectures.tscm.losses import clip_losses, distillation_loss
from neuroglot.models.architectures.tscm.timeline import Timeline
from tests.models.tscm.making import clips, network

LABELS = torch.tensor([[1, 2, -100], [3, -100, -100]])


def giga_macs(model: TSCMModel, *, whole: bool) -> float:
    """Multiplications and additions in pairs, of one frame on its own, so that no time is pooled."""
    size = model.config.image_size
    frame = torch.zeros(1, 3, size, size, device="meta")
    with FlopCounterMode(display=False) as counted:
        model(frame[None]) if whole else model.frame_features(frame)
    return counted.get_total_flops() / 2e9


def of_single_frames(model: TSCMModel) -> int:
    *before, middle, _ = model.encoder.stages
    parts = [model.embedder, *before, *list(middle.layers)[: model.config.frame_blocks]]
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def test_sizes_of_teacher_and_student_are_those_of_the_specification() -> None:
    with torch.device("meta"):
        teacher, student = (TSCMModel(config).eval() for config in (TSCMConfig.resnet(34), TSCMConfig.lrinet()))
        small = TSCMModel(TSCMConfig.resnet(18))
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (teacher, student, small)]
    assert counts == [21_284_672, 11_962_912, 11_176_512]
    assert [round(of_single_frames(model) / 1e6, 2) for model in (teacher, student)] == [3.45, 1.21]
    assert [round(giga_macs(model, whole=True), 2) for model in (teacher, student)] == [3.66, 1.15]
    assert [round(giga_macs(model, whole=False), 2) for model in (teacher, student)] == [2.10, 0.27]
    with torch.device("meta"):
        whole = network().train()
    expected = giga_macs(whole.resnet.eval(), whole=True) * 1e9 + whole.classifier.weight.numel()
    assert multiplications_a_frame(whole.train()) == round(expected)
    assert whole.training
    shapes = [
        model.frame_features(torch.zeros(1, 3, model.config.image_size, model.config.image_size, device="meta")).shape
        for model in (teacher, student)
    ]
    assert shapes[0] == shapes[1] == (1, 256, 14, 14)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_parameters_have_the_names_and_shapes_of_a_resnet(depth: int) -> None:
    config = TSCMConfig.resnet(depth)
    with torch.device("meta"):
        ours = TSCMModel(config)
        plain = ResNetModel(
            ResNetConfig(depths=config.depths, hidden_sizes=config.hidden_sizes, layer_type=config.layer_type)
        )
    assert {name: part.shape for name, part in ours.state_dict().items()} == {
        name: part.shape for name, part in plain.state_dict().items()
    }


def test_a_resnet_checkpoint_is_read_and_without_a_shift_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = {"embedding_size": 4, "hidden_sizes": [4, 6, 6, 8], "depths": [1, 1, 2, 1], "layer_type": "basic"}
    plain = ResNetModel(ResNetConfig(**shape)).eval()
    plain.save_pretrained(tmp_path / "resnet")
    config = TSCMConfig(**shape, frame_blocks=1, shift="none", num_labels=3)
    model, found = TSCMForCTC.from_pretrained(tmp_path / "resnet", config=config, output_loading_info=True)
    assert {name.partition(".")[0] for name in found["missing_keys"]} == {
        "classifier", "middle_classifier", "frame_classifier",
    }  # fmt: skip
    frames = torch.randn(1, 1, 3, 32, 32)
    with torch.no_grad():
        ours = model.eval().resnet(frames).levels[-1]
        torch.testing.assert_close(ours, plain(frames[0]).pooler_output.flatten(1))


def test_it_is_saved_and_loaded_by_the_auto_class(tmp_path: Path) -> None:
    model = network(id2label={0: "<blank>", 1: "A", 2: "B", 3: "C"}).eval()
    model.save_pretrained(tmp_path)
    again = TSCMForCTC.from_pretrained(tmp_path)
    frames, mask = clips(5, 8)
    with torch.no_grad():
        assert torch.equal(model(frames, mask).logits, again.eval()(frames, mask).logits)
    assert again.config.id2label[3] == "C"
    assert isinstance(AutoModel.from_pretrained(tmp_path), TSCMModel)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shift", ["tscm", "conv3d"])
def test_padding_changes_nothing_in_training_and_evaluation(training: bool, shift: str) -> None:
    frames, mask = clips(5, 8)
    more = torch.cat([frames, torch.full((2, 8, 3, 8, 8), 100.0)], dim=1)
    wider = torch.cat([mask, torch.zeros(2, 8, dtype=torch.bool)], dim=1)
    first, second = (network(shift=shift).double().train(training) for _ in range(2))
    said = {"teacher_features": torch.rand(13, 6, 8, 8).double(), "teacher_logits": torch.rand(4, 4).double()}
    short = first(frames.double(), mask, LABELS, **said)
    long = second(more.double(), wider, LABELS, **said)
    assert torch.equal(short.loss, long.loss)
    assert torch.equal(short.logits, long.logits)
    short.loss.backward(), long.loss.backward()
    for (name, one), other in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name
    for (name, one), other in zip(first.named_buffers(), second.named_buffers(), strict=True):
        assert torch.equal(one, other[1]), name


def test_a_clip_is_read_as_it_is_alone() -> None:
    frames, mask = clips(5, 8, 3)
    model = network().eval()
    with torch.no_grad():
        together = model(frames, mask)
        for place, length in enumerate((5, 8, 3)):
            alone = model(frames[place : place + 1, :length]).logits[0]
            assert len(alone) == together.lengths[place] == (length + 3) // 4
            torch.testing.assert_close(together.logits[place, : len(alone)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("shift", "n"), [("tscm", 3), ("tscm", 5), ("none", 3), ("conv3d", 3)])
def test_receptive_field_is_the_look_ahead(shift: str, n: int) -> None:
    """Which frames move the logits of one position: those of its four, and the look-ahead to either side."""
    model = network(shift=shift, shift_frames=n, hidden_sizes=(4, 10, 10), hidden_act="gelu").double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()  # nothing cancels
    frames = torch.rand(1, 48, 3, 8, 8, dtype=torch.float64)
    own, reach = 24, model.config.look_ahead
    assert reach == {"none": 0}.get(shift, (n // 2) * (2 + 2 * 2))
    with torch.no_grad():
        before = model(frames).logits[0, own // 4]
        moved = []
        for frame in range(48):
            changed = frames.clone()
            changed[0, frame] += 5
            if not torch.equal(model(changed).logits[0, own // 4], before):
                moved.append(frame)
    assert moved[0] >= own - reach
    assert moved[-1] <= own + 3 + reach
    if shift == "conv3d" or n == 5:  # every frame is seen by some channel, so that the bound is met
        assert (moved[0], moved[-1]) == (own - reach, own + 3 + reach)


def test_the_stopped_gradient_is_its_share_of_the_whole_one_in_expectation() -> None:
    """f_i = m_i f_i + (1 - m_i) stop(f_i): over all choices of 2 of 4 frames the mean is half of the full gradient."""
    model = network().double().train()
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()  # the statistics of a batch are those of its kept frames
    frames, weight = clips(4)[0][0].double(), model.resnet.embedder.embedder.convolution.weight
    coefficients = torch.randn(model.resnet.frame_features(frames).shape, dtype=torch.float64)

    def gradient(share: float, seed: int) -> torch.Tensor:
        model.config.gradient_share = share
        torch.manual_seed(seed)
        features = model.resnet.frame_features(frames)
        return torch.autograd.grad((features * coefficients).sum(), weight)[0]

    whole = gradient(1.0, 0)
    by_choice = {}
    for seed in range(60):
        torch.manual_seed(seed)
        by_choice.setdefault(frozenset(torch.randperm(4)[:2].tolist()), gradient(0.5, seed))
    assert set(by_choice) == {frozenset(pair) for pair in itertools.combinations(range(4), 2)}
    torch.testing.assert_close(torch.stack(list(by_choice.values())).mean(0), whole / 2)
    model.config.gradient_share = 0.5
    torch.testing.assert_close(model.resnet.frame_features(frames), model.eval().resnet.frame_features(frames))


def test_gradient_stop_keeps_fewer_bytes_for_the_backward() -> None:
    def kept(share: float) -> int:
        size = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal size
            size += tensor.nbytes
            return tensor

        model = network(gradient_share=share).train()
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model.resnet.frame_features(clips(16)[0][0])
        return size

    assert kept(0.5) < 0.6 * kept(1.0)


def test_recomputed_activations_give_the_same_gradients_and_statistics() -> None:
    frames, mask = clips(5, 8)
    models = [network().train() for _ in range(2)]
    enable = getattr(models[1], "activation_checkpointing_enable", None) or models[1].gradient_checkpointing_enable
    enable()
    losses = [model(frames, mask, LABELS).loss for model in models]
    for loss in losses:
        loss.backward()
    assert torch.equal(*losses)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    for one, other in zip(*(model.buffers() for model in models), strict=True):
        assert torch.equal(one, other)


# ---- CTC


def log_probability(log_probs: torch.Tensor, labels: list[int]) -> torch.Tensor:
    """Over all alignments, by enumeration: merge repeats, drop blanks."""
    paths = []
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [label for label, _ in itertools.groupby(path) if label]
        if merged == labels:
            paths.append(sum(log_probs[t, label] for t, label in enumerate(path)))
    return torch.stack(paths).logsumexp(0)


def test_ctc_is_the_sum_over_alignments_without_padding() -> None:
    torch.manual_seed(0)
    logits = torch.randn(7, 3, dtype=torch.float64).float()
    losses = clip_losses(logits, Timeline((4, 3)), torch.tensor([[1, 1, -100], [2, 1, -100]]))
    parts = logits.log_softmax(-1).split([4, 3])
    expected = [-log_probability(part, labels) for part, labels in zip(parts, ([1, 1], [2, 1]), strict=True)]
    torch.testing.assert_close(losses, torch.stack(expected))


def test_three_levels_are_learned_with_unit_weights_in_float32() -> None:
    frames, mask = clips(5, 8)
    model = network().eval()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(frames, mask, LABELS)
    assert output.loss.dtype == torch.float32
    output = model(frames, mask, LABELS)
    found = model.resnet(frames, mask)
    assert [line.lengths for line in found.timelines] == [(5, 8), (3, 4), (2, 2)]
    heads = model.frame_classifier, model.middle_classifier, model.classifier
    each = [
        clip_losses(head(level), line, LABELS).mean()
        for head, level, line in zip(heads, found.levels, found.timelines, strict=True)
    ]
    torch.testing.assert_close(output.loss, sum(each))
    model.config.middle_losses = False
    torch.testing.assert_close(model(frames, mask, LABELS).loss, each[-1])


def test_a_clip_that_is_too_short_for_its_labels_is_refused() -> None:
    frames, mask = clips(4, 8)
    with pytest.raises(ConfigError, match="row 0 needs 3 frames and has 1"):
        network()(frames, mask, torch.tensor([[1, 1], [1, 2]]))


# ---- distillation


def test_the_teacher_adds_what_the_formula_says() -> None:
    config = TSCMConfig(feature_weight=3.0, logit_weight=2.0, temperature=4.0)
    torch.manual_seed(0)
    features, others = torch.randn(2, 5, 3, 2, 2).unbind(0)
    logits, wanted = torch.randn(2, 2, 4).unbind(0)
    got = distillation_loss(config, features, logits, others, wanted)
    p, q = ((part[:, 1:] / 4).softmax(-1) for part in (wanted, logits))
    divergence = (p * (p / q).log()).sum(-1).mean()
    torch.testing.assert_close(got, 3 * ((features - others) ** 2).mean() + 2 * 16 * divergence)
    assert divergence > 0
    moved = logits.clone()
    moved[:, 0] += 9  # the blank
    torch.testing.assert_close(distillation_loss(config, features, moved, others, wanted), got)
    assert float(distillation_loss(config, features, logits, features, logits)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ConfigError, match=r"features \[5, 3, 2, 2\], the teacher \[5, 3, 4, 4\]"):
        distillation_loss(config, features, logits, torch.zeros(5, 3, 4, 4), None)
    config.recover = "bilinear"
    assert float(distillation_loss(config, torch.ones(5, 3, 2, 2), logits, torch.ones(5, 3, 4, 4), None)) == 0


def test_other_widths_are_met_by_a_convolution_that_inference_does_not_read() -> None:
    frames, mask = clips(5, 8)
    teacher, student = network(hidden_sizes=(4, 9, 6)).eval(), network(seed=1, teacher_channels=9)
    with torch.no_grad():
        said = teacher(frames, mask)
    given = {"teacher_features": said.frame_features, "teacher_logits": said.last_logits}
    student(frames, mask, LABELS, **given).loss.backward()
    assert student.adaptor.weight.grad.abs().sum() > 0
    with torch.no_grad():
        before = student.eval()(frames, mask).logits
        student.adaptor.weight.zero_()
        assert torch.equal(student(frames, mask).logits, before)


@pytest.mark.parametrize(
    "options",
    [
        {"stem": "wide"}, {"depths": (1, 2)}, {"frame_blocks": 5}, {"gradient_share": 0.0}, {"temperature": 0.0},
        {"shift": "lstm"}, {"recover": "deconv"}, {"layer_type": "vgg"},
    ],
)  # fmt: skip
def test_a_config_of_something_else_is_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        network(**options)
    with pytest.raises(ConfigError, match="ResNet of 101"):
        TSCMConfig.resnet(101)


def test_single_frames_are_no_clips() -> None:
    with pytest.raises(ConfigError, match=r"Expected clips \[B, T, C, H, W\]"):
        network()(torch.zeros(1, 3, 8, 8))
