"""Recordings of translations against a loop: one unpadded pair after the other, hooks found by name."""

import pytest
import torch
from torch import Tensor

from neuroglot import Recording, record, record_sharing
from neuroglot.activity import passes
from neuroglot.activity.text_means import record_text_means
from neuroglot.corpora import Directed
from neuroglot.errors import ConfigError
from neuroglot.models.view import ModelView
from neuroglot.storage import Kept
from tests.families import START
from tests.specialization.making import located, texts, translation_tokenizer
from tests.specialization.test_collecting import down_inputs

DIRECTIONS = ("en-de", "fr-en", "de-fr")
TAGS = {"en": 3, "de": 4, "fr": 5}
END = 2


def directed(rows: int = 5) -> Directed:
    return Directed(texts(rows), DIRECTIONS)  # type: ignore[arg-type]


def words(text: str) -> list[int]:
    return translation_tokenizer().convert_tokens_to_ids(text.split())


def values(view: ModelView, direction: str, row: int) -> list[Tensor]:
    """Each layer's inputs of the down projection at the words of what it reads, `[words, N]`: no tag, start or end."""
    source, target = direction.split("-")
    corpus, model_type = texts(5), view.model.config.model_type
    read, answer = words(corpus.texts[source][row]), words(corpus.texts[target][row])
    tags = ([TAGS[source]], [TAGS[target]]) if model_type == "m2m_100" else ([], [])
    behind = [START[model_type], *tags[1], *answer]
    layers = down_inputs(
        view.model, input_ids=torch.tensor([[*tags[0], *read, END]]), decoder_input_ids=torch.tensor([behind])
    )
    stacks = [layer.stack for layer in view.layout.layers]
    found = []
    for stack, layer in zip(stacks, layers, strict=True):
        before, own = (len(tags[0]), len(read)) if stack == "encoder" else (1 + len(tags[1]), len(answer))
        found.append(layer[before : before + own])
    return found


@pytest.mark.parametrize("model_type", ["m2m_100", "marian"])
@pytest.mark.parametrize("token_budget", [1, None])
def test_counts_are_of_the_words_of_either_side(model_type: str, token_budget: int | None) -> None:
    view = located(model_type)
    recording = Recording(site="write", statistics=("moments", "maximum"))
    activity = record(view, translation_tokenizer(), directed(), recording, token_budget=token_budget)
    assert activity.languages == DIRECTIONS
    for place, direction in enumerate(DIRECTIONS):
        rows = [values(view, direction, row) for row in range(5)]
        layers = [torch.cat([row[layer] for row in rows]) for layer in range(len(view.layout.layers))]
        assert torch.equal(activity.fired[0, place], torch.cat([(layer > 0).sum(0) for layer in layers]))
        assert torch.allclose(
            activity.statistics["maximum"][place], torch.cat([layer.amax(0) for layer in layers]), atol=1e-5
        )
        sums = torch.cat([layer.double().sum(0) for layer in layers])
        assert torch.allclose(activity.statistics["sum"][place], sums, atol=1e-4)
        assert activity.tokens[place] == len(layers[0])
        assert activity.reached[place].tolist() == [len(layer) for layer in layers]


@pytest.mark.parametrize("tokens", ["last", "all"])
@pytest.mark.parametrize("token_budget", [1, None])
def test_a_row_fires_in_the_directions_in_which_a_side_does(tokens: str, token_budget: int | None) -> None:
    view = located("m2m_100")
    recording = Recording(site="write", tokens=tokens)  # type: ignore[arg-type]
    sharing = record_sharing(view, translation_tokenizer(), directed(), recording, token_budget=token_budget)
    histogram = torch.zeros_like(sharing.histogram)
    for row in range(5):
        fired = torch.stack(
            [
                torch.cat([((layer[-1:] if tokens == "last" else layer) > 0).any(0) for layer in layers])
                for layers in (values(view, direction, row) for direction in DIRECTIONS)
            ]
        )
        histogram.scatter_add_(0, fired.sum(0, keepdim=True), torch.ones(1, fired.shape[1], dtype=torch.int64))
    assert torch.equal(sharing.histogram, histogram)
    assert histogram[1:3].sum() > 0


def test_means_of_texts_are_over_the_words_of_either_side() -> None:
    view = located("m2m_100")
    means = record_text_means(view, translation_tokenizer(), directed(), Recording(site="write"), token_budget=60)
    for place, direction in enumerate(DIRECTIONS):
        for row in range(5):
            expected = torch.cat([layer.mean(0) for layer in values(view, direction, row)])
            assert torch.allclose(means.values["activation"][row, place], expected, atol=1e-5)


def test_the_last_token_of_a_decoder_alone_is_the_last_before_the_end() -> None:
    view, tokenizer, corpus = located("llama"), translation_tokenizer(), texts(3)
    recording = Recording(site="write", tokens="last")
    sharing = record_sharing(view, tokenizer, Directed.around(corpus), recording)
    fired = torch.zeros_like(sharing.fired)
    for place, direction in enumerate(Directed.around(corpus).directions):
        for source, target in Directed.around(corpus).pairs(direction):
            names = {"en": "English", "de": "German", "fr": "French"}
            asked = f"Translate this text from {names[direction.source]} into {names[direction.target]}."
            lines = f"{names[direction.source]}: {source} {names[direction.target]}: {target}"
            layers = down_inputs(view.model, input_ids=torch.tensor([words(f"{asked} {lines}")]))
            fired[place] += torch.cat([layer[-1] > 0 for layer in layers])
    assert torch.equal(sharing.fired, fired)


def test_other_directions_are_another_job(tmp_path) -> None:  # type: ignore[no-untyped-def]
    view, tokenizer, kept = located("m2m_100"), translation_tokenizer(), Kept(tmp_path / "run", 0)
    whole = record(view, tokenizer, directed(), kept=kept)
    assert torch.equal(record(view, tokenizer, directed(), kept=kept).fired, whole.fired)
    with pytest.raises(ConfigError, match="another job"):
        record(view, tokenizer, directed().select(DIRECTIONS[:2]), kept=kept)


def test_rows_that_do_not_fit_are_halved_but_never_torn(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    view, tokenizer, sizes = located("m2m_100"), translation_tokenizer(), []
    whole, inputs = record_sharing(view, tokenizer, directed()), passes.translation_inputs

    def refusing(view, batch):  # type: ignore[no-untyped-def]
        if len(batch.texts) > 3:
            raise MemoryError
        sizes.append([(text.row, text.language) for text in batch.texts])
        return inputs(view, batch)

    monkeypatch.setattr(passes, "translation_inputs", refusing)
    assert torch.equal(record_sharing(view, tokenizer, directed()).histogram, whole.histogram)
    assert sorted(sizes) == [[(row, place) for place in range(3)] for row in range(5)]


def test_a_value_that_is_not_finite_is_refused_with_its_direction() -> None:
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    with torch.no_grad():
        view.model.base_model.decoder.layers[1].fc1.weight[0] = torch.nan
    with pytest.raises(ConfigError, match=r"layer 1 \(decoder\) are not finite.*en-de: \d+"):
        record(view, tokenizer, directed())
