"""A training step on 12 directions: one mixed batch against a batch a direction with the gradients added up.

python -m benchmarks.specialization --rows 48 --rounds 7

Both read the same rows and give the same gradients; equal tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

import neuroglot
from benchmarks.interleaved import interleaved, line
from benchmarks.texts import lab_tokenizer
from neuroglot.corpora.directions import directions_of
from neuroglot.interventions.gating import gating
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.tokens.pairs import Pair, encode_pairs, labels, pad_pairs, translation_inputs

LANGUAGES = ("en", "de", "es", "fr", "ru", "sw", "hi")


def main() -> None:
    """Print seconds a step and the ratio to the mixed batch, median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=48, help="pairs a step, of all directions together")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hidden", type=int, default=256)
    options = parser.parse_args()
    view, pairs = _prepared(options.hidden)
    directions = pairs.directions
    each = options.rows // len(directions)
    by_direction = [[pair for pair in pairs.pairs if pair.language == place][:each] for place in range(len(directions))]
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(len(directions), view.layout.neuron_count, generator=generator) < 0.78
    masks = DirectionMasks(view.layout, directions, kept)
    mixed = [pair for column in by_direction for pair in column]
    with gating(view, masks) as gate:

        def step(batches: Sequence[Sequence[Pair]]) -> None:
            view.model.zero_grad()
            for batch in batches:
                padded = pad_pairs(batch, pairs.pad_id)
                gate.set(torch.tensor([pair.language for pair in batch]))
                loss = view.model(**translation_inputs(view, padded), labels=labels(padded)).loss
                loss.backward()

        ordered = sorted(mixed, key=lambda pair: len(pair.token_ids) + len(pair.target_ids))
        parts = [ordered[start : start + len(directions)] for start in range(0, len(ordered), len(directions))]
        ways = {
            "mixed": lambda: step([mixed]),
            "mixed, by length": lambda: step(parts),
            "a batch a direction": lambda: step(by_direction),
        }
        seconds = interleaved(ways, options.rounds)
    print("\n".join(line(name, seconds[name], seconds["mixed"]) for name in ways))


def _prepared(hidden: int):  # type: ignore[no-untyped-def]
    tokenizer = lab_tokenizer()
    tokenizer.add_special_tokens(
        {"eos_token": "</s>", "additional_special_tokens": [f"__{code}__" for code in LANGUAGES]}
    )
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer), d_model=hidden, encoder_layers=3, decoder_layers=3, encoder_attention_heads=8,
            decoder_attention_heads=8, encoder_ffn_dim=4 * hidden, decoder_ffn_dim=4 * hidden, encoder_layerdrop=0.0,
            decoder_layerdrop=0.0, max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    view = neuroglot.view(model)
    corpus = neuroglot.corpora.load("lab", languages=list(LANGUAGES)).take(range(24))
    return view, encode_pairs(view, tokenizer, corpus, directions_of(LANGUAGES))


if __name__ == "__main__":
    main()
