"""`neuroglot extend`: a checkpoint that plain transformers loads, whose new tokens were chosen on other rows."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from neuroglot.corpora import load
from neuroglot.errors import CorpusError, UnsupportedModelError
from neuroglot.experiments.fertility import fertility
from neuroglot.recipes.extend import Extend
from neuroglot.tokens.vocabulary import extend_vocabulary
from tests.families import tiny_model
from tests.prompting.tokenizers import tokenizer
from tests.tiny import tiny_tokenizer


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_model("llama")
    model.resize_token_embeddings(len(tokenizer("bpe")))
    model.save_pretrained("model")
    tokenizer("bpe").save_pretrained("model")
    Path("texts").mkdir()
    for language, text in (("te", "తెలుగు భాష"), ("en", "the quick dog")):
        lines = [f"{text} {row} {text[: 3 + row % 5]}" for row in range(20)]
        Path("texts", f"{language}.txt").write_text("".join(f"{line}\n" for line in lines))


def test_the_checkpoint_has_tokens_of_one_part_and_is_counted_on_the_other() -> None:
    report = Extend(model="model", corpus="texts", count=30, split=0.25, device="cpu").run("extended")
    chosen_on, counted_on = load("texts").split(0.25)
    texts = [text for column in chosen_on.texts.values() for text in column]
    expected = extend_vocabulary(tokenizer("bpe"), texts, 30)
    read = AutoTokenizer.from_pretrained("extended")
    assert read.get_vocab() == expected.tokenizer.get_vocab()
    before, after = (fertility(each, counted_on) for each in (tokenizer("bpe"), read))
    for found, wanted in zip(report.results, (before, after), strict=True):
        assert torch.equal(found.tokens, wanted.tokens)
    saved = 1 - float(after.tokens[:, 1].sum() / before.tokens[:, 1].sum())
    score = after.fewer_than(before)["te"]
    assert score.value == pytest.approx(saved)
    by_row = 1 - after.tokens[:, 1] / before.tokens[:, 1]
    assert float(by_row.min()) < score.low < score.value < score.high < float(by_row.max())
    assert f"{saved:.1%} [{score.low:.1%}, {score.high:.1%}] in te" in report.notes[0]
    old, new = (AutoModelForCausalLM.from_pretrained(name).eval() for name in ("model", "extended"))
    first = len(tokenizer("bpe"))
    table, grown = old.get_input_embeddings().weight, new.get_input_embeddings().weight
    assert torch.equal(grown[:first], table)
    for number, ids in enumerate(expected.old_ids):
        torch.testing.assert_close(grown[first + number], table[list(ids)].mean(0))
    written = new.generate(**read("తెలుగు", return_tensors="pt"), max_new_tokens=3, do_sample=False)
    assert read.decode(written[0]).startswith("తెలుగు")


def test_a_tokenizer_without_merges_is_refused_before_weights_are_read() -> None:
    tiny_tokenizer().save_pretrained("model")
    Path("model/model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="Expected one of byte-pair merges"):
        Extend(model="model", corpus="texts", device="cpu").run("extended")
    assert not Path("extended").exists()


def test_rows_that_cannot_be_counted_are_refused_before_weights_are_read() -> None:
    for path in Path("texts").iterdir():
        path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:2]))
    Path("model/model.safetensors").unlink()
    with pytest.raises(CorpusError, match="a split at 0.5 leaves nothing"):
        Extend(model="model", corpus="texts", split=0.5, device="cpu").run("out")
    assert not Path("out").exists()
