"""What counting at the steps of generation costs beside the generation without it (PMI's preset).

python -m benchmarks.generation --rows 16 --new-tokens 32 --rounds 7
"""

from __future__ import annotations

import argparse

import neuroglot
from benchmarks.interleaved import interleaved, line
from benchmarks.models import SHAPES, SIZES, config_of, random_model
from benchmarks.texts import lab_tokenizer
from neuroglot.activity.generated import record_generation, record_generation_by_row
from neuroglot.activity.recording import Recording
from neuroglot.generation.decoding import Decoding, generate


def main() -> None:
    """Print seconds and ratios to plain generation, median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parameters", default="10M", choices=sorted({size for size, _ in SIZES}))
    parser.add_argument("--shape", default="llama", choices=SHAPES)
    options = parser.parse_args()
    config = config_of(options.parameters, options.shape, 32_000)
    view, tokenizer = neuroglot.view(random_model(config, "cpu", "float32")), lab_tokenizer()
    prompts = neuroglot.corpora.load("lab", languages=["en", "de"]).take(range(options.rows))
    decoding, recording = Decoding(max_new_tokens=options.new_tokens), Recording.pmi()
    counts = Recording(recording.site, recording.tokens, recording.fires, recording.special_tokens)
    ways = {
        "generate": lambda: generate(view, tokenizer, prompts, decoding),
        "and count": lambda: record_generation(view, tokenizer, prompts, counts, decoding),
        "and count zeros too (PMI)": lambda: record_generation(view, tokenizer, prompts, recording, decoding),
        "and by row (neuroglot pmi)": lambda: record_generation_by_row(view, tokenizer, prompts, recording, decoding),
    }
    seconds = interleaved(ways, options.rounds)
    print("\n".join(line(name, seconds[name], seconds["generate"]) for name in ways))


if __name__ == "__main__":
    main()
