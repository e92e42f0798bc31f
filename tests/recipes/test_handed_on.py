"""What recipes hand on: rows, seeds and batches, none of which a number would show to be the wrong ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments import evaluation, scoreboard, specialization
from neuroglot.experiments.deactivation_scoring import random_masks
from neuroglot.experiments.scoreboard import compare_selectors, selection_and_held_out
from neuroglot.experiments.specialization import ComparisonConfig, compare_specialization
from neuroglot.lab.translator import TranslatorConfig
from neuroglot.layout import Layout
from neuroglot.models import view
from neuroglot.neurons import NeuronSet, at_random_like, stability
from neuroglot.neurons.rules.table import SELECTORS, Evidence
from neuroglot.recipes.ablate import Ablate
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.options import OnLanguages
from neuroglot.recipes.reading import part_of
from neuroglot.recipes.record import Record
from neuroglot.recipes.scoreboard import Scoreboard
from neuroglot.recipes.select import Select
from neuroglot.recipes.sharing import Sharing
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(30)


class Stopped(Exception):
    """The call that a test waits for was made."""


def caught(monkeypatch: pytest.MonkeyPatch, module, name: str) -> list[tuple[tuple, dict]]:
    calls: list[tuple[tuple, dict]] = []

    def stop(*args, **options):
        calls.append((args, options))
        raise Stopped

    monkeypatch.setattr(module, name, stop)
    return calls


def test_selection_and_proof_share_no_row() -> None:
    selection, held_out = selection_and_held_out(CORPUS, 9, 3)
    assert len(held_out) == 9
    assert not set(selection.ids) & set(held_out.ids)
    assert len(selection) == 15
    assert selection.ids != selection_and_held_out(CORPUS, 9, 4)[0].ids


def test_a_scoreboard_selects_and_scores_on_other_rows_with_the_seed(run, monkeypatch) -> None:
    calls = caught(monkeypatch, scoreboard, "compare_selectors")
    options = {"models": ("model",), "corpus": ("texts",), "count": 4, "ablation_rows": 7, "seed": 5, "device": "cpu"}
    with pytest.raises(Stopped):
        Scoreboard(**options, random_draws=3).run()
    ((_, _, selection, held_out), handed) = calls[0]
    expected = selection_and_held_out(Scoreboard(**options)._corpus(Identity(), 0), 7, 5)
    assert (selection.ids, held_out.ids) == tuple(part.ids for part in expected)
    assert (handed["seed"], handed["draws"], handed["count"]) == (5, 3, 4)


def test_ablate_scores_its_part_with_its_seed(run, monkeypatch) -> None:
    run("select", "model", "--corpus", "texts", "--part", "selection", "--selector", "random", "--count", "3",
        "--device", "cpu", "--out", "sets")  # fmt: skip
    calls = caught(monkeypatch, evaluation, "ablation_matrix")
    with pytest.raises(Stopped):
        Ablate(
            model="model", corpus="texts", part="rest", limit=5, neurons=Path("sets"), device="cpu", seed=9,
            random_draws=2, same_rows="allow",
        ).run()  # fmt: skip
    ((_, _, data, *_), handed) = calls[0]
    rest = part_of(OnLanguages(part="rest"), Ablate(model="m", corpus="texts", neurons=Path("s")).load_corpus(
        Identity()))  # fmt: skip
    assert data.ids == rest.ids[:5]
    assert (handed["seed"], handed["draws"], handed["same_rows"]) == (9, 2, "allow")


def test_parts_are_the_same_for_all_commands_and_any_limit() -> None:
    selection, rest = (part_of(OnLanguages(part=part), CORPUS) for part in ("selection", "rest"))
    assert sorted(selection.ids + rest.ids) == sorted(CORPUS.ids)
    assert part_of(OnLanguages(part="selection", limit=3), CORPUS).ids == selection.ids
    assert len(part_of(OnLanguages(part="selection", split=0.2), CORPUS)) == 6


def test_rows_that_were_selected_on_are_refused_and_told() -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    options = {"count": 3, "draws": 2, "selectors": ("random", "magnitude")}
    with pytest.raises(CorpusError, match=r"30 of the 30 rows .* Select on one part"):
        compare_selectors(located, tokenizer, CORPUS, CORPUS, **options)
    with pytest.raises(CorpusError, match="1 of the 6 rows"):
        compare_selectors(located, tokenizer, CORPUS.take(range(10)), CORPUS.take(range(9, 15)), **options)
    board = compare_selectors(
        located, tokenizer, CORPUS.take(range(10)), CORPUS.take(range(9, 15)), same_rows="allow", **options
    )
    assert [matrix.seen for matrices in board.matrices.values() for matrix in matrices] == [1, 1]


def test_a_set_remembers_its_rows_in_its_file(tmp_path: Path) -> None:
    layout = Layout((("decoder", (4, 4)),))
    neurons = NeuronSet.of(layout, {("decoder", 0): [1]}).selected_on([3, 1, 2])
    loaded = NeuronSet.load(neurons.save(tmp_path / "de.safetensors"))
    assert loaded == neurons
    assert loaded.read.tolist() == [1, 2, 3]
    assert (loaded | NeuronSet.empty(layout).selected_on([9])).read.tolist() == [1, 2, 3, 9]


def test_rows_that_share_a_text_stay_together_and_count_as_one() -> None:
    texts = [f"w{row % 6 + 1} w{row % 6 + 2}" for row in range(60)]
    repeated = Corpus("r", tuple(map(str, range(60))), {"de": texts, "sw": [f"w9 {text}" for text in texts]})  # type: ignore[dict-item]
    assert repeated.duplicates == 54
    for seed in range(5):
        first, second = repeated.split(0.5, seed)
        assert not set(first.texts["de"]) & set(second.texts["de"])
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    once = evaluation.evaluate(located, tokenizer, repeated.take(range(6)), evaluation_metric())
    often = evaluation.evaluate(located, tokenizer, repeated, evaluation_metric())
    assert often.repeated == 54
    for language in ("de", "sw"):
        mine, theirs = often.scores[language], once.scores[language]
        assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high), abs=1e-4)


def evaluation_metric():
    from neuroglot.metrics import NatsPerToken

    return NatsPerToken()


def test_splits_differ_by_seed() -> None:
    assert len({CORPUS.split(0.5, seed)[0].ids for seed in range(6)}) == 6


def test_stability_takes_a_corpus_with_repeated_rows() -> None:
    layout = Layout((("decoder", (30,)),))

    def select(rows: torch.Tensor) -> dict[str, NeuronSet]:
        numbers = {sum(map(ord, row_id.split(",")[0])) % 30 for row_id in CORPUS.take(rows.tolist()).ids}
        return {"de": NeuronSet.of(layout, {("decoder", 0): numbers})}

    found = stability(select, len(CORPUS), resamples=3)
    assert found["de"]["resampled"].shape == (3,)


def test_controls_are_independent_over_seeds_draws_languages_and_rules() -> None:
    layout = Layout((("decoder", (40, 40)),))
    neurons = NeuronSet(layout, torch.arange(80) % 4 == 0)
    keys = [(s, d, g, r) for s in (0, 1) for d in range(4) for g in ("de", "sw") for r in ("", "entropy")]
    drawn = {key: at_random_like(neurons, evaluation.control_seed(*key)).members for key in keys}
    assert len({tuple(members.tolist()) for members in drawn.values()}) == len(keys)
    shared = [int((drawn[a] & drawn[b]).sum()) for a in keys for b in keys if a < b]
    assert sum(shared) / len(shared) == pytest.approx(5, abs=0.5)  # 20 of 80 each: a quarter of 20


def test_a_control_has_as_many_neurons_in_every_expert() -> None:
    layout = Layout((("decoder", ((4, 6), 12)),))
    members = torch.zeros(36, dtype=torch.bool)
    members[[0, 1, 2, 3, 7, 25, 30]] = True
    for seed in range(20):
        control = at_random_like(NeuronSet(layout, members), seed).members
        assert [int(part.sum()) for part in control.split(layout.network_widths)] == [4, 1, 0, 0, 2]


def test_every_row_of_a_deactivation_has_a_control_of_its_own() -> None:
    layout = Layout((("decoder", (64,)),))
    members = torch.arange(64).expand(6, 64) < 20
    drawn = random_masks(layout, members, 0, list("abcdef"), "specific", 0)
    assert len({tuple(row.tolist()) for row in drawn}) == 6
    assert not torch.equal(drawn, random_masks(layout, members, 1, list("abcdef"), "specific", 0))


def test_the_random_selector_follows_its_seed() -> None:
    class Counted(SimpleNamespace):
        """An activity of which only layout, languages and tokens are read."""

    activity = Counted(layout=Layout((("decoder", (50,)),)), languages=("de", "sw"), tokens=torch.ones(2))
    evidence = Evidence(activity.layout, activity.languages, Signature(), activity=activity)  # type: ignore[arg-type]
    sets = [SELECTORS["random"].sets(evidence, count=10, seed=seed) for seed in (0, 0, 1)]
    assert sets[0]["de"] == sets[1]["de"]
    assert sets[0]["de"] != sets[2]["de"]
    assert sets[0]["de"] != sets[0]["sw"]


def test_tasks_are_mastered_in_every_language_or_not_at_all(monkeypatch) -> None:
    def score(value: float) -> SimpleNamespace:
        return SimpleNamespace(value=value)

    accuracies = {"all": [0.9, 0.85], "one": [1.0, 0.1], "better": [0.95, 0.95]}
    tasks = {name: SimpleNamespace(name=name, head=lambda rows, name=name: (name, rows)) for name in accuracies}
    scored: list = []
    monkeypatch.setattr(
        Analyze, "_evaluated",
        lambda self, run, inputs, task: SimpleNamespace(
            data=task.name, scores=dict(enumerate(map(score, accuracies[task.name])))
        ),
    )  # fmt: skip
    monkeypatch.setattr(Analyze, "_selected", lambda *_: {})
    monkeypatch.setattr(Analyze, "_ablated", lambda self, run, inputs, data, *_: scored.append(data))
    recipe = Analyze(model="lab", corpus="lab", ablated_tasks=3, task_rows=7)
    list(recipe._on_tasks(None, SimpleNamespace(tasks=tasks), None))  # type: ignore[arg-type]
    assert scored == [("all", 7), ("better", 7)]


@pytest.fixture
def small(tmp_path: Path) -> ComparisonConfig:
    (tmp_path / "pairs").mkdir()
    for code in ("en", "de"):
        lines = [f"{code}{row % 7} {code}{row % 5} {row}" for row in range(40)]
        (tmp_path / "pairs" / f"{code}.txt").write_text("\n".join(lines))
    model = TranslatorConfig(hidden=16, layers=1, heads=2, ffn=24, vocabulary=200, dropout=0.0)
    return ComparisonConfig(
        data=str(tmp_path / "pairs"), languages=("en", "de"), validation_rows=6, test_rows=5, seeds=(3,), steps=2,
        continued_steps=2, batch=4, coverage=70, max_new_tokens=3, model=model,
    )  # fmt: skip


def test_a_comparison_trains_counts_and_translates_on_other_rows(small, tmp_path: Path, monkeypatch) -> None:
    """Each system is trained on the same rows with the same seed; masks are counted on rows of their own."""
    rows: dict[str, set[str]] = {"train": set(), "count": set(), "translate": set()}
    trained: list[tuple[int, tuple[str, ...]]] = []
    controls: list[int] = []
    originals = {
        name: getattr(specialization, name)
        for name in ("collect", "translate_directions", "encode_pairs", "train_specialized", "_random_like")
    }
    last: list[tuple[str, ...]] = []

    def collect(model, tokenizer, corpus, *rest, **options):
        rows["count"] |= set(corpus.ids)
        return originals["collect"](model, tokenizer, corpus, *rest, **options)

    def translate(model, tokenizer, corpus, *rest, **options):
        rows["translate"] |= set(corpus.ids)
        return originals["translate_directions"](model, tokenizer, corpus, *rest, **options)

    def encode(model, tokenizer, corpus, *rest, **options):
        rows["train"] |= set(corpus.ids)
        last.append(corpus.ids)
        return originals["encode_pairs"](model, tokenizer, corpus, *rest, **options)

    def train(model, masks, pairs, arguments, **options):
        trained.append((arguments.seed, last[-1]))
        return originals["train_specialized"](model, masks, pairs, arguments, **options)

    def random_like(masks, seed):
        controls.append(seed)
        return originals["_random_like"](masks, seed)

    for name, wrapped in zip(originals, (collect, translate, encode, train, random_like), strict=True):
        monkeypatch.setattr(specialization, name, wrapped)
    compare_specialization(small, tmp_path / "run")
    assert (len(rows["count"]), len(rows["translate"])) == (6, 5)
    assert not rows["train"] & rows["count"]
    assert not rows["train"] & rows["translate"]
    assert not rows["count"] & rows["translate"]
    assert trained[0][0] == 3
    assert {seed for seed, _ in trained[1:]} == {1003}
    assert len({ids for _, ids in trained}) == 1
    assert set(controls) == {3}


def test_random_masks_follow_their_seed() -> None:
    from neuroglot.corpora.directions import directions_of
    from neuroglot.neurons.masks import DirectionMasks

    layout = Layout((("encoder", (40,)), ("decoder", (40,))))
    masks = DirectionMasks(layout, directions_of(("en", "de")), torch.rand(2, 80) < 0.5)
    first, again, other = (specialization._random_like(masks, seed).kept for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_part_of_a_released_set_is_refused() -> None:
    from neuroglot.recipes.pmi import Pmi

    recipe = Pmi(models=("lab",), corpus="lab", originals=("de",), languages=("en",), released="GSM8K", part="rest",
                 parallel=(0, 1))  # fmt: skip
    with pytest.raises(ConfigError, match="Expected all of its rows"):
        recipe.read(SimpleNamespace(note=lambda *_: None))  # type: ignore[arg-type]


@pytest.mark.parametrize("job", [Record, Sharing, Select])
def test_rows_that_the_model_cannot_read_whole_are_told_in_the_report(here: Path, job: type) -> None:
    lines = Path("texts", "de.txt").read_text().splitlines()
    for row in (0, 4):
        lines[row] = " ".join(["w3"] * 80)  # of 64 tokens
    Path("texts", "de.txt").write_text("\n".join(lines) + "\n")
    options = {"corpus": ("texts",)} if job is Sharing else {"corpus": "texts"}
    options |= {"selector": "entropy"} if job is Select else {}
    report = job(model="model", device="cpu", **options).run()
    assert "texts: 2 rows left out: longer than the model's context." in report.notes
