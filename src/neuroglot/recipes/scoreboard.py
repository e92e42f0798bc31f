"""`scoreboard`: all selectors at one size, judged by what switching off their neurons does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.recipes.options import PROVE, Controlled, OnColumn, OnDevice, OnLanguages, OnNeurons, Positive, Share
from neuroglot.recipes.parallel import Directable
from neuroglot.recipes.reading import note_data, read_corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Directed
    from neuroglot.metrics.scoreboard import Scoreboard as Board
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Scoreboard(OnDevice, Directable, OnLanguages, OnColumn, OnNeurons, Controlled):
    """Rank all selectors: each picks as many neurons a language on half of the rows, to be switched off on others."""

    command = "scoreboard"
    group = PROVE
    examples = """
    neuroglot scoreboard lab --corpus lab --count 15 --out run
    neuroglot scoreboard ./my-model --corpus texts.tsv --top-share 0.01 --selectors entropy gradient random --out run
    neuroglot scoreboard ./seed0 ./seed1 ./seed2 --corpus texts.tsv --count 100 --out run"""
    positional = ("models",)
    shares_rows = True

    models: tuple[str, ...]
    """`lab`, folders in the hub's layout, or model ids of the hub; several are ranked together, such as three seeds."""

    corpus: tuple[str, ...]
    """Parallel text, as for `analyze`; one corpus for all models, or one a model."""

    count: Positive | None = None
    """Number of neurons for each language."""

    top_share: Share | None = None
    """The same as a share of all neurons, for each language; 1 % by default."""

    selectors: tuple[str, ...] | None = None
    """Names of `neuroglot selectors`; all that take a number of neurons by default."""

    ablation_rows: Positive = 50
    """How many of the rows that were not used for selection are scored."""

    def read(self, identity: Identity) -> list[tuple[str, Corpus | Directed]]:
        from neuroglot.errors import ConfigError

        if not self.models or len(self.corpus) not in (1, len(self.models)):
            raise ConfigError(
                f"Got {len(self.models)} models and {len(self.corpus)} corpora.",
                "Expected one corpus, or one for each model.",
            )
        families = [self.family_of(model) for model in self.models]  # all of them, before the first is recorded
        corpora = [self._corpus(identity, index) for index in range(len(self.corpus))]
        each = corpora if len(corpora) > 1 else corpora * len(self.models)
        read = [self.as_read_by(family, rows, identity) for family, rows in zip(families, each)]
        identity.remarks[:] = dict.fromkeys(identity.remarks)  # models that read the same say it once
        return list(zip(self.models, read))

    def compare(self, identity: Identity) -> None:
        for index in range(len(self.models)):
            self._model(identity, index)

    def work(self, run: Run, inputs: list[tuple[str, Corpus | Directed]]) -> Report:
        from neuroglot.experiments.scoreboard import over_models
        from neuroglot.reports import Report

        boards = [self._board(run, index, corpus) for index, (_, corpus) in enumerate(inputs)]
        return Report([over_models(boards)], title="Selectors of language neurons")

    def price(self, inputs: list[tuple[str, Corpus | Directed]]) -> Price:
        from neuroglot.runs.identity import Identity
        from neuroglot.runs.price import together

        return together([self._price(Identity(), index, corpus) for index, (_, corpus) in enumerate(inputs)])

    def _corpus(self, identity: Identity, index: int) -> Corpus:
        rows = read_corpus(self, self.corpus[index], self.languages_asked(self.languages), self.column)
        note_data(identity, rows, "data" if len(self.corpus) == 1 else f"data {index + 1}")
        return rows

    def _model(self, identity: Identity, index: int) -> tuple[ModelView, PreTrainedTokenizerBase]:
        return self.load_model(identity, self.models[index], f"model {index + 1}")

    def _board(self, run: Run, index: int, corpus: Corpus | Directed) -> Board:
        from neuroglot.experiments.scoreboard import RANKABLE, compare_selectors, selection_and_held_out
        from neuroglot.neurons.rules.common import Size

        selection_rows, others = selection_and_held_out(corpus, self.ablation_rows, self.seed)
        view, tokenizer = self._model(run.identity, index)
        return compare_selectors(
            view, tokenizer, selection_rows, others, selectors=self.selectors or RANKABLE,
            count=Size.of(view.layout.neuron_count, self.top_share, self.count).wanted,
            recording=self.recording, draws=self.random_draws, seed=self.seed, kept=run.kept(f"model-{index + 1}"),
        )  # fmt: skip

    def _price(self, identity: Identity, index: int, corpus: Corpus | Directed) -> Price:
        """What all selectors need is gathered once, and random sets are scored on one language."""
        from neuroglot.experiments.scoreboard import RANKABLE, needed_by, selection_and_held_out
        from neuroglot.neurons.rules.table import selector_named
        from neuroglot.recipes.steps import REPORT_BYTES, gathering, scoring
        from neuroglot.runs.price import price

        selection_rows, others = selection_and_held_out(corpus, self.ablation_rows, self.seed)
        view, tokenizer = self._model(identity, index)
        selectors = [selector_named(name) for name in self.selectors or RANKABLE]
        steps, kept = gathering(view, tokenizer, selection_rows, needed_by(selectors), self.recording)
        times = len(selectors) * (1 + len(others.languages) + self.random_draws)
        return price(view, tokenizer, [*steps, scoring(view, tokenizer, others, times)], kept, REPORT_BYTES)
