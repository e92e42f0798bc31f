"""The released prompts of GSM8K, rebuilt from their parts to the last character; see tests/conftest.py."""

import json

import pytest

from neuroglot.corpora.parallel_inputs import read_released
from neuroglot.prompting import build_prompts, comparison, direct, pmi
from neuroglot.tokens.spans import token_spans
from tests.prompting.tokenizers import tokenizer

SETTINGS = {
    "direct": direct("en"),
    "pmi3": pmi("en", ["de", "ru", "es"]),
    "pmi6": pmi("en", ["de", "ru", "it", "zh", "fr", "es"]),
}


@pytest.fixture
def folder(real_data):
    return real_data("pmi_repo") / "gpt_translated_data"


def released(folder, name):
    lines = (folder / "GSM8K" / "PMI_Prompt" / f"0shot-prompt_{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_released_prompt_is_rebuilt_from_its_parts(name, folder):
    """All rows of the file: truncated translations stand in the released prompts too."""
    expected = released(folder, name)
    instruction = None if name == "direct" else expected[0].split("\n\n")[0]
    inputs = read_released(folder, "GSM8K", truncated_below=0.0)
    prompts = build_prompts(inputs, SETTINGS[name], instruction=instruction).prompts
    assert [prompt.text for prompt in prompts] == expected
    assert len(expected) >= 200


def test_released_translations_in_every_setting_and_language(folder):
    inputs = read_released(folder, "WMT/de2en").take(range(20))
    for setting in comparison("de", ["es", "ru", "fr", "zh", "ja", "cs"]):
        for item, prompt in zip(inputs.items, build_prompts(inputs, setting, target="en").prompts):
            assert prompt.part(prompt.segments("de")[0]) == item.fields["text"]["de"]
            spans = token_spans(prompt, tokenizer("bpe"))
            assert all(len(spans.spans[span]) > 0 for span in prompt.segments())
