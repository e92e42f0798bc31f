"""The evaluation loop against a plain loop over texts and tokens; ablation through it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot import ablation_matrix, evaluate
from neuroglot.corpora import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError, LayoutMismatchError
from neuroglot.experiments.evaluation import control_seed
from neuroglot.interventions import switch_off
from neuroglot.metrics import BitsPerByte, ExactAnswer, NatsPerToken
from neuroglot.models import view
from neuroglot.models.provenance import model_signature
from neuroglot.neurons import NeuronSet, at_random_like
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature
from neuroglot.storage import Kept
from tests.families import tiny_model
from tests.tiny import WORDS, tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()


def token_losses(model, token_ids: list[int]) -> list[float]:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([token_ids])).logits[0]
    return [
        math.log(sum(math.exp(float(value)) for value in logits[place])) - float(logits[place][token_ids[place + 1]])
        for place in range(len(token_ids) - 1)
    ]


@pytest.mark.parametrize("model_type", ["llama", "bloom", "gpt2", "gemma2"])
@pytest.mark.parametrize("bos", [True, False])
def test_losses_equal_the_oracle(model_type: str, bos: bool) -> None:
    located, tokenizer = view(tiny_model(model_type)), tiny_tokenizer(bos)
    corpus = CORPUS.take(
        row for row in range(9) if all(len(column[row].split()) > 1 for column in CORPUS.texts.values())
    )
    nats = evaluate(located, tokenizer, corpus, NatsPerToken()).scores
    bits = evaluate(located, tokenizer, corpus, BitsPerByte()).scores
    for language, column in corpus.texts.items():
        losses, size = [], 0
        for text in column:
            losses += token_losses(located.model, tokenizer(text)["input_ids"])
            first = text.split(" ", 1)[0]  # which nothing predicts without <s>; the space is the second token's
            asked = text if bos else text.removeprefix(first)
            size += len(asked.encode())
        assert math.isclose(nats[language].value, sum(losses) / len(losses), rel_tol=1e-5)
        assert math.isclose(bits[language].value, sum(losses) / math.log(2) / size, rel_tol=1e-5)


def a_task(located, tokenizer) -> Task:
    """Half of the answers are what the model itself ranks first, the others are anything else."""
    prompts = {language: column[:6] for language, column in CORPUS.texts.items()}
    answers: dict[str, tuple[str, ...]] = {}
    for language, column in prompts.items():
        row_answers = []
        for row, prompt in enumerate(column):
            ids = tokenizer(prompt)["input_ids"]
            with torch.no_grad():
                logits = located.model(input_ids=torch.tensor([ids])).logits[0, -1]
            best = int(logits[3:].argmax())
            right = row % 2 == 0 and int(logits.argmax()) == best + 3
            row_answers.append(f" {WORDS[best if right else (best + 1) % len(WORDS)]}")
        answers[language] = tuple(row_answers)
    ids = CORPUS.ids[:6]
    return Task("own words", Corpus("p", ids, prompts), Corpus("a", ids, answers))


def test_accuracy_equals_greedy_decoding() -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    task = a_task(located, tokenizer)
    scores = evaluate(located, tokenizer, task, ExactAnswer()).scores
    for language in task.prompts.languages:
        right = 0
        for prompt, answer in zip(task.prompts.texts[language], task.answers.texts[language], strict=True):
            ids = torch.tensor([tokenizer(prompt)["input_ids"]])
            greedy = located.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=1, do_sample=False, pad_token_id=0
            )
            right += int(greedy[0, -1]) == tokenizer(answer.strip())["input_ids"][-1]
        assert scores[language].value == right / 6


def test_an_answer_that_merges_with_its_prompt_leaves_no_row() -> None:
    prompts, answers = (Corpus(name, ("1",), {"de": ("w1",), "sw": ("w2",)}) for name in ("p", "a"))
    with pytest.raises(CorpusError, match="share a token"):
        evaluate(view(tiny_model("llama")), tiny_tokenizer(), Task("t", prompts, answers), ExactAnswer())


def test_a_metric_is_not_given_what_it_does_not_read() -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    with pytest.raises(ConfigError, match="ExactAnswer was given a Corpus"):
        evaluate(located, tokenizer, CORPUS, ExactAnswer())


def test_matrix_counts_are_those_of_single_ablations() -> None:
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    sets = {
        language: NeuronSet.of(located.layout, {("decoder", layer): [layer, 5 + place] for layer in range(3)})
        for place, language in enumerate(CORPUS.languages)
    }
    matrix = ablation_matrix(located, tokenizer, CORPUS, sets, NatsPerToken(), draws=2, seed=7)
    assert torch.equal(matrix.baseline, evaluate(located, tokenizer, CORPUS, NatsPerToken()).counts)
    for place, neurons in enumerate(sets.values()):
        with switch_off(located, neurons):
            assert torch.equal(matrix.ablated[place], evaluate(located, tokenizer, CORPUS, NatsPerToken()).counts)
        for draw in range(2):
            with switch_off(located, at_random_like(neurons, control_seed(7, draw, CORPUS.languages[place]))):
                counts = evaluate(located, tokenizer, CORPUS, NatsPerToken()).counts
            assert torch.equal(matrix.random[draw, place], counts)
    assert not torch.equal(matrix.ablated[0], matrix.baseline)


def test_sets_of_other_languages_or_layouts_are_refused() -> None:
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    empty = NeuronSet.empty(located.layout)
    with pytest.raises(ConfigError, match="one set for each of de, sw, zh"):
        ablation_matrix(located, tokenizer, CORPUS, {"de": empty, "sw": empty}, NatsPerToken())
    foreign = dict.fromkeys(CORPUS.languages, NeuronSet.empty(view(tiny_model("bloom")).layout))
    with pytest.raises(LayoutMismatchError, match="decoder 3×64"):
        ablation_matrix(located, tokenizer, CORPUS, foreign, NatsPerToken())


def own_sets(layout, order: tuple[str, ...] = CORPUS.languages) -> dict[str, NeuronSet]:
    return {g: NeuronSet.of(layout, {("decoder", 0): [3 * CORPUS.languages.index(g)]}) for g in order}


def test_sets_may_come_in_any_order() -> None:
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    layout, backwards = located.layout, CORPUS.languages[::-1]
    one, other = (
        ablation_matrix(located, tokenizer, CORPUS, own_sets(layout, order), NatsPerToken(), draws=1)
        for order in (CORPUS.languages, backwards)
    )
    assert other.languages == CORPUS.languages
    assert torch.equal(one.ablated, other.ablated)
    assert torch.equal(one.random, other.random)


def test_random_sets_are_of_their_rule_and_may_be_scored_on_their_own_language_only() -> None:
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    sets = own_sets(located.layout)
    matrix = ablation_matrix(
        located, tokenizer, CORPUS, sets, NatsPerToken(), draws=2, seed=3, random_on="own", rule="entropy"
    )
    for draw in range(2):
        for place, (language, neurons) in enumerate(sets.items()):
            with switch_off(located, at_random_like(neurons, control_seed(3, draw, language, "entropy"))):
                counts = evaluate(located, tokenizer, CORPUS, NatsPerToken()).counts
            torch.testing.assert_close(matrix.random[draw, place, :, place], counts[:, place])
            others = [g for g in range(3) if g != place]
            assert matrix.random[draw, place, :, others].isnan().all()


def test_a_set_without_texts_is_told_by_the_hash_of_its_corpus() -> None:
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    sets = own_sets(located.layout)
    sets["sw"] = replace(sets["sw"], signature=Signature.of(corpus_hash=CORPUS.hash))
    with pytest.raises(CorpusError, match="9 of the 9 rows"):
        ablation_matrix(located, tokenizer, CORPUS, sets, NatsPerToken(), draws=1)
    matrix = ablation_matrix(located, tokenizer, CORPUS, sets, NatsPerToken(), draws=1, same_rows="allow")
    assert matrix.seen == 9


def test_sets_of_another_model_are_told() -> None:
    """The report says which; of the model itself, or of sets that do not know theirs, nothing is said."""
    located, tokenizer = view(tiny_model("qwen2")), tiny_tokenizer()
    own = {g: replace(one, signature=model_signature(located)) for g, one in own_sets(located.layout).items()}
    other = replace(own["sw"], signature=Signature.of(model="elsewhere", weights="0123456789ab"))
    for sets, expected in (
        (own_sets(located.layout), None), (own, None), (own | {"sw": other}, "elsewhere (weights 0123456789ab)"),
    ):  # fmt: skip
        matrix = ablation_matrix(located, tokenizer, CORPUS, sets, NatsPerToken(), draws=1)
        assert matrix.signature.get("selected_in") == expected
        said = any("selected in a model of other weights: elsewhere" in remark for remark in section_of(matrix).remarks)
        assert said == (expected is not None)


def test_rows_that_are_too_long_are_told_in_the_signature() -> None:
    texts = {g: (*column[:8], " ".join(["w1"] * 90)) for g, column in CORPUS.texts.items()}
    found = evaluate(view(tiny_model("qwen2")), tiny_tokenizer(), Corpus("c", CORPUS.ids, texts), NatsPerToken())
    assert (found.signature["rows"], found.signature["rows_dropped"]) == (8, 1)


def test_rows_that_share_a_text_are_one_and_those_too_many_are_told() -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    corpus = Corpus("r", tuple("abcde"), {"de": ("w1 w2", "w3 w4", "w1 w2", "w1 w2", "w5"), "sw": tuple("vwxyz")})
    found = evaluate(located, tokenizer, corpus, NatsPerToken())
    assert (found.repeated, len(found.counts)) == (2, 3)
    alone = [evaluate(located, tokenizer, corpus.take([row]), NatsPerToken()).counts[0] for row in range(5)]
    torch.testing.assert_close(found.counts, torch.stack([alone[0] + alone[2] + alone[3], alone[1], alone[4]]))


def test_texts_of_which_nothing_is_predicted_are_refused() -> None:
    """One token each, and a tokenizer that begins no text with another."""
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer(bos=False)
    single = Corpus("single", ("1", "2"), {"de": ("w1", "w2"), "sw": ("w3", "w4")})
    with pytest.raises(ConfigError, match="no text has a token that is predicted"):
        evaluate(located, tokenizer, single, NatsPerToken())


def test_a_text_of_which_nothing_is_predicted_counts_for_nothing_beside_others() -> None:
    tokenizer, located = tiny_tokenizer(bos=False), view(tiny_model("llama"))
    corpus = Corpus("short", ("a", "b"), {"de": ("w7", "w5 w9 w11"), "sw": ("w3 w4", "w8 w2")})
    evaluated = evaluate(located, tokenizer, corpus, NatsPerToken())
    expected = token_losses(located.model, [8, 12, 14])
    assert evaluated.counts[0, 0].tolist()[:2] == [0, 0]
    assert float(evaluated.counts[1, 0, 0]) == pytest.approx(sum(expected), rel=1e-5)
    assert float(evaluated.counts[1, 0, 1]) == 2


def test_what_is_kept_of_a_batch_is_of_its_texts_only(tmp_path: Path) -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    corpora = [Corpus("one", ("a",), {"de": (text,)}) for text in ("w5 w9 w11", "w6 w2 w30")]
    kept = [evaluate(located, tokenizer, corpus, NatsPerToken(), kept=Kept(tmp_path)).counts for corpus in corpora]
    apart = [evaluate(located, tokenizer, corpus, NatsPerToken()).counts for corpus in corpora]
    assert all(map(torch.equal, kept, apart))
    assert not torch.equal(*apart)
