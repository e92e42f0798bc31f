"""Means over the tokens of single texts, against plain loops over texts and tokens."""

import pytest
import torch

from neuroglot.activity import text_means
from neuroglot.activity.recording import Recording
from neuroglot.activity.text_means import record_text_means
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError, MemoryLimitError
from neuroglot.models import view
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(6)
TOKENIZER = tiny_tokenizer()


def of_one_text(located, text: str, site: str) -> torch.Tensor:
    """Activations of a text's own tokens, layers side by side, 0 where an expert did not get a token: `[T, N]`."""
    ids = torch.tensor([TOKENIZER(text)["input_ids"]])
    columns = []

    def keep(layer, activation, routing):
        if routing is None:
            columns.append(activation.clone())
            return
        dense = torch.zeros(ids.shape[1], layer.experts, activation.shape[1])
        for row, (token, expert) in enumerate(zip(routing.tokens.tolist(), routing.experts.tolist(), strict=True)):
            dense[token, expert] = activation[row]
        columns.append(dense.flatten(1))

    with torch.no_grad(), located.tapping(site, keep):
        located.model(input_ids=ids)
    return torch.cat(columns, dim=1)[1:]  # without <s>


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "opt"])
@pytest.mark.parametrize("weights", ["uniform", "position"])
def test_means_equal_a_loop(model_type: str, weights: str) -> None:
    located = view(tiny_model(model_type))
    recording = Recording("write", "all", (0.01,))
    quantities = ("activation", "magnitude", "fired")
    means = record_text_means(located, TOKENIZER, CORPUS, recording, quantities=quantities, weights=weights)
    for place, language in enumerate(CORPUS.languages):
        for row, text in enumerate(CORPUS.texts[language]):
            values = of_one_text(located, text, "write")
            each = torch.ones(len(values)) if weights == "uniform" else torch.arange(1.0, len(values) + 1)
            each = (each / each.sum())[:, None]
            expected = {"activation": values, "magnitude": values.abs(), "fired": (values > 0.01).float()}
            for name in quantities:
                torch.testing.assert_close(means.values[name][row, place], (each * expected[name]).sum(0))


def test_batches_change_nothing_and_the_last_token_is_a_mean_of_one() -> None:
    located = view(tiny_model("llama"))
    one = record_text_means(located, TOKENIZER, CORPUS, token_budget=1).values["activation"]
    several = record_text_means(located, TOKENIZER, CORPUS).values["activation"]
    torch.testing.assert_close(one, several)
    last = record_text_means(located, TOKENIZER, CORPUS, Recording(tokens="last")).values["activation"]
    torch.testing.assert_close(last[0, 0], of_one_text(located, CORPUS.texts["de"][0], "post_act")[-1])


def test_a_text_without_counted_tokens_has_no_mean() -> None:
    corpus = Corpus("t", ("a", "b"), {"de": ("w1", "w2 w3"), "sw": ("</s>", "w4")})
    means = record_text_means(view(tiny_model("llama")), TOKENIZER, corpus).values["activation"]
    assert not bool(means[:, 0].isnan().any())
    assert bool(means[0, 1].isfinite().all()) or bool(means[0, 1].isnan().all())


def test_what_is_not_defined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    located = view(tiny_model("llama"))
    for options in ({"quantities": ()}, {"quantities": ("maximum",)}, {"weights": "length"}):
        with pytest.raises(ConfigError, match="Expected some of activation"):
            record_text_means(located, TOKENIZER, CORPUS, **options)
    with pytest.raises(ConfigError, match="Expected one threshold"):
        record_text_means(located, TOKENIZER, CORPUS, Recording(fires=(0.0, 1.0)))
    monkeypatch.setattr(text_means, "MOST_BYTES", 100)
    with pytest.raises(MemoryLimitError, match="6 rows in 3 languages"):
        record_text_means(located, TOKENIZER, CORPUS)
