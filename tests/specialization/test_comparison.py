"""The experiment in miniature: same start, same batches, masks of equal size, taken up where it was."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import directions_of
from neuroglot.errors import ConfigError
from neuroglot.experiments.specialization import (
    SYSTEMS,
    ComparisonConfig,
    _longest_like,
    _overlap,
    _random_like,
    compare_specialization,
    parts_of,
)
from neuroglot.lab.translator import TranslatorConfig, new_translator
from neuroglot.layout import Layout
from neuroglot.models import view
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.recipes.specialize_compare import SpecializeCompare
from neuroglot.reports import Report
from neuroglot.signature import short_hash
from neuroglot.storage import Kept

SMALL = TranslatorConfig(hidden=16, layers=1, heads=2, ffn=24, vocabulary=300, dropout=0.0)


@pytest.fixture
def config(tmp_path: Path) -> ComparisonConfig:
    """Sixty rows of three made-up languages that say the same with other letters."""
    (tmp_path / "texts").mkdir()
    for shift, code in enumerate(("en", "de", "fr")):
        lines = [" ".join(chr(97 + (row * step + 7 * shift) % 26) * 3 for step in range(1, 5)) for row in range(60)]
        (tmp_path / "texts" / f"{code}.txt").write_text("\n".join(f"{line} {row}" for row, line in enumerate(lines)))
    return ComparisonConfig(
        data=str(tmp_path / "texts"), languages=("en", "de", "fr"), validation_rows=8, test_rows=5, seeds=(0, 1),
        steps=4, continued_steps=3, batch=8, coverage=70, max_new_tokens=6, model=SMALL,
    )  # fmt: skip


def test_every_system_is_trained_scored_and_kept(config: ComparisonConfig, tmp_path: Path, monkeypatch) -> None:
    found = compare_specialization(config, tmp_path / "run")
    assert list(found.systems) == list(SYSTEMS)
    assert found.directions == ("en-de", "en-fr", "de-en", "fr-en")
    assert found.overlap.shape == found.removed.shape == (2, 2)
    assert all(counts.shape[:3] == (2, 5, 4) for counts in found.systems.values())
    answers = json.loads((tmp_path / "run" / "seed-0" / "continued.json").read_text())
    assert {name: len(column) for name, column in answers.items()} == dict.fromkeys(found.directions, 5)
    monkeypatch.setattr("neuroglot.experiments.specialization.train_specialized", None)  # nothing is trained again
    again = compare_specialization(config, tmp_path / "run")
    for name, counts in found.systems.items():
        assert torch.equal(counts, again.systems[name])
    report = Report([found])
    section = report.to_json()["sections"][0]
    keys = ["score-by-system", "difference-by-system", "score-by-direction", "overlap-by-layer"]
    assert [table["key"] for table in section["tables"]] == keys
    assert "own neurons" in section["sentence"]
    assert "<html" in report.to_html()


def test_controls_have_as_many_neurons_in_every_layer(config: ComparisonConfig) -> None:
    corpus = Corpus("t", ("a", "b"), {"en": ("x y", "z"), "de": ("u v", "w")})
    model, tokenizer = new_translator(corpus, SMALL, seed=3)
    located = view(model)
    kept = torch.rand(2, located.layout.neuron_count) < 0.6
    masks = DirectionMasks(located.layout, directions_of(("en", "de")), kept)
    for control in (_random_like(masks, 0), _longest_like(masks, located)):
        assert torch.equal(control.sizes(), masks.sizes())
        assert not torch.equal(control.kept, masks.kept)
    longest = _longest_like(masks, located)
    for layer, part in located.layout.by_layer(longest.kept):
        lengths = located.value_vectors(layer).detach().norm(dim=1)
        assert float(lengths[part[0]].min()) >= float(lengths[~part[0]].max())
    assert tokenizer("x y")["input_ids"]
    assert tokenizer("__de__ x")["input_ids"][0] == tokenizer.get_vocab()["__de__"]


def test_random_controls_match_every_expert() -> None:
    layout = Layout((("decoder", ((3, 8), 6)),))
    kept = torch.zeros(2, 30, dtype=torch.bool)
    kept[0, :5] = kept[1, 10] = kept[1, 17:23] = kept[:, 25] = True
    masks = DirectionMasks(layout, directions_of(("en", "de")), kept)
    drawn = {tuple(map(tuple, _random_like(masks, seed).kept.tolist())) for seed in range(20)}
    assert len(drawn) == 20
    for control in drawn:
        of_networks = [[sum(row[start:end]) for start, end in ((0, 8), (8, 16), (16, 24), (24, 30))] for row in control]
        assert of_networks == [[5, 0, 0, 1], [0, 1, 6, 1]]


def test_rows_that_share_a_text_are_counted_or_translated_not_both() -> None:
    texts = {language: tuple(f"{language} {row // 2}" for row in range(40)) for language in ("en", "de")}
    data = Corpus("twice", tuple(map(str, range(40))), texts)
    config = ComparisonConfig(data="twice", languages=("en", "de"), validation_rows=8, test_rows=4)
    for seed in range(5):
        parts = parts_of(config, seed, data)
        assert sum(map(len, parts)) == 40
        train, validation, test = (set(part.texts["en"]) for part in parts)
        assert len(train | validation | test) == len(train) + len(validation) + len(test)


def test_two_models_of_one_seed_are_equal() -> None:
    corpus = Corpus("t", ("a",), {"en": ("x y",), "de": ("u v",)})
    first, second, other = (new_translator(corpus, SMALL, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_too_few_rows_are_refused(config: ComparisonConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected more than 60"):
        compare_specialization(replace(config, validation_rows=55), tmp_path / "run")


def test_a_run_of_other_steps_does_not_go_on_nor_is_its_result_given(config: ComparisonConfig, tmp_path: Path) -> None:
    job = SpecializeCompare(
        corpus=config.data, languages=config.languages, validation_rows=8, test_rows=5, seeds=(0,), steps=2,
        continued_steps=1, batch_size=8, max_new_tokens=2, hidden=16, layers=1, heads=2, ffn=24, vocabulary=300,
        device="cpu",
    )  # fmt: skip
    job.run(tmp_path / "run")
    for other in (replace(job, steps=3), replace(job, continued_steps=2)):
        with pytest.raises(ConfigError, match="another job"):
            other.run(tmp_path / "run", resume=True)
    with pytest.raises(ConfigError, match="Got the seeds"):
        replace(job, seeds=(1, 1)).run(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_each_seed_has_rows_of_its_own(config: ComparisonConfig) -> None:
    """Of a corpus by another split, of the lab by other documents."""
    corpus_parts = [parts_of(config, seed) for seed in (0, 1, 0)]
    assert [[len(part) for part in parts] for parts in corpus_parts] == [[47, 8, 5]] * 3
    tests = [parts[2].texts["en"] for parts in corpus_parts]
    assert tests[0] == tests[2] != tests[1]
    for parts in corpus_parts:
        assert sum(len(part) for part in parts) == len(set().union(*(part.ids for part in parts)))
    lab = replace(config, data="lab", languages=("en", "de"), rows=12)
    documents = [parts_of(lab, seed) for seed in (0, 1)]
    for first, second in zip(*documents, strict=True):
        assert first.texts["en"] != second.texts["en"]


def test_masks_overlap_in_encoders_by_target_and_in_decoders_by_source() -> None:
    """Encoders are compared over directions into the pivot, decoders over those out of it."""
    layout = Layout((("encoder", (4,)), ("decoder", (4,))))
    directions = directions_of(("en", "de", "fr"))
    assert list(map(str, directions)) == ["en-de", "en-fr", "de-en", "fr-en"]
    sets = {  # encoder, decoder
        "en-de": ("1111", "1100"), "en-fr": ("1111", "0100"), "de-en": ("1110", "1111"), "fr-en": ("1000", "1111"),
    }  # fmt: skip
    kept = torch.tensor([[sign == "1" for sign in "".join(sets[str(direction)])] for direction in directions])
    found = _overlap(DirectionMasks(layout, directions, kept), "en")
    assert found.tolist() == pytest.approx([1 / 3, 1 / 2])  # intersection over union of de-en, fr-en; of en-de, en-fr


def test_a_seed_has_batches_and_random_neurons_of_its_own_and_all_rows_are_told(
    config: ComparisonConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, drawn = {}, {}

    def trained(model, masks, pairs, training, *, kept, **_) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
        place = int(kept.folder.parent.name.removeprefix("seed-")), kept.folder.name
        seeds[place], drawn[place] = training.seed, masks.kept
        return (1.0,)

    monkeypatch.setattr("neuroglot.experiments.specialization.train_specialized", trained)
    found = compare_specialization(config, tmp_path / "run", kept=Kept(tmp_path / "kept"))
    trained_on = [system for system in SYSTEMS if system != "baseline"]
    for seed in (0, 1):
        of_seed = {seeds[seed, system] for system in trained_on}
        assert len(of_seed) == 1
        assert seeds[seed, "baseline"] not in of_seed
        masks = DirectionMasks.load(tmp_path / "run" / f"seed-{seed}" / "masks.safetensors")
        assert torch.equal(drawn[seed, "specialized"], masks.kept)
        assert torch.equal(drawn[seed, "random"], _random_like(masks, seed).kept)
    assert seeds[0, "continued"] != seeds[1, "continued"]
    hashes = [part.hash for seed in (0, 1) for part in parts_of(config, seed)]
    assert found.signature["corpus_hash"] == short_hash(*hashes)
    kept = [
        DirectionMasks.load(tmp_path / "run" / f"seed-{seed}" / "masks.safetensors").kept.reshape(4, 2, 24)
        for seed in (0, 1)
    ]
    removed = [[float((~part[:, layer]).double().mean()) for layer in range(2)] for part in kept]
    assert found.removed.tolist() == [pytest.approx(row) for row in removed]


def test_test_rows_of_any_seed_that_do_not_fit_are_refused_before_any_is_trained(
    config: ComparisonConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(given: ComparisonConfig, seed: int, data: Corpus | None = None) -> tuple[Corpus, Corpus, Corpus]:
        train, validation, test = parts_of(given, seed, data)
        long = {code: tuple(text + " xyz" * (600 * seed) for text in column) for code, column in test.texts.items()}
        return train, validation, Corpus("test", test.ids, long)

    monkeypatch.setattr("neuroglot.experiments.specialization.parts_of", parts)
    monkeypatch.setattr("neuroglot.experiments.specialization.train_specialized", None)  # nothing is trained
    with pytest.raises(ConfigError, match="which are to be translated, are longer than the model's context"):
        compare_specialization(config, tmp_path / "run")
    with pytest.raises(ConfigError, match="max_new_tokens=600 was asked for"):
        compare_specialization(replace(config, seeds=(0,), max_new_tokens=600), tmp_path / "run")
