"""SGA: its speed beside token by token, and whether the whole model beats its ablations, over paired seeds.

python -m benchmarks.sga speed                                # 6 layers of 384, and with --shape base XLM-R base's
python -m benchmarks.sga seeds --out runs                     # goes on where it was stopped
python -m benchmarks.sga seeds --out runs --seeds 1 --steps 5 --encoder-steps 5 --rows 200      # a smoke run

`speed` times random models on one thread, in turn, and prints medians with the range of ratios to decoding token by
token: an encoder–decoder of the same backbone with its cache, which writes as many tokens as SGA's canvas could. All R
denoising passes are made, though a trained model may stop before. A batch is stated beside each line.

`seeds` trains an encoder a seed by masked language modelling on the lab's texts and on it every arm, of which
`results.json` holds the mean score by direction. The table has paired differences to the whole model with 95% t
intervals over seeds, Holm's p over all of them, and the smallest difference that so many seeds tell with 80% power.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

from benchmarks.interleaved import interleaved, line
from benchmarks.seeds import interval, told
from neuroglot.corpora.directions import directions_of
from neuroglot.experiments import writing
from neuroglot.experiments.writing import WritingConfig
from neuroglot.experiments.writing_baselines import encoder_decoder
from neuroglot.generation.sga import CanvasDecoding
from neuroglot.lab.encoder import EncoderConfig
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.architectures.sga.canvas import FrameReading, real_positions
from neuroglot.models.architectures.sga.outputs import ALIGN, DENOISE
from neuroglot.recipes.sga_train import SgaTrain
from neuroglot.storage import write_whole
from neuroglot.tokens.canvases import canvas_pairs

SHAPES = {"small": (384, 6, 6, 1536, 8_000), "base": (768, 12, 12, 3072, 250_002)}
WHOLE = "whole model"
ARMS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "trained without denoising": {"denoise": False},
    "trained without memory": {"memory": "off"},
    "trained with others' memory": {"memory": "shuffled"},
}
UNTRAINED = {"alignment alone": writing.ALIGNED, "memory off": writing.OFF, "memory shuffled": writing.SHUFFLED}


def main() -> None:
    """Time, or train what is not there yet and print a line for each arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    speed = commands.add_parser("speed")
    speed.add_argument("--shape", choices=SHAPES, default="small")
    speed.add_argument("--tokens", type=int, default=64)
    speed.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    speed.add_argument("--passes", type=int, nargs="+", default=[1, 2, 4])
    speed.add_argument("--rounds", type=int, default=5)
    seeds = commands.add_parser("seeds")
    seeds.add_argument("--out", type=Path, required=True)
    seeds.add_argument("--seeds", type=int, default=5)
    seeds.add_argument("--rows", type=int, default=None)
    seeds.add_argument("--test-rows", type=int, default=None)
    seeds.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    seeds.add_argument("--steps", type=int, default=None)
    seeds.add_argument("--encoder-steps", type=int, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.command == "speed":
        for batch in asked.batches:
            for text in speed_lines(asked, batch):
                print(text, flush=True)
    else:
        for text in summary([kept(asked, seed) for seed in range(asked.seeds)]):
            print(text)


def speed_lines(asked: argparse.Namespace, batch: int) -> list[str]:
    """The lines of one batch size: token by token first, then SGA by its denoising passes."""
    hidden, layers, heads, ffn, vocabulary = SHAPES[asked.shape]
    torch.manual_seed(0)
    encoder = XLMRobertaForMaskedLM(
        XLMRobertaConfig(
            vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=ffn, max_position_embeddings=514, type_vocab_size=1,
        )
    ).eval()  # fmt: skip
    ids = torch.randint(10, vocabulary - 1, (batch, asked.tokens))
    pair = encoder_decoder(encoder, _Tokens()).eval()  # type: ignore[arg-type]
    model = SGAForConditionalGeneration.over(encoder, mask_token_id=vocabulary - 1, blank_token_id=6).eval()

    def token_by_token() -> object:
        return pair.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=asked.tokens,
            max_new_tokens=asked.tokens,
        )  # fmt: skip

    def in_passes(passes: int) -> Callable[[], object]:
        def written() -> object:
            memory = model.encode(ids)
            frames = model.frames_of(memory)
            real = real_positions(frames)
            canvas = torch.full_like(real, model.mask_id, dtype=torch.long)
            for stage in (ALIGN, *(DENOISE,) * passes):
                reading = FrameReading.of(model.look(stage, canvas, real, memory))
                canvas = reading.filled(model.config.blank)
            return reading.texts(model.config, frames)

        return written

    base = f"token by token, {asked.tokens}"
    ways: dict[str, Callable[[], object]] = {base: token_by_token}
    ways |= {f"SGA, R = {passes}": in_passes(passes) for passes in asked.passes}
    with torch.inference_mode():
        seconds = interleaved(ways, asked.rounds)
    head = f"{layers} layers of {hidden}, vocabulary {vocabulary:,}, batch {batch}; seconds, times of the base"
    return [head, *(line(name, of_way, seconds[base]) for name, of_way in seconds.items())]


class _Tokens:
    """What an encoder–decoder asks of a tokenizer."""

    bos_token_id = cls_token_id = 0
    pad_token_id = 1
    eos_token_id = sep_token_id = 2
    mask_token_id = 3


def kept(asked: argparse.Namespace, seed: int) -> dict[str, float]:
    """The mean score of every arm of a seed: read if it is there, else computed and written."""
    path = asked.out / f"seed-{seed}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(scores(config_of(asked), seed, asked.arms), indent=1) + "\n")
    found: dict[str, float] = json.loads(path.read_text())
    return found


def config_of(asked: argparse.Namespace) -> WritingConfig:
    """The recipe's own setting, unless it is said otherwise."""
    own = SgaTrain().config
    given = {name: getattr(asked, name) for name in ("rows", "test_rows", "steps", "encoder_steps")}
    return WritingConfig(**{**vars(own), **{name: value for name, value in given.items() if value is not None}})


def scores(config: WritingConfig, seed: int, arms: list[str]) -> dict[str, float]:
    """The mean over directions of every arm, all of them on one encoder, pairs and test rows."""
    assert isinstance(config.encoder, EncoderConfig)
    train, test = writing.writing_parts(config, "lab", seed)
    directions = directions_of(config.languages, config.pivot)
    encoder, tokenizer, _ = writing.trained_encoder(config, train, seed)
    found: dict[str, float] = {}
    for name, options in ((arm, ARMS[arm]) for arm in arms):
        model = writing.over_encoder(config, encoder, tokenizer, seed, **options)
        pairs = canvas_pairs(model, tokenizer, train, directions)
        writing.trained_sga(config, model, pairs, seed, name=f"{name}, seed {seed}")
        if name == WHOLE:
            written = writing.written_by_systems(config, model, tokenizer, test, directions)
            own = {"sga": WHOLE} | {system: f"{arm}, same weights" for arm, system in UNTRAINED.items()}
            written = {own[system]: of_system for system, of_system in written.items()}
        else:
            how = CanvasDecoding(config.denoising_passes)
            written = {name: writing.write_directions(model, tokenizer, test, directions, how)}
        compared = writing.compared(
            config, written, test, writing.writing_signature(config, model, tokenizer, test, seed)
        )
        found |= {arm: score.value for arm, score in compared.scores().items()}
    return found


def summary(results: list[dict[str, float]]) -> list[str]:
    """Means by arm, and paired differences of the whole model to each."""
    arms = list(results[0])
    lines = [f"{arm}: {interval([of_seed[arm] for of_seed in results])}" for arm in arms]
    paired = {
        f"{WHOLE} less {arm}": [of_seed[WHOLE] - of_seed[arm] for of_seed in results] for arm in arms if arm != WHOLE
    }
    lines += [f"{name}: {interval(values)}" for name, values in paired.items()]
    return lines + told(paired)


if __name__ == "__main__":
    main()
