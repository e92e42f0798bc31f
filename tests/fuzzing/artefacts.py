"""Small valid artefacts of every kind, made of fixed numbers, and the calls that load and save them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.recording import HISTOGRAM_EDGES, Recording
from neuroglot.activity.rows import RowRecords
from neuroglot.activity.sharing import Sharing
from neuroglot.attribution.attribution import EXTREMES, SUMS, Attribution
from neuroglot.attribution.scores import top_size
from neuroglot.corpora.directions import Direction
from neuroglot.experiments.prompts import MeasuredSetting
from neuroglot.interventions.operators import Step
from neuroglot.interventions.steering import Steering
from neuroglot.layout import Layout
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.metrics.prompts import Counted, SettingResult
from neuroglot.neurons import released
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.released import load_reference_masks, save_reference_masks
from neuroglot.signature import Signature
from neuroglot.storage import save_tensors
from neuroglot.training.deltas import NeuronDeltas

LAYOUT = Layout((("decoder", (4, (2, 3), 0, 2)),))
BOTH = Layout((("encoder", (4, 2)), ("decoder", (3,))))
DENSE = Layout((("decoder", (5, 3)),))
N, LANGUAGES = LAYOUT.neuron_count, ("de", "en")
SIGNATURE = Signature.of(model="lab", revision=None, rows=3, share=0.5, special=True)
RECORDING = Recording(fires=(0.0, 1.0), statistics=("moments", "histogram", "maximum"))
FILE = "a.safetensors"


def activity(folder: Path) -> None:
    bins = torch.ones(2, N, len(HISTOGRAM_EDGES) + 1, dtype=torch.int64)
    kept = {name: torch.ones(2, N, dtype=torch.float64) for name in ("sum", "sum_of_squares")}
    kept |= {"maximum": torch.zeros(2, N), "histogram": bins}
    fired = torch.arange(2 * 2 * N).reshape(2, 2, N) % 3
    reached = torch.full((2, len(LAYOUT.network_widths)), 5)
    Activity(LAYOUT, LANGUAGES, RECORDING, fired, torch.tensor([5, 5]), reached, SIGNATURE, kept).save(folder / FILE)


def sharing(folder: Path) -> None:
    histogram = torch.tensor([[1], [1], [1]]).expand(3, N).contiguous()
    by_row = torch.ones(3, len(LAYOUT.layers), 3, dtype=torch.int32)
    rows = torch.ones(2, N, dtype=torch.int64), by_row, by_row[..., :2].contiguous()
    Sharing(LAYOUT, LANGUAGES, Recording(), histogram, *rows, SIGNATURE).save(folder / FILE)


def neurons(folder: Path) -> None:
    NeuronSet(LAYOUT, torch.arange(N) % 3 == 0, SIGNATURE).save(folder / FILE)


def deltas(folder: Path) -> None:
    chosen = NeuronSet.of(DENSE, {("decoder", 0): [1, 3]})
    values = {"decoder.0.up0.delta_rows": torch.ones(2, 3), "decoder.0.down.delta_columns": torch.zeros(2, 3)}
    NeuronDeltas(chosen, values, SIGNATURE).save(folder / FILE)


def masks(folder: Path) -> None:
    kept = torch.arange(2 * N).reshape(2, N) % 3 > 0
    DirectionMasks(LAYOUT, (Direction("en", "de"), Direction("de", "en")), kept, SIGNATURE).save(folder / FILE)


def steering(folder: Path) -> None:
    chosen = NeuronSet(LAYOUT, torch.arange(N) % 2 == 0, SIGNATURE)
    steps = Step("add", chosen, torch.arange(N) / 4), Step("set", chosen, 0.5, "post_act", SIGNATURE)
    Steering(steps, "prompt").save(folder / FILE)


def attribution(folder: Path) -> None:
    widths = torch.tensor([layer.width for layer in LAYOUT.layers], dtype=torch.int32)
    tops = torch.tensor([top_size(0.5, layer.width) for layer in LAYOUT.layers], dtype=torch.int32)
    sizes = torch.zeros(2, 2, len(widths), 6, dtype=torch.int32)
    top = sizes.clone()
    sizes[..., 1], top[..., 1] = widths, tops
    values = {name: torch.zeros(sizes.shape) for name in (*SUMS, *EXTREMES)} | {"top": top}
    counts = {"too long": 1}, {"de": 0, "en": 0}, {"de": 2, "en": 2}
    Attribution(
        LAYOUT, LANGUAGES, "facts", Recording(), 0.5, True, False, sizes, values, *counts, SIGNATURE
    ).save(folder / FILE)  # fmt: skip


def deactivation(folder: Path) -> None:
    on = torch.full((3, 2, len(OUTCOMES)), 0.5, dtype=torch.float64)
    sizes = torch.ones(1, 3, len(LAYOUT.layers), dtype=torch.int32)
    counts = on, on[None] * 0.5, on.expand(2, 1, *on.shape) * 0.25, sizes
    Deactivation(
        "facts", LAYOUT, LANGUAGES, ("specific",), ("a", "b", "c"), *counts, SIGNATURE, {"too long": 1}
    ).save(folder / FILE)  # fmt: skip


def prompt_setting(folder: Path) -> None:
    counted = Counted(torch.ones(3, 2, 3, dtype=torch.int64), torch.ones(3, 2, dtype=torch.int64))
    counts = (
        torch.zeros(3, 2, 1),
        {"steps": counted},
        torch.zeros(N),
        torch.zeros(3),
        counted.tokens * 2,
        counted.tokens * 3,
    )
    MeasuredSetting(SettingResult(*counts), ("a", "b", "c"), ("x", "y", "z"), SIGNATURE).save(folder / FILE)


def rows(folder: Path) -> None:
    header = {
        "layout": LAYOUT.to_json(), "languages": list(LANGUAGES), "ids": ["a", "b"], "kept": "masks",
        "recording": Recording().to_json(), "signature": SIGNATURE.to_json(),
    }  # fmt: skip
    save_tensors(folder / "rows.safetensors", "row records", {}, header)
    places = {name: torch.tensor([0, 1]) for name in ("row", "language", "tokens")}
    packed = torch.zeros(2, -(-N // 8), dtype=torch.uint8)
    save_tensors(folder / "shard-00000.safetensors", "rows", places | {"masks": packed}, {})


class Tally:
    """A tally that only holds totals."""

    maxima = frozenset({"most"})

    def __init__(self) -> None:
        self.totals = {"fired": torch.zeros(2, N, dtype=torch.int64), "most": torch.zeros(N)}


JOB = Signature.of(model="lab", rows=3)


def checkpoint(folder: Path) -> None:
    Checkpoints(folder, 0).open(JOB)
    state = Checkpoints(folder, 0, done={0, 2})
    state.save([Tally()])  # type: ignore[list-item]


def restored(folder: Path) -> Any:
    state, tally = Checkpoints(folder, 0), Tally()
    state.open(JOB)
    state.restore([tally])  # type: ignore[list-item]
    return sorted(state.done), tally.totals


def row_records(folder: Path) -> Any:
    records = RowRecords.open(folder)
    return records, list(records)


def released_sets(layout: Layout) -> dict[str, NeuronSet]:
    members = torch.arange(layout.neuron_count)
    return {"de": NeuronSet(layout, members % 2 == 0), "en": NeuronSet(layout, members % 3 == 0)}


def reference(folder: Path) -> None:
    kept = torch.arange(BOTH.neuron_count) % 3 > 0
    made = DirectionMasks(BOTH, (Direction("en", "de"),), kept[None], SIGNATURE)
    save_reference_masks(folder / "masks", made, 2)


Kind = tuple[str, Callable[[Path], object], Callable[[Path], Any], Callable[[Any, Path], object] | None]


def _saved(value: Any, folder: Path) -> object:
    return value.save(folder / FILE)


KINDS: tuple[Kind, ...] = (
    ("activity", activity, lambda f: Activity.load(f / FILE), _saved),
    ("sharing", sharing, lambda f: Sharing.load(f / FILE), _saved),
    ("neurons", neurons, lambda f: NeuronSet.load(f / FILE), _saved),
    ("deltas", deltas, lambda f: NeuronDeltas.load(f / FILE), _saved),
    ("masks", masks, lambda f: DirectionMasks.load(f / FILE), _saved),
    ("steering", steering, lambda f: Steering.load(f / FILE), _saved),
    ("attribution", attribution, lambda f: Attribution.load(f / FILE), _saved),
    ("deactivation", deactivation, lambda f: Deactivation.load(f / FILE), _saved),
    ("prompt setting", prompt_setting, lambda f: MeasuredSetting.load(f / FILE), _saved),
    ("row records", rows, row_records, None),
    ("checkpoint", checkpoint, restored, None),
    ("released sets", lambda f: released.save_released(f / "a.neuron.pth", released_sets(DENSE)),
     lambda f: released.load_released(f / "a.neuron.pth", DENSE, ("de", "en")),
     lambda x, f: released.save_released(f / "a.neuron.pth", x)),
    ("JSON sets", lambda f: released.save_json(f / "a.json", released_sets(DENSE)),
     lambda f: released.load_json(f / "a.json", DENSE), lambda x, f: released.save_json(f / "a.json", x)),
    ("reference masks", reference, lambda f: load_reference_masks(f / "masks", BOTH),
     lambda x, f: (shutil.rmtree(f / "masks"), save_reference_masks(f / "masks", x, 2))),
)  # fmt: skip
