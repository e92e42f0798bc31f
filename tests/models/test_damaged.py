"""Damaged model folders end in one message, and what would be random is refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from neuroglot import record
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models import load
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def config(**options: object) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | options))

    return damage


def file(name: str, content: str | bytes) -> Damage:
    return lambda folder: (
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def cut(name: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return damage


def index(places: dict[str, str]) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "elsewhere.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))

    return damage


def linked(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/etc/passwd")


UP = "model.layers.0.mlp.up_proj.weight"


def in_two_files(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    index(dict.fromkeys(held, "elsewhere.safetensors") | {"classifier.weight": "second.safetensors"})(folder)
    save_file({"classifier.weight": torch.ones(1), UP: held[UP] + 1}, folder / "second.safetensors", {"format": "pt"})


def tied_apart(folder: Path) -> None:
    config(tie_word_embeddings=True)(folder)
    weights(lambda held: held | {"lm_head.weight": held["model.embed_tokens.weight"] + 1})(folder)


DAMAGES: dict[str, Damage] = {
    "no config": without("config.json"),
    "empty config": file("config.json", ""),
    "half a config": cut("config.json", 0.5),
    "a config that is a list": file("config.json", "[]"),
    "a config of another encoding": file("config.json", b"\xff\xfe\x00{"),
    "a deep config": file("config.json", '{"a":' * 20_000),
    "no model type": config(model_type=None),
    "an unknown model type": config(model_type="nothing"),
    "a model type that is a number": config(model_type=3),
    "layers as text": config(num_hidden_layers="2"),
    "no layers": config(num_hidden_layers=0),
    "layers below zero": config(num_hidden_layers=-1),
    "too many layers": config(num_hidden_layers=10**9),
    "more layers than the checkpoint": config(num_hidden_layers=5),
    "fewer layers than the checkpoint": config(num_hidden_layers=1),
    "a width as text": config(hidden_size="96"),
    "another width": config(hidden_size=24),
    "another feed-forward width": config(intermediate_size=7),
    "no heads": config(num_attention_heads=0),
    "heads that do not divide": config(num_attention_heads=5),
    "an unknown activation": config(hidden_act="nothing"),
    "a vocabulary of one": config(vocab_size=1),
    "a vocabulary below zero": config(vocab_size=-5),
    "an unknown precision": config(dtype="float7"),
    "no weights": without("model.safetensors"),
    "empty weights": file("model.safetensors", b""),
    "half of the weights": cut("model.safetensors", 0.5),
    "weights without the last byte": cut("model.safetensors", 0.9999),
    "weights that are text": file("model.safetensors", "hello"),
    "a header that is too long": file("model.safetensors", b"\xff" * 64),
    "a link to a file of the system": linked,
    "an index onto a foreign path": index({UP: "../../../../etc/passwd"}),
    "an index onto nothing": index({UP: "nothing.safetensors"}),
    "an empty index": index({}),
    "a missing tensor": weights(lambda held: {name: held[name] for name in held if name != UP}),
    "another prefix": weights(lambda held: {f"backbone.{name}": held[name] for name in held}),
    "another shape": weights(lambda held: held | {UP: torch.ones(3, 3)}),
    "a layer more": weights(lambda held: held | {UP.replace(".0.", ".7."): held[UP].clone()}),
    "a weight under two names": weights(lambda held: held | {UP.removeprefix("model."): held[UP] + 1}),
    "a weight in two files": in_two_files,
    "a tied weight of two values": tied_apart,
    "a weight that is no number": weights(lambda held: held | {UP: held[UP].fill_diagonal_(torch.nan)}),
    "no tokenizer": without("tokenizer.json"),
    "half a tokenizer": cut("tokenizer.json", 0.5),
    "a deep tokenizer": file("tokenizer.json", "[" * 100_000),
    "a tokenizer that is a number": file("tokenizer.json", "7"),
    "a tokenizer config that is a list": file("tokenizer_config.json", "[]"),
    "an unknown class of tokenizer": file("tokenizer_config.json", '{"tokenizer_class": "Nothing"}'),
}  # fmt: skip


STILL_LOADED = {"an unknown class of tokenizer"}  # by the file of the tokenizer, which is whole


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_one_message(folder: Path, damage: str) -> None:
    DAMAGES[damage](folder)
    if damage in STILL_LOADED:
        record(*load(str(folder), device="cpu"), tiny_corpus(2))
        return
    with pytest.raises((UnsupportedModelError, ConfigError)) as refusal:
        load(str(folder), device="cpu")
    assert len(str(refusal.value)) < 1_200


@pytest.mark.parametrize("damage", ["a missing tensor", "another shape", "a layer more"])
def test_weights_that_would_be_random_are_named(folder: Path, damage: str) -> None:
    DAMAGES[damage](folder)
    with pytest.raises(UnsupportedModelError, match=r"model\.layers\.[07]\.mlp\.up_proj\.weight"):
        load(str(folder))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "a weight under two names",
            f"holds 1 of its weights twice, such as {UP}: layers.0.mlp.up_proj.weight and {UP}.",
        ),
        ("a weight in two files", f"holds 1 of its weights twice, such as {UP}: in several files."),
        ("a tied weight of two values", "other values for lm_head.weight than for model.embed_tokens.weight"),
    ],
)
def test_weights_of_which_one_would_be_taken_unseen_are_named(folder: Path, damage: str, said: str) -> None:
    DAMAGES[damage](folder)
    with pytest.raises(UnsupportedModelError, match=said):
        load(str(folder), device="cpu")


def test_a_head_of_another_task_may_be_left_over(folder: Path) -> None:
    weights(lambda held: held | {"classifier.weight": torch.ones(2, 2)})(folder)
    load(str(folder), device="cpu")


def test_a_token_without_an_embedding_is_named_where_it_is_met(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["Hund"])
    tokenizer.save_pretrained(folder)
    view, tokenizer = load(str(folder), device="cpu")
    corpus = tiny_corpus(3)
    record(view, tokenizer, corpus)  # which has no such token
    language = corpus.languages[0]
    texts = dict(corpus.texts) | {language: ("w1 Hund w2", *corpus.texts[language][1:])}
    with pytest.raises(ConfigError, match=r"the token 'Hund' \(number 64\), and the model 64 embeddings"):
        record(view, tokenizer, type(corpus)("with a dog", corpus.ids, texts))


def test_precision_and_revision_reach_all_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model of the hub, whose place a folder takes."""
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    asked: dict[str, list[str | None]] = {}

    def noting(kind: type, name: str) -> None:
        read = getattr(kind, name).__func__

        def noted(cls, source, *args, **options):  # type: ignore[no-untyped-def]
            asked.setdefault(kind.__name__, []).append(options.pop("revision", None))
            return read(cls, tmp_path if source == "owner/model" else source, *args, **options)

        monkeypatch.setattr(kind, name, classmethod(noted))

    for kind, name in (
        (transformers.PreTrainedConfig, "get_config_dict"), (transformers.AutoTokenizer, "from_pretrained"),
        (transformers.AutoModelForCausalLM, "from_pretrained"),
    ):  # fmt: skip
        noting(kind, name)
    located, _ = load("owner/model", dtype="bfloat16", revision="other", device="cpu")
    assert located.model.dtype == torch.bfloat16
    assert asked["AutoModelForCausalLM"] == ["other"]
    assert set(asked) == {"PreTrainedConfig", "AutoTokenizer", "AutoModelForCausalLM"}
    assert all("other" in revisions for revisions in asked.values())
