"""Marian's and M2M-100's own tokenizers, made of a tiny SentencePiece model, against what they write themselves."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import sentencepiece
from transformers import AutoTokenizer, M2M100Config, M2M100ForConditionalGeneration, PreTrainedTokenizerBase

from neuroglot.activity.record import record
from neuroglot.corpora import Corpus, Directed
from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.models import load
from neuroglot.tokens.pairs import encode_pairs
from tests.specialization.making import located

TEXTS = {
    "en": ("the big house", "a green dog walks", "the dog"),
    "de": ("das große haus", "ein grüner hund läuft", "der hund"),
    "fr": ("la grande maison", "un chien vert marche", "le chien"),
}
CORPUS = Corpus("words", ("a", "b", "c"), TEXTS)
MARKS = (">>deu<<", ">>fra<<", ">>eng<<")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for column in TEXTS.values() for text in column] * 9), minloglevel=2,
        model_prefix=str(folder / "spm"), vocab_size=40, hard_vocab_limit=False,
    )  # fmt: skip
    return folder


def saved(folder: Path, name: str, first: tuple[str, ...], last: tuple[str, ...], files: tuple[str, ...]) -> Path:
    """A tokenizer in the hub's layout: the pieces behind its special tokens."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    own = [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]
    tokens = [*first, *(piece for piece in own if piece not in ("<unk>", "<s>", "</s>")), *last]
    (folder / name).mkdir()
    (folder / name / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    for file in files:
        shutil.copy(folder / "spm.model", folder / name / file)
    (folder / name / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": f"{name}Tokenizer"}))
    return folder / name


def pairs_of(model_type: str, tokenizer: PreTrainedTokenizerBase, direction: str) -> list[tuple[list[int], list[int]]]:
    data = Directed(CORPUS, (direction,))  # type: ignore[arg-type]
    encoded = encode_pairs(located(model_type), tokenizer, data.corpus, data.directions)
    return [(list(pair.token_ids), list(pair.target_ids)) for pair in encoded.pairs]


def test_marian_reads_the_mark_and_answers_in_the_target_s_pieces(folder: Path) -> None:
    place = saved(folder, "Marian", ("</s>", "<unk>"), (*MARKS, "<pad>"), ("source.spm", "target.spm"))
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert type(tokenizer).__name__ == "MarianTokenizer"
    for target, mark in (("de", ">>deu<<"), ("fr", ">>fra<<")):
        expected = [
            (tokenizer(f"{mark} {source}")["input_ids"], tokenizer(text_target=answer)["input_ids"])
            for source, answer in zip(TEXTS["en"], TEXTS[target], strict=True)
        ]
        assert pairs_of("marian", tokenizer, f"en-{target}") == expected
        assert len(expected[0][1]) > 3


def test_m2m_reads_and_answers_behind_tokens_of_the_languages(folder: Path) -> None:
    place = saved(folder, "M2M100", ("<s>", "<pad>", "</s>", "<unk>"), (), ("sentencepiece.bpe.model",))
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert type(tokenizer).__name__ == "M2M100Tokenizer"
    tokenizer.src_lang, tokenizer.tgt_lang = "de", "fr"
    expected = [
        (tokenizer(source)["input_ids"], tokenizer(text_target=answer)["input_ids"])
        for source, answer in zip(TEXTS["de"], TEXTS["fr"], strict=True)
    ]
    assert pairs_of("m2m_100", tokenizer, "de-fr") == expected
    assert expected[0][0][0] != expected[0][1][0]


@pytest.mark.parametrize("said", ["MarianTokenizer requires the SentencePiece library", "`tiktoken` is required"])
def test_without_sentencepiece_the_extra_is_named(said: str, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    located("marian").model.save_pretrained(tmp_path)

    def lacking(*_: object, **__: object) -> None:
        raise ImportError(said)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lacking)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match=r"Marian and M2M-100.*pip install 'neuroglot\[translation\]'"):
        load(str(tmp_path), device="cpu")


def test_a_language_token_without_an_embedding_is_named(folder: Path, tmp_path: Path) -> None:
    """M2M-100's tokenizer keeps a hundred of them beside its vocabulary."""
    place = shutil.copytree(folder / "M2M100", tmp_path / "narrow")
    size = len(json.loads((place / "vocab.json").read_text()))
    config = M2M100Config(
        vocab_size=size, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=64,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(place)
    view, tokenizer = load(str(place), device="cpu")
    with pytest.raises(ConfigError, match=rf"token '__(de|en)__'.*{size} embeddings"):
        record(view, tokenizer, Directed(CORPUS, ("de-en", "en-de")))  # type: ignore[arg-type]
