"""The mix: shares, order and originals are as said, and depend on the seed and the ids only."""

import json
import os
import subprocess
import sys
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.corpora.parallel_inputs import ParallelInputs
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.prompting import build_prompts, direct, pmi, repeated
from neuroglot.prompting.prompt import Piece, Prompt
from neuroglot.training import Example, examples_hash, pmi_mix, save_llama_factory, save_openai, save_trl
from tests.prompting.inputs import translations
from tests.prompting.tokenizers import CHATML, tokenizer
from tests.training.making import inputs, prompt_sets

HASHED = """
from tests.training.making import prompt_sets
from neuroglot.training import examples_hash, pmi_mix
print(examples_hash(pmi_mix(prompt_sets(40, ("de", "es")), seed=3)))
"""


def within(count: int, rows: int, share: float) -> bool:
    """Five standard deviations of the binomial."""
    return abs(count - rows * share) <= 5 * sqrt(rows * share * (1 - share))


@pytest.mark.parametrize("seed", [0, 1])
def test_one_example_an_item_with_the_shares_asked_for(seed: int) -> None:
    rows = 2000
    mix = pmi_mix(prompt_sets(rows), seed=seed)
    assert sorted(example.id for example in mix) == sorted(f"row{row}" for row in range(rows))
    found = Counter(example.setting for example in mix)
    assert set(found) == {"direct", "pmi-2"}
    assert within(found["direct"], rows, 1 / 8)
    first_half = Counter(example.setting for example in mix[: rows // 2])
    assert within(first_half["direct"], rows // 2, 1 / 8)


def test_a_distribution_over_settings_and_originals_drawn_uniformly_and_independently() -> None:
    rows = 1500
    sets = prompt_sets(rows, ("de", "es", "ru"))
    sets += [build_prompts(inputs(rows, main), repeated(main, 3), target="en") for main in ("de", "es", "ru")]
    mix = pmi_mix(sets, {"direct": 0.2, "pmi-2": 0.7, "repeated-3": 0.1})
    originals = {"German": "de", "Spanish": "es", "Russian": "ru"}
    found = Counter((example.prompt.split("\n")[1].partition(":")[0], example.setting) for example in mix)
    assert sum(found.values()) == rows
    assert {main for main, _ in found} == set(originals)
    for main in originals:
        for name, share in {"direct": 0.2, "pmi-2": 0.7, "repeated-3": 0.1}.items():
            assert within(found[main, name], rows, share / 3)


@pytest.mark.parametrize(("share", "only"), [(0.0, "pmi-2"), (1.0, "direct")])
def test_shares_at_the_ends(share: float, only: str) -> None:
    assert {example.setting for example in pmi_mix(prompt_sets(60), share)} == {only}


def test_the_hash_seed_of_python_changes_nothing() -> None:
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    run = subprocess.run([sys.executable, "-c", HASHED], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == examples_hash(pmi_mix(prompt_sets(40, ("de", "es")), seed=3))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_order_of_items_and_sets_does_not_matter_and_fewer_items_are_drawn_alike(seed: int, rows: int) -> None:
    mix = pmi_mix(prompt_sets(rows, ("de", "es")), seed=seed)
    assert pmi_mix(prompt_sets(rows, ("es", "de"), reverse=True)[::-1], seed=seed) == mix
    kept = {f"row{row}" for row in range((rows + 1) // 2)}
    assert pmi_mix(prompt_sets(len(kept), ("de", "es")), seed=seed) == tuple(e for e in mix if e.id in kept)


def test_another_seed_gives_another_order_and_other_settings() -> None:
    one, other = (pmi_mix(prompt_sets(200), 0.5, seed) for seed in (0, 1))
    assert [e.id for e in one] != [e.id for e in other]
    assert {e.id: e.setting for e in one} != {e.id: e.setting for e in other}
    assert [e.id for e in one] != [f"row{row}" for row in range(200)]
    assert examples_hash(one) != examples_hash(other)


@pytest.mark.parametrize("text", ["Answer:", "Answer:\n", "", "答案："])
@pytest.mark.parametrize("answer", ["yes", " spaced", "日本"])
def test_prompt_and_completion_are_joined_as_with_answer_does(text: str, answer: str) -> None:
    prompt = Prompt.of([Piece(text, "instruction"), Piece("", "answer")])
    example = Example.of(prompt, answer, "direct", "0")
    assert example.prompt + example.completion == prompt.with_answer(answer).text
    assert example.answer == answer


def test_exports_hold_the_same_examples(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mix = pmi_mix([build_prompts(translations(), s, target="en") for s in (direct("de"), pmi("de", ["es", "ru"]))], 0.5)
    pairs = [(example.prompt, example.answer) for example in mix]
    rows = json.loads(save_llama_factory(mix, tmp_path / "factory.json").read_text())
    assert {tuple(row) for row in rows} == {("instruction", "input", "output", "history")}
    assert [(row["instruction"], row["output"]) for row in rows] == pairs
    assert all(row["input"] == "" and row["history"] == [] for row in rows)
    lines = save_openai(mix, tmp_path / "chat.jsonl").read_text().split("\n")
    turns = [json.loads(line)["messages"] for line in lines[:-1]]
    assert [tuple(turn["content"] for turn in of) for of in turns] == pairs
    assert all([turn["role"] for turn in of] == ["user", "assistant"] for of in turns)
    lines = save_trl(mix, tmp_path / "trl.jsonl").read_text().split("\n")
    assert tuple(Example(**json.loads(line)) for line in lines[:-1]) == mix


def test_prompts_in_a_chat_template_are_not_exported(tmp_path) -> None:  # type: ignore[no-untyped-def]
    chats = [part.as_chat(tokenizer("bytes", CHATML)) for part in prompt_sets(3)]
    mix = pmi_mix(chats)
    assert all(example.is_chat and example.prompt.startswith("<|im_start|>user") for example in mix)
    for save in (save_llama_factory, save_openai, save_trl):
        with pytest.raises(ConfigError, match="as_chat"):
            save(mix, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sets", "shares"),
    [
        (prompt_sets(3), 1.5),
        (prompt_sets(3), {"direct": 0.5}),
        (prompt_sets(3), {"direct": 0.5, "pmi-2": 0.6}),
        (prompt_sets(3), {"direct": 0.5, "pmi-3": 0.5}),
        (prompt_sets(3), float("nan")),
        (prompt_sets(3)[:1], 0.5),
        (prompt_sets(3) * 2, 0.5),
        (prompt_sets(3, ("de", "es"))[:3], 0.5),
        ([], 0.5),
    ],
)
def test_shares_and_sets_that_do_not_fit_are_refused(sets, shares) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="Expected"):
        pmi_mix(sets, shares)


def test_other_ids_and_items_without_answer_are_refused() -> None:
    with pytest.raises(CorpusError, match="'row3'"):
        pmi_mix([*prompt_sets(3), *prompt_sets(4, ("es",))])
    bare = ParallelInputs("bare", "translation", tuple(type(i)(i.id, i.fields, "de") for i in inputs(2).items))
    with pytest.raises(CorpusError, match="2 items have no answer"):
        pmi_mix([build_prompts(bare, direct("de"), target="en")], 1.0)
