"""Probes against plain lines: choices, ranks, likelihoods, what rules write, and what is told of them."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import t as student

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.decisions.fitting import NEXT_TOKEN, fit_transform
from neuroglot.decisions.rules import Rule
from neuroglot.decisions.transforms import Power
from neuroglot.errors import ConfigError
from neuroglot.experiments import choices as choosing
from neuroglot.experiments import ruled_texts
from neuroglot.experiments.choices import among_likeliest, next_tokens, options
from neuroglot.experiments.probing import _LIKELIHOODS, candidates_of, correlations, log_probabilities, probe
from neuroglot.experiments.ruled_texts import Probing, rule_probe, write_all, writers_of
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.probing import LikelihoodProbe, RuleProbe, rank_correlation, rank_counts
from neuroglot.models import view
from neuroglot.signature import Signature
from neuroglot.tokens.asked import asked_tokens
from neuroglot.tokens.questions import read_questions
from tests.families import tiny_model
from tests.specialization import making
from tests.tiny import tiny_corpus, tiny_tokenizer

PROBING = Probing("chrf", (2,), ("epsilon", "majority", "mbr-chrf"), samples=3, max_new_tokens=4, seed=5)
COLD = Power(1.6)


def task_of(rows: int = 12, with_options: bool = False, seed: int = 3) -> Task:
    prompts, answers, others = (tiny_corpus(rows, ("de", "sw"), seed + place) for place in range(3))
    answers, others = (
        Corpus(part.name, prompts.ids, {g: tuple(f" {text}" for text in column) for g, column in part.texts.items()})
        for part in (answers, others)
    )
    return Task("tiny", prompts, answers, (others, answers) if with_options else ())


@pytest.fixture(scope="module")
def model():
    return view(tiny_model("llama")), tiny_tokenizer()


def logits_behind(model, prompt: str, answer: str) -> tuple[torch.Tensor, list[int]]:
    """What the model says of each token of an answer, by one forward."""
    located, tokenizer = model
    before, whole = tokenizer(prompt)["input_ids"], tokenizer(prompt + answer)["input_ids"]
    with torch.no_grad():
        logits = located.model(torch.tensor([whole])).logits[0]
    return logits[len(before) - 1 : -1], whole[len(before) :]


def test_choices_of_next_tokens_are_the_models_scores_of_the_answers(model) -> None:
    task = task_of()
    asked = asked_tokens(*model, task)
    for place, language in enumerate(task.languages):
        choices, ranks = next_tokens(model[0], asked, place)
        start = 0
        for row in range(len(task)):
            logits, ids = logits_behind(model, task.prompts.texts[language][row], task.answers.texts[language][row])
            part = slice(start, start + len(ids))
            assert torch.allclose(choices.utilities[part], logits, atol=1e-4)
            assert choices.chosen[part].tolist() == ids
            assert set(choices.rows[part].tolist()) == {row}
            places = [sorted(line.tolist(), reverse=True).index(line[token]) + 1 for line, token in zip(logits, ids)]
            expected = [
                sum(map(math.log, places)), places.count(1), sum(rank <= 10 for rank in places), len(places)
            ]  # fmt: skip
            assert ranks[row].tolist() == pytest.approx(expected, abs=1e-9)
            start += len(ids)
        assert start == len(choices.chosen)


def test_of_a_large_vocabulary_each_row_gives_its_first_tokens(model, monkeypatch) -> None:
    monkeypatch.setattr(choosing, "MOST_SCORES", 1)
    monkeypatch.setattr(choosing, "LEAST_TOKENS", 24)
    asked = asked_tokens(*model, task_of(12))
    choices, ranks = next_tokens(model[0], asked, 0)
    assert torch.bincount(choices.rows).max() == 2
    assert ranks[:, 3].sum() > len(choices.rows)
    texts = [text for text in asked.tokens.texts if text.language == 0]
    firsts = {text.row: text.asked[:2] for text in texts}
    assert [choices.chosen[choices.rows == row].tolist() for row in range(12)] == [firsts[row] for row in range(12)]


def test_choices_among_the_likeliest_leave_out_those_whose_right_one_is_not_there(model) -> None:
    whole, _ = next_tokens(model[0], asked_tokens(*model, task_of()), 0)
    part = among_likeliest(whole, 5)
    ranks = [(scores > scores[right]).sum().item() for scores, right in zip(whole.utilities, whole.chosen)]
    assert part.left_out == sum(rank >= 5 for rank in ranks) > 0
    assert part.chosen.tolist() == [rank for rank in ranks if rank < 5]
    assert part.rows.tolist() == [row for row, rank in zip(whole.rows.tolist(), ranks) if rank < 5]
    kept = torch.tensor(ranks) < 5
    assert torch.equal(part.utilities, whole.utilities[kept].sort(descending=True).values[:, :5])


def test_options_are_weighed_by_their_log_probability_behind_the_prompt(model) -> None:
    task = task_of(with_options=True)
    questions = read_questions(model[1], task, None)
    choices = options(model[0], questions, 1)
    for row in range(len(task)):
        for number, column in enumerate(task.options):
            logits, ids = logits_behind(model, task.prompts.texts["sw"][row], column.texts["sw"][row])
            expected = logits.log_softmax(-1).gather(-1, torch.tensor(ids)[:, None]).sum().item()
            assert float(choices.utilities[row, number]) == pytest.approx(expected, abs=1e-3)
            assert int(choices.lengths[row, number]) == len(ids)
    assert choices.chosen.tolist() == [1] * len(task)


def test_rules_that_read_draws_write_what_they_write_by_name(model) -> None:
    task, (located, tokenizer) = task_of(), model
    written = write_all(
        writers_of(*model, task, PROBING), task, PROBING, dict.fromkeys(task.languages, COLD), Signature()
    )
    assert set(written) == {
        "greedy", "beam 2", "epsilon", "sample", "majority", "mbr-chrf", "sample, tuned", "majority, tuned",
        "mbr-chrf, tuned", "draws", "draws, tuned",
    }  # fmt: skip
    backend = LocalBackend(located, tokenizer, keep_truncated=True)
    for name, columns in written.items():
        base, _, tuned = name.partition(", ")
        if base == "draws":
            continue
        rule = Rule(
            base.split()[0], samples=2 if base == "beam 2" else 3, seed=5, **({"transform": COLD} if tuned else {})
        )
        for language in task.languages:
            prompts = list(task.prompts.texts[language])
            alone = [each.text or "" for each in backend.complete(prompts, Decoding(4, rule=rule))]
            assert [texts[0] for texts in columns[language]] == alone, (name, language)
    assert written["sample"] != written["sample, tuned"] != written["greedy"]


def test_translators_write_from_the_sources_in_each_direction() -> None:
    located, tokenizer = making.located("m2m_100"), making.translation_tokenizer()
    data = Directed(making.texts(4), ("en-de", "fr-en"))
    writers = writers_of(located, tokenizer, data, PROBING)
    assert list(writers) == ["en-de", "fr-en"]
    for direction in data.directions:
        told = LocalBackend(located, tokenizer, keep_truncated=True).towards(direction)
        alone = told.complete(list(data.corpus.texts[direction.source]), Decoding(4))
        assert [texts[0] for texts in writers[str(direction)](Decoding(4))] == alone


def test_short_and_empty_texts_are_counted_by_row(model) -> None:
    task = task_of(2)
    references = [text.strip() for text in task.answers.texts["de"]]
    halves = [text.encode()[: (len(text.encode()) + 1) // 2].decode() for text in references]
    texts = {"greedy": {"de": [[""], [halves[1]]], "sw": [[text.strip()] for text in task.answers.texts["sw"]]}}
    probing = Probing("chrf", (), (), samples=1)
    rules = ("greedy", "sample", "sample, tuned")
    found = rule_probe(task, dict.fromkeys(rules, texts["greedy"]), probing, Signature())
    assert found.empty["greedy"].tolist() == [[1, 0], [0, 0]]
    assert found.short["greedy"].tolist() == [[1, 0], [0, 0]]  # just half of it is not short
    shorter = {"de": [[""], [halves[1][:-1]]], "sw": texts["greedy"]["sw"]}
    assert rule_probe(task, dict.fromkeys(rules, shorter), probing, Signature()).short["greedy"].tolist() == [
        [1, 0], [1, 0],
    ]  # fmt: skip
    assert found.scores("greedy")[1].value == pytest.approx(100)
    assert found.control == "sample, tuned"


def results(metric: str = "accuracy", rows: int = 60) -> RuleProbe:
    generator = torch.Generator().manual_seed(1)
    shares = {"greedy": (0.99, 0.65), "sample": (0.5, 0.5), "sample, tuned": (0.5, 0.5), "bad": (0.05, 0.5)}
    counts = {
        rule: torch.stack([
            torch.stack([(torch.rand(rows, generator=generator) < p).double(), torch.ones(rows).double()], -1)
            for p in pair
        ], dim=1)
        for rule, pair in shares.items()
    }  # fmt: skip
    nothing = dict.fromkeys(shares, torch.zeros(rows, 2, dtype=torch.float64))
    return RuleProbe(
        "d", ("de", "sw"), metric, "sample, tuned", counts, nothing, nothing, dict.fromkeys(shares, ""),
        {1: "greedy"}, Signature(),
    )  # fmt: skip


def test_differences_to_the_control_hold_at_once_over_rules_and_languages() -> None:
    found = results()
    assert found.claims == 9  # two languages and their mean
    change = found.counts["greedy"][:, 0, 0] - found.counts["sample, tuned"][:, 0, 0]
    more = torch.cat([change, torch.tensor([1.0, -1.0], dtype=torch.float64)])  # Bonett and Price
    rows = len(change)
    middle = float(more.mean())
    spread = math.sqrt(float((more - middle).square().sum()) / (rows + 2) / (rows + 2))
    half = student.ppf(1 - 0.05 / 9 / 2, rows - 1) * spread
    score = found.differences("greedy", found.control)[0]
    assert score.value == pytest.approx(100 * float(change.mean()))
    assert score.low == pytest.approx(100 * (middle - half), abs=0.05)
    assert score.high == pytest.approx(min(100, 100 * (middle + half)), abs=0.05)
    alone = found.differences("greedy", found.control, 1)[0]
    assert score.low < alone.low < alone.high <= score.high


def test_what_is_clearly_better_or_worse_is_told_by_language() -> None:
    found = results()
    assert found.told() == {"de": (["greedy"], ["bad"]), "sw": ([], [])}
    assert found.best()["de"] == ["greedy"]
    assert found.mean("greedy").value == pytest.approx(50 * float(found.counts["greedy"][..., 0].mean(0).sum()))
    assert [found.on_the_mean(rule) for rule in found.counts] == [1, 0, 0, -1]
    of_mean = found.mean_difference("greedy", found.control)
    each = found.differences("greedy", found.control)
    assert of_mean.value == pytest.approx(sum(score.value for score in each) / 2)
    assert of_mean.high - of_mean.low < min(score.high - score.low for score in each)
    worse = replace(found, metric="ter", counts={r: part * 1.0 for r, part in found.counts.items()})
    assert worse.told()["de"] == (["bad"], ["greedy"])  # fewer edits are better
    assert worse.best()["de"] == ["bad"]


def test_rank_correlations_are_spearmans() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    assert math.isnan(rank_correlation([1, 2, 3], [2, 2, 2]))
    assert rank_counts(torch.tensor([[1.0, 3.0, 2.0, 3.0]]), torch.tensor([2]))[0].tolist() == [
        pytest.approx(math.log(3)), 0.0, 1.0, 1.0,
    ]  # fmt: skip


def test_half_of_a_reference_is_not_short() -> None:
    assert [ruled_texts._is_short(text, " abcd ") for text in ("", " a ", "ab", "abc")] == [True, True, False, False]
    assert not ruled_texts._is_short("ä", "abcd")  # in bytes


def test_the_tenth_rank_is_among_ten() -> None:
    scores = torch.arange(12.0).flip(0)[None]
    among = [float(rank_counts(scores, torch.tensor([place]))[0, 2]) for place in range(12)]
    assert among == [1.0] * 10 + [0.0] * 2


def test_rows_whose_candidates_do_not_vary_say_nothing_of_likelihood() -> None:
    values = torch.tensor([[0.5, math.nan], [1.0, math.nan], [math.nan, 0.2]], dtype=torch.float64)
    ranks = torch.ones(3, 2, 4, dtype=torch.float64)
    found = LikelihoodProbe("d", ("de", "sw"), {"whole": values, "token": -values}, ranks, Signature())
    assert found.varying == [2, 1]
    assert found.correlation("whole")[0].value == pytest.approx(0.75)
    assert found.correlation("token")[1].value == pytest.approx(-0.2)
    assert [score.value for score in found.mean_ranks] == pytest.approx([math.e, math.e])
    assert found.first[0].value == found.among_ten[0].value == 1.0


def test_likelihoods_of_texts_are_those_behind_the_prompt(model) -> None:
    task = task_of(3)
    candidates = [[" w3 w4", " w5"], [], [" w6 w7 w8", "w9"]]
    found = log_probabilities(*model, task, 0, candidates)
    for (row, text), (total, count) in found.items():
        logits, ids = logits_behind(model, task.prompts.texts["de"][row], text)
        assert total == pytest.approx(
            logits.log_softmax(-1).gather(-1, torch.tensor(ids)[:, None]).sum().item(), abs=1e-3
        )
        assert count == len(ids)
    assert set(found) >= {(0, " w3 w4"), (0, " w5"), (2, " w6 w7 w8")}
    assert log_probabilities(*model, task, 0, [[], [], []]) == {}


def test_correlations_are_over_the_different_texts_of_a_row(model) -> None:
    task, probing = task_of(3), Probing("chrf", (), (), samples=1)
    long = " ".join(["", *(f"w{number}" for number in range(10, 18))])
    columns = {g: [[" w3 w4", " w3 w4"], [" w5"], [long, " w8"]] for g in task.languages}
    other = {g: [[" w9"], [" w5"], ["  "]] for g in task.languages}
    assert candidates_of({"a": columns, "b": other}, "de") == [[" w3 w4", " w9"], [" w5"], [long, " w8"]]
    found = correlations(*model, task, {"a": columns, "b": other}, probing)
    assert math.isnan(found["whole"][1, 0])
    import sacrebleu

    for row, texts in ((0, [" w3 w4", " w9"]), (2, [long, " w8"])):
        quality = [sacrebleu.sentence_chrf(text, [task.answers.texts["de"][row].strip()]).score for text in texts]
        sums, means = [], []
        for text in texts:
            logits, ids = logits_behind(model, task.prompts.texts["de"][row], text)
            sums.append(logits.log_softmax(-1).gather(-1, torch.tensor(ids)[:, None]).sum().item())
            means.append(sums[-1] / len(ids))
        assert quality[0] != quality[1] or row == 0
        for of, values in (("whole", sums), ("token", means)) if quality[0] != quality[1] else ():
            expected = 1.0 if (quality[0] > quality[1]) == (values[0] > values[1]) else -1.0
            assert float(found[of][row, 0]) == pytest.approx(expected), of
    assert _LIKELIHOODS["token"](-6.0, 3.0) == -2.0
    assert _LIKELIHOODS["whole"](-6.0, 3.0) == -6.0


def test_transforms_are_fitted_on_the_selection_and_reported_on_other_rows(model) -> None:
    selection, held_out = task_of(16).split(0.5)
    found = probe(*model, selection, held_out, PROBING)
    assert not set(selection.ids) & set(held_out.ids)
    by_kind = {calibration.kind: calibration for calibration in found.calibrations}
    assert list(by_kind) == ["next token", "next token of the 20 likeliest"]
    fit_on, _ = next_tokens(model[0], asked_tokens(*model, selection), 1)
    fitted = fit_transform("temperature", fit_on.utilities, fit_on.chosen)
    (beta,) = by_kind[NEXT_TOKEN].parameters["temperature"][1].values()
    assert (beta.value, beta.low) == pytest.approx((fitted.intervals["beta"].value, fitted.intervals["beta"].low))
    tested, _ = next_tokens(model[0], asked_tokens(*model, held_out), 1)
    losses = -(fitted.transform(tested.utilities.double())).gather(-1, tested.chosen[:, None])
    assert by_kind[NEXT_TOKEN].losses("temperature")[1].value == pytest.approx(float(losses.mean()))
    assert len(found.rules.counts["greedy"]) == len(held_out) == len(found.likelihoods.ranks)
    drawn = write_all(
        writers_of(*model, held_out, PROBING), held_out, PROBING, {"de": COLD, "sw": fitted.transform}, Signature()
    )  # fmt: skip
    (name,) = {found.rules.control}
    metric = PROBING.metric_in("sw")
    from neuroglot.metrics.texts.metric import Texts

    texts = tuple(part[0] for part in drawn[name]["sw"])
    references = tuple(text.strip() for text in held_out.answers.texts["sw"])
    assert torch.equal(found.rules.counts[name][:, 1], metric.counts(Texts(texts, (references,))))
    assert (found.rules.signature["fitted_rows"], found.rules.signature["rows"]) == (8, 8)


def test_options_have_all_transforms_beside_the_temperature(model) -> None:
    selection, held_out = task_of(30, True).split(0.5)
    found = probe(*model, selection, held_out, Probing("chrf", (), (), samples=1, max_new_tokens=2))
    last = found.calibrations[-1]
    assert last.kind == "option"
    assert list(last.counts) == ["identity", "temperature", "power", "bradley-terry", "ranks"]
    assert isinstance(last.errors("power")[0], Score)


@pytest.mark.parametrize(
    "given",
    [
        {"beam_sizes": (1,)}, {"beam_sizes": (2, 2)}, {"rules": ("epsilon", "epsilon")}, {"samples": 0},
        {"metric": "nothing"},
    ],
)  # fmt: skip
def test_options_of_a_probe_that_make_no_sense_are_refused(given) -> None:
    with pytest.raises(ConfigError):
        Probing(**{"metric": "chrf", **given})


def test_prompts_without_room_are_refused(model) -> None:
    task = task_of(4)
    with pytest.raises(ConfigError, match=r"less room|context"):
        long = replace(PROBING, max_new_tokens=int(model[0].model.config.max_position_embeddings) - 2)
        write_all(writers_of(*model, task, long), task, long, dict.fromkeys(task.languages, COLD), Signature())
