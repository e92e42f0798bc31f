"""What the categories and the attribution cost beside the forward that they need; and the categories at full size.

python -m benchmarks.sharing --rows 20 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import neuroglot
from benchmarks.interleaved import interleaved, line
from benchmarks.models import POSITIONS, SHAPES, SIZES, config_of, random_model
from benchmarks.texts import lab_tokenizer
from neuroglot.activity.record import record_sharing
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.activity.tallies import SharingTally
from neuroglot.attribution.recording import attribute
from neuroglot.corpora import load_task
from neuroglot.layout import Layout
from neuroglot.tokens.batches import pad
from neuroglot.tokens.reading import Reading
from neuroglot.tokens.tokenizing import Text

LANGUAGES, LAYERS, WIDTH = 10, 30, 16_384  # BLOOM-7B1 and the languages of the paper


def main() -> None:
    """Print seconds and ratios to the plain forward, median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="../shared/data/mgsm", help="a folder that load_task reads")
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parameters", default="10M", choices=sorted({size for size, _ in SIZES}))
    parser.add_argument("--shape", default="llama", choices=SHAPES)
    options = parser.parse_args()
    config = config_of(options.parameters, options.shape, 32_000)
    ways = _ways(neuroglot.view(random_model(config, "cpu", "float32")), options.task, options.rows)
    seconds = interleaved(ways, options.rounds)
    lines = [line(name, seconds[name], seconds["forward"]) for name in ways]
    print("\n".join([*lines, _at_full_size()]))


def _ways(view: neuroglot.ModelView, folder: str, rows: int) -> dict[str, Callable[[], object]]:
    task, tokenizer = load_task(Path(folder), limit=rows), lab_tokenizer()

    @torch.inference_mode()
    def forward() -> None:
        for batch in Reading(tokenizer, task.prompts, POSITIONS, order="row"):
            view.model.base_model(input_ids=batch.token_ids, use_cache=False)

    return {
        "forward": forward,
        "categories": lambda: record_sharing(view, tokenizer, task.prompts),
        "categories and attribution": lambda: attribute(view, tokenizer, task),
    }


def _at_full_size() -> str:
    """One row of all languages through the tally, at the size of a 7 B model."""
    layout = Layout((("decoder", (WIDTH,) * LAYERS),))
    tally = SharingTally(layout, LANGUAGES, Recording.sharing_matters(), 1, torch.device("cpu"))
    texts = [Text(0, language, (1,), (False,), (False,), 0) for language in range(LANGUAGES)]
    mask = torch.ones(LANGUAGES, 1, dtype=torch.bool)
    activations = [torch.randn(LANGUAGES, WIDTH) for _ in range(LAYERS)]
    spent = []
    for _ in range(9):
        started = time.perf_counter()
        tally.begin(pad(texts), {"decoder": Selection.of(mask, mask)})
        for layer, activation in zip(layout.layers, activations):
            tally.update(layer, activation, None)
        tally.commit()
        spent.append(1000 * (time.perf_counter() - started))
    return f"{LANGUAGES} languages x {LAYERS} layers x {WIDTH:,} neurons: {statistics.median(spent):.0f} ms a row"


if __name__ == "__main__":
    main()
