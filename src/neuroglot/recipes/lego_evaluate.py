"""`lego evaluate`: translations of a branched model by flow, scored, and how near its branches are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neuroglot.recipes.artefacts import TRANSLATIONS
from neuroglot.recipes.branching import Ensembled, OnBranches
from neuroglot.recipes.options import USE, Beams, OnCorpus, OnDirections, Positive
from neuroglot.recipes.training_options import Unlearned
from neuroglot.recipes.translation_options import BatchedSearch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.models.branched import BranchedFolder
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    folder: BranchedFolder
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    flows: Mapping[Direction, Sequence[int]]
    sets: Mapping[str, Sequence[str]]  # of directions, by core language and by resources
    seen: int  # rows that the model was trained on


@dataclass(frozen=True, kw_only=True)
class LegoEvaluate(OnBranches, OnCorpus, OnDirections, BatchedSearch, Ensembled, Unlearned):
    """Translate by every flow that a direction has branches for, score them, and compare the branches' spaces."""

    command = "lego evaluate"
    group = USE
    examples = """
    neuroglot lego evaluate run --corpus run --out scored
    neuroglot lego evaluate run --corpus flores.tsv --directions de-fr fr-de --ensembles 3 --out scored
    neuroglot lego evaluate run --corpus flores.tsv --cores en de --resources groups --candidates en de fr"""
    positional = ("model",)
    keeping = "optional"

    cores: tuple[str, ...] = ()
    """Core languages, out of each of which into all others and back is translated unless --directions says otherwise;
    their means are those of the release's tables."""

    resources: Path | None = None
    """JSON file with the languages of each group by resources, or run folder of `neuroglot lego group` (`--by size`
    groups them by training text): adds the mean of each group."""

    candidates: tuple[str, ...] = ()
    """Languages that translations may be in, all targets among them: adds the share that is in another (off-target).
    Needs the extra: pip install 'neuroglot[identification]'."""

    beams: Beams = 5
    max_new_tokens: Positive = 256

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.trained import require_untrained, rows_trained_on
        from neuroglot.errors import ConfigError
        from neuroglot.experiments.lego import core_directions, flows_in, off_target, sets_of
        from neuroglot.models.branched import Flow
        from neuroglot.recipes.branching import read_groups
        from neuroglot.signature import Signature

        _ = self.chosen_metric  # refuses an unknown one
        corpus = self.load_corpus(identity)
        directions = self.directions_in(corpus)
        if self.cores:
            between = core_directions(corpus.languages, self.cores)  # refuses a core that is not there
            directions = between if self.directions is None else directions
        resources = {} if self.resources is None else read_groups(identity, self.resources, "resources")
        sets = sets_of(directions, self.cores, resources, self.pivot)
        if self.resources is not None and not sets_of(directions, (), resources, self.pivot):
            raise ConfigError(
                f"No direction is out of {self.pivot} or into it from a language of {self.resources}.",
                f"Got {', '.join(map(str, directions))}.", "Name other groups, or another pivot.",
            )  # fmt: skip
        folder, tokenizer = self.load_branches(identity)
        found = rows_trained_on(corpus, folder.path)
        seen = require_untrained(found, len(corpus), "rows", self.same_rows, "Name other text (--corpus)")
        flows = flows_in(folder.config, directions, self.ensembles)
        if self.candidates:  # refused now, and not when everything is translated
            empty = {(direction, int(Flow.MIX)): ("",) for direction in directions}
            off_target(empty, self.candidates, self.pivot, Signature(), folder.config)
        return _Inputs(folder, tokenizer, corpus, flows, sets, seen)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.corpora.trained import told_trained
        from neuroglot.experiments.lego import can_compare_spaces, off_target, score_flows, spaces
        from neuroglot.models.branched.flows import flow_label
        from neuroglot.models.provenance import made_with
        from neuroglot.recipes.branching import branches_signature
        from neuroglot.reports import Report
        from neuroglot.signature import Signature
        from neuroglot.storage import write_whole

        folder, tokenizer, corpus, _, sets, seen = inputs
        found = self._translated(inputs, corpus, run.kept("translated"))
        lines = [
            {"direction": str(direction), "flow": flow_label(flow), "id": row_id, "translation": text}
            for (direction, flow), column in found.items()
            for row_id, text in zip(corpus.ids, column, strict=True)
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_whole(run.files / TRANSLATIONS, text)
        signature = made_with(None, tokenizer, corpus) | branches_signature(folder)
        signature |= Signature.of(beams=self.beams, max_new_tokens=self.max_new_tokens) | told_trained(seen)
        metric, config = self.chosen_metric, folder.config
        results: list[Any] = [score_flows(found, corpus, self.pivot, metric, signature, config, sets)]
        if self.candidates:
            results.append(off_target(found, self.candidates, self.pivot, signature, config, sets))
        if can_compare_spaces(corpus, self.pivot):
            results += spaces(folder, tokenizer, corpus, self.pivot, device=self.device)
        return Report(results, title=f"Branches of {folder.path.name}")

    def _translated(self, inputs: _Inputs, corpus: Corpus, kept: Any) -> dict[tuple[Direction, int], tuple[str, ...]]:
        from neuroglot.experiments.lego import translate_flows
        from neuroglot.generation.decoding import Decoding

        return translate_flows(
            inputs.folder, inputs.tokenizer, corpus, inputs.flows, token_budget=self.token_budget, device=self.device,
            decoding=Decoding(self.max_new_tokens, beams=self.beams), kept=kept,
        )  # fmt: skip

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora import Directed
        from neuroglot.experiments.lego import located
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price
        from neuroglot.storage import NOTHING_KEPT

        view = located(inputs.folder.select())
        data = Directed(inputs.corpus, tuple(inputs.flows))
        most = max(len(flows) for flows in inputs.flows.values())
        size = most * sum(len(text.encode()) for column in data.sides for text in column)

        def run(part: Directed) -> object:
            return self._translated(inputs, part.corpus, NOTHING_KEPT)

        step = PricedStep("translating by each flow", data, run, written=most * self.max_new_tokens)
        return price(view, inputs.tokenizer, [step], size, size + REPORT_BYTES)
