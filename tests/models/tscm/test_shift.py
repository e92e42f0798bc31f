"""The shift against plain loops over its formula, its convolution in three dimensions, and what it is made of."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm import ResBlockT, ShiftPlan, TemporalShift, Timeline, TSCMConfig
from neuroglot.models.architectures.tscm.shift import ShiftedConv2d, conv3d_weight, shifted

COPIES = {
    "zeros_like", "zeros", "new_zeros", "empty_like", "slice", "view", "copy_", "index_fill_", "index_select",
    "index_copy_", "fill_", "cat", "index", "expand", "_to_copy", "unbind", "select", "lift_fresh", "_unsafe_view",
    "detach", "alias", "as_strided", "empty", "zero_",
}  # fmt: skip


def by_formula(x: torch.Tensor, lengths: list[int], n: int, edges: str, period: int) -> torch.Tensor:
    """y[t, c] = x[t + c mod n - n // 2, c], clip by clip and channel by channel, in loops (gather form)."""
    clips = []
    for clip in x.split(lengths):
        out = torch.zeros_like(clip)
        for t in range(len(clip)):
            for c in range(clip.shape[1]):
                at = t + (c % period - n // 2 if c % period < n else 0)
                if edges == "repeat":
                    at = min(max(at, 0), len(clip) - 1)
                if 0 <= at < len(clip):
                    out[t, c] = clip[at, c]
        clips.append(out)
    return torch.cat(clips)


plans = st.tuples(st.sampled_from([1, 3, 5, 7]), st.integers(0, 3), st.sampled_from(["zeros", "repeat"]))


@given(plans, st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 8))
def test_it_is_the_formula_for_any_clips_shares_and_edges(plan, lengths, channels) -> None:  # type: ignore[no-untyped-def]
    n, more, edges = plan
    x = torch.randn(sum(lengths), channels, 2, 1, generator=torch.Generator().manual_seed(0))
    given_plan = ShiftPlan("tscm", n, n + more, edges)
    y = shifted(x, Timeline(tuple(lengths)), given_plan)
    assert torch.equal(y, by_formula(x, lengths, n, edges, n + more))


def test_the_example_of_five_frames_and_six_channels() -> None:
    x = torch.arange(1, 6)[:, None].expand(5, 6).double()
    y = TemporalShift(ShiftPlan())(x, Timeline((5,)))
    assert y[2].tolist() == [2, 3, 4, 2, 3, 4]
    assert ShiftPlan().offsets(7) == [-1, 0, 1, -1, 0, 1, -1]
    assert ShiftPlan("tsm").offsets(16) == [1, 1, -1, -1, *[0] * 12]
    assert ShiftPlan("tsm", period=4).offsets(9) == [1, 1, -1, -1, *[0] * 5]
    assert ShiftPlan("tsm", 5, 5).offsets(6) == [1, -1, 2, -2, 0, 0]


def test_only_the_3x3_convolutions_of_a_bottleneck_shift() -> None:
    block = ResBlockT(TSCMConfig(layer_type="bottleneck"), 8, 8)
    assert [isinstance(part.convolution, ShiftedConv2d) for part in block.layer] == [False, True, False]
    assert not any(isinstance(part, ShiftedConv2d) for part in block.shortcut.modules())


def test_a_mask_of_another_batch_is_refused() -> None:
    for shape in ((1, 9), (3, 9), (2, 4)):
        with pytest.raises(ConfigError, match=r"was given for clips of \[5, 2\] frames"):
            Timeline((5, 2)).packed(torch.zeros(*shape, 3))


@pytest.mark.parametrize("kind", ["tscm", "tsm"])
@pytest.mark.parametrize("n", [3, 5])
def test_shift_and_convolution_are_one_convolution_in_three_dimensions(kind: str, n: int) -> None:
    torch.manual_seed(0)
    plan = ShiftPlan(kind, n, 5 if kind == "tsm" else None)
    layer = ShiftedConv2d(10, 4, 3, padding=1, bias=False, plan=plan).double()
    x = torch.randn(6, 10, 5, 5, dtype=torch.float64)
    whole = conv3d_weight(layer.weight, plan)
    assert ((whole != 0).any(-1).any(-1).sum(2) == 1).all()  # one tap a channel
    volume = torch.nn.functional.conv3d(x.transpose(0, 1)[None], whole, padding=(n // 2, 1, 1))
    torch.testing.assert_close(layer(x, Timeline((6,))), volume[0].transpose(0, 1))


def test_the_control_conv3d_is_a_convolution_in_three_dimensions() -> None:
    torch.manual_seed(0)
    layer = ShiftedConv2d(4, 2, 3, padding=1, plan=ShiftPlan("conv3d")).double()
    x = torch.randn(5, 4, 4, 4, dtype=torch.float64)
    weight = layer.weight.view(2, 3, 4, 3, 3).transpose(1, 2)  # [O, C, n, k, k]
    volume = torch.nn.functional.conv3d(x.transpose(0, 1)[None], weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x, Timeline((5,))), volume[0].transpose(0, 1))


def test_tsm_moves_an_eighth_from_each_neighbour_in_blocks() -> None:
    assert ShiftPlan("tsm").offsets(16) == [1, 1, -1, -1, *[0] * 12]
    x = torch.arange(4.0)[:, None].expand(4, 16)
    y = TemporalShift(ShiftPlan("tsm"))(x, Timeline((4,)))
    assert y[:, 0].tolist() == [1, 2, 3, 0]
    assert y[:, 2].tolist() == [0, 0, 1, 2]
    assert y[:, 4].tolist() == [0, 1, 2, 3]


class Log(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.append(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("plan", [ShiftPlan(), ShiftPlan("tsm"), ShiftPlan(frames=5, edges="repeat")])
def test_it_only_copies_and_has_no_parameter(plan: ShiftPlan) -> None:
    module, x = TemporalShift(plan), torch.randn(9, 16, 3, 3, requires_grad=True)
    with Log() as forward:
        y = module(x, Timeline((5, 4)))
    assert forward.names
    assert set(forward.names) <= COPIES, set(forward.names) - COPIES
    assert not list(module.parameters())
    assert not list(module.buffers())
    with Log() as convolved:  # the log does see arithmetic
        ShiftedConv2d(16, 2, 3, plan=plan)(x.detach(), Timeline((5, 4)))
    assert "convolution" in convolved.names
    assert y.shape == x.shape


@given(plans, st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_its_gradient_is_the_adjoint(plan, lengths) -> None:  # type: ignore[no-untyped-def]
    """⟨S x, v⟩ = ⟨x, Sᵀ v⟩, with Sᵀ by autograd."""
    n, more, edges = plan
    generator = torch.Generator().manual_seed(0)
    x, v = (torch.randn(sum(lengths), 7, dtype=torch.float64, generator=generator) for _ in range(2))
    x.requires_grad_()
    y = shifted(x, Timeline(tuple(lengths)), ShiftPlan("tscm", n, n + more, edges))
    (back,) = torch.autograd.grad(y, x, v)
    torch.testing.assert_close((y * v).sum(), (x * back).sum())
    if edges == "zeros":  # a permutation with holes: shifting the other way
        other = by_formula(v.flip(0), lengths[::-1], n, "zeros", n + more).flip(0)
        torch.testing.assert_close(back, other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frames": 4}, "4 frames"), ({"frames": -1}, "-1 frames"), ({"kind": "lstm"}, "'lstm'"),
        ({"period": 2}, "period 2"), ({"edges": "mirror"}, "'mirror'"),
    ],
)  # fmt: skip
def test_what_is_no_shift_is_refused(options: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=f"{said}.*Expected"):
        ShiftPlan(**options)


def test_timelines_pack_pad_and_pool() -> None:
    line = Timeline.of_mask(torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]]))
    assert line.lengths == (3, 1)
    padded = torch.arange(8.0).view(2, 4)
    assert line.packed(padded).tolist() == [0, 1, 2, 4]
    assert line.padded(line.packed(padded)).tolist() == [[0, 1, 2], [4, 0, 0]]
    assert line.pooled(torch.tensor([5.0, 3.0, 1.0, 2.0])).tolist() == [5, 1, 2]
    assert line.halved.lengths == (2, 1)
    with pytest.raises(ConfigError, match="padding before a frame"):
        Timeline.of_mask(torch.tensor([[0, 1]]))
    with pytest.raises(ConfigError, match=r"clips of \[0\] frames"):
        Timeline.of_mask(torch.tensor([[0, 0]]))
