"""Rules by name where texts are written: `generate`, backends, and the commands' options."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
import torch

from neuroglot.activity.generated import record_generated, record_generation_by_row
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.parallel_inputs import from_task
from neuroglot.decisions.choosing import chrf_gain
from neuroglot.decisions.fitting import fit_transform
from neuroglot.decisions.rules import Candidates, Rule
from neuroglot.decisions.searching import exact_search
from neuroglot.decisions.transforms import Power
from neuroglot.errors import ConfigError
from neuroglot.experiments.prompts import measure_setting
from neuroglot.generation.decoding import Decoding, generate, in_batches
from neuroglot.generation.endpoint import Endpoint
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.translation import translate
from neuroglot.generation.vllm import VllmBackend
from neuroglot.metrics.texts import TextOptions, choose_metrics
from neuroglot.models import view
from neuroglot.prompting import build_prompts, direct
from neuroglot.recipes.generate import Generate
from neuroglot.recipes.translate import Translate
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

NAMED = ("sample", "epsilon", "majority", "mbr-match", "mbr-chrf", "mbr-bleu")
PROMPTS = ("w1 w2 w3", "w9", "w20 w21 w22 w23 w24 w25", "w40 w41")


@pytest.fixture(scope="module")
def model():
    return view(tiny_model("llama")), tiny_tokenizer()


def decoding_of(name: str, new: int = 6, **options) -> Decoding:
    return Decoding(new, rule=Rule(name, **{"samples": 4, "seed": 3, **options}))


def corpus_of(texts) -> Corpus:
    return Corpus("prompts", tuple(texts), {"en": tuple(texts)})


@pytest.mark.parametrize("name", NAMED)
def test_neither_batches_nor_order_change_a_text_of_generate(model, name) -> None:
    how = decoding_of(name)
    whole = generate(*model, corpus_of(PROMPTS), how)
    for budget, order in ((1, PROMPTS), (60, PROMPTS[::-1]), (4096, PROMPTS[2:])):
        other = generate(*model, corpus_of(order), how, token_budget=budget)
        assert dict(zip(other.ids, other.texts["en"])).items() <= dict(zip(whole.ids, whole.texts["en"])).items()
    assert len({*whole.texts["en"]}) > 1
    assert (whole.signature["rule"], whole.signature["cost"]) == (name, how.rule.cost)
    assert "temperature" not in whole.signature.to_json()
    assert "token_budget" not in whole.signature.to_json()


@pytest.mark.parametrize("name", NAMED)
def test_a_local_backend_writes_what_generate_does(model, name) -> None:
    how = decoding_of(name)
    written = generate(*model, corpus_of(PROMPTS), how).texts["en"]
    backend = LocalBackend(*model, keep_truncated=True)
    assert tuple(each.text or "" for each in backend.complete(PROMPTS, how)) == tuple(
        "" if not text.strip() else text for text in written
    )


def test_candidates_are_the_draws_among_which_a_rule_decides(model) -> None:
    backend, gain = LocalBackend(*model, keep_truncated=True), chrf_gain()
    drawn = backend.completions(PROMPTS, Decoding(6, rule=Candidates("mbr-chrf", samples=4, seed=3)))
    chosen = backend.complete(PROMPTS, decoding_of("mbr-chrf"))
    for texts, choice in zip(drawn, chosen, strict=True):
        candidates = [each.text or "" for each in texts]
        assert len(candidates) == 4
        best = max(sorted(candidates), key=lambda text: sum(gain(text, truth) for truth in candidates))
        assert choice.text == best
    assert len({each.text for texts in drawn for each in texts}) > len(PROMPTS)


def test_candidates_take_rows_of_a_batch() -> None:
    sizes = [len(batch) for batch in in_batches([4] * 9, decoding_of("mbr-chrf"), 160)]
    assert sizes == [4, 4, 1]  # (4 + 6) tokens × 4 draws each
    assert [len(batch) for batch in in_batches([4] * 9, Decoding(6, rule=Rule("sample")), 160)] == [9]


@pytest.mark.parametrize("name", [*NAMED, "greedy"])
def test_texts_end_before_a_stop_string_and_are_compared_so(model, name) -> None:
    free = generate(*model, corpus_of(PROMPTS), decoding_of(name, samples=6)).texts["en"]
    stop = next(text.split()[2] for text in free if len(text.split()) > 3)
    cut = generate(*model, corpus_of(PROMPTS), decoding_of(name, samples=6), stop=[stop]).texts["en"]
    assert not any(stop in text for text in cut)
    assert any(text != other for text, other in zip(cut, free))
    if name in ("greedy", "sample", "epsilon"):
        assert cut == tuple(text.split(stop)[0] for text in free)


def test_what_is_behind_a_stop_string_is_not_compared(model) -> None:
    tokenizer = model[1]
    rule = Rule("majority", samples=3).reading(tokenizer, ["w7"])
    texts = rule._texts(torch.tensor([tokenizer(t)["input_ids"] for t in ("w1 w7 w2", "w1 w7 w3", "w4 w5 w6")]))
    assert texts[0] == texts[1] != texts[2]
    assert rule.choose(texts) == texts[0]


def test_the_likeliest_text_ends_at_a_stop_string(model) -> None:
    """By enumeration of a vocabulary of eight tokens."""
    from tests.decisions.test_rules import decoder

    small, names = decoder(8), "abcdefgh"
    tokenizer = SimpleNamespace(decode=lambda ids, **_: "".join(names[i] for i in ids))
    from neuroglot.generation.stopping import stopping

    prompt, scores = [1, 5], {}
    for text in [t for n in (1, 2, 3) for t in product(range(8), repeat=n)]:
        stops = ["d" in names[t] or t == 2 for t in text]
        if any(stops[:-1]) or (not stops[-1] and len(text) < 3):
            continue
        with torch.no_grad():
            logs = small(torch.tensor([[*prompt, *text]])).logits[0].log_softmax(-1)
        scores[text] = sum(float(logs[1 + place, token]) for place, token in enumerate(text))
    out = small.generate(
        torch.tensor([prompt]), max_new_tokens=3, do_sample=False, stopping_criteria=[stopping(tokenizer, 2, ["d"])],
        custom_generate=Rule("exact").reading(tokenizer, ["d"]),
    )  # fmt: skip
    assert tuple(out[0, 2:].tolist()) == max(scores, key=scores.get)


def test_a_stopped_prefix_is_a_whole_text() -> None:
    logs = torch.tensor([0.4, 0.6], dtype=torch.float64).log()
    assert exact_search(lambda prefix: logs, set(), 3).token_ids == (1, 1, 1)
    mode = exact_search(lambda prefix: logs, set(), 3, stopped=lambda prefix: prefix[-1] == 1)
    assert mode.token_ids == (1,)
    assert mode.score == pytest.approx(float(logs[1]))


def test_a_backend_says_where_candidates_end(model, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(Rule, "choose", lambda self, texts: seen.append(self.stop) or texts[0])
    LocalBackend(*model, keep_truncated=True).complete(PROMPTS[:2], decoding_of("majority"), ["w7"])
    assert seen == [("w7",), ("w7",)]


def test_a_translation_says_which_rule_decided(model) -> None:
    backend = LocalBackend(*model, keep_truncated=True)
    made = translate(backend, tiny_corpus(4).select(["de"]), ["sw"], decoding_of("mbr-match"))
    assert made.signature["rule"] == "mbr-match"
    assert made.signature["cost"] == "4 forwards a token, and up to 16 gains a text"
    plain = translate(backend, tiny_corpus(4).select(["de"]), ["sw"], Decoding(6))
    assert made.completions["sw"] != plain.completions["sw"]


def test_neurons_are_counted_on_the_text_that_was_decided_on_only(model) -> None:
    located, tokenizer = model
    how, recording = decoding_of("majority"), Recording.pmi()
    activity, rows, generation = record_generation_by_row(located, tokenizer, corpus_of(PROMPTS), recording, how)
    assert generation.texts == generate(*model, corpus_of(PROMPTS), how).texts
    assert torch.equal(activity.fired, record_generated(located, generation, recording).fired)
    read = [sum(text.scored) + 1 for text in generation.read]  # the last of the prompt too
    assert rows.tokens[:, 0].tolist() == read


def test_answers_to_prompts_are_decided_on_before_the_stop_string(model, monkeypatch) -> None:
    located, tokenizer = model
    seen = []
    monkeypatch.setattr(Rule, "choose", lambda self, texts: seen.append((self.stop, *texts)) or texts[0])
    task = Task("t", corpus_of(PROMPTS), Corpus("a", PROMPTS, {"en": (" w5",) * len(PROMPTS)}))
    prompts = build_prompts(from_task(task, "en"), direct("en"), tokenizer=tokenizer)
    (metric,) = choose_metrics(["accuracy"], TextOptions(language="en")).values()
    measured = measure_setting(
        located, tokenizer, prompts, "en", metric, decoding=decoding_of("majority"), stop="w7", forced_too=False,
        by_segment=False,
    )  # fmt: skip
    assert len(seen) == len(measured.answers) == len(PROMPTS)
    assert all(stop == ("w7",) and not any("w7" in text for text in texts) for stop, *texts in seen)


@pytest.mark.parametrize("name", ["exact", *NAMED])
def test_prompts_are_measured_under_every_rule(model, name) -> None:
    assert Decoding(2, rule=Rule(name)).reads_others
    assert not Decoding(2).reads_others
    assert Decoding(2, beams=2).reads_others


@pytest.mark.parametrize("given", [{"temperature": 0.5}, {"top_p": 0.5}, {"beams": 2}])
def test_a_rule_beside_another_way_to_choose_is_refused(given) -> None:
    with pytest.raises(ConfigError, match="rule decides"):
        Decoding(6, rule=Rule("sample"), **given)


def test_backends_elsewhere_refuse_a_rule_and_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"an endpoint.*--model"):
        Endpoint("http://127.0.0.1:9/v1", "m").complete(["a"], decoding_of("sample"))
    with pytest.raises(ConfigError, match=r"vLLM.*--model"):
        VllmBackend.complete(object.__new__(VllmBackend), ["a"], decoding_of("sample"))
    recipe = Translate(
        corpus="x.tsv", into=("de",), endpoint="http://127.0.0.1:9/v1", endpoint_model="m", rule="sample"
    )
    with pytest.raises(ConfigError, match="endpoint"):
        recipe.read(Identity())


def test_the_options_make_the_rule(tmp_path) -> None:
    scores = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    fitted = fit_transform("temperature", scores, torch.zeros(50, dtype=torch.long))
    file = fitted.save(tmp_path / "cold.json")
    recipe = Generate(
        model="m", prompt="x", rule="mbr-bleu", samples=7, least_confidence=0.25, transform=file, seed=5,
        max_new_tokens=9,
    )  # fmt: skip
    rule = recipe.decoding.rule
    assert (rule.name, rule.samples, rule.seed, rule.least_confidence) == ("mbr-bleu", 7, 5, 0.25)
    assert rule.transform == Power(fitted.transform.beta)
    assert recipe.decoding.max_new_tokens == 9
    sparse = Generate(model="m", prompt="x", rule="epsilon", least_probability=0.3).decoding.rule
    assert sparse.least_probability == 0.3
    assert sparse.signature["least_probability"] == 0.3
    identity = Identity()
    recipe.note_rule(identity)
    assert set(identity.noted["transform"]) == {"sha256"}
    said = "Texts were decided on by the rule mbr-bleu, at 7 forwards a token, and up to 49 gains a text."
    assert identity.remarks == [said]


@pytest.mark.parametrize(
    "given",
    [
        {"samples": 4}, {"least_confidence": 0.5}, {"least_probability": 0.5}, {"transform": "x.json"},
        {"rule": "sample", "samples": 4}, {"rule": "majority", "least_probability": 0.5},
        {"rule": "sample", "temperature": 0.5}, {"rule": "exact", "beams": 4}, {"rule": "sample", "top_p": 0.5},
        {"rule": "sample", "least_confidence": 0.5},
    ],
)  # fmt: skip
def test_options_that_say_nothing_or_contradict_each_other_are_refused(given) -> None:
    with pytest.raises(ConfigError):
        Generate(model="m", prompt="x", **given).note_rule(Identity())


@pytest.mark.parametrize("choice", ["option", "next token of the 20 likeliest"])
def test_a_transform_of_other_choices_is_refused(tmp_path, choice) -> None:
    made = Signature.of(choice=choice)
    file = fit_transform("temperature", torch.randn(50, 4), torch.arange(50) % 4, signature=made).save(tmp_path / "t")
    with pytest.raises(ConfigError, match=f"choices of this kind: {choice}"):
        Generate(model="m", prompt="x", rule="sample", transform=file).note_rule(Identity())


def test_a_report_says_on_what_the_transform_was_fitted(tmp_path) -> None:
    made = Signature.of(model="other", corpus="counting", language="de", choice="next token")
    file = fit_transform("temperature", torch.randn(50, 4), torch.arange(50) % 4, signature=made).save(tmp_path / "t")
    identity = Identity()
    Generate(model="m", prompt="x", rule="sample", transform=file).note_rule(identity)
    assert identity.remarks[1:] == ["Its transform was fitted on choices of other on counting in de."]


def test_a_transform_that_cannot_read_next_tokens_is_refused_before_anything_is_written(model, tmp_path) -> None:
    scores, lengths = torch.randn(50, 4), torch.randint(1, 9, (50, 4))
    fitted = fit_transform("power", scores, torch.arange(50) % 4, lengths)
    fitted = replace(fitted, transform=Power(1.0, 0.5))
    recipe = Generate(model="m", prompt="x", rule="sample", transform=fitted.save(tmp_path / "power.json"))
    with pytest.raises(ConfigError, match="without lengths"):
        recipe.require_rule(model[0])


def test_epsilon_draws_no_token_below_its_probability(model) -> None:
    """At a least probability that only the likeliest token has, a draw is greedy."""
    sure = generate(*model, corpus_of(PROMPTS), decoding_of("epsilon", least_probability=0.999)).texts
    assert sure == generate(*model, corpus_of(PROMPTS), Decoding(6)).texts
    assert generate(*model, corpus_of(PROMPTS), decoding_of("epsilon", least_probability=1e-6)).texts != sure
