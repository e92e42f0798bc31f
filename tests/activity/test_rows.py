"""Records of single rows against a plain loop over texts, and against the counts of all rows."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from neuroglot.activity import rows as rows_module
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.activity.rows import RowRecords, bytes_of_rows, record_rows
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ArtifactError, ConfigError, MemoryLimitError
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from tests.families import TINY_CONFIGS, tiny_model
from tests.oracles import activations
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()
TOKENIZER = tiny_tokenizer()


@pytest.mark.parametrize("model_type", TINY_CONFIGS)
def test_rows_equal_the_oracle(model_type: str, tmp_path: Path) -> None:
    located = view(tiny_model(model_type))
    if located.family.kind == "encoder-decoder":
        pytest.skip("the oracle below reads one stack")
    site = available_sites(located)[0]
    masks = record_rows(located, TOKENIZER, CORPUS, tmp_path / "masks", Recording(site=site), token_budget=40)
    counts = record_rows(located, TOKENIZER, CORPUS, tmp_path / "counts", Recording(site=site), kept="layer_counts")
    expected = {}
    for language, column in enumerate(CORPUS.texts.values()):
        for row, text in enumerate(column):
            layers = activations(located.model, TOKENIZER(text)["input_ids"], site)
            expected[row, language] = [(layer[1:] > 0) for layer in layers]  # without <s>
    seen = 0
    for shard in masks:
        for row, language, mask in zip(shard["row"].tolist(), shard["language"].tolist(), shard["masks"], strict=True):
            fired = torch.cat([layer.any(0) for layer in expected[row, language]])
            assert mask.tolist() == fired.tolist()
            seen += 1
    assert seen == len(expected)
    for shard in counts:
        for row, language, count, tokens in zip(
            *(shard[name].tolist() for name in ("row", "language", "counts", "tokens"))
        ):
            assert count == [int(layer.sum()) for layer in expected[row, language]]
            assert tokens == len(expected[row, language][0])


def test_rows_add_up_to_the_counts_of_all_rows_in_any_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    located = view(tiny_model("llama"))
    activity = record(located, TOKENIZER, CORPUS)
    monkeypatch.setattr(rows_module, "SHARD_BYTES", 300)
    records = record_rows(located, TOKENIZER, CORPUS, tmp_path / "run", kept="layer_counts", token_budget=20)
    assert len(list((tmp_path / "run").glob("shard-*"))) > 2
    total = torch.zeros(3, 3, dtype=torch.int64)
    for shard in RowRecords.open(tmp_path / "run"):
        total.index_add_(0, shard["language"], shard["counts"])
    assert torch.equal(total, located.layout.sum_by_layer(activity.fired[0]))
    assert records.ids == CORPUS.ids


def test_equal_texts_are_both_kept(tmp_path: Path) -> None:
    corpus = Corpus("twice", ("a", "b"), {"de": ("w1 w2", "w1 w2")})
    (shard,) = record_rows(view(tiny_model("llama")), TOKENIZER, corpus, tmp_path / "run")
    assert sorted(shard["row"].tolist()) == [0, 1]


def test_the_size_is_known_beforehand_and_refused_where_the_disk_lacks_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = view(tiny_model("llama"))
    for kept in ("masks", "layer_counts"):
        record_rows(located, TOKENIZER, CORPUS, tmp_path / kept, kept=kept)
        stated = bytes_of_rows(located.layout, 27, kept)
        written = sum(path.stat().st_size for path in (tmp_path / kept).iterdir())
        assert stated - 3 * rows_module.HEADER_BYTES < written <= stated
    disk = namedtuple("disk", "total used free")(100, 90, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk)
    with pytest.raises(MemoryLimitError, match="GiB left.*Keep layer_counts"):
        record_rows(located, TOKENIZER, CORPUS, tmp_path / "full")


def test_what_rows_are_not_defined_for_is_refused(tmp_path: Path) -> None:
    located = view(tiny_model("llama"))
    for recording in (Recording(fires=(0.0, 1.0)), Recording(statistics=("maximum",)), Recording(tokens="generated")):
        with pytest.raises(ConfigError, match="one threshold"):
            record_rows(located, TOKENIZER, CORPUS, tmp_path / "run", recording)
    with pytest.raises(ArtifactError, match="not a file"):
        RowRecords.open(tmp_path)
