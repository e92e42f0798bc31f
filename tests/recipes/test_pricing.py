"""`--dry-run`: what is priced is what a real job reads, token by token; and nothing is written."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from transformers import LlamaConfig

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.attribution.recording import attribute as run_attribution
from neuroglot.cli import app
from neuroglot.corpora import Corpus, Task
from neuroglot.errors import CorpusError
from neuroglot.experiments import scoring
from neuroglot.experiments.deactivation import deactivate as run_deactivation
from neuroglot.experiments.evaluation import ablation_matrix
from neuroglot.experiments.scoreboard import compare_selectors, gather
from neuroglot.metrics import ExactAnswer, NatsPerToken
from neuroglot.models import ModelView, view
from neuroglot.neurons.rules.scores import at_random
from neuroglot.neurons.rules.table import NEEDS
from neuroglot.recipes.ablate import Ablate, _Inputs
from neuroglot.recipes.attribute import Attribute
from neuroglot.recipes.deactivate import Deactivate
from neuroglot.recipes.record import Record
from neuroglot.recipes.scoreboard import Scoreboard
from neuroglot.recipes.steps import gathering
from neuroglot.runs import price as prices
from tests.families import tiny_model
from tests.tiny import WORDS, tiny_tokenizer

LANGUAGES = ("de", "sw", "zh")
TOKENIZER = tiny_tokenizer()
SELECTORS = ("random", "magnitude", "probe", "gradient")


def texts(rows: int, words: int, seed: int = 0) -> Corpus:
    """Different texts of as many words each, so that nothing is padded and nothing is read once for several."""
    drawn = random.Random(seed)
    columns = {g: tuple(" ".join(drawn.sample(WORDS, words)) for _ in range(rows)) for g in LANGUAGES}
    return Corpus("texts", tuple(map(str, range(rows))), columns)


def a_task(rows: int = 6) -> Task:
    prompts = texts(rows, 4)
    options = [Corpus(word, prompts.ids, dict.fromkeys(LANGUAGES, (f" {word} w0",) * rows)) for word in ("w1", "w2")]
    return Task("own", prompts, options[0], tuple(options))


@contextmanager
def tokens_read(located: ModelView) -> Iterator[list[int]]:
    """Positions of each forward within the block; how a model can be run is tried on one text, which is not priced."""
    seen: list[int] = []
    plan = scoring._plan

    def untold(*given: Any) -> Any:
        before = len(seen)
        made = plan(*given)
        del seen[before:]
        return made

    def note(_: object, __: object, inputs: dict[str, torch.Tensor]) -> None:
        seen.append(inputs["input_ids"].numel())

    hook = located.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        with mock.patch.object(scoring, "_plan", untold):
            yield seen
    finally:
        hook.remove()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "ENOUGH_SECONDS", 0.0)


RECORD = Record(model="model", corpus="texts", statistics=("moments",))


def require_same(located: ModelView, price: prices.Price, job: Callable[[], object]) -> None:
    with tokens_read(located) as seen:
        job()
    assert all(line.exact and line.seconds > 0 for line in price.lines)
    assert sum(line.tokens * line.times for line in price.lines) == sum(seen)


@pytest.fixture
def located() -> ModelView:
    return view(tiny_model("llama"))


def test_a_recording_reads_what_was_priced(located: ModelView) -> None:
    corpus, recording = texts(8, 4), Recording(statistics=("moments",))
    price = RECORD.price((located, TOKENIZER, corpus))
    require_same(located, price, lambda: record(located, TOKENIZER, corpus, recording))
    neurons = located.layout.neuron_count
    networks = len(located.layout.network_widths)
    by_hand = 8 * (3 * neurons + 3 + 3 * networks) + 2 * 8 * 3 * neurons  # counts; sums and sums of squares
    assert price.kept_bytes == by_hand


@pytest.mark.parametrize("need", NEEDS)
def test_a_selection_reads_what_was_priced(located: ModelView, need: str) -> None:
    corpus = texts(8, 4)
    steps, kept = gathering(located, TOKENIZER, corpus, (need,), Recording())  # type: ignore[arg-type]
    price = prices.price(located, TOKENIZER, steps, kept, 0)
    require_same(located, price, lambda: gather(located, TOKENIZER, corpus, (need,), Recording()))  # type: ignore[arg-type]
    assert price.kept_bytes > 0


@pytest.mark.parametrize("draws", [1, 3])
def test_an_ablation_reads_what_was_priced(located: ModelView, draws: int) -> None:
    corpus = texts(5, 4)
    sets = at_random(record(located, TOKENIZER, corpus), count=3)
    for data, metric in ((corpus, NatsPerToken()), (a_task(), ExactAnswer())):
        recipe = Ablate(model="model", corpus="texts", neurons=Path("sets"), random_draws=draws)
        price = recipe.price(_Inputs(located, TOKENIZER, data, metric, sets))  # type: ignore[arg-type]
        require_same(
            located, price, lambda: ablation_matrix(located, TOKENIZER, data, sets, metric, draws=draws)  # type: ignore[arg-type]  # noqa: B023
        )  # fmt: skip


def test_a_scoreboard_reads_what_was_priced(located: ModelView, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    rows, others = texts(8, 4), texts(5, 4, seed=1)
    located.model.save_pretrained("model")
    TOKENIZER.save_pretrained("model")
    recipe = Scoreboard(models=("model",), corpus=("texts",), selectors=SELECTORS, random_draws=2, device="cpu")
    monkeypatch.setattr("neuroglot.experiments.scoreboard.selection_and_held_out", lambda *_: (rows, others))
    price = recipe.price([("model", rows)])
    require_same(
        located,
        price,
        lambda: compare_selectors(located, TOKENIZER, rows, others, count=3, selectors=SELECTORS, draws=2),
    )


def test_an_attribution_and_a_deactivation_read_what_was_priced(located: ModelView) -> None:
    task = a_task()
    price = Attribute(model="model", corpus="own", top_share=0.1).price((located, TOKENIZER, task))
    require_same(located, price, lambda: run_attribution(located, TOKENIZER, task, top_share=0.1))
    for options in ({"level": "row", "value": "zero"}, {"level": "corpus", "value": "mean", "corpus_share": 0.2}):
        recipe = Deactivate(model="model", corpus="own", random_draws=2, **options)  # type: ignore[arg-type]
        price = recipe.price((located, TOKENIZER, task))
        with tokens_read(located) as seen:
            run_deactivation(located, TOKENIZER, task, draws=2, same_rows="allow", **options)  # type: ignore[arg-type]
        types, scoring = price.lines
        most = types.tokens * types.times + scoring.tokens * scoring.times
        assert types.tokens * types.times + scoring.tokens < sum(seen) <= most  # a type without neurons is not run
        assert options["level"] == "corpus" or sum(seen) == most


def test_more_rows_than_the_sample_are_scaled_and_said_to_be(
    located: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "SAMPLED_ROWS", 10)
    price = RECORD.price((located, TOKENIZER, texts(200, 4)))
    (line,) = price.lines
    assert (line.tokens, line.exact) == (200 * 3 * 5, False)
    assert "estimated from 10 rows" in price.notes[0]


def test_rows_beyond_the_context_do_not_count(located: ModelView) -> None:
    short, tokenizer = texts(6, 4), tiny_tokenizer()
    tokenizer.model_max_length = 5
    long = Corpus("texts", short.ids, {**short.texts, "zh": (*short.texts["zh"][:5], " ".join(WORDS[:9]))})
    price = RECORD.price((located, tokenizer, long))
    assert price.lines[0].tokens == 5 * 3 * 5
    tokenizer.model_max_length = 4
    with pytest.raises(CorpusError, match="more than 4 tokens"):
        RECORD.price((located, tokenizer, short))


def test_the_plan_of_docs_scale_is_what_is_priced(tmp_path: Path) -> None:
    width, inner, layers, words, languages = 8192, 28_672, 80, 128_256, 3
    config = LlamaConfig(
        hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, vocab_size=words, num_attention_heads=64,
        num_key_value_heads=8, tie_word_embeddings=False, dtype="bfloat16",
    )  # fmt: skip
    config.save_pretrained(tmp_path / "70b")
    TOKENIZER.save_pretrained(tmp_path / "70b")
    corpus = texts(8, 4)
    for language, column in corpus.texts.items():
        (tmp_path / f"{language}.txt").write_text("".join(f"{text}\n" for text in column))
    priced = Record(model=str(tmp_path / "70b"), corpus=str(tmp_path), device="meta").estimate()
    attention = 2 * width * width + 2 * width * (width // 8)
    below_the_head = layers * (attention + 3 * width * inner + 2 * width) + width
    assert round(below_the_head / 1e9, 1) == 68.5  # as the page has it
    assert priced.layer_weights == below_the_head
    assert priced.model_bytes == 2 * (below_the_head + 2 * words * width)
    assert round(priced.model_bytes / 1e9) == 141
    (line,) = priced.lines
    assert line.tokens == languages * 8 * 5  # four words and the token at the beginning
    assert f"about {2 * below_the_head * line.tokens:.2e} operations" in " ".join(priced.notes)
    assert priced.kept_bytes == pytest.approx(8 * layers * inner * languages, rel=1e-3)
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    tokens, flops = 10**8, 989e12 * 0.4
    read = 2 * 68.5e9 * tokens
    for said in (
        f"{read:.2e}".replace("e+19", " · 10¹⁹"),
        f"{read / (8 * flops) / 60:.0f} min on eight",
        f"{read / flops / 3600:.1f} h one after another",
        f"{7 / 8 * layers * inner * 2 * tokens / 1e12:.0f} TB to each device",
        f"{7 / 8 * layers * inner * 2 * tokens / 300e9 / 60:.0f} min at 300 GB/s",
        f"{layers * inner * 100 * 8 / 1e9:.2f} GB of memory",
        f"{200_000 * 201 * 2 * 69.5e9 / (8 * flops) / 60:.0f} min; ",
        f"{200_000 * 601 * 2 * 69.5e9 / (8 * flops) / 60:.0f} min with five",
        f"{100 * words * width / 69.5e9:.1f} %",
        f"{100 * 262_144 * 640 / 268_042_240:.0f} %",  # what stands in Gemma's file, norms aside
    ):
        assert said in page, said


ON_TEXTS = ("model", "--corpus", "texts")
ON_A_TASK = ("lab", "--corpus", "lab", "--task", "sum", "--languages", "de", "en", "--limit", "6")
COMMANDS = {
    "record": ON_TEXTS,
    "sharing": (*ON_TEXTS, "--new-tokens", "2"),
    "compare": ("model", *ON_TEXTS),
    "align": ON_TEXTS,
    "analyze": ON_TEXTS,
    "select": (*ON_TEXTS, "--selector", "entropy"),
    "ablate": (*ON_TEXTS, "--neurons", "sets"),
    "scoreboard": (*ON_TEXTS, "--selectors", "random", "entropy"),
    "attribute": ON_A_TASK,
    "deactivate": (*ON_A_TASK, "--level", "corpus", "--by-generation"),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, located: ModelView) -> Callable[..., None]:
    monkeypatch.chdir(tmp_path)
    located.model.save_pretrained("model")
    TOKENIZER.save_pretrained("model")
    corpus = texts(12, 4)
    for folder in ("texts", "sets"):
        Path(folder).mkdir()
    for language, column in corpus.texts.items():
        Path("texts", f"{language}.txt").write_text("".join(f"{text}\n" for text in column))
    for language, neurons in at_random(record(located, TOKENIZER, corpus), count=3).items():
        neurons.save(Path("sets", f"{language}.safetensors"))
    return lambda *words: app(list(words), result_action="return_value", exit_on_error=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_prints_and_writes_nothing(run, capsys: pytest.CaptureFixture[str], command: str) -> None:
    words = (command, *COMMANDS[command], "--out", "run", "--device", "cpu", "--dry-run")
    before = sorted(Path().rglob("*"))
    run(*words)
    printed = capsys.readouterr().out
    assert "tokens in all" in printed
    assert "estimated" in printed
    run(*words, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["dry_run"] is True
    assert found["seconds"] == pytest.approx(sum(line["seconds"] for line in found["lines"]))
    assert all(line["tokens"] > 0 and line["times"] > 0 for line in found["lines"])
    assert min(found["disk_bytes"], found["batch_bytes"]) > 0
    assert sorted(Path().rglob("*")) == before
