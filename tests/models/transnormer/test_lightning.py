"""The forms of lightning attention against the formula."""

import itertools
import math
import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from neuroglot.models.architectures.transnormer.kernels import has_kernel
from neuroglot.models.architectures.transnormer.lightning import AttentionForm, Clock, _fastest, lightning_attention
from neuroglot.models.architectures.transnormer.positions import log_decays, lrpe_frequencies, with_phase
from tests.models.transnormer.oracle import plain_attention

FORMS: tuple[AttentionForm, ...] = ("masked", "blocks", "recurrence")
ROWS, HEADS, LENGTH, WIDTH = 2, 3, 37, 5
LOG_DECAY = torch.tensor([0.0, 0.03, 1.5], dtype=torch.float64)  # λ = 1, slow, fast


def drawn(length: int = LENGTH, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(ROWS, HEADS, length, WIDTH, generator=generator, dtype=torch.float64) for _ in range(2))
    v = torch.randn(ROWS, HEADS, length, WIDTH + 1, generator=generator, dtype=torch.float64)
    state = torch.randn(ROWS, HEADS, WIDTH, WIDTH + 1, generator=generator, dtype=torch.float64)
    return q.to(dtype), k.to(dtype), v.to(dtype), state


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max())


def masks(length: int = LENGTH) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inner = torch.rand(ROWS, length, generator=generator) > 0.3
    left = torch.arange(length) >= torch.tensor([[0], [5]])
    return {"none": torch.ones(ROWS, length, dtype=torch.bool), "left": left, "right": left.flip(1), "inner": inner,
            "nothing real": torch.zeros(ROWS, length, dtype=torch.bool)}  # fmt: skip


def test_the_forms_are_those_that_are_named() -> None:
    assert set(AttentionForm.__args__) == {*FORMS, "kernel"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [1, 4, 8, 16, 37, 64])
@pytest.mark.parametrize("with_state", [False, True])
def test_every_form_is_the_formula(form: AttentionForm, block: int, with_state: bool) -> None:
    q, k, v, state = drawn()
    before = state if with_state else None
    expected = plain_attention(q, k, v, LOG_DECAY, before)
    got = lightning_attention(q, k, v, LOG_DECAY, None, before, form=form, block=block)
    assert relative(got[0], expected[0]) <= 1e-12
    assert relative(got[1], expected[1]) <= 1e-12


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("padding", masks())
@pytest.mark.parametrize("documents", [False, True])
def test_padding_and_documents_are_the_formula(form: AttentionForm, padding: str, documents: bool) -> None:
    q, k, v, state = drawn()
    real = masks()[padding]
    begins = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    if documents:
        begins[0, [8, 9, 20]] = True
        begins[1, [0, 36]] = True
    expected = plain_attention(q, k, v, LOG_DECAY, state, real.tolist(), begins.tolist())
    clock = Clock.of(LENGTH, q.device, real, begins)
    got = lightning_attention(q, k, v, LOG_DECAY, clock, state, form=form, block=8)
    assert relative(got[0], expected[0]) <= 1e-12
    torch.testing.assert_close(got[1], expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_padding_leaves_real_tokens_and_the_state_as_without_it(form: AttentionForm) -> None:
    q, k, v, state = drawn()
    real = masks()["inner"][:1].expand(ROWS, -1)
    clock = Clock.of(LENGTH, q.device, real)
    outputs, last = lightning_attention(q, k, v, LOG_DECAY, clock, state, form=form, block=8)
    kept = real[0].nonzero()[:, 0]
    alone = lightning_attention(q[:, :, kept], k[:, :, kept], v[:, :, kept], LOG_DECAY, None, state, form=form, block=8)
    assert relative(outputs[:, :, kept], alone[0]) <= 1e-12
    assert relative(last, alone[1]) <= 1e-12


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMS, FORMS)))
def test_two_halves_are_the_whole_in_any_two_forms(first: AttentionForm, second: AttentionForm) -> None:
    q, k, v, state = drawn()
    whole = lightning_attention(q, k, v, LOG_DECAY, None, state)
    cut = 13
    begun = lightning_attention(
        q[:, :, :cut], k[:, :, :cut], v[:, :, :cut], LOG_DECAY, None, state, form=first, block=8
    )
    ended = lightning_attention(
        q[:, :, cut:], k[:, :, cut:], v[:, :, cut:], LOG_DECAY, None, begun[1], form=second, block=8
    )
    assert relative(torch.cat([begun[0], ended[0]], dim=2), whole[0]) <= 1e-12
    assert relative(ended[1], whole[1]) <= 1e-12


@pytest.mark.parametrize(("length", "block"), [(1, 64), (64, 64), (65, 64), (1000, 64), (1000, 128)])
def test_the_form_that_is_chosen_is_equal_to_the_masked_product(length: int, block: int) -> None:
    q, k, v, state = drawn(length=length)
    chosen = lightning_attention(q, k, v, LOG_DECAY, None, state, block=block)
    masked = lightning_attention(q, k, v, LOG_DECAY, None, state, form="masked")
    assert relative(chosen[0], masked[0]) <= 1e-12
    assert relative(chosen[1], masked[1]) <= 1e-12


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_right(form: AttentionForm) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = [(2, 2, 7, 3), (2, 2, 7, 3), (2, 2, 7, 2), (2, 2, 3, 2)]
    inputs = [torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True) for size in sizes]
    real = torch.tensor([[1, 1, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 1]], dtype=torch.bool)
    begins = torch.zeros(2, 7, dtype=torch.bool)
    begins[1, 4] = True
    clock = Clock.of(7, real.device, real, begins)

    def attend(*parts: Tensor) -> tuple[Tensor, Tensor]:
        return lightning_attention(*parts[:3], LOG_DECAY[:2], clock, parts[3], form=form, block=3)

    assert torch.autograd.gradcheck(attend, inputs)


def test_gradients_of_the_forms_agree() -> None:
    grads = []
    for form in FORMS:
        q, k, v, _ = (part.requires_grad_() for part in drawn())
        outputs, _ = lightning_attention(q, k, v, LOG_DECAY, form=form, block=8)
        grads.append(torch.autograd.grad(outputs.square().sum(), (q, k, v)))
    for other in grads[1:]:
        assert all(relative(got, expected) <= 1e-12 for got, expected in zip(other, grads[0], strict=True))


def test_the_naive_split_overflows_where_the_forms_do_not() -> None:
    """`(q_t λ^t) · (k_s λ^−s)` at λ = 1/e: float32 ends at t = 89, float16 at t = 12; float64 after 709."""
    for dtype, last in ((torch.float32, 88), (torch.float16, 11), (torch.float64, 709)):
        naive = torch.exp(torch.arange(800, dtype=torch.float64)).to(dtype)
        assert bool(naive[last].isfinite())
        assert not bool(naive[last + 1].isfinite())
    q, k, v, _ = drawn(length=800, dtype=torch.float32)
    rate = torch.ones(HEADS)
    powers = torch.exp(torch.arange(800.0))[:, None]
    naive_outputs = torch.tril((q / powers) @ (k * powers).mT) @ v
    assert not bool(naive_outputs.isfinite().all())
    exact = lightning_attention(q.double(), k.double(), v.double(), rate.double())[0]
    for form in FORMS:
        assert relative(lightning_attention(q, k, v, rate, form=form)[0].double(), exact) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("form", ["blocks", "recurrence"])
def test_a_long_text_in_every_dtype_with_a_state_that_forgets_nothing(dtype: torch.dtype, form: AttentionForm) -> None:
    """Tokens that are all alike are the worst case: they round the same way each time."""
    length = 4_000
    ones = torch.full((1, 2, length, 2), 0.1, dtype=dtype)
    rate = torch.tensor([0.0, 4e-8], dtype=torch.float64)
    state = torch.full((1, 2, 2, 2), 5e4, dtype=torch.float64)
    outputs, last = lightning_attention(ones, ones, ones, rate, None, state, form=form)
    value = float(ones[0, 0, 0, 0])
    for head, slow in enumerate(rate.tolist()):
        powers = torch.exp(-slow * torch.arange(length, dtype=torch.float64))
        total = value**2 * powers.cumsum(0) + 5e4 * torch.exp(torch.tensor(-slow, dtype=torch.float64)) * powers
        assert abs(float(last[0, head, 0, 0]) / float(total[-1]) - 1) < 1e-7
        assert relative(outputs[0, head, :, 0].double(), 2 * value * total) < 1e-6
    assert outputs.dtype == torch.float32
    assert last.dtype == torch.float64
    drifted = lightning_attention(ones, ones, ones, rate, None, state.float(), form="recurrence")[1]
    assert abs(float(drifted[0, 0, 0, 0]) / float(last[0, 0, 0, 0]) - 1) > 1e-5


@torch.no_grad()
def test_a_million_tokens_in_half_precision_with_a_state_that_forgets_nothing() -> None:
    """Chunk by chunk, as a cache hands the state on; the sums are those of numbers that are all alike."""
    length, chunk = 2**20, 2**15
    tokens = torch.full((1, 2, chunk, 1), 0.1, dtype=torch.bfloat16)
    rates = [0.0, 4e-8]  # λ = 1, and the slowest of a model of 8 heads
    state = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    for _ in range(length // chunk):
        outputs, state = lightning_attention(
            tokens, tokens, tokens, torch.tensor(rates, dtype=torch.float64), None, state
        )
    value = float(tokens[0, 0, 0, 0])
    for head, slow in enumerate(rates):
        total = value**2 * (length if slow == 0 else math.expm1(-slow * length) / math.expm1(-slow))
        assert abs(float(state[0, head, 0, 0]) / total - 1) < 1e-6
        assert abs(float(outputs[0, head, -1, 0]) / (value * total) - 1) < 1e-6


def test_the_work_of_blocks_grows_with_the_length_and_that_of_the_masked_product_with_its_square() -> None:
    work = {}
    for form in ("blocks", "masked"):
        for length in (128, 256):
            q, k, v, state = drawn(length=length)
            with FlopCounterMode(display=False) as counted:
                lightning_attention(q, k, v, LOG_DECAY, None, state, form=form, block=16)
            work[form, length] = counted.get_total_flops()
    assert work["blocks", 256] == 2 * work["blocks", 128]
    assert work["masked", 256] > 3.5 * work["masked", 128]


def test_half_precision_outputs_are_float32_under_autocast_too() -> None:
    q, k, v, state = drawn(dtype=torch.bfloat16)
    plain = lightning_attention(q, k, v, LOG_DECAY, None, state)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = lightning_attention(q, k, v, LOG_DECAY, None, state)[0]
    assert plain.dtype == cast.dtype == torch.float32
    assert torch.equal(plain, cast)


# ---- positions


def test_decays_are_those_of_the_three_sources() -> None:
    lambdas = {name: [math.exp(-s) for s in log_decays(name, 4, 0, 6)] for name in ("paper", "hf", "none")}
    assert lambdas["paper"] == pytest.approx([1, 0.135, 0.018, 0.0025], abs=5e-4)
    assert lambdas["hf"] == pytest.approx([0.779, 0.939, 0.984, 0.996], abs=5e-4)
    assert log_decays("none", 4, 5, 6) == [1 / 4, 1 / 16, 1 / 64, 1 / 256]
    assert log_decays("paper", 4, 3, 6) == [0, 1, 2, 3]
    assert log_decays("hf", 2, 5, 6) == pytest.approx([1e-5 / 16, 1e-5 / 256])


@pytest.mark.parametrize("name", ["paper", "hf", "none"])
@pytest.mark.parametrize("heads", [1, 2, 3, 5, 6, 8, 12, 20])
def test_decays_of_any_number_of_heads_and_of_one_layer(name: str, heads: int) -> None:
    for layers in (1, 2, 5):
        for layer in range(layers):
            found = log_decays(name, heads, layer, layers)  # type: ignore[arg-type]
            assert len(found) == heads == len(set(found))
            assert all(0 <= value < 9 for value in found)


def test_slopes_of_heads_that_are_no_power_of_two() -> None:
    assert log_decays("none", 3, 0, 1) == [2**-4, 2**-8, 2**-2]
    assert log_decays("none", 6, 0, 1) == [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]


def test_lrpe_depends_on_the_distance_alone() -> None:
    q, k, _, _ = drawn()
    theta = lrpe_frequencies(HEADS, WIDTH).double()
    assert theta[0, 0, 0] == 1
    assert float(theta[1, 0, 2]) == pytest.approx(10_000 ** (-2 * (WIDTH + 2) / (HEADS * WIDTH)))
    here, far = torch.arange(LENGTH)[None], torch.arange(LENGTH)[None] + 1234
    scores = with_phase(q, theta, here) @ with_phase(k, theta, here).mT
    moved = with_phase(q, theta, far) @ with_phase(k, theta, far).mT
    torch.testing.assert_close(scores, moved, rtol=0, atol=1e-11)
    distance = (here[0, :, None] - here[0, None, :]).double()
    plain = torch.einsum("bhti,bhsi,htsi->bhts", q, k, torch.cos(theta[:, :, None] * distance[None, :, :, None]))
    torch.testing.assert_close(scores, plain, rtol=0, atol=1e-11)


def test_the_phase_is_right_a_million_tokens_on() -> None:
    theta = torch.tensor([[[0.7]]])
    position = torch.tensor([[1_000_003]])
    got = with_phase(torch.ones(1, 1, 1, 1), theta, position)[0, 0, 0]
    angle = float(theta) * 1_000_003
    assert got.tolist() == pytest.approx([math.cos(angle), math.sin(angle)], abs=1e-6)
    assert abs(float(torch.cos(theta * position)) - math.cos(angle)) > 1e-3


# ---- kernels


def as_documented(
    q: Tensor, k: Tensor, v: Tensor, *, g_gamma: Tensor, scale: float, initial_state: Tensor, output_final_state: bool
) -> tuple[Tensor, Tensor]:
    """What fla says of `chunk_simple_gla`: `[B, T, H, ·]`, `S_t = e^γ S_{t−1} + k_t v_tᵀ`, `o_t = s q_tᵀ S_t`."""
    assert q.is_contiguous()
    assert {g_gamma.dtype, initial_state.dtype, q.dtype} == {torch.float32}
    assert output_final_state
    state, outputs = initial_state, []
    for t in range(q.shape[1]):
        state = torch.exp(g_gamma)[:, None, None] * state + k[:, t, :, :, None] * v[:, t, :, None, :]
        outputs.append(scale * torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(outputs, dim=1), state


def test_kernels_are_given_what_they_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that computes what the kernel documents; no GPU is needed."""
    monkeypatch.setitem(sys.modules, "fla", ModuleType("fla"))
    monkeypatch.setitem(sys.modules, "fla.ops", ModuleType("fla.ops"))
    stand_in = ModuleType("fla.ops.simple_gla")
    stand_in.chunk_simple_gla = as_documented  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fla.ops.simple_gla", stand_in)
    q, k, v, state = drawn(dtype=torch.float16)
    expected = lightning_attention(q, k, v, LOG_DECAY, None, state, form="blocks")
    got = lightning_attention(q, k, v, LOG_DECAY, None, state, form="kernel")
    assert relative(got[0], expected[0]) < 1e-5
    assert relative(got[1], expected[1]) < 1e-5
    assert (got[0].dtype, got[1].dtype) == (torch.float32, torch.float64)


def test_kernels_are_chosen_on_a_gpu_that_has_them_only() -> None:
    assert [_fastest(length, 64, kernel=True) for length in (1, 64, 65)] == ["recurrence", "masked", "kernel"]
    assert _fastest(65, 64, kernel=False) == "blocks"
    assert not has_kernel(torch.zeros(1, 1, 65, 8))
    plain = Clock.of(3, torch.device("cpu"), None)
    assert plain.is_plain
    assert not Clock.of(3, torch.device("cpu"), torch.ones(1, 3, dtype=torch.bool)).is_plain
    begins = torch.tensor([[False, True, False]])
    assert not Clock.of(3, torch.device("cpu"), None, begins).is_plain  # kernels know no documents


def test_the_forms_are_those_of_fla() -> None:
    naive = pytest.importorskip("fla.ops.simple_gla.naive", reason="needs fla and triton", exc_type=ImportError)
    q, k, v, state = (part.float() for part in drawn())
    gates = -LOG_DECAY.float().expand(ROWS, LENGTH, HEADS)
    theirs = naive.naive_recurrent_simple_gla(
        *(part.transpose(1, 2) for part in (q, k, v)), gates, scale=1.0, initial_state=state, output_final_state=True
    )
    for form in FORMS:
        ours = lightning_attention(q, k, v, LOG_DECAY, None, state, form=form)
        assert relative(ours[0], theirs[0].transpose(1, 2)) < 1e-5
        assert relative(ours[1], theirs[1]) < 1e-5
