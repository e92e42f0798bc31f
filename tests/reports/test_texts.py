"""TopTexts: the best texts of each neuron and its means, against loops; and what is refused."""

import math
from dataclasses import replace

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.top_texts import LONGEST_TEXT, top_texts
from tests.reports import making

LANGUAGES = ("de", "ar", "xx-unknown")


def test_the_texts_are_those_with_the_highest_shares() -> None:
    means, corpus, sets = making.text_means(LANGUAGES), making.corpus(LANGUAGES), making.neuron_sets(LANGUAGES)
    found = top_texts(means, corpus, sets, most=3)
    fired = means.values["fired"]
    members = torch.stack([one.members for one in sets.values()]).any(0).nonzero()[:, 0].tolist()
    assert found.neurons.tolist() == members
    for place, neuron in enumerate(members):
        listed = [
            (float(fired[row, language, neuron]), code, f"r{row}", corpus.texts[code][row])
            for row in range(12) for language, code in enumerate(LANGUAGES)
        ]  # fmt: skip
        best = sorted(listed, reverse=True)[:3]
        assert [found.texts[int(at)] for at in found.places[place]] == [entry[1:] for entry in best]
        assert found.shares[place].tolist() == pytest.approx([entry[0] for entry in best])
        expected = [sum(float(fired[row, language, neuron]) for row in range(12)) / 12 for language in range(3)]
        assert found.means[place, :, 0].tolist() == pytest.approx(expected)
        assert (found.means[place, :, 1] < found.means[place, :, 0]).all()
        assert (found.means[place, :, 0] < found.means[place, :, 2]).all()
    assert found.to_json()["directions"] == {"de": "ltr", "ar": "rtl", "xx-unknown": "auto"}


def test_long_texts_are_cut_and_too_many_neurons_thinned_to_the_most_uneven() -> None:
    means, sets = making.text_means(LANGUAGES), making.neuron_sets(LANGUAGES)
    found = top_texts(means, making.corpus(LANGUAGES, text="w " * 400), sets, most_neurons=4)
    assert all(len(text) == LONGEST_TEXT + 2 for _, _, text in found.texts)
    by_language = means.values["fired"].mean(0)
    members = torch.stack([one.members for one in sets.values()]).any(0).nonzero()[:, 0].tolist()
    spread = {neuron: float(by_language[:, neuron].max() - by_language[:, neuron].min()) for neuron in members}
    assert found.neurons.tolist() == sorted(sorted(spread, key=lambda neuron: -spread[neuron])[:4])


def test_a_text_without_tokens_is_never_among_the_best() -> None:
    means = making.text_means(LANGUAGES)
    means.values["fired"][0, 0] = math.nan
    found = top_texts(means, making.corpus(LANGUAGES), making.neuron_sets(LANGUAGES))
    assert ("de", "r0") not in {text[:2] for text in found.texts}
    assert all(row[0][0] is None for row in found.to_json()["means"])


def test_other_rows_languages_or_quantities_are_refused() -> None:
    means, sets = making.text_means(LANGUAGES), making.neuron_sets(LANGUAGES)
    with pytest.raises(ConfigError, match="has 11 rows"):
        top_texts(means, making.corpus(LANGUAGES, rows=11), sets)
    with pytest.raises(ConfigError, match="ar, de"):
        top_texts(replace(means, languages=("ar", "de", "xx-unknown")), making.corpus(LANGUAGES), sets)
    with pytest.raises(ConfigError, match="quantity fired"):
        top_texts(replace(means, values={"activation": means.values["fired"]}), making.corpus(LANGUAGES), sets)
