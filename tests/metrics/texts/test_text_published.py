"""The published scores, signatures and verbose strings of real systems are met, and the gain of one over the other."""

import json

import pytest

from neuroglot.corpora.textfiles import read_lines
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics, score_texts

PAIRS = ("ar-en", "de-en", "en-de", "en-hi")


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("system", ["baseline", "ns"])
def test_published_scores_are_met(real_data, pair: str, system: str) -> None:
    folder = real_data("mt_outputs") / pair
    texts = Texts(tuple(read_lines(folder / f"{system}.txt")), (tuple(read_lines(folder / "ref.txt")),))
    for name, file in (("bleu", "bleu"), ("chrf++", "chrfpp")):
        metric = choose_metrics([name], TextOptions())[name]
        published = json.loads((folder / f"{system}.{file}.json").read_text())
        summed = metric.counts(texts).sum(0)
        assert round(float(metric.value(summed)), 1) == published["score"]
        assert metric.verbose(summed) == published.get("verbose_score", "")
        assert TEXT_METRICS[name].name == published["name"]
        signature = str(metric.signature(texts).without("version"))
        assert f"{signature}|version:{published['version']}" == published["signature"]


def test_the_paired_test_agrees_with_the_published_gain(real_data) -> None:
    folder = real_data("mt_outputs") / "en-de"
    system, other, reference = (tuple(read_lines(folder / f"{name}.txt")) for name in ("ns", "baseline", "ref"))
    (found,) = score_texts(Texts(system, (reference,)), ["bleu"], baseline=other)
    assert found.baseline is not None
    assert (round(found.score.value, 4), round(found.baseline.score, 4)) == (34.3254, 31.6337)
    assert found.baseline.difference.value == pytest.approx(found.score.value - found.baseline.score)
    assert found.baseline.difference.low > 2
    assert found.baseline.p == 1 / 10_000  # no exchange differs as much, but the one at hand
