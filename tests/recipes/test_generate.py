"""`neuroglot generate` in a chat template, and with strings that end a text."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.generation import decoding
from neuroglot.generation.stopping import cut, stopping
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.models import load
from neuroglot.recipes import steps
from neuroglot.recipes.generate import Generate
from neuroglot.reports.section import section_of
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from tests.recipes.test_handed_on import Stopped, caught
from tests.tiny import tiny_tokenizer

TEMPLATE = "{% for turn in messages %}{{ turn.role }} {{ turn.content }} w7 {% endfor %}w8 w9"
LONG = {"model": "chatty", "max_new_tokens": 12, "device": "cpu"}


@pytest.fixture
def chatty(here: Path) -> Path:
    """The tiny model with a chat template."""
    shutil.copytree(here / "model", here / "chatty")
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(here / "chatty")
    return here / "chatty"


def greedy(text: str, special_tokens: bool) -> str:
    """What the model writes, one likeliest token after another."""
    view, tokenizer = load("chatty", device="cpu")
    ids = tokenizer(text, add_special_tokens=special_tokens)["input_ids"]
    new: list[int] = []
    with torch.no_grad():
        for _ in range(12):
            new.append(int(view.model(torch.tensor([[*ids, *new]])).logits[0, -1].argmax()))
            if new[-1] == tokenizer.eos_token_id:
                break
    return str(tokenizer.decode(new, skip_special_tokens=True))


def written(**options: object) -> str:
    (result,) = Generate(**LONG, **options).run().results
    (text,) = result.texts["und"]
    return text


@pytest.mark.parametrize(("system", "before"), [(None, ""), ("w3 w4", "system w3 w4 w7 ")])
def test_a_prompt_is_asked_as_a_user_s_turn_without_other_special_tokens(chatty, system, before: str) -> None:
    expected = greedy(f"{before}user w1 w2 w7 w8 w9", special_tokens=False)
    assert written(prompt="w1 w2", chat=True, system=system) == expected
    assert written(prompt="w1 w2") == greedy("w1 w2", special_tokens=True)


def test_the_report_says_that_it_was_a_chat_and_shows_the_prompt_alone(chatty) -> None:
    (result,) = Generate(**LONG, prompt="w1", chat=True, system="w2").run().results
    assert result.prompts["und"] == ("w1",)
    assert (result.signature["chat"], result.signature["system"]) == (True, "w2")


def test_a_text_ends_before_a_stop_string(chatty) -> None:
    whole = written(prompt="w1 w2").split()
    stop = next(word for word in whole[1:] if word != whole[0])
    expected = " ".join(whole).partition(stop)[0]
    assert written(prompt="w1 w2", stop=(stop,)).strip() == expected.strip()
    assert written(prompt="w1 w2", stop=("never", stop)).strip() == expected.strip()


def test_a_stopped_text_costs_no_more_tokens(chatty, monkeypatch) -> None:
    lengths: list[int] = []
    whole = written(prompt="w1 w2").split()
    original = decoding.stopping

    def counted(*arguments):
        stopped = original(*arguments)

        def count(sequences, *rest, **options):
            lengths.append(sequences.shape[1])
            return stopped(sequences, *rest, **options)

        return count

    monkeypatch.setattr(decoding, "stopping", counted)
    written(prompt="w1 w2", stop=(whole[0],))
    assert len(lengths) == 1


def test_a_file_and_the_command_line_give_the_same(chatty, run) -> None:
    run("generate", "chatty", "--prompt", "w1 w2", "--chat", "--system", "w3 w4", "--stop", "w5", "w6",
        "--max-new-tokens", "12", "--device", "cpu", "--out", "run")  # fmt: skip
    (text,) = GeneratedTexts.load("run/generated.jsonl").texts["und"]
    assert text == written(prompt="w1 w2", chat=True, system="w3 w4", stop=("w5", "w6"))
    stored = json.loads(Path("run/recipe.json").read_text())
    assert (stored["chat"], stored["system"], stored["stop"]) == (True, "w3 w4", ["w5", "w6"])


def test_options_that_do_not_fit_are_refused(chatty) -> None:
    with pytest.raises(ConfigError, match="Expected chat"):
        written(prompt="w1", system="w2")
    with pytest.raises(ConfigError, match="not empty"):
        Generate(model="model", prompt="w1", stop=("",)).run()
    with pytest.raises(ConfigError, match="without a chat template"):
        Generate(model="model", prompt="w1", chat=True, device="cpu").run()


def test_the_token_budget_arrives(here, monkeypatch) -> None:
    recipe = Generate(model="model", corpus="texts", token_budget=77, device="cpu")
    inputs = recipe.read(Identity())
    handed: dict = {}

    def caught(*_, **options):
        handed.update(options)
        raise InterruptedError

    monkeypatch.setattr(decoding, "generate", caught)
    with pytest.raises(InterruptedError):
        recipe._generated(SimpleNamespace(kept=lambda _: None), inputs)  # type: ignore[arg-type]
    assert (handed["token_budget"], handed["stop"], handed["chats"]) == (77, (), False)


def test_a_chat_is_priced_as_it_is_asked(chatty, monkeypatch) -> None:
    calls = caught(monkeypatch, steps, "writing")
    with pytest.raises(Stopped):
        Generate(**LONG, prompt="w1", chat=True).estimate()
    assert calls[0][0][2].texts == {"und": ("user w1 w7 w8 w9",)}


def test_the_candidates_of_what_follows_are_the_languages_that_were_asked() -> None:
    job = Generate(model="m", corpus="c", languages=("de", "sw"))
    assert job.following(Path("out")) == ("identify", "out", "--candidates", "de", "sw")
    assert Generate(model="m", corpus="c").following(Path("out"))[-1] == "LANGUAGES"


def test_a_stop_string_counts_behind_the_prompt_and_at_the_end_of_a_long_text() -> None:
    tokenizer = tiny_tokenizer()
    word, stop = (tokenizer.convert_tokens_to_ids(text) for text in ("w1", "w5"))
    rows = torch.tensor([[stop, word, *[word] * 40, stop], [stop, word, *[word] * 41]])
    assert stopping(tokenizer, 2, ("w5",))(rows, None).tolist() == [True, False]


def test_a_text_ends_before_the_first_of_several_stops_whatever_their_order() -> None:
    for stop in (("c", "b"), ("b", "c")):
        assert cut("a b c b", stop) == ("a ", True)


def test_texts_that_show_nothing_are_counted_by_language() -> None:
    columns = {"de": ("a", " \u200b", ""), "en": ("a", "b", "c")}
    texts = GeneratedTexts(("0", "1", "2"), columns, columns, Signature.of(model="m"))
    assert section_of(texts).remarks[0] == "Empty: 2 of 3 texts in de."
    whole = GeneratedTexts(("0",), {"en": ("a",)}, {"en": ("b",)}, Signature.of(model="m"))
    assert not [remark for remark in section_of(whole).remarks if "Empty" in remark]
