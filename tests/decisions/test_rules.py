"""Decision rules against brute force, and as callables of transformers' `generate`."""

import math
import tracemalloc
from collections import Counter
from itertools import product

import pytest
import sacrebleu
import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from neuroglot.decisions.choosing import (
    bleu_gain,
    chrf_gain,
    majority,
    minimum_risk,
    posterior_mean,
    token_match,
    unless_unsure,
    weighed,
)
from neuroglot.decisions.rules import RULES, Drawn, FirstOfEqual, Rule
from neuroglot.decisions.searching import exact_search
from neuroglot.decisions.transforms import Power, TopK
from neuroglot.errors import ConfigError
from tests.tiny import tiny_tokenizer

TEXTS = ["the cat sat on the mat", "a cat sat on the mat", "the dog ran", "the cat sat on a mat", "der Hund"]
WEIGHTS = [0.1, 0.3, 0.35, 0.2, 0.05]


def brute_force(texts, weights, gain) -> str:
    return max(texts, key=lambda text: sum(weight * gain(text, truth) for truth, weight in zip(texts, weights)))


@pytest.mark.parametrize(
    ("own", "oracle"),
    [
        (chrf_gain(), lambda text, truth: sacrebleu.sentence_chrf(text, [truth]).score / 100),
        (bleu_gain(), lambda text, truth: sacrebleu.sentence_bleu(text, [truth]).score / 100),
        (token_match, lambda text, truth: sum(a == b for a, b in zip(text.lower().split(), truth.lower().split()))
                                          / max(len(text.split()), len(truth.split()))),
        (lambda text, truth: float(len(text) == len(truth)), lambda text, truth: float(len(text) == len(truth))),
    ],
)  # fmt: skip
def test_minimum_risk_is_brute_force(own, oracle) -> None:
    for text, truth in product(TEXTS, TEXTS):
        assert own(text, truth) == pytest.approx(oracle(text, truth), abs=1e-12)
    choice, expected = minimum_risk(weighed(TEXTS, WEIGHTS), own)
    assert choice == brute_force(TEXTS, WEIGHTS, oracle)
    assert expected == pytest.approx(sum(w * oracle(choice, t) for t, w in zip(TEXTS, WEIGHTS)), abs=1e-12)
    assert minimum_risk(dict.fromkeys(TEXTS, 0.2), own, {"the dog ran": 1.0})[0] in ("the dog ran", TEXTS[2])


def test_the_order_of_draws_decides_no_tie() -> None:
    draws = ["b", "a", "c", "a", "b"]
    for order in (draws, draws[::-1], sorted(draws)):
        assert majority(weighed(order)) == ("a", pytest.approx(0.4))
        assert minimum_risk(weighed(order), lambda text, truth: float(text == truth))[0] == "a"


def test_weights_means_and_abstention() -> None:
    assert weighed(["x", "y", "x"], [1, 2, 1]) == {"x": 0.5, "y": 0.5}
    assert posterior_mean(weighed([1.0, 4.0, 4.0, 7.0])) == pytest.approx(4.0)
    assert posterior_mean({1.0: 3.0, 5.0: 1.0}) == pytest.approx(2.0)
    assert (unless_unsure("x", 0.5, 0.5), unless_unsure("x", 0.49, 0.5)) == ("x", None)
    for wrong in (([], None), (["x"], [0.0]), (["x"], [1.0, 1.0]), (["x", "y"], [2.0, -1.0])):
        with pytest.raises(ConfigError):
            weighed(*wrong)


def test_exact_search_is_enumeration() -> None:
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        steps = {
            prefix: torch.randn(3, generator=generator, dtype=torch.float64).mul(2).log_softmax(-1)
            for length in range(4) for prefix in product(range(3), repeat=length)
        }  # fmt: skip
        texts = [text for length in range(1, 5) for text in product(range(3), repeat=length)]
        whole = [t for t in texts if 0 not in t[:-1] and (t[-1] == 0 or len(t) == 4)]
        scores = {t: sum(float(steps[t[:place]][token]) for place, token in enumerate(t)) for t in whole}
        assert math.fsum(map(math.exp, scores.values())) == pytest.approx(1)
        mode = exact_search(lambda prefix, steps=steps: steps[tuple(prefix)], {0}, 4)
        assert mode.token_ids == max(scores, key=scores.get)
        assert mode.score == pytest.approx(max(scores.values()), abs=1e-12)
    with pytest.raises(ConfigError, match="after 2 forwards"):
        exact_search(lambda prefix: torch.zeros(3).log_softmax(-1), set(), 4, most_forwards=2)


def test_exact_search_keeps_no_more_prefixes_than_it_can_read() -> None:
    flat = torch.zeros(5000).log_softmax(-1)
    tracemalloc.start()
    with pytest.raises(ConfigError, match="after 50 forwards"):
        exact_search(lambda prefix: flat, set(), 40, most_forwards=50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6  # all prefixes take over 20 MB


def test_exact_search_with_just_enough_forwards_is_exact() -> None:
    steps = {(): [0.1, 0.5, 0.4], (1,): [0.3, 0.35, 0.35], (2,): [0.9, 0.05, 0.05]}
    logs = {prefix: torch.tensor(shares, dtype=torch.float64).log() for prefix, shares in steps.items()}
    mode = exact_search(lambda prefix: logs[tuple(prefix)], {0}, 2, most_forwards=3)
    assert (mode.token_ids, mode.forwards) == ((2, 0), 3)
    with pytest.raises(ConfigError, match="after 2 forwards"):
        exact_search(lambda prefix: logs[tuple(prefix)], {0}, 2, most_forwards=2)


# ---- as callables of transformers


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def decoder(vocabulary: int, spread: float = 0.3) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, initializer_range=spread,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def texts_of(model, prompts, rule, batch=99, new=5):
    """What follows each prompt, until the end or padding, with the prompts padded on the left in batches."""
    found = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in part])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part])
        out = model.generate(ids, attention_mask=mask, custom_generate=rule, max_new_tokens=new, do_sample=False)
        for row in out[:, width:].tolist():
            found.append(tuple(row[: row.index(2)] if 2 in row else [t for t in row if t != 0]))
    return found


PROMPTS = [[1, 5, 6, 7], [1, 8], [1, 9, 10, 11, 12, 5], [1, 6, 6]]


def rule_of(name, tokenizer, **options):
    given = {"samples": 4, **options} | ({"gain": token_match} if name == "mbr" else {})
    return Rule(name, tokenizer, **given)


@pytest.mark.parametrize("name", RULES)
def test_batches_and_order_change_no_text(name, tokenizer) -> None:
    model = decoder(tokenizer.vocab_size if name != "exact" else 14)
    rule, new = rule_of(name, tokenizer), 3 if name == "exact" else 5
    together_ = texts_of(model, PROMPTS, rule, new=new)
    assert texts_of(model, PROMPTS, rule, batch=1, new=new) == together_
    assert texts_of(model, PROMPTS[::-1], rule, batch=3, new=new) == together_[::-1]


def test_greedy_and_beams_are_those_of_transformers(tokenizer) -> None:
    model = decoder(tokenizer.vocab_size)
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        for rule, beams in (("greedy", 1), ("beam", 4)):
            plain = model.generate(ids, max_new_tokens=5, do_sample=False, num_beams=beams)
            own = model.generate(ids, max_new_tokens=5, do_sample=False, custom_generate=rule_of(rule, tokenizer))
            assert own.tolist() == plain.tolist()


def test_exact_is_the_likeliest_of_all_texts_of_a_model(tokenizer) -> None:
    model = decoder(8)
    for prompt in ([1, 5], [1, 3, 4, 6]):
        scores = {}
        for text in [t for n in (1, 2, 3) for t in product(range(8), repeat=n)]:
            if 2 in text[:-1] or (text[-1] != 2 and len(text) < 3):
                continue
            with torch.no_grad():
                logs = model(torch.tensor([[*prompt, *text]])).logits[0].log_softmax(-1)
            scores[text] = sum(float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(text))
        best = max(scores, key=scores.get)
        out = model.generate(torch.tensor([prompt]), max_new_tokens=3, custom_generate=Rule("exact"), do_sample=False)
        assert tuple(out[0, len(prompt) :].tolist()) == best


def test_draws_have_the_models_probabilities_and_truncations_hold() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, 0.5]]).expand(4000, 4)
    drawn = Drawn(list(range(4000)))(None, scores).argmax(-1)
    counts = Counter(drawn.tolist())
    weights = [math.exp(u) for u in (1.0, 0.0, -1.0, 0.5)]
    for token, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(counts[token] / 4000 - share) < 4 * math.sqrt(share * (1 - share) / 4000)


def test_of_equal_tokens_the_first_is_taken_whatever_the_rounding() -> None:
    scores = torch.tensor([[0.0, 2.0, 2.0 + 4e-6, 1.0], [3.0, 1.0, 1.0, 3.0]])
    assert FirstOfEqual()(None, scores).argmax(-1).tolist() == [1, 0]


def test_seeds_transforms_and_epsilon_arrive(tokenizer) -> None:
    model = decoder(tokenizer.vocab_size, 0.1)
    sampled = texts_of(model, PROMPTS, Rule("sample"))
    assert texts_of(model, PROMPTS, Rule("sample", seed=1)) != sampled
    cold = Rule("sample", transform=Power(1e4))
    greedy = texts_of(model, PROMPTS, Rule("greedy"))
    assert texts_of(model, PROMPTS, cold) == greedy != sampled
    assert texts_of(model, PROMPTS, Rule("sample", transform=TopK(1))) == greedy
    flat = decoder(tokenizer.vocab_size, 0.003)  # no token has 0.02: the likeliest stays
    assert texts_of(flat, PROMPTS, Rule("epsilon")) == texts_of(flat, PROMPTS, Rule("greedy"))


def test_each_prompt_has_random_numbers_of_its_own(tokenizer) -> None:
    flat = decoder(tokenizer.vocab_size, 0.003)  # whatever the prompt, all tokens are about as likely
    drawn = texts_of(flat, PROMPTS, Rule("sample"))
    assert len(set(drawn)) == len(PROMPTS)
    assert texts_of(flat, [PROMPTS[0], PROMPTS[0]], Rule("sample")) == [drawn[0]] * 2


def test_the_choice_among_draws_is_brute_force_over_them(tokenizer) -> None:
    model, prompt = decoder(tokenizer.vocab_size), PROMPTS[0]
    seen = []

    def gain(text: str, truth: str) -> float:
        seen.append(text)
        return float(len(text)) / 100

    (chosen,) = texts_of(model, [prompt], Rule("mbr", tokenizer, samples=8, gain=gain))
    assert len(set(seen)) > 2
    longest = max(sorted(set(seen)), key=len)
    assert tokenizer.decode(list(chosen), skip_special_tokens=True) == longest


def test_a_rule_that_is_not_sure_leaves_the_text_empty(tokenizer) -> None:
    model = decoder(tokenizer.vocab_size, 0.1)
    sure = Rule("majority", tokenizer, samples=6, least_confidence=0.1)
    unsure = Rule("majority", tokenizer, samples=6, least_confidence=0.9)
    assert all(texts_of(model, PROMPTS, sure))
    assert texts_of(model, PROMPTS, unsure) == [(), (), (), ()]


def test_an_empty_text_needs_a_token_that_ends_it(tokenizer) -> None:
    """Without such a token padding would stand behind the prompt, and be read as text."""
    model = decoder(tokenizer.vocab_size, 0.1)
    model.generation_config.eos_token_id = None
    with pytest.raises(ConfigError, match="no token that ends it"):
        texts_of(model, PROMPTS, Rule("majority", tokenizer, samples=6, least_confidence=0.9))
    assert texts_of(model, PROMPTS, Rule("majority", tokenizer, samples=6))


def test_rules_decide_for_models_with_an_encoder_too(tokenizer) -> None:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=12, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0,
        eos_token_id=2, initializer_factor=3.0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    ids, mask = torch.tensor([[5, 6, 7, 2], [8, 2, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    for name in RULES:
        rule = rule_of(name, tokenizer)
        options = {"custom_generate": rule, "max_new_tokens": 3, "do_sample": False}
        both = model.generate(input_ids=ids, attention_mask=mask, **options)
        alone = model.generate(input_ids=ids[1:, :2], attention_mask=mask[1:, :2], **options)
        assert both[1].tolist()[: alone.shape[1]] == alone[0].tolist(), name
    greedy = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=3, do_sample=False)
    own = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=3, do_sample=False, custom_generate=Rule("greedy")
    )
    assert own.tolist() == greedy.tolist()


def test_options_that_contradict_each_other_are_refused(tokenizer) -> None:
    for options in (
        {"name": "best"}, {"name": "beam", "samples": 0}, {"name": "mbr", "tokenizer": tokenizer},
        {"name": "epsilon", "least_probability": 0.0},
        {"name": "greedy", "gain": token_match}, {"name": "greedy", "least_confidence": 0.5},
        {"name": "majority", "tokenizer": tokenizer, "least_confidence": 1.5},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            Rule(**options)
    model = decoder(tokenizer.vocab_size)
    with pytest.raises(ConfigError, match="compares texts"):
        model.generate(torch.tensor([[1, 5]]), max_new_tokens=2, custom_generate=Rule("mbr-chrf"), do_sample=False)
    for given in ({"do_sample": True}, {"num_beams": 2}, {"return_dict_in_generate": True}):
        with pytest.raises(ConfigError, match="rule decides"):
            model.generate(torch.tensor([[1, 5]]), max_new_tokens=2, custom_generate=Rule("greedy"), **given)


def test_the_cost_is_said(tokenizer) -> None:
    assert Rule("mbr-chrf", tokenizer, samples=8).cost == "8 forwards a token, and up to 64 gains a text"
    assert Rule("greedy").cost == Rule("sample").cost == "1 forward a token"
    assert Rule("beam", samples=4).signature["cost"] == "4 forwards a token"
    assert "rule_seed" not in Rule("greedy").signature.to_json()
