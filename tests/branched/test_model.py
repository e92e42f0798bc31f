"""The branched model: its sizes, its start, its pieces on disk, its flows, and ensembles of them."""

import json
import math
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
)

import neuroglot as ng
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, UnsupportedModelError
from neuroglot.models.branched import (
    MAIN,
    BranchedConfig,
    BranchedFolder,
    BranchedSeq2Seq,
    Flow,
    FlowEnsemble,
    branches_of,
    create,
    flow_of,
    require_groups,
)
from neuroglot.training.pieces import Pieces
from tests.branched.making import GROUPS, count, folder, inputs, logits, moved, translator
from tests.families import tiny_model

NAMES = (MAIN, *GROUPS)
# Lego-MT of M2M-100 with 1.2 billion parameters, as counted by hand: D 1024, FFN 8192, 24 layers, vocabulary 128,112.
LARGE = {
    "vocab_size": 128_112, "d_model": 1024, "encoder_layers": 24, "decoder_layers": 24, "encoder_ffn_dim": 8192,
    "decoder_ffn_dim": 8192,
}  # fmt: skip


def form(groups: int) -> BranchedSeq2Seq:
    named = {f"g{number}": [f"l{number}"] for number in range(groups)}
    with torch.device("meta"):
        return BranchedSeq2Seq(BranchedConfig(base=M2M100Config(**LARGE), groups=named))


def test_the_sizes_of_the_released_model() -> None:
    model = form(1)
    embedding = model.shared.weight.numel()
    attention, norm = 4 * (1024 * 1024 + 1024), 2 * 1024
    ffn = 1024 * 8192 + 8192 + 8192 * 1024 + 1024
    encoder = 24 * (attention + ffn + 2 * norm) + norm
    decoder = 24 * (2 * attention + ffn + 3 * norm) + norm
    assert (encoder, decoder, embedding) == (503_736_320, 604_547_072, 131_186_688)
    for name in (MAIN, "g0"):
        assert count(model.branch("encoder", name).parameters()) == encoder + embedding
        assert count(model.branch("decoder", name).parameters()) == decoder + embedding
    assert count(model.select("g0", MAIN).parameters()) == encoder + decoder + embedding == 1_239_470_080
    assert count(model.parameters()) == 2_347_753_472
    assert count(form(8).parameters()) == 10_105_737_216


def test_at_the_start_every_pair_is_the_model() -> None:
    model = translator()
    branched = BranchedSeq2Seq.from_model(model, GROUPS)
    for encoder, decoder in product(NAMES, NAMES):
        assert torch.equal(logits(branched.select(encoder, decoder)), logits(model))
        assert torch.equal(logits(branched, encoder=encoder, decoder=decoder), logits(model))
    assert branched.branch("encoder") is model.model.encoder
    own = branched.branch("encoder", "train").layers[0].fc1.weight
    assert own.data_ptr() != model.model.encoder.layers[0].fc1.weight.data_ptr()


def test_a_selected_pair_is_an_ordinary_model_that_shares_the_weights() -> None:
    branched = moved(BranchedSeq2Seq.from_model(translator(), GROUPS))
    pair = branched.select("train", MAIN)
    assert type(pair) is M2M100ForConditionalGeneration
    assert ng.view(pair).layout == ng.view(translator()).layout
    before = logits(branched, encoder="train", decoder=MAIN)
    with torch.no_grad():
        pair.model.encoder.layers[0].fc2.bias += 1
    assert not torch.equal(logits(branched, encoder="train", decoder=MAIN), before)
    assert torch.equal(logits(branched, encoder="train", decoder=MAIN), logits(pair))
    batch = {name: value for name, value in inputs().items() if name != "decoder_input_ids"}
    options = {"max_new_tokens": 4, "num_beams": 2}
    assert torch.equal(branched.generate(**batch, encoder="train", **options), pair.generate(**batch, **options))


def test_the_loss_is_that_of_transformers_and_adds_up_over_batches() -> None:
    branched = BranchedSeq2Seq.from_model(translator(), GROUPS)
    batch = inputs()
    labels = batch.pop("decoder_input_ids").clone()
    labels[0, 3:] = -100
    given = batch | {"labels": labels}
    expected = branched.select("train", MAIN)(**given).loss
    torch.testing.assert_close(branched(**given, encoder="train").loss, expected)
    both = sum(branched(**given, encoder=name, num_items_in_batch=26).loss for name in ("train", MAIN))
    torch.testing.assert_close(both, expected)  # twice 13 tokens, and the two encoders are equal


def test_the_pieces_are_files_that_transformers_reads_too(tmp_path: Path) -> None:
    branched = moved(BranchedSeq2Seq.from_model(translator(), GROUPS))
    branched.save_pretrained(tmp_path)
    stacks = {f"{side}-{name}.safetensors" for side in ("encoder", "decoder") for name in NAMES}
    others = {"config.json", "generation_config.json", "model.safetensors.index.json", "embedding.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == stacks | others
    assert isinstance(AutoConfig.from_pretrained(tmp_path), BranchedConfig)
    for again in (
        BranchedSeq2Seq.from_pretrained(tmp_path),
        AutoModelForSeq2SeqLM.from_pretrained(tmp_path),
        BranchedFolder(tmp_path).load(),
    ):
        assert isinstance(again, BranchedSeq2Seq)
        assert again.config.groups == GROUPS
        for encoder, decoder in product(NAMES, NAMES):
            expected = logits(branched, encoder=encoder, decoder=decoder)
            assert torch.equal(logits(again, encoder=encoder, decoder=decoder), expected)


def test_what_is_created_on_disk_is_the_model_in_every_pair(tmp_path: Path) -> None:
    assert create(translator(), GROUPS, tmp_path) == tmp_path
    written, whole = BranchedFolder(tmp_path), BranchedSeq2Seq.from_model(translator(), GROUPS)
    whole.save_pretrained(tmp_path / "whole")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
    assert torch.equal(logits(written.select("train", "embed_tokens")), logits(translator()))


def test_a_direction_reads_its_own_pieces_only(tmp_path: Path) -> None:
    moved(BranchedSeq2Seq.from_model(translator(), GROUPS)).save_pretrained(tmp_path)
    expected = logits(BranchedFolder(tmp_path).select("train", MAIN))
    for path in tmp_path.glob("*coder-*"):
        if path.stem not in ("encoder-train", "decoder-main"):
            path.unlink()
    assert torch.equal(logits(BranchedFolder(tmp_path).select("train", MAIN)), expected)
    few = BranchedFolder(tmp_path).load(["train"], [MAIN])
    assert few.config.encoders == ["train"]
    assert torch.equal(logits(few, encoder="train"), expected)
    with pytest.raises(ConfigError, match="'main' was asked for"):
        few.select(MAIN, MAIN)
    with pytest.raises(ArtifactError, match="encoder-main.safetensors is not a file"):
        BranchedFolder(tmp_path).select(MAIN, MAIN)


def test_a_branch_taken_elsewhere_gives_the_same_to_the_last_bit(tmp_path: Path) -> None:
    here = moved(BranchedSeq2Seq.from_model(translator(), GROUPS))
    here.save_pretrained(tmp_path / "here")
    there = BranchedFolder(tmp_path / "here").load([MAIN], [MAIN])
    there.save_pretrained(tmp_path / "there")
    (tmp_path / "here" / "decoder-train.safetensors").rename(tmp_path / "sent.safetensors")
    elsewhere = BranchedFolder(tmp_path / "there")
    model = elsewhere.load([MAIN], [])
    stack = elsewhere.stack("decoder", "train", model.shared, file=tmp_path / "sent.safetensors")
    model.attach("decoder", "train", stack)
    options = {"max_new_tokens": 6, "num_beams": 2}
    batch = {name: value for name, value in inputs().items() if name != "decoder_input_ids"}
    assert torch.equal(
        model.generate(**batch, decoder="train", **options), here.generate(**batch, decoder="train", **options)
    )
    assert model.detach("decoder", "train") is stack
    with pytest.raises(ConfigError, match="Expected one in memory: there is none"):
        model.select(MAIN, "train")


def test_a_branch_of_another_embedding_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    here, other = folder(tmp_path / "here"), folder(tmp_path / "other", seed=1)
    shared = here.embedding()
    with pytest.raises(ArtifactError, match="was trained with the embedding"):
        here.stack("encoder", "train", shared, file=other.path / "encoder-train.safetensors")
    with pytest.raises(ArtifactError, match="Expected an encoder"):
        here.stack("encoder", "train", shared, file=here.path / "decoder-train.safetensors")
    path = here.path / "encoder-train.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match="damaged"):
        here.select("train", MAIN)
    (here.path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ArtifactError, match="no branched model"):
        BranchedFolder(here.path)
    with pytest.raises(ArtifactError, match="no branched model"):
        BranchedFolder(tmp_path)


def test_files_that_were_swapped_are_refused(tmp_path: Path) -> None:
    """Of one embedding and one architecture: the name of the file alone would say whose branch it is."""
    place = folder(tmp_path / "here")
    first, second = (place.path / f"encoder-{name}.safetensors" for name in GROUPS)
    first.write_bytes(second.read_bytes())
    with pytest.raises(ArtifactError, match="holds the encoder of 'embed_tokens'"):
        place.select("train", "main")
    with pytest.raises(ArtifactError, match="Expected that of 'train'"):
        Pieces.of(tmp_path / "work", place, place.config)
    assert place.stack("encoder", "train", place.embedding(), file=second) is not None  # taken on purpose


def test_the_embedding_of_another_model_is_refused(tmp_path: Path) -> None:
    place, other = folder(tmp_path / "here"), folder(tmp_path / "other", seed=1)
    (place.path / "embedding.safetensors").write_bytes((other.path / "embedding.safetensors").read_bytes())
    with pytest.raises(ArtifactError, match="is the embedding"):
        place.select()
    with pytest.raises(ArtifactError, match="is the embedding"):
        Pieces.of(tmp_path / "work", place, place.config)


def test_a_branch_of_another_model_is_not_written_as_one_of_this(tmp_path: Path) -> None:
    place, other = folder(tmp_path / "here"), folder(tmp_path / "other", seed=1)
    (place.path / "decoder-train.safetensors").write_bytes((other.path / "decoder-train.safetensors").read_bytes())
    with pytest.raises(ArtifactError, match="was trained with the embedding"):
        Pieces.of(tmp_path / "work", place, place.config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flows": {"de-en": "a"}}, {"flows": {"de-en": 0}}, {"flows": {"de-en": 16}}, {"flows": {"de-en": True}},
        {"flows": [1]}, {"groups": [1]}, {"groups": {"a": ["de"], "b": ["de"]}}, {"encoders": ["main", "../x"]},
        {"encoders": "main"}, {"model_type": "m2m_100"}, {"base": 5},
    ],
)  # fmt: skip
def test_a_folder_with_a_wrong_config_is_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    path = folder(tmp_path).path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    with pytest.raises(ArtifactError):
        BranchedFolder(tmp_path)


def test_the_metadata_of_a_piece_says_what_it_is(tmp_path: Path) -> None:
    with (folder(tmp_path).path / "encoder-train.safetensors").open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        described = json.loads(json.loads(file.read(length))["__metadata__"]["neuroglot"])
    assert described["header"] | {"source": "", "embedding": ""} == {
        "part": "encoder", "group": "train", "languages": ["de"], "source": "", "embedding": "", "signature": {},
    }  # fmt: skip
    assert described["header"]["embedding"] == BranchedFolder(tmp_path).config.embedding != ""


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", "a.b", "main", "Main", "nul", "COM1", "ä", "-a", "a b", "x" * 65, "low (100 k)"]
)
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="A group is called"):
        require_groups({name: ["de"]})


def test_groups_are_disjoint_and_not_empty() -> None:
    require_groups({"embed": ["de"], "m2m": ["fr"], "keys": ["sw"], "x" * 64: ["zh"]})
    with pytest.raises(ConfigError, match="in two groups"):
        require_groups({"a": ["de", "fr"], "b": ["fr"]})
    with pytest.raises(ConfigError, match="upper and lower case"):
        require_groups({"a": ["de"], "A": ["fr"]})
    with pytest.raises(ConfigError, match="no language"):
        require_groups({"a": []})
    with pytest.raises(ConfigError, match="encoders="):
        BranchedConfig(groups={"a": ["de"]}, encoders=["b"])


def test_other_models_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="Expected M2M-100 or NLLB"):
        BranchedSeq2Seq.from_model(tiny_model("marian"), GROUPS)  # type: ignore[arg-type]


def test_flows_are_the_released_bitmask() -> None:
    config = BranchedConfig(groups={"west": ["de", "fr"], "east": ["ru"]})
    there = Direction("de", "ru")
    assert (Flow.DEC, Flow.ENC, Flow.MIX, Flow.UNSEEN) == (1, 2, 4, 8)
    assert branches_of(config, there, 1) == ((MAIN, "east"),)
    assert branches_of(config, there, 2) == (("west", MAIN),)
    assert branches_of(config, there, 4) == ((MAIN, MAIN),)
    assert branches_of(config, there, 8) == (("west", "east"),)
    assert branches_of(config, there, 7) == ((MAIN, "east"), ("west", MAIN), (MAIN, MAIN))
    with pytest.raises(ConfigError, match="no encoder for 'en'"):
        branches_of(config, Direction("en", "de"), 2)
    for wrong in (0, 16, -1):
        with pytest.raises(ConfigError, match="Expected a sum of"):
            branches_of(config, there, wrong)


def test_the_flow_follows_from_the_direction_or_was_chosen() -> None:
    config = BranchedConfig(groups={"west": ["de", "fr"], "east": ["ru"]})
    assert flow_of(config, Direction("en", "de")) == Flow.DEC
    assert flow_of(config, Direction("de", "en")) == Flow.ENC
    assert flow_of(config, Direction("en", "sw")) == Flow.MIX
    config.flows = {"de-en": 6}
    assert flow_of(config, Direction("de", "en")) == 6
    config.encoders, config.decoders, config.flows = [], [], {}
    with pytest.raises(ConfigError, match="No branches"):
        flow_of(config, Direction("de", "en"))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("use_cache", [True, False])
def test_an_ensemble_takes_the_mean_distribution_at_every_step(beams: int, use_cache: bool) -> None:
    branched = moved(BranchedSeq2Seq.from_model(translator(), GROUPS))
    models = [branched.select("train", MAIN), branched.select(MAIN, MAIN), branched.select(MAIN, "train")]
    ensemble = FlowEnsemble(models)
    mean = torch.stack([logits(model).softmax(-1) for model in models]).mean(0)
    torch.testing.assert_close(logits(ensemble).exp(), mean)
    batch = {name: value for name, value in inputs().items() if name != "decoder_input_ids"}
    options = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False}
    config = GenerationConfig(**options, use_cache=use_cache, decoder_start_token_id=2, eos_token_id=2, pad_token_id=0)
    got = ensemble.generate(**batch, generation_config=config)
    if beams == 1:
        answered = torch.full((3, 1), 2)
        for _ in range(6):
            parts = [model(**batch, decoder_input_ids=answered).logits[:, -1].softmax(-1) for model in models]
            answered = torch.cat([answered, torch.stack(parts).mean(0).argmax(-1, keepdim=True)], dim=1)
        for row, expected in zip(got.tolist(), answered.tolist(), strict=True):
            end = expected.index(2, 1) + 1 if 2 in expected[1:] else len(row)
            assert row[:end] == expected[: min(end, len(row))]
    else:
        other = GenerationConfig(
            **options, use_cache=not use_cache, decoder_start_token_id=2, eos_token_id=2, pad_token_id=0
        )
        assert torch.equal(got, ensemble.generate(**batch, generation_config=other))


def test_the_caches_of_an_ensemble_follow_the_beams() -> None:
    """Many beams over weights so large that the likeliest prefix changes from token to token."""
    models = [translator(), translator(seed=1)]
    with torch.no_grad():
        for parameter in (each for model in models for each in model.parameters()):
            parameter *= 3
    ensemble = FlowEnsemble(models)
    batch = {name: value for name, value in inputs().items() if name != "decoder_input_ids"}
    options = {"max_new_tokens": 12, "num_beams": 6, "num_return_sequences": 6, "do_sample": False}
    ends = {"decoder_start_token_id": 2, "eos_token_id": 2, "pad_token_id": 0}
    cached, whole = (
        ensemble.generate(**batch, generation_config=GenerationConfig(**options, **ends, use_cache=use_cache))
        for use_cache in (True, False)
    )
    assert torch.equal(cached, whole)


def test_a_branch_that_is_replaced_is_not_the_one_that_was_called() -> None:
    branched = moved(BranchedSeq2Seq.from_model(translator(), GROUPS))
    before = logits(branched, encoder="train")
    branched.attach("encoder", "train", translator(seed=1).model.encoder)
    assert torch.equal(logits(branched, encoder="train"), logits(branched.select("train")))
    assert not torch.equal(logits(branched, encoder="train"), before)
    branched.detach("encoder", "train")
    with pytest.raises(ConfigError, match="'train' was asked for"):
        logits(branched, encoder="train")


def test_an_ensemble_of_one_model_twice_is_that_model() -> None:
    model = translator()
    twice = FlowEnsemble([model, model])
    torch.testing.assert_close(logits(twice), logits(model).log_softmax(-1))
    with pytest.raises(ConfigError, match="Expected two"):
        FlowEnsemble([model])
    assert math.isclose(float(logits(twice).exp().sum(-1).mean()), 1, rel_tol=1e-5)
