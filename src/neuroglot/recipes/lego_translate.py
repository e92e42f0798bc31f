"""`lego translate`: a corpus in other languages, by the branches that a direction needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import CORPUS, TRANSLATIONS, corpus_source, write_corpus
from neuroglot.recipes.branching import FlowMask, OnBranches
from neuroglot.recipes.deciding import ByRule
from neuroglot.recipes.options import USE, OnTexts, Positive
from neuroglot.recipes.reading import first_sound, note_data, note_trained
from neuroglot.recipes.translation_options import Into, Truncating

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.generation.local import LocalBackend
    from neuroglot.generation.translation import Translated
    from neuroglot.models.branched import BranchedConfig, BranchedFolder
    from neuroglot.models.branched.flows import Branches
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.storage import Kept


class _Inputs(NamedTuple):
    texts: Corpus
    folder: BranchedFolder
    tokenizer: PreTrainedTokenizerBase
    flows: dict[Direction, int]


@dataclass(frozen=True, kw_only=True)
class LegoTranslate(OnTexts, Into, OnBranches, ByRule, Truncating):
    """Translate a corpus by a branched model: of each direction only its branches are loaded.

    By default the flow is the one that did best on the validation rows of the training, else the first that is there of
    Dec-, Enc- and Mix-Flow. The run folder is a corpus for all commands, as that of `neuroglot translate`.
    """

    command = "lego translate"
    group = USE
    examples = """
    neuroglot lego translate run --corpus texts.tsv --source de --into en fr --out translated
    neuroglot lego translate run --corpus texts.tsv --source de --into en --flow 6 --beams 4 --out translated"""
    positional = ("model",)

    flow: FlowMask | None = None
    """1 Dec-Flow, 2 Enc-Flow, 4 Mix-Flow, 8 both branches; a sum of several is an ensemble, which takes their mean."""

    max_new_tokens: Positive = 256

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot import corpora
        from neuroglot.corpora.directions import Direction
        from neuroglot.generation.translation import original_of, targets_of
        from neuroglot.models.branched import branches_of, flow_of

        _ = self.decoding  # refuses options that contradict each other
        self.note_rule(identity)
        languages = None if self.source is None else [self.source]
        read = corpora.load(corpus_source(self.corpus), languages=languages, column=self.column)
        texts = first_sound(original_of(read, self.source), self.limit, self.suspicious)
        directions = [Direction(texts.languages[0], target) for target in targets_of(texts, self.into)]

        def flows_of(config: BranchedConfig) -> dict[Direction, int]:
            return {each: self.flow or flow_of(config, each) for each in directions}

        def needed(config: BranchedConfig) -> list[Branches]:
            return [pair for each, flow in flows_of(config).items() for pair in branches_of(config, each, flow)]

        folder, tokenizer = self.load_branches(identity, needed)
        flows = flows_of(folder.config)
        note_data(identity, texts)
        note_trained(identity, texts, self.model)
        return _Inputs(texts, folder, tokenizer, flows)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.reports import Report
        from neuroglot.reports.sections.translating import translated_section

        translated = self._translated(inputs, run.kept("windows"))
        translated.save(run.files / TRANSLATIONS)
        corpus = translated.to_corpus(self.suspicious)
        write_corpus(corpus, run.files / CORPUS)
        section = translated_section(translated, len(corpus))
        return Report([section], title=f"{corpus.name} in {', '.join(corpus.languages)}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price
        from neuroglot.storage import NOTHING_KEPT

        texts, backend = inputs.texts, self._backend(inputs, next(iter(inputs.flows)))
        size = (1 + len(self.into)) * sum(len(text.encode()) for column in texts.texts.values() for text in column)
        step = PricedStep(
            f"translating {texts.name}", texts,
            lambda part: self._translated(inputs._replace(texts=part), NOTHING_KEPT),
            written=self.max_new_tokens * len(self.into),
        )  # fmt: skip
        return price(backend.view, inputs.tokenizer, [step], size, 2 * size + REPORT_BYTES)

    def _backend(self, inputs: _Inputs, direction: Direction) -> LocalBackend:
        from neuroglot.experiments.lego import located
        from neuroglot.generation.local import LocalBackend
        from neuroglot.models.branched import branches_of

        branches = branches_of(inputs.folder.config, direction, inputs.flows[direction])
        view = located(inputs.folder.translator(branches, device=self.device))
        self.require_rule(view)
        return LocalBackend(view, inputs.tokenizer, keep_truncated=self.keep_truncated)

    def _translated(self, inputs: _Inputs, kept: Kept) -> Translated:
        from neuroglot.generation.translation import translate
        from neuroglot.models.branched.flows import flow_label
        from neuroglot.signature import Signature, merged

        parts = [
            translate(
                self._backend(inputs, direction), inputs.texts, [direction.target], self.decoding,
                kept=kept.below(direction.target),
            )
            for direction in inputs.flows
        ]  # fmt: skip
        columns = {target: column for part in parts for target, column in part.completions.items()}
        named = ", ".join(f"{direction}: {flow_label(flow)}" for direction, flow in inputs.flows.items())
        signature = merged([part.signature for part in parts]) | Signature.of(flows=named)
        return replace(parts[0], completions=columns, signature=signature)
