"""What would be refused behind a training of an encoder that writes is refused before it, and languages that a writer
was not taught are named.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.experiments.writing import WritingConfig
from neuroglot.experiments.writing_fit import require_writable
from neuroglot.lab.encoder import EncoderConfig, new_encoder
from neuroglot.recipes.sga_neurons import SgaNeurons
from neuroglot.recipes.sga_teach import SgaTeach
from neuroglot.recipes.sga_train import SgaTrain
from neuroglot.recipes.sga_translate import SgaTranslate
from neuroglot.runs.identity import Identity
from neuroglot.tokens.canvases import canvas_pairs, taught_directions, untaught
from tests.families import tiny_model
from tests.models.sga.making import tiny_sga, tiny_writer
from tests.tiny import masking_tokenizer, tiny_corpus

DIRECTIONS = (Direction("en", "de"), Direction("de", "en"))
SHAPE = EncoderConfig(16, 1, 2, 24, 300, 40)
SMALL = WritingConfig(languages=("en", "de"), encoder=SHAPE, canvas_factor=12.0, max_new_tokens=40)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parts() -> tuple[Corpus, Corpus]:
    """Rows to train on, and rows to translate of which no source fits 40 positions."""
    corpus = tiny_corpus(6, ("en", "de"))
    long = {code: tuple(text + " xyz" * 60 for text in column) for code, column in corpus.texts.items()}
    return corpus, Corpus("long", corpus.ids, long)


def saved(model: Any, tokenizer: Any, name: str) -> str:
    model.save_pretrained(name)
    tokenizer.save_pretrained(name)
    return name


def test_rows_that_do_not_fit_are_refused_before_anything_is_trained(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, long = parts()
    encoder, tokenizer = new_encoder(train, SHAPE, 0)
    require_writable(SMALL, encoder, tokenizer, (train, train), DIRECTIONS)
    with pytest.raises(CorpusError, match=r"No row of 'long' is left \(source longer than the context: 6\)"):
        require_writable(SMALL, encoder, tokenizer, (train, long), DIRECTIONS)
    with pytest.raises(CorpusError, match="No row of 'long' is left"):
        require_writable(SMALL, encoder, tokenizer, (long, train), DIRECTIONS)
    monkeypatch.setattr("neuroglot.experiments.writing.writing_parts", lambda *_: (train, long))
    monkeypatch.setattr("neuroglot.recipes.sga_train.SgaTrain.load_corpus", lambda *_: train)
    options: dict[str, Any] = {"corpus": "texts", "hidden": 16, "layers": 1, "heads": 2, "ffn": 24, "vocabulary": 300}
    for encoder_of in (None, saved(encoder, tokenizer, "reader")):
        with pytest.raises(CorpusError, match="No row of 'long' is left"):
            SgaTrain(**options, encoder=encoder_of, device="cpu").read(Identity())


def test_the_autoregressive_baseline_has_a_position_for_every_token_that_it_writes() -> None:
    train, _ = parts()
    encoder, tokenizer = new_encoder(train, SHAPE, 0)
    asked = replace(SMALL, baselines=("autoregressive",))
    require_writable(asked, encoder, tokenizer, (train, train), DIRECTIONS)
    with pytest.raises(ConfigError, match=r"texts of 41 tokens.*at most 40.*Say --max-new-tokens 40"):
        require_writable(replace(asked, max_new_tokens=41), encoder, tokenizer, (train, train), DIRECTIONS)
    for baselines in ((), ("prefix tuning", "no denoising")):  # none of these writes token by token
        unasked = replace(SMALL, max_new_tokens=41, baselines=baselines)
        require_writable(unasked, encoder, tokenizer, (train, train), DIRECTIONS)
    with pytest.raises(UnsupportedModelError, match="no decoder of the type 'modernbert'"):
        require_writable(asked, tiny_model("modernbert"), masking_tokenizer(), (train, train), DIRECTIONS)


def test_as_many_tokens_as_there_are_positions_are_read_by_the_decoder_and_no_more() -> None:
    """The bound by the model itself: its table of positions ends where the refusal says."""
    from neuroglot.experiments.writing_baselines import encoder_decoder

    train, _ = parts()
    encoder, tokenizer = new_encoder(train, SHAPE, 0)
    pair = encoder_decoder(encoder, tokenizer).eval()
    given = {"input_ids": torch.tensor([[0, 9, 2]]), "do_sample": False, "eos_token_id": None}
    written = pair.generate(**given, max_new_tokens=40, min_new_tokens=40)
    assert written.shape[1] == 41  # the token that begins it, and 40
    with pytest.raises((IndexError, RuntimeError)):
        pair(input_ids=given["input_ids"], decoder_input_ids=torch.full((1, 41), 9))


def test_a_target_leaves_a_position_for_its_end_in_the_autoregressive_baseline() -> None:
    model = tiny_sga()  # 63 positions
    words = " ".join(f"w{place % 20}" for place in range(70))
    tokenizer, asked = masking_tokenizer(), replace(SMALL, canvas_factor=64.0, baselines=("autoregressive",))
    sizes = {}
    for count in (62, 63):
        corpus = Corpus("rows", ("a",), {"en": ("w1 w2",), "de": (" ".join(words.split()[:count]),)})
        pairs = canvas_pairs(tiny_sga(canvas_factor=64.0), tokenizer, corpus, DIRECTIONS[:1])
        sizes[count] = len(pairs.pairs[0].target_ids)
        attempt = (asked, model.backbone, tokenizer, (corpus, corpus), DIRECTIONS[:1])
        if count == 62:
            require_writable(*attempt)
        else:
            with pytest.raises(CorpusError, match=r"A target of row a has 63 tokens.*at most 62"):
                require_writable(*attempt)
    assert sizes == {62: 62, 63: 63}


def test_counts_of_a_recipe_are_counts() -> None:
    for options, said in (
        ({"denoising_passes": -1}, "denoising_passes=-1"),
        ({"steps": 0, "rows": -3}, "rows=-3, steps=0"),
    ):
        with pytest.raises(ConfigError, match=said):
            WritingConfig(**options)  # type: ignore[arg-type]


def test_other_tasks_refuse_what_does_not_fit_before_they_are_taught(here: Path) -> None:
    train, _ = parts()
    encoder, tokenizer = new_encoder(train, SHAPE, 0)
    saved(encoder, tokenizer, "reader")
    for name, title in (("short", "a"), ("long", "abc " * 60)):
        Path(name).mkdir()
        Path(name, "en.jsonl").write_text(json.dumps({"text": "w1 w2 w3", "title": title}) + "\n")
    job = SgaTeach(encoder="reader", layout="headlines", train="short", test="short", steps=1, canvas_length=20,
                   longest_source=20, device="cpu", metrics=("chrf",), same_rows="allow")  # fmt: skip
    assert len(job.read(Identity()).train) == 1
    for options in ({"test": "long"}, {"train": "long"}):
        with pytest.raises(CorpusError, match=r"Nothing of 'long' is left \(target longer than its canvas: 1\)"):
            replace(job, **options).read(Identity())


def test_languages_that_a_writer_was_not_taught_are_refused_and_new_directions_named(here: Path) -> None:
    corpus = tiny_corpus(6, ("en", "de", "sw"))
    model, tokenizer = tiny_writer(corpus)
    assert untaught(model, (Direction("de", "fr"),)) == ()  # it does not say
    model.config.taught = taught_directions(
        (Direction("en", "de"), Direction("de", "en"), Direction("pt-BR", "zh-Hans"))
    )
    assert untaught(model, (Direction("en", "de"), Direction("pt-BR", "zh-Hans"))) == ()
    assert untaught(model, (Direction("sw", "de"), Direction("en", "de"))) == (Direction("sw", "de"),)
    with pytest.raises(ConfigError, match=r"Texts in 'sw'.*Expected some of de, en, zh-Hans.*sga train --languages"):
        untaught(model, (Direction("en", "de"), Direction("en", "sw")))
    saved(model, tokenizer, "writer")
    Path("texts").mkdir()
    for code, column in corpus.texts.items():
        Path("texts", f"{code}.txt").write_text("\n".join(column) + "\n")
    job = SgaTranslate(model="writer", corpus="texts", source="sw", into=("de",), device="cpu")
    identity = Identity()
    job.read(identity)
    assert (
        "The writer was not taught sw into de: it was taught en into de, de into en, pt-BR into zh-Hans."
        in identity.remarks
    )
    with pytest.raises(ConfigError, match="Texts in 'fr' were asked for"):
        replace(job, into=("fr",)).read(Identity())
    neurons = SgaNeurons(model="writer", corpus="texts", languages=("en", "de"), device="cpu")
    neurons.read(Identity())
    with pytest.raises(ConfigError, match="Texts in 'sw' were asked for"):
        replace(neurons, languages=("en", "sw")).read(Identity())
    model.config.taught = ["headlines"]
    saved(model, tokenizer, "titler")
    with pytest.raises(ConfigError, match="The writer was taught headlines, and no translation"):
        replace(job, model="titler").read(Identity())


def test_neurons_are_not_recorded_where_nothing_of_a_part_is_left(here: Path) -> None:
    corpus = tiny_corpus(8, ("en", "de"))
    saved(*tiny_writer(corpus), "writer")
    Path("texts").mkdir()
    job = SgaNeurons(model="writer", corpus="texts", languages=("en", "de"), device="cpu")
    for place in range(2):
        kept = corpus.split(job.split)[place].ids
        for code, column in corpus.texts.items():
            rows = zip(corpus.ids, column, strict=True)
            lines = [text if row_id in kept else text + " xyz" * 200 for row_id, text in rows]
            Path("texts", f"{code}.txt").write_text("\n".join(lines) + "\n")
        with pytest.raises(CorpusError, match=r"is left \(source longer than the context: \d\)"):
            job.read(Identity())


def test_a_new_writer_says_what_it_was_taught(here: Path) -> None:
    corpus = tiny_corpus(12, ("en", "de", "sw"))
    Path("texts").mkdir()
    for code, column in corpus.texts.items():
        Path("texts", f"{code}.txt").write_text("\n".join(column) + "\n")
    SgaTrain(
        corpus="texts", languages=("en", "de", "sw"), test_rows=2, encoder_steps=1, steps=1, batch_size=2, hidden=16,
        layers=1, heads=2, ffn=24, vocabulary=300, prompt_length=2, canvas_factor=12.0, device="cpu",
        denoising_passes=0,
    ).run("writer")  # fmt: skip
    config = json.loads(Path("writer/config.json").read_text())
    assert config["taught"] == ["en into de", "en into sw", "de into en", "sw into en"]
