"""What single rows did: counts by layer for paired tests, and records of each row's firing in shards on disk."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from neuroglot.activity.passes import Pass, automatic_token_budget
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.activity.tallies import fired_on_texts
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ArtifactError, ConfigError, MemoryLimitError
from neuroglot.headers import STRICT, Names, StoredLayout, StoredSignature, load_artefact, save_artefact
from neuroglot.layout import Layer, Layout
from neuroglot.models.locating import text_config
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import check_free, load_tensors, save_tensors
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.reading import Reading
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class RowCounts:
    """`fired [R, G, L]`: pairs of counted token and neuron that fired; `tokens [R, G]`: counted tokens; int64."""

    layout: Layout
    fired: Tensor
    tokens: Tensor


class RowCountsTally:
    """`fired` and `tokens` as in `RowCounts`, for texts that are read in one forward or token by token."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, layout: Layout, languages: int, recording: Recording, rows: int) -> None:
        self.recording, self.layout = recording, layout
        self.places = {layer: place for place, layer in enumerate(layout.layers)}
        self.totals = {
            "fired": torch.zeros(rows, languages, len(layout.layers), dtype=torch.int64),
            "tokens": torch.zeros(rows, languages, dtype=torch.int64),
        }

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Set which positions count in the coming forward, of as many for each text."""
        self.selected = dict(selected)
        self.texts = (
            torch.tensor([text.row for text in batch.texts]),
            torch.tensor([text.language for text in batch.texts]),
        )
        self.pending: dict[Layer, Tensor] = {}

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note how many pairs fired on each text: `[B]`."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        positions = torch.arange(len(activation), device=activation.device) if routing is None else routing.tokens
        (threshold,) = self.recording.thresholds(activation.dtype)
        fired = (activation > threshold).sum(1) * selection.mask[positions]
        length = len(selection.mask) // len(self.texts[0])
        counts = torch.zeros(len(self.texts[0]), dtype=torch.int64, device=fired.device)
        self.pending[layer] = counts.index_add_(0, positions // length, fired)

    def hold(self) -> None:
        """Texts are read whole, without shared beginnings: there is nothing to keep."""

    def commit(self) -> None:
        """Add the forward's counts to the rows of its texts."""
        for layer, counts in self.pending.items():
            self.totals["fired"][(*self.texts, self.places[layer])] += counts.cpu()
        last = self.selected[self.layout.layers[-1].stack].mask
        self.totals["tokens"][self.texts] += last.reshape(len(self.texts[0]), -1).sum(1).cpu()

    @property
    def counts(self) -> RowCounts:
        return RowCounts(self.layout, self.totals["fired"], self.totals["tokens"])


RowContent = Literal["masks", "layer_counts"]
SHARD_BYTES = 2**26
HEADER_BYTES = 2**12


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    kept: RowContent
    languages: Names
    ids: Names
    recording: Recording
    signature: StoredSignature


@dataclass(frozen=True, eq=False)
class RowRecords:
    """What was kept of each text: where it fired (`masks`), or how often in each layer (`layer_counts`).

    Iterating gives one shard at a time: `row [S]`, `language [S]`, `tokens [S]`, and `masks [S, N]` (bool: the neuron
    fired on at least one counted token) or `counts [S, L]` (pairs of token and neuron that fired, int64).
    """

    folder: Path
    layout: Layout
    kept: RowContent
    languages: tuple[str, ...]
    ids: tuple[str, ...]
    recording: Recording
    signature: Signature

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for path in sorted(self.folder.glob("shard-*.safetensors")):
            tensors, _ = load_tensors(path, "rows")
            self._check_shard(path, tensors)
            if self.kept == "masks":
                bits = np.unpackbits(tensors["masks"].numpy(), axis=1, count=self.layout.neuron_count)
                tensors["masks"] = torch.from_numpy(bits.astype(np.bool_))
            yield tensors

    def _check_shard(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Raise `ArtifactError` unless the shard is what this folder's header says."""
        rows = len(tensors["row"]) if "row" in tensors and tensors["row"].dim() else 0
        masks, counts = (rows, -(-self.layout.neuron_count // 8)), (rows, len(self.layout.layers))
        kept = ("masks", torch.uint8, masks) if self.kept == "masks" else ("counts", torch.int64, counts)
        expected = dict.fromkeys(("row", "language", "tokens"), (torch.int64, (rows,))) | {kept[0]: kept[1:]}
        found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
        if found == expected:
            limits = ("row", len(self.ids)), ("language", len(self.languages)), ("tokens", torch.inf)
            if not any(bool(((tensors[name] < 0) | (tensors[name] >= end)).any()) for name, end in limits):
                return
        raise ArtifactError(f"{path} holds {found}.", f"Expected {expected}, of rows and languages that there are.")

    @classmethod
    def open(cls, folder: Path | str) -> RowRecords:
        """The records in a folder; raises `ArtifactError` where it holds none, or not all."""
        _, header = load_artefact(Path(folder) / "rows.safetensors", "row records", _Header)
        return cls(folder=Path(folder), **vars(header))


def bytes_of_rows(layout: Layout, texts: int, kept: RowContent) -> int:
    """How much disk the records of so many texts take."""
    each = math.ceil(layout.neuron_count / 8) if kept == "masks" else 8 * len(layout.layers)
    return texts * (each + 3 * 8) + HEADER_BYTES * (2 + texts * each // SHARD_BYTES)


def record_rows(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    folder: Path | str,
    recording: Recording | None = None,
    *,
    kept: RowContent = "masks",
    token_budget: int | None = None,
) -> RowRecords:
    """Keep of every text where it fired, or how often in each layer, in `folder`.

    `bytes_of_rows` says the size beforehand. Raises `MemoryLimitError` where the disk has less room, before anything is
    read; `ArtifactError` where the folder holds something; `ConfigError` for several thresholds or other statistics.
    """
    recording, folder = recording or Recording(), Path(folder)
    if len(recording.fires) != 1 or recording.statistics or recording.tokens not in ("all", "last"):
        raise ConfigError(
            f"Rows were to be kept of {recording.signature}.",
            "Expected one threshold, all or last tokens, no statistics.",
        )
    check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    limit = context_limit(tokenizer, text_config(view.model))
    budget = token_budget or automatic_token_budget(view)
    reading = Reading(tokenizer, corpus, limit, token_budget=budget, equal_once=False)
    _require_room(folder, bytes_of_rows(view.layout, reading.texts, kept))
    writer = _RowTally(view.layout, recording, kept, folder)
    Pass(view, reading, [writer]).run()
    writer.flush()
    made = made_with(view, tokenizer, corpus, rows=len(reading.rows), dropped=len(reading.dropped)) | reading.unknown
    return _described(view.layout, corpus, recording, kept, folder, made | recording.signature)


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MemoryLimitError(
            f"The records take {needed / 2**30:,.2f} GiB, and the disk of {folder} has {free / 2**30:,.2f} GiB left.",
            "Expected room for all of them.",
            "Keep layer_counts instead of masks, read fewer rows, or name another disk.",
        )


def _described(
    layout: Layout, corpus: Corpus, recording: Recording, kept: RowContent, folder: Path, signature: Signature
) -> RowRecords:
    header = _Header(layout, kept, corpus.languages, tuple(corpus.ids), recording, signature)
    save_artefact(folder / "rows.safetensors", "row records", {}, header)
    return RowRecords.open(folder)


class _RowTally:
    """Keeps rows until they fill a shard, and writes it."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, layout: Layout, recording: Recording, kept: RowContent, folder: Path) -> None:
        self.layout, self.recording, self.kept, self.folder = layout, recording, kept, folder
        self.totals: dict[str, Tensor] = {}
        self.waiting: list[dict[str, Tensor]] = []
        self.waiting_bytes = self.shards = 0

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        self.batch, self.selected = batch, dict(selected)
        self.by_layer: dict[Layer, Tensor] = {}

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Which of the layer's neurons fired on each text, or how often: `[B, N]` or `[B, 1]`."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        (threshold,) = self.recording.thresholds(activation.dtype)
        fired, shape = activation > threshold, self.batch.real.shape
        if self.kept == "masks":
            self.by_layer[layer] = fired_on_texts(fired, selection.mask, shape, layer, routing)
            return
        positions = torch.arange(len(fired), device=fired.device) if routing is None else routing.tokens
        counts = torch.zeros(shape[0], dtype=torch.int64, device=fired.device)
        counts.index_add_(0, positions // shape[1], (fired & selection.mask[positions, None]).sum(1))
        self.by_layer[layer] = counts[:, None]

    def hold(self) -> None:
        """Row records are made without shared beginnings."""

    def commit(self) -> None:
        """Put the batch's texts with those that wait."""
        values = torch.cat([self.by_layer[layer].cpu() for layer in self.layout.layers], dim=1)
        packed = {"masks": torch.from_numpy(np.packbits(values.numpy(), axis=1))} if self.kept == "masks" else {}
        kept = packed or {"counts": values}
        counted = next(iter(self.selected.values())).mask.reshape(len(self.batch.texts), -1).sum(1).cpu()
        rows = torch.tensor([text.row for text in self.batch.texts])
        languages = torch.tensor([text.language for text in self.batch.texts])
        shard = {"row": rows, "language": languages, "tokens": counted, **kept}
        self.waiting.append(shard)
        self.waiting_bytes += sum(tensor.nbytes for tensor in shard.values())
        if self.waiting_bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one shard."""
        if self.waiting:
            tensors = {name: torch.cat([part[name] for part in self.waiting]) for name in self.waiting[0]}
            save_tensors(self.folder / f"shard-{self.shards:05d}.safetensors", "rows", tensors, {})
            self.waiting, self.waiting_bytes, self.shards = [], 0, self.shards + 1
