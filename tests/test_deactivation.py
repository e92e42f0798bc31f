"""The categories switched off on their own rows, against a plain loop over rows, languages, options and tokens."""

import math
import random
from collections.abc import Sequence

import pytest
import torch
from tokenizers import processors
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot import record_sharing
from neuroglot.activity.recording import Recording
from neuroglot.corpora import Corpus, Task
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, UnsupportedModelError
from neuroglot.experiments.deactivation import deactivate
from neuroglot.experiments.deactivation_scoring import (
    longest_answer,
    members_by_category,
    of_equal_size,
    random_masks,
    seed_of,
)
from neuroglot.interventions.switching import switch_off
from neuroglot.layout import Layout
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.models import ModelView, view
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.categories import CATEGORIES, categories_of
from neuroglot.tokens.questions import read_questions
from tests.families import tiny_model
from tests.oracles import DOWN_PROJECTIONS, activations, modules_of
from tests.tiny import WORDS, tiny_corpus, tiny_tokenizer

LANGUAGES = ("de", "sw", "zh")
COLUMN = {name: place for place, name in enumerate(OUTCOMES)}


def words(generator: random.Random, least: int = 1, most: int = 3) -> str:
    return "".join(f" {word}" for word in generator.choices(WORDS, k=generator.randint(least, most)))


def a_task(rows: int = 5, options: int = 3, seed: int = 0) -> Task:
    """Prompts of several words; options of one to three words, the right one anywhere."""
    generator = random.Random(seed)
    prompts = tiny_corpus(rows, LANGUAGES)
    listed = [
        [{g: f"{words(generator)} {WORDS[-1 - option]}" for g in LANGUAGES} for option in range(max(1, options))]
        for _ in range(rows)
    ]
    right = [generator.randrange(max(1, options)) for _ in range(rows)]

    def column(option: int | None) -> Corpus:
        chosen = [right[row] if option is None else option for row in range(rows)]
        texts = {g: tuple(listed[row][chosen[row]][g] for row in range(rows)) for g in LANGUAGES}
        return Corpus(f"{option}", prompts.ids, texts)

    return Task("own", prompts, column(None), tuple(column(option) for option in range(options)))


def plain_categories(located: ModelView, tokenizer, prompts: Sequence[str]) -> dict[str, list[int]]:
    """Flat indices of the neurons of each category, from one unpadded forward a language."""
    fired = []
    for prompt in prompts:
        layers = activations(located.model, tokenizer(prompt)["input_ids"], "post_act")
        fired.append([float(value) > 0 for layer in layers for value in layer[-1]])
    found: dict[str, list[int]] = {name: [] for name in CATEGORIES}
    for neuron in range(len(fired[0])):
        count = sum(language[neuron] for language in fired)
        name = "non-activated" if count == 0 else "specific" if count == 1 else "partial-shared"
        found["all-shared" if count == len(prompts) else name].append(neuron)
    return found


def plain_logits(model: PreTrainedModel, located: ModelView, token_ids: list[int], off: Sequence[int], scope: range):
    """Logits of one text with these neurons set to zero at these positions, by plain hooks."""
    handles, layers = [], list(located.layout.layers)
    for place, (_, module) in enumerate(modules_of(model, DOWN_PROJECTIONS)):
        own = [
            neuron - layers[place].start for neuron in off if 0 <= neuron - layers[place].start < layers[place].width
        ]

        def hook(_module, inputs, own=own):  # type: ignore[no-untyped-def]
            changed = inputs[0].clone()
            for token in scope:
                changed[..., token, own] = 0
            return (changed,)

        handles.append(module.register_forward_pre_hook(hook))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([token_ids])).logits[0]
    for handle in handles:
        handle.remove()
    return logits


def plain_score(located: ModelView, tokenizer, prompt: str, answer: str, off: Sequence[int], scope: str):
    """Log-probability, tokens and exactness of an answer."""
    head, whole = (tokenizer(text)["input_ids"] for text in (prompt, prompt + answer))
    start = len(head)
    scopes = {
        "all": range(len(whole)), "last": range(start - 1, start), "prompt": range(start),
        "answer": range(start, len(whole)),
    }  # fmt: skip
    logits = plain_logits(located.model, located, whole, off, scopes[scope])
    total, exact = 0.0, True
    for place in range(start, len(whole)):
        row = logits[place - 1]
        total += float(row[whole[place]]) - math.log(sum(math.exp(float(value)) for value in row))
        exact &= int(row.argmax()) == whole[place]
    return total, len(whole) - start, exact


def plain_counts(located: ModelView, tokenizer, task: Task, row: int, g: str, off: Sequence[int], scope: str):
    prompt, answer = task.prompts.texts[g][row], task.answers.texts[g][row]
    gold = plain_score(located, tokenizer, prompt, answer, off, scope)
    others = [option.texts[g][row] for option in task.options if option.texts[g][row] != answer]
    scores = [plain_score(located, tokenizer, prompt, other, off, scope) for other in others]
    return {
        "log_probability": gold[0], "tokens": gold[1], "exact": gold[2],
        "option": all(gold[0] > score[0] for score in scores),
        "option_per_token": all(gold[0] / gold[1] > score[0] / score[1] for score in scores),
    }  # fmt: skip


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "gemma2", "gpt_neox"])
@pytest.mark.parametrize("scope", ["all", "last", "prompt", "answer"])
def test_counts_equal_a_plain_loop(model_type: str, scope: str) -> None:
    located, tokenizer, task = view(tiny_model(model_type)), tiny_tokenizer(), a_task(3)
    result = deactivate(located, tokenizer, task, scope=scope, draws=1)  # type: ignore[arg-type]
    for row in range(len(task)):
        categories = plain_categories(located, tokenizer, [task.prompts.texts[g][row] for g in LANGUAGES])
        assert [len(categories[name]) for name in CATEGORIES] == result.sizes[:, row].sum(1).tolist()
        for place, g in enumerate(LANGUAGES):
            conditions = [([], result.baseline[row, place])]
            conditions += [(categories[name], result.deactivated[t, row, place]) for t, name in enumerate(CATEGORIES)]
            for off, counts in conditions:
                for name, value in plain_counts(located, tokenizer, task, row, g, off, scope).items():
                    assert float(counts[COLUMN[name]]) == pytest.approx(float(value), rel=1e-4, abs=1e-4), name
    assert result.baseline[..., COLUMN["generated"]].isnan().all()
    assert not torch.allclose(result.baseline[..., 0], result.deactivated[..., 0], atol=1e-2) or scope == "answer"


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "llama4_text"])
@pytest.mark.parametrize(
    "options",
    [
        {}, {"level": "corpus", "value": "mean", "same_rows": "allow"},
        {"value": "mean of other languages", "scope": "prompt"},
        {"recording": Recording(tokens="all", special_tokens=False)},
    ],
)  # fmt: skip
def test_batches_change_nothing(model_type: str, options: dict) -> None:
    located, tokenizer, task = view(tiny_model(model_type)), tiny_tokenizer(), a_task()
    one, many = (deactivate(located, tokenizer, task, token_budget=size, draws=2, **options) for size in (1, 4096))
    assert torch.equal(one.sizes, many.sizes)
    for name in ("baseline", "deactivated", "random"):
        torch.testing.assert_close(getattr(one, name), getattr(many, name), rtol=1e-4, atol=1e-4, equal_nan=True)
    assert one.signature == many.signature


def test_a_row_has_the_same_draws_whatever_stands_beside_it() -> None:
    located, tokenizer, task = view(tiny_model("llama")), tiny_tokenizer(), a_task()
    whole, part = deactivate(located, tokenizer, task, draws=2), deactivate(located, tokenizer, task.take([3]), draws=2)
    torch.testing.assert_close(whole.random[:, :, 3:4], part.random, rtol=1e-4, atol=1e-4, equal_nan=True)
    other = deactivate(located, tokenizer, task, draws=2, seed=1)
    assert torch.equal(whole.deactivated[..., 0], other.deactivated[..., 0])
    assert not torch.equal(whole.random[..., 0], other.random[..., 0])
    assert not torch.equal(whole.random[0, ..., 0], whole.random[1, ..., 0])


def test_the_model_is_as_before() -> None:
    located = view(tiny_model("mixtral"))
    before = {name: value.clone() for name, value in located.model.state_dict().items()}
    located.model.train()
    deactivate(located, tiny_tokenizer(), a_task(2), draws=1)
    assert located.model.training
    assert all(torch.equal(value, before[name]) for name, value in located.model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in located.model.modules())


LAYOUT = Layout((("decoder", (24, (4, 6), 10)),))


def firing(rows: int = 6, languages: int = 4) -> Tensor:
    chance = torch.rand(rows, 1, LAYOUT.neuron_count, generator=torch.Generator().manual_seed(0))
    return (torch.rand(rows, languages, LAYOUT.neuron_count, generator=torch.Generator().manual_seed(1)) < chance).sum(
        1
    )


def test_types_are_those_of_the_categories() -> None:
    for languages in (2, 4):
        found = members_by_category(firing(languages=languages), languages, CATEGORIES)
        assert torch.equal(sum(part.long() for part in found.values()), torch.ones(6, LAYOUT.neuron_count).long())
        counts = torch.stack([(firing(languages=languages) == g).sum(1) for g in range(languages + 1)], dim=-1)
        assert torch.equal(torch.stack([part.sum(1) for part in found.values()], dim=-1), categories_of(counts))


def test_sizes_are_those_of_the_sharing_counts() -> None:
    located, tokenizer, task = view(tiny_model("mixtral")), tiny_tokenizer(), a_task()
    sharing = record_sharing(located, tokenizer, task.prompts)
    sizes = deactivate(located, tokenizer, task, draws=1).sizes
    assert torch.equal(sizes.permute(1, 2, 0).long(), categories_of(sharing.by_row).long())


def test_random_sets_have_the_size_of_the_type_in_every_layer_of_every_row() -> None:
    ids = [f"row{place}" for place in range(6)]
    drawn = set()
    for name, part in members_by_category(firing(), 4, CATEGORIES).items():
        for draw in range(3):
            control = random_masks(LAYOUT, part, 0, ids, name, draw)
            assert torch.equal(LAYOUT.sum_by_layer(control.long()), LAYOUT.sum_by_layer(part.long()))
            drawn |= {tuple(row.tolist()) for row in control}
    assert len(drawn) > 60  # of 72: tiny sets of few neurons may fall together
    assert len({seed_of(0, row, name, draw) for row in ids for name in CATEGORIES for draw in range(5)}) == 120


def test_equal_size_is_the_smallest_type_that_is_not_empty_in_the_layer() -> None:
    members = members_by_category(firing(), 4, CATEGORIES)
    cut = of_equal_size(LAYOUT, members, 0, [f"row{place}" for place in range(6)])
    before = torch.stack([LAYOUT.sum_by_layer(part.long()) for part in members.values()])
    for place, (name, part) in enumerate(cut.items()):
        assert not (part & ~members[name]).any()
        sizes = LAYOUT.sum_by_layer(part.long())
        for row in range(6):
            for layer in range(3):
                smallest = min(int(count) for count in before[:, row, layer] if count)
                assert int(sizes[row, layer]) == (smallest if before[place, row, layer] else 0)


def test_equal_size_reaches_the_result() -> None:
    result = deactivate(view(tiny_model("llama")), tiny_tokenizer(), a_task(), equal_size=True, draws=1)
    present = [sorted({int(size) for size in column if size}) for column in result.sizes.flatten(1).T]
    assert all(len(sizes) == 1 for sizes in present)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_corpus_has_one_set_a_type(share: float) -> None:
    located, tokenizer, task = view(tiny_model("llama")), tiny_tokenizer(), a_task()
    result = deactivate(located, tokenizer, task, level="corpus", corpus_share=share, draws=1, same_rows="allow")
    by_row = [plain_categories(located, tokenizer, [task.prompts.texts[g][row] for g in LANGUAGES]) for row in range(5)]
    for place, name in enumerate(CATEGORIES):
        members = [n for n in range(located.layout.neuron_count) if sum(n in row[name] for row in by_row) >= 5 * share]
        assert result.sizes[place].sum(1).tolist() == [len(members)] * 5
        for row, g in ((0, 0), (4, 2)):
            expected = plain_counts(located, tokenizer, task, row, LANGUAGES[g], members, "all")["log_probability"]
            assert float(result.deactivated[place, row, g, 0]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("value", ["mean", "mean of other languages"])
def test_means_are_those_of_the_coefficients(value: str) -> None:
    located, tokenizer, task = view(tiny_model("llama")), tiny_tokenizer(), a_task(options=0)
    result = deactivate(located, tokenizer, task, value=value, scope="last", draws=1)  # type: ignore[arg-type]
    means = torch.stack([
        torch.stack([
            torch.cat([layer[-1] for layer in activations(located.model, tokenizer(text)["input_ids"], "write")])
            for text in task.prompts.texts[g]
        ]).mean(0)
        for g in LANGUAGES
    ])  # fmt: skip
    for row in range(5):
        categories = plain_categories(located, tokenizer, [task.prompts.texts[g][row] for g in LANGUAGES])
        for g in range(3):
            new = means.mean(0) if value == "mean" else means[[other for other in range(3) if other != g]].mean(0)
            whole = tokenizer(task.prompts.texts[LANGUAGES[g]][row] + task.answers.texts[LANGUAGES[g]][row])[
                "input_ids"
            ]
            start = len(tokenizer(task.prompts.texts[LANGUAGES[g]][row])["input_ids"])
            handles = []
            for layer, (_, module) in zip(located.layout.layers, modules_of(located.model, DOWN_PROJECTIONS)):
                own = [
                    n - layer.start
                    for n in categories["partial-shared"]
                    if layer.start <= n < layer.start + layer.width
                ]

                def hook(_module, inputs, own=own, part=new[layer.neurons], start=start):  # type: ignore[no-untyped-def]
                    changed = inputs[0].clone()
                    changed[0, start - 1, own] = part[own]
                    return (changed,)

                handles.append(module.register_forward_pre_hook(hook))
            with torch.no_grad():
                logits = located.model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
            for handle in handles:
                handle.remove()
            expected = sum(float(logits[place - 1, whole[place]]) for place in range(start, len(whole)))
            assert float(result.deactivated[1, row, g, 0]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def continued(located: ModelView, tokenizer, prompt: str, tokens: int) -> list[int]:
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    mask = torch.ones_like(ids)
    new = located.model.generate(ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    return new[0, ids.shape[1] :].tolist()


def test_generated_text_is_what_the_model_writes_with_these_neurons_off() -> None:
    located, tokenizer, prompts = view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus(6, LANGUAGES)
    answers = {  # what the model itself would say, so that some answers are right
        g: tuple(
            "".join(f" {WORDS[max(0, token - 3)]}" for token in continued(located, tokenizer, prompt, 2))
            for prompt in prompts.texts[g]
        )
        for g in LANGUAGES
    }
    task = Task("own words", prompts, Corpus("answers", prompts.ids, answers))
    result = deactivate(located, tokenizer, task, level="corpus", by_generation=True, draws=1, same_rows="allow")
    exact, generated = COLUMN["exact"], COLUMN["generated"]
    assert float(result.baseline[..., exact].mean()) > 0
    by_row = [plain_categories(located, tokenizer, [prompts.texts[g][row] for g in LANGUAGES]) for row in range(6)]
    sets = [[]] + [
        [n for n in range(located.layout.neuron_count) if sum(n in row[name] for row in by_row) >= 3]
        for name in CATEGORIES
    ]
    for off, counts in zip(sets, [result.baseline, *result.deactivated], strict=True):
        members = torch.zeros(located.layout.neuron_count, dtype=torch.bool)
        members[off] = True
        with switch_off(located, NeuronSet(located.layout, members)):
            for row in range(6):
                for g, language in enumerate(LANGUAGES):
                    written = continued(located, tokenizer, prompts.texts[language][row], 2)
                    answer = answers[language][row]
                    text = tokenizer.decode(written, skip_special_tokens=True)
                    assert float(counts[row, g, generated]) == text.startswith(answer.strip())
                    whole = tokenizer(answer)["input_ids"][1:]
                    assert float(counts[row, g, exact]) == (written == whole)  # greedy decoding to its length
    for counts in (result.baseline, result.deactivated, result.random):
        assert bool((counts[..., generated] >= counts[..., exact]).all())
    assert result.baseline[..., COLUMN["option"]].isnan().all()
    assert result.accuracy == "exact"
    means = deactivate(
        located,
        tokenizer,
        task,
        level="corpus",
        value="mean of other languages",
        by_generation=True,
        draws=1,
        same_rows="allow",
    )
    assert bool((means.deactivated[..., generated] >= means.deactivated[..., exact]).all())


def test_ties_between_options_are_wrong() -> None:
    located = view(tiny_model("gpt2"))
    with torch.no_grad():
        located.model.lm_head.weight.zero_()  # every token is as likely as any other
    task = a_task()
    same = {g: tuple(f" {WORDS[row]}" for row in range(5)) for g in LANGUAGES}
    other = {g: tuple(f" {WORDS[row + 9]}" for row in range(5)) for g in LANGUAGES}
    first, second = (Corpus(name, task.ids, texts) for name, texts in (("a", same), ("b", other)))
    result = deactivate(located, tiny_tokenizer(), Task("t", task.prompts, first, (first, second)), draws=1)
    assert float(result.baseline[..., COLUMN["option"]].sum()) == 0
    assert float(result.baseline[0, 0, 0]) == pytest.approx(-math.log(64), rel=1e-5)


def test_what_a_tokenizer_adds_behind_a_prompt_is_not_read() -> None:
    ending = tiny_tokenizer()
    ending.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    located, task = view(tiny_model("llama")), a_task(3)
    assert ending("w1")["input_ids"][-1] == 2
    found, expected = (deactivate(located, tokenizer, task, draws=1) for tokenizer in (ending, tiny_tokenizer()))
    torch.testing.assert_close(found.random, expected.random, rtol=0, atol=0, equal_nan=True)


def test_rows_that_cannot_be_scored_are_left_out_in_all_languages() -> None:
    task = a_task(5, options=0)
    prompts, answers = dict(task.prompts.texts), dict(task.answers.texts)
    answers["sw"] = (answers["sw"][0], "glued", *answers["sw"][2:])
    prompts["zh"] = (*prompts["zh"][:3], " ".join(["w1"] * 70), prompts["zh"][4])
    broken = Task("t", Corpus("p", task.ids, prompts), Corpus("a", task.ids, answers), dropped={"was bad": 2})
    result = deactivate(view(tiny_model("llama")), tiny_tokenizer(), broken, draws=1)
    assert result.ids == ("row0", "row2", "row4")
    assert result.dropped == {
        "was bad": 2, "prompt and answer share a token": 1, "too many tokens": 1,
    }  # fmt: skip
    whole = deactivate(view(tiny_model("llama")), tiny_tokenizer(), task, draws=1)
    torch.testing.assert_close(
        result.deactivated, whole.deactivated[:, [0, 2, 4]], rtol=1e-4, atol=1e-4, equal_nan=True
    )
    with pytest.raises(CorpusError, match="share a token: 1"):
        deactivate(view(tiny_model("llama")), tiny_tokenizer(), broken.take([1]), draws=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "token"}, "level='token'"), ({"scope": "first"}, "'all', 'last', 'prompt', 'answer'"),
        ({"value": "median"}, "value='median'"), ({"categories": ("shared",)}, "Expected some of all-shared"),
        ({"categories": ()}, "Got the categories"), ({"draws": 0}, "one draw or more"),
        ({"corpus_share": 0.0}, "a share above"),
        ({"by_generation": True}, "the level 'corpus'"), ({"recording": Recording(fires=(0.0, 1.0))}, "one threshold"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        deactivate(view(tiny_model("llama")), tiny_tokenizer(), a_task(2), **options)


def test_one_language_and_other_kinds_of_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="two languages or more"):
        deactivate(view(tiny_model("llama")), tiny_tokenizer(), a_task(2).select(["de"]))
    with pytest.raises(UnsupportedModelError, match="no next-token predictions: t5 is an encoder-decoder"):
        deactivate(view(tiny_model("t5")), tiny_tokenizer(), a_task(2))


def test_two_languages_have_no_partial_shared_neurons_and_no_effect_of_them() -> None:
    task = a_task(3).select(["de", "sw"])
    result = deactivate(view(tiny_model("llama")), tiny_tokenizer(), task, draws=1)
    assert int(result.sizes[1].sum()) == 0
    assert torch.equal(result.deactivated[1], result.baseline) or result.baseline.isnan().any()
    assert math.isnan(result.mean_effects("log_probability")["partial-shared"].deactivated.value)


def test_saved_and_loaded_it_is_the_same(tmp_path) -> None:
    result = deactivate(view(tiny_model("mixtral")), tiny_tokenizer(), a_task(3), draws=2, categories=("specific",))
    path = result.save(tmp_path / "deactivation.safetensors")
    loaded = Deactivation.load(path)
    for name in ("baseline", "deactivated", "random", "sizes"):
        torch.testing.assert_close(getattr(loaded, name), getattr(result, name), rtol=0, atol=0, equal_nan=True)
    assert (loaded.data, loaded.layout, loaded.languages) == (result.data, result.layout, result.languages)
    assert (loaded.categories, loaded.ids, loaded.signature) == (("specific",), result.ids, result.signature)
    assert loaded.dropped == result.dropped
    assert loaded.save(tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    with pytest.raises(ArtifactError, match="none empty"):
        Deactivation(
            "t", result.layout, result.languages, CATEGORIES, result.ids, result.baseline, result.deactivated,
            result.random, result.sizes, result.signature,
        )  # fmt: skip


@pytest.mark.parametrize("value", ["mean", "mean of other languages"])
def test_rows_that_are_left_out_enter_no_mean(value: str) -> None:
    """The prompts of row 3 could be read; its answer in one language cannot be told from its prompt."""
    task, others = a_task(5, options=0), [0, 1, 2, 4]
    answers = dict(task.answers.texts)
    answers["sw"] = (*answers["sw"][:3], "glued", answers["sw"][4])
    broken = Task("own", task.prompts, Corpus("a", task.ids, answers))
    located = view(tiny_model("llama"))
    found, expected = (
        deactivate(located, tiny_tokenizer(), one, value=value, draws=1)  # type: ignore[arg-type]
        for one in (broken, task.take(others))
    )
    assert found.ids == expected.ids
    torch.testing.assert_close(found.deactivated, expected.deactivated, rtol=1e-4, atol=1e-4, equal_nan=True)


def test_the_longest_answer_is_the_longest_right_one() -> None:
    """Not the longest option, and not that of the first row's number."""
    prompts = tiny_corpus(3, LANGUAGES)
    listed = [(" w1", " w2 w3 w4 w5 w6"), (" w7 w8 w9 w1 w2 w3", " w4 w5 w6"), (" w1 w2", " w3")]
    right = [0, 1, 0]

    def column(numbers: list[int]) -> Corpus:
        texts = {g: tuple(listed[row][number] for row, number in enumerate(numbers)) for g in LANGUAGES}
        return Corpus("c", prompts.ids, texts)

    task = Task("t", prompts, column(right), (column([0, 0, 0]), column([1, 1, 1])))
    assert longest_answer(read_questions(tiny_tokenizer(), task, 64, "refuse")) == 3


def test_a_prompt_needs_room_for_the_longest_answer_where_texts_are_generated() -> None:
    task = a_task(4, options=0)
    answers = {g: (" w1 w2 w3 w4 w5 w6", *[" w1"] * 3) for g in LANGUAGES}
    prompts = dict(task.prompts.texts)
    prompts["sw"] = (
        *prompts["sw"][:2],
        " ".join(["w1"] * 60),
        prompts["sw"][3],
    )  # 61 tokens and 1 of the answer: of 64
    tight = Task("t", Corpus("p", task.ids, prompts), Corpus("a", task.ids, answers))
    located = view(tiny_model("llama"))
    assert len(deactivate(located, tiny_tokenizer(), tight, level="corpus", draws=1, same_rows="allow").ids) == 4
    found = deactivate(located, tiny_tokenizer(), tight, level="corpus", draws=1, by_generation=True, same_rows="allow")
    assert found.ids == ("row0", "row1", "row3")
    assert found.dropped == {"too many tokens": 1}


def test_each_draw_that_is_generated_with_has_a_set_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    located, task, used = view(tiny_model("llama")), a_task(3, options=0), []

    def noting(view, tokenizer, task, questions, off, *rest):
        used.append(tuple(off.tolist()))
        return torch.full((3, 3), float(len(used)), dtype=torch.float64)

    monkeypatch.setattr("neuroglot.experiments.deactivation.generated_right", noting)
    result = deactivate(
        located, tiny_tokenizer(), task, level="corpus", by_generation=True, draws=3, seed=5, same_rows="allow"
    )
    assert len(used) == 1 + 4 * (1 + 3)
    generated, order = COLUMN["generated"], iter(range(1, 99))
    assert result.baseline[..., generated].unique().tolist() == [next(order)]
    for place, name in enumerate(CATEGORIES):
        number = next(order)
        members = torch.tensor([used[number - 1]])
        assert result.deactivated[place, ..., generated].unique().tolist() == [number]
        assert result.sizes[place].sum(1).tolist() == [int(members.sum())] * 3
        for draw in range(3):
            number = next(order)
            assert result.random[draw, place, ..., generated].unique().tolist() == [number]
            control = random_masks(located.layout, members, 5, ["corpus"], name, draw)[0]
            assert used[number - 1] == tuple(control.tolist())


def test_draws_and_categories_of_a_row_differ() -> None:
    layout = Layout((("decoder", (64,)),))
    members = (torch.arange(64) < 20)[None]
    drawn = {
        (name, draw, seed): tuple(random_masks(layout, members, seed, ["a"], name, draw)[0].tolist())
        for name in CATEGORIES
        for draw in range(3)
        for seed in (0, 1)
    }
    assert len(set(drawn.values())) == len(drawn)


@pytest.mark.parametrize("level", ["row", "corpus"])
def test_rows_that_are_left_out_change_nothing_of_the_others(level: str) -> None:
    """Neither how many rows are a share of them, nor their random neurons, which follow from their ids."""
    located, tokenizer, task = view(tiny_model("llama")), tiny_tokenizer(), a_task(rows=6)
    tokenizer.model_max_length = 40
    long = {g: (" ".join(["w3"] * 60), *column[1:]) for g, column in task.prompts.texts.items()}
    given = Task("own", Corpus("long", task.ids, long), task.answers, task.options)
    options = {"level": level, "corpus_share": 0.6, "draws": 2, "same_rows": "allow"}
    found = deactivate(located, tokenizer, given, **options)  # type: ignore[arg-type]
    expected = deactivate(located, tokenizer, task.take(range(1, 6)), **options)  # type: ignore[arg-type]
    assert found.ids == expected.ids == task.ids[1:]
    for name in ("baseline", "deactivated", "random", "sizes"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), equal_nan=True)
