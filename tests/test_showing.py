"""Public objects have short reprs, and results show in a notebook, a data frame and a figure what a report says."""

import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import plotly.graph_objects as plotly
import polars
import pytest
import torch

import neuroglot
from neuroglot import lab
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.layout import Layout
from neuroglot.metrics.alignment import alignment
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.losses import LossCurve
from neuroglot.metrics.metrics import NatsPerToken
from neuroglot.metrics.uniformity import uniformity
from neuroglot.models import view
from neuroglot.neurons.comparing import SharingChange
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.neuronset import Neuron, NeuronSet
from neuroglot.reports import Report
from neuroglot.reports.section import section_of
from neuroglot.reports.wording import NO_INTERVAL
from neuroglot.showing import Described, Shown
from tests.families import tiny_model
from tests.reports import making
from tests.reports.browsing import needs_browser
from tests.tiny import tiny_tokenizer

HOSTILE = "<script>alert(1)</script>\"'"


def shown() -> list[Any]:
    layout = making.layout_of()
    states = torch.rand(12, 10, layout.neuron_count, generator=making.random(3))
    results = [
        each for result in making.everything() for each in (result.values() if isinstance(result, dict) else [result])
    ]
    masks = DirectionMasks(layout, tuple(map(_direction, ("en-de", "de-en"))), torch.rand(2, 96) < 0.5)
    return [
        *results, alignment(layout, making.TEN, states, making.SIGNATURE), masks,
        uniformity(layout, making.TEN, states, making.SIGNATURE),
        LossCurve(tuple(3 / (step + 1) for step in range(40)), making.SIGNATURE),
        SharingChange(making.sharing(), making.sharing()), Report(making.everything()),
    ]  # fmt: skip


def _direction(name: str) -> Any:
    from neuroglot.corpora.directions import as_direction

    return as_direction(name)


def described() -> list[Any]:
    return [*shown(), making.corpus(), lab.tasks()[0], making.SIGNATURE, view(tiny_model("llama")), making.texts(),
            making.text_means()]  # fmt: skip


@pytest.mark.parametrize("thing", described(), ids=lambda thing: type(thing).__name__)
def test_a_repr_is_short_and_says_what_it_is(thing: Any) -> None:
    lines = repr(thing).splitlines()
    assert lines[0].startswith(f"{type(thing).__name__}: ")
    assert len(lines) <= 3
    assert max(map(len, lines)) <= 120


def test_every_public_class_that_holds_tensors_or_texts_is_described() -> None:
    small = {"Decoding", "Recording", "NeuroglotError"}
    public = {
        name: getattr(neuroglot, name) for name in neuroglot.__all__ if isinstance(getattr(neuroglot, name), type)
    }
    assert {name for name, kind in public.items() if not issubclass(kind, Described)} == small


def test_every_result_with_a_section_is_shown() -> None:
    import neuroglot.reports.sections  # noqa: F401 (registers them)

    kinds = {kind.__name__: kind for kind in section_of.registry if kind.__module__.startswith("neuroglot.")}
    assert len(kinds) >= 15
    assert {name for name, kind in kinds.items() if not issubclass(kind, Shown)} == {"Section"}


def test_reprs_say_names_rows_languages_and_scores_with_units() -> None:
    assert repr(making.corpus(("de", "sw"))) == "Corpus: lab, 12 rows, 2 languages (de, sw), licence unknown"
    evaluation = making.evaluation(("de", "sw"))
    first, second = repr(evaluation).splitlines()
    assert first == "Evaluation: flores, loss, 60 rows, 2 languages (de, sw)"
    assert (
        second
        == f"  nats per token: mean {evaluation.mean}; de {evaluation.scores['de']}, sw {evaluation.scores['sw']}"
    )
    assert "12 rows" in repr(making.corpus(making.THIRTY))
    assert "30 languages (en, de, fr, es, ru, …)" in repr(making.corpus(making.THIRTY))


NOTHING = float("nan")


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score(2.5, NOTHING, NOTHING), "2.5"), (Score(2.5, 1.0, NOTHING), "2.5"), (Score(2.5, NOTHING, 3.0), "2.5"),
        (Score.exact(7), "7"), (Score(NOTHING, NOTHING, NOTHING), "–"), (Score(2.5, 2.0, 3.0), "2.5 [2, 3]"),
        (Score(float("inf"), 2.0, float("inf")), "inf [2, inf]"),
    ],
)  # fmt: skip
def test_an_interval_that_does_not_exist_is_not_printed(score: Score, said: str) -> None:
    assert str(score) == said


def test_of_one_row_no_interval_is_shown_anywhere() -> None:
    """Plotly writes what is null as 0: a hover said [0, 0]."""
    corpus = Corpus("one", ("1",), {"en": ("w3 w4 w5",), "de": ("w6 w7 w8 w9",)})
    located = view(tiny_model("llama"))
    evaluation = neuroglot.evaluate(located, tiny_tokenizer(), corpus, NatsPerToken())
    sets = {code: NeuronSet.of(located.layout, {("decoder", 0): [place]}) for place, code in enumerate(("en", "de"))}
    matrix = neuroglot.ablation_matrix(located, tiny_tokenizer(), corpus, sets, NatsPerToken(), draws=1)
    for result in (evaluation, matrix):
        assert "nan" not in repr(result)
        assert "[" not in repr(result)
        for section in Report([result]).sections:
            for trace in [trace for figure in section.figures for plot in figure.plots for trace in plot.spec.data]:
                assert NO_INTERVAL in str(trace["customdata"])
                assert not re.search(r"customdata\[\d\]:|\[%", trace["hovertemplate"])
            assert "[nan" not in str(section.to_json()).lower()


def test_a_rate_that_is_not_defined_is_no_nan() -> None:
    activity = making.activity()
    empty = replace(activity, tokens=torch.zeros_like(activity.tokens), fired=torch.zeros_like(activity.fired))
    assert "nan" not in repr(empty)


def test_a_long_corpus_has_a_short_repr() -> None:
    ids = tuple(map(str, range(3000)))
    assert len(repr(Corpus("long", ids, {"de": ("ein langer Text " * 20,) * 3000}))) < 120


@pytest.mark.parametrize("result", shown(), ids=lambda result: type(result).__name__)
def test_a_result_becomes_a_page_a_figure_and_data_frames(result: Any) -> None:
    frame, same = result.to_polars(), result.to_pandas()
    assert isinstance(frame, polars.DataFrame)
    assert isinstance(same, pandas.DataFrame)
    assert frame.columns == list(same.columns)
    assert frame.height == len(same) > 0
    assert isinstance(result.plot(), plotly.Figure)
    sections = result.sections if isinstance(result, Report) else Report([result]).sections
    assert frame.rows() == list(next(table for part in sections for table in part.all_tables()).rows)
    document = framed(result)
    for section in sections:
        assert section.sentence in unescape(document)
        assert all(figure.title in unescape(document) for figure in section.figures)


def framed(result: Any) -> str:
    """The document in the frame; all around it is one element with nothing unescaped."""
    found = re.fullmatch(r'<iframe title="[^"<>]*" srcdoc="([^"]*)" sandbox="([\w -]*)" style="[^"]*"></iframe>',
                         result._repr_html_())  # fmt: skip
    assert found
    assert found[2] == "allow-scripts allow-downloads"
    return unescape(found[1])


def test_names_in_data_are_no_markup_in_a_notebook() -> None:
    matrix = making.accuracy_matrix(task=HOSTILE)
    document = framed(matrix)
    assert HOSTILE not in document
    assert "<script>alert" not in document


@needs_browser
def test_the_frame_draws_the_figure_without_a_network(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    from tests.reports.browsing import ARGUMENTS, CHROMIUM

    page_file = tmp_path / "notebook.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8><body>{making.evaluation()._repr_html_()}</body>")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page, asked, said = browser.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(page_file.as_uri())
        frame = page.frame_locator("iframe")
        frame.locator("figure svg.main-svg").first.wait_for(state="attached", timeout=60_000)
        assert frame.locator("figure .plot .trace").count() == 1
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:", "blob:"))] == []


def test_plots_and_tables_are_chosen_by_key_or_refused_with_the_keys() -> None:
    sets = Report([making.neuron_sets()])
    assert sets.to_polars("set-overlap").columns == ["language", "other language", "Jaccard index"]
    assert sets.plot("neurons-by-layer").data[0].type == "heatmap"
    with pytest.raises(ConfigError, match="'sizes'.*Expected set-sizes, set-overlap, language-tree, neurons-by-layer"):
        sets.plot("sizes")
    with pytest.raises(ConfigError, match="Expected set-sizes"):
        sets.to_polars("sizes")


def test_figures_have_the_colours_of_the_page() -> None:
    dots = making.evaluation().plot()
    assert dots.data[0].marker.color == dots.data[0].error_x.color == "#17687a"
    scale = making.loss_matrix().plot().layout.coloraxis.colorscale
    assert scale[-1][1] == "rgb(140,52,4)"  # --heat-plus-2
    assert making.activity().plot().layout.coloraxis.colorscale[0][1] == "#f1f3f1"


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "plotly", "plotly.graph_objects"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="'pandas' is not installed. .*pip install 'neuroglot.notebook.'"):
        making.evaluation().to_pandas()
    with pytest.raises(MissingExtraError, match="'plotly' is not installed. .*pip install 'neuroglot.notebook.'"):
        making.evaluation().plot()


def test_show_opens_the_page_or_displays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    report = Report([making.evaluation()])
    report.show()
    path = Path(opened[0].removeprefix("file://"))
    assert path.read_text() == report.to_html()
    displayed: list[Any] = []
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, __spec__=None))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=displayed.append))
    report.show()
    assert displayed == [report]
    assert len(opened) == 1


# ---- sets


TWO_STACKS = Layout((("encoder", (4, 4)), ("decoder", (4,))))


def test_a_set_names_its_neurons_and_answers_in() -> None:
    layout = making.layout_of(3, 8)
    members = [(0, 1), (2, 0), (2, 7)]
    neurons = NeuronSet.of(layout, {("decoder", 0): [1], ("decoder", 2): [7, 0]})
    assert list(neurons) == [Neuron("decoder", *pair) for pair in members]
    assert len(list(neurons)) == len(neurons)
    for layer in range(3):
        for number in range(8):
            assert ((layer, number) in neurons) == ((layer, number) in members)
            assert (("decoder", layer, number) in neurons) == ((layer, number) in members)
    assert (0, 99) not in neurons


def test_a_pair_is_ambiguous_where_there_are_two_stacks() -> None:
    neurons = NeuronSet.of(TWO_STACKS, {("encoder", 0): [1]})
    assert ("encoder", 0, 1) in neurons
    assert ("decoder", 0, 1) not in neurons
    for wrong in ((0, 1), 5, "encoder"):
        with pytest.raises(ConfigError, match="Expected \\(stack, layer, number\\)"):
            wrong in neurons  # noqa: B015


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert neuroglot.__version__ == version("neuroglot")


class Talkative(Described):
    def _facts(self) -> list[str]:
        return ["word"] * 90

    def _numbers(self) -> str:
        return "number " * 90


def test_a_repr_is_cut_behind_three_lines() -> None:
    lines = repr(Talkative()).splitlines()
    assert len(lines) == 3
    assert lines[0].endswith(" …")
    assert lines[2].endswith(" …")
