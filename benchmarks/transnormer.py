"""How fast lightning attention and TransNormerLLM are, beside softmax attention and a Llama of equal parameters.

    python -m benchmarks.transnormer forms --lengths 1024 2048 4096 8192 --rounds 5
    python -m benchmarks.transnormer training --lengths 512 4096 16384 --rounds 5
    python -m benchmarks.transnormer decoding --contexts 1024 65536 --steps 200
    python -m benchmarks.transnormer drift --steps 1000000

`forms`: one layer's attention, forward and backward, and the exponents of FLOPs and of the smallest times in length.
`training`: one step of both models, in turn. `decoding`: single tokens after prefills of several lengths, in turn.
`drift`: how far a state that forgets nothing is from float64 after many single steps, by dtype of the model.
All ways are timed in turn, so that what slows the machine slows all of them; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from benchmarks.interleaved import interleaved, line
from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM
from neuroglot.models.architectures.transnormer.lightning import lightning_attention
from neuroglot.models.architectures.transnormer.positions import log_decays

MASKED_UP_TO = 8192  # tokens: behind these the whole masked product does not fit


def main() -> None:
    """Run the part that was asked for."""
    parser = argparse.ArgumentParser("benchmarks.transnormer", description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["forms", "training", "decoding", "drift"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--only", nargs="*", help="forms beside blocks; by default all")
    parser.add_argument("--contexts", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    {"forms": forms, "training": training, "decoding": decoding, "drift": drift}[options.part](options)


def forms(options: argparse.Namespace) -> None:
    """Blocks beside the masked product, SDPA and, on a GPU with fla, its kernel."""
    rates = torch.tensor(log_decays("paper", options.heads, 0, 24), dtype=torch.float64, device=options.device)
    flops, smallest = [], []
    for length in options.lengths:
        parts = _drawn(options, length)

        def lightning(form: str, parts: tuple[Tensor, ...] = parts) -> Callable[[], object]:
            return lambda: _both_ways(
                lambda: lightning_attention(*parts, rates, form=form, block=options.block)[0], parts
            )

        ways = {
            "blocks": lightning("blocks"),
            "sdpa": lambda parts=parts: _both_ways(lambda: scaled_dot_product_attention(*parts, is_causal=True), parts),
        }
        if length <= MASKED_UP_TO:
            ways["masked"] = lightning("masked")
        ways = {name: way for name, way in ways.items() if not options.only or name in ("blocks", *options.only)}
        seconds = interleaved(ways, options.rounds)
        print(f"{length} tokens")
        print("\n".join(line(name, seconds[name], seconds["blocks"]) for name in ways))
        with FlopCounterMode(display=False) as counted:
            ways["blocks"]()
        flops.append(counted.get_total_flops())
        smallest.append(min(seconds["blocks"]))
    for name, values in (("FLOPs", flops), ("time", smallest)):
        print(f"exponents of {name}: {', '.join(f'{power:.3f}' for power in _exponents(options.lengths, values))}")
        ends = _exponents((options.lengths[0], options.lengths[-1]), (values[0], values[-1]))
        print(f"from {options.lengths[0]} to {options.lengths[-1]} tokens: {ends[0]:.3f}")


def training(options: argparse.Namespace) -> None:
    """One training step of a TransNormerLLM and of a Llama of equal parameters."""
    models = _models(options)
    for name, model in models.items():
        print(f"{name}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    for length in options.lengths:
        ids = torch.randint(3, 1000, (1, length), device=options.device)
        seconds = interleaved({name: _step(model, ids) for name, model in models.items()}, options.rounds)
        print(f"{length} tokens")
        print("\n".join(line(name, seconds[name], seconds["transnormer"]) for name in models))


def decoding(options: argparse.Namespace) -> None:
    """Milliseconds a token (tenth percentile), FLOPs and bytes of the state, by what was read before."""
    model = _models(options)["transnormer"].eval()
    token = torch.full((1, 1), 5, device=options.device)
    pasts = {}
    with torch.inference_mode():
        for context in options.contexts:
            past = None
            for chunk in torch.full((1, context), 7, device=options.device).split(4096, dim=1):
                past = model(chunk, past_key_values=past, logits_to_keep=1).past_key_values
            pasts[context] = past
        seconds: dict[int, list[float]] = {context: [] for context in pasts}
        for _ in range(options.steps):
            for context, past in pasts.items():
                started = time.perf_counter()
                model(token, past_key_values=past)
                seconds[context].append(time.perf_counter() - started)
        first = options.contexts[0]
        for context, past in pasts.items():
            with FlopCounterMode(display=False) as counted:
                model(token, past_key_values=past)
            size = sum(layer.state.nbytes for layer in past.layers)
            tenth, base = (sorted(seconds[name])[len(seconds[name]) // 10] for name in (context, first))
            flops = counted.get_total_flops()
            print(f"{context:7} read: {1000 * tenth:.3f} ms, {tenth / base:.3f} x, {flops} FLOPs, {size} bytes")


def drift(options: argparse.Namespace) -> None:
    """Relative error of state and output against float64 after `steps` single steps; λ = 1 in the first head."""
    rates = torch.tensor([0.0, 4e-8, 1e-3], dtype=torch.float64)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for kept in (torch.float64, torch.float32):
            torch.manual_seed(0)
            state = torch.zeros(1, 3, 2, 2, dtype=kept)
            exact = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
            for _ in range(options.steps // 100):
                drawn = torch.rand(3, 1, 3, 100, 2).to(dtype)
                output, state = lightning_attention(*drawn, rates, None, state, form="recurrence")
                expected, exact = lightning_attention(*drawn.double(), rates, None, exact, form="masked")
            errors = [float(((ours - theirs).abs().amax((0, 2, 3)) / theirs.abs().amax((0, 2, 3))).max())
                      for ours, theirs in ((state, exact), (output, expected))]  # fmt: skip
            print(f"{dtype} with a state in {kept}: state {errors[0]:.1e}, output {errors[1]:.1e}")


def _drawn(options: argparse.Namespace, length: int) -> tuple[Tensor, Tensor, Tensor]:
    size = 1, options.heads, length, options.width // options.heads
    q, k, v = (torch.randn(size, device=options.device, requires_grad=True) for _ in range(3))
    return q, k, v


def _both_ways(attend: Callable[[], Tensor], parts: tuple[Tensor, ...]) -> None:
    torch.autograd.grad(attend().sum(), parts)
    if parts[0].is_cuda:
        torch.cuda.synchronize()


def _models(options: argparse.Namespace) -> dict[str, PreTrainedModel]:
    """Both models, with as many parameters: a layer of the one has `5d² + 3dg`, of the other `4d² + 3dg`."""
    sizes = {"vocab_size": 1000, "hidden_size": options.width, "num_hidden_layers": options.layers,
             "num_attention_heads": options.heads, "tie_word_embeddings": True, "pad_token_id": 0}  # fmt: skip
    glu = 3 * options.width
    linear = TransNormerConfig(**sizes, intermediate_size=glu - round(options.width / 3), block_size=options.block)
    softmax = LlamaConfig(**sizes, intermediate_size=glu, max_position_embeddings=max(options.lengths))
    models: dict[str, PreTrainedModel] = {
        "transnormer": TransNormerForCausalLM(linear),
        "llama": LlamaForCausalLM._from_config(softmax, attn_implementation="sdpa"),
    }
    return {name: model.to(options.device).train() for name, model in models.items()}


def _step(model: PreTrainedModel, ids: Tensor) -> Callable[[], object]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> float:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def _exponents(lengths: list[int], values: list[float]) -> list[float]:
    points = list(zip(lengths, values, strict=True))
    return [math.log(later[1] / earlier[1]) / math.log(later[0] / earlier[0]) for earlier, later in pairwise(points)]


if __name__ == "__main__":
    main()
