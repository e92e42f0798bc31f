"""What shortens a pass changes no count; what breaks it is survived or said."""

import random
from pathlib import Path

import pytest
import torch

from neuroglot.activity import passes
from neuroglot.activity import record as recording_module
from neuroglot.activity.record import record, record_several, record_sharing
from neuroglot.activity.recording import Recording, Statistic
from neuroglot.corpora import load, storing
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.stored import Stored
from neuroglot.errors import ConfigError, InterventionError, MemoryLimitError
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from neuroglot.tokens import reading
from neuroglot.tokens.batches import by_language, pad
from neuroglot.tokens.reading import Reading
from neuroglot.tokens.tokenizing import tokenize
from tests.families import TINY_CONFIGS, tiny_model
from tests.tiny import WORDS, tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()
TOKENIZER = tiny_tokenizer()

KEEP_STATES = ("qwen3_5_moe_text", "transnormer")  # rather than positions

each_family = pytest.mark.parametrize("model_type", TINY_CONFIGS)


def templated_corpus(seed: int = 1) -> Corpus:
    """Nine prompts that begin alike, four that do not, and one that stands there twice, in two languages."""
    generator = random.Random(seed)
    texts = {}
    for language in ("de", "sw"):
        template = " ".join(generator.choices(WORDS, k=12))
        alike = [f"{template} {' '.join(generator.choices(WORDS, k=generator.randint(1, 8)))}" for _ in range(9)]
        others = [" ".join(generator.choices(WORDS, k=generator.randint(3, 12))) for _ in range(4)]
        texts[language] = (*alike, *others, f"{template} w1", f"{template} w1")
    return Corpus("templated", tuple(f"row{row}" for row in range(15)), texts)


@each_family
def test_shared_beginnings_are_computed_once_and_change_nothing(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = view(tiny_model(model_type))
    if not passes.can_share_prefixes(located):
        assert located.family.kind != "decoder" or model_type in KEEP_STATES
        return
    monkeypatch.setattr(reading, "MIN_PREFIX", 4)
    site, corpus = available_sites(located)[0], templated_corpus()
    recordings = [
        Recording(site=site), Recording(site=site, tokens="last"), Recording(site=site, special_tokens=True),
    ]  # fmt: skip
    shared = record_several(located, TOKENIZER, corpus, recordings, token_budget=64)
    batches = list(Reading(TOKENIZER, corpus, None, share_prefixes=True))
    prefixes = {id(batch.prefix): batch.prefix_length for batch in batches}
    positions = sum(batch.token_ids.numel() for batch in batches) + sum(prefixes.values())
    monkeypatch.setattr(recording_module, "can_share_prefixes", lambda _view: False)
    in_full = record_several(located, TOKENIZER, corpus, recordings, token_budget=64)
    for ours, theirs in zip(shared, in_full, strict=True):
        assert torch.equal(ours.fired, theirs.fired)
        assert torch.equal(ours.tokens, theirs.tokens)
        assert torch.equal(ours.reached, theirs.reached)
    assert positions < 0.7 * sum(len(text.token_ids) for text in tokenize(TOKENIZER, corpus).texts)


def test_a_text_that_stands_there_twice_is_computed_once() -> None:
    texts = tokenize(TOKENIZER, Corpus("twice", ("a", "b", "c"), {"de": ("w1 w2", "w3", "w1 w2")})).texts
    batches = list(by_language(texts, 1))
    assert sorted((len(batch.texts), batch.times) for batch in batches) == [(1, 1), (1, 2)]


def test_nothing_behind_the_last_place_is_computed() -> None:
    located = view(tiny_model("llama"))
    calls = []
    last = located.model.model.layers[-1].mlp.down_proj
    handle = last.register_forward_hook(lambda *_: calls.append(1))
    record(located, TOKENIZER, CORPUS)
    assert not calls
    record_several(located, TOKENIZER, CORPUS, [Recording(), Recording(site="write")])
    assert not calls  # the site `write` is the input of the down projection
    handle.remove()
    ids = torch.tensor([[1, 5, 6]])
    assert torch.equal(located.model(ids).logits, tiny_model("llama")(ids).logits)


def test_a_layer_that_is_not_reached_is_an_error() -> None:
    located = view(tiny_model("llama"))
    located.model.model.layers = located.model.model.layers[:2]
    located.model.config.num_hidden_layers = 2
    with pytest.raises(InterventionError, match="did not pass post_act of layer 2"):
        record(located, TOKENIZER, CORPUS)


class OutOfMemory:
    """Lets the model's forward fail above a number of positions, in the middle of the model, as an allocator does."""

    def __init__(self, model, limit: int) -> None:
        self.limit, self.failures = limit, 0
        model.model.layers[1].register_forward_pre_hook(self.check)

    def check(self, _module, inputs) -> None:
        if inputs[0].shape[0] * inputs[0].shape[1] > self.limit:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("limit", [100, 30, 14])
def test_out_of_memory_halves_the_batches_and_changes_no_count(limit: int) -> None:
    located, whole = view(tiny_model("llama")), view(tiny_model("llama"))
    memory = OutOfMemory(located.model, limit)
    activity = record(located, TOKENIZER, CORPUS)
    assert 0 < memory.failures < 6  # later batches are cut before they fail
    assert torch.equal(activity.fired, record(whole, TOKENIZER, CORPUS).fired)


def test_out_of_memory_keeps_rows_together() -> None:
    located, whole = view(tiny_model("llama")), view(tiny_model("llama"))
    memory = OutOfMemory(located.model, 60)
    sharing = record_sharing(located, TOKENIZER, CORPUS)
    assert memory.failures
    assert torch.equal(sharing.by_row, record_sharing(whole, TOKENIZER, CORPUS).by_row)


def test_one_text_that_does_not_fit_is_said() -> None:
    located = view(tiny_model("llama"))
    OutOfMemory(located.model, 3)
    with pytest.raises(MemoryLimitError, match=r"1 text\(s\) of 13 tokens do not fit into memory.*smaller dtype"):
        record(located, TOKENIZER, CORPUS)


@pytest.mark.parametrize("options", [{"token_budget": 0}, {"token_budget": -5}])
def test_a_budget_that_holds_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="Expected one token or more"):
        record(view(tiny_model("llama")), TOKENIZER, CORPUS, **options)  # type: ignore[arg-type]


def test_other_errors_of_the_model_pass_through() -> None:
    located = view(tiny_model("llama"))

    def fail(*_: object) -> None:
        raise RuntimeError("a bug in the model")

    located.model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="a bug in the model"):
        record(located, TOKENIZER, CORPUS)


def test_windows_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    located = view(tiny_model("llama"))
    whole, whole_sharing = record(located, TOKENIZER, CORPUS), record_sharing(located, TOKENIZER, CORPUS)
    monkeypatch.setattr(reading, "WINDOW_CHARACTERS", 100)
    assert len(list(Reading(TOKENIZER, CORPUS, None)._windows())) > 2
    assert torch.equal(record(located, TOKENIZER, CORPUS).fired, whole.fired)
    assert torch.equal(record_sharing(located, TOKENIZER, CORPUS).by_row, whole_sharing.by_row)


@pytest.mark.parametrize(
    ("statistics", "repeated"), [(("moments", "magnitude", "zeros", "maximum"), 9), (("histogram",), 0)]
)
def test_windows_of_a_corpus_on_disk_change_no_statistic(
    statistics: tuple[Statistic, ...], repeated: int,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """Counts are equal; float32 values differ in their last bits with the shape of a batch, sums with their order, and
    a histogram with the rows that stand for texts that come again in one window.
    """
    located = view(tiny_model("llama"))
    for language, column in tiny_corpus(40).texts.items():
        texts = [f"{WORDS[row]} {text}" for row, text in enumerate(column)]
        (tmp_path / f"{language}.txt").write_text("\n".join([*texts, *texts[:repeated]]) + "\n")
    held = load(tmp_path)
    wanted = record(located, TOKENIZER, held, Recording(statistics=statistics))
    for name, value in {"MOST_IN_MEMORY": 0, "BATCH_ROWS": 5}.items():
        monkeypatch.setattr(storing, name, value)
    monkeypatch.setattr(storing, "cached_assets_path", lambda *_: tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(reading, "WINDOW_CHARACTERS", 300)
    stored = load(tmp_path)
    assert isinstance(stored.texts["de"], Stored)
    assert len(list(Reading(TOKENIZER, stored, None)._windows())) > 5
    got = record(located, TOKENIZER, stored, Recording(statistics=statistics))
    assert got.signature == wanted.signature
    for name in ("fired", "tokens", "reached", "read"):
        assert torch.equal(getattr(got, name), getattr(wanted, name))
    assert set(got.statistics) == set(wanted.statistics)
    for name, total in wanted.statistics.items():
        torch.testing.assert_close(got.statistics[name], total, rtol=1e-5, atol=1e-6 * total.is_floating_point())


def test_padding_repeats_the_last_token_and_is_not_real() -> None:
    texts = tokenize(TOKENIZER, Corpus("two", ("a", "b"), {"de": ("w1 w2 w3", "w7")})).texts
    batch = pad(texts)
    assert batch.token_ids.tolist() == [[1, 4, 5, 6], [1, 10, 10, 10]]
    assert batch.real.tolist() == [[True] * 4, [True, True, False, False]]
    assert batch.special.tolist() == [[True, False, False, False]] * 2


def test_batches_of_a_large_trunk_are_smaller_and_count_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    located = view(tiny_model("llama"))
    trunk = located.model.base_model
    weights = sum(parameter.numel() for name, parameter in trunk.named_parameters() if "embed_tokens" not in name)
    small = record(located, TOKENIZER, CORPUS)
    assert passes.automatic_token_budget(located) == 4096
    monkeypatch.setattr(passes, "LARGE_TRUNK", weights)  # embedding rows that a token does not pass do not count
    assert passes.automatic_token_budget(located) == 512
    large = record(located, TOKENIZER, CORPUS)
    assert torch.equal(small.fired, large.fired)
    monkeypatch.setattr(passes, "LARGE_TRUNK", weights + 1)
    assert passes.automatic_token_budget(located) == 4096
