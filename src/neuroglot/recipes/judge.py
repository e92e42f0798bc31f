"""`judge`: two systems' answers compared in pairs by a model or an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.generation.judging import CRITERIA
from neuroglot.recipes.artefacts import GENERATED, artefact
from neuroglot.recipes.backends import OnBackend
from neuroglot.recipes.options import USE, Decoded, Limited, Positive

if TYPE_CHECKING:
    from neuroglot.generation.backend import Backend
    from neuroglot.generation.texts import GeneratedTexts
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    answers: GeneratedTexts
    baseline: GeneratedTexts
    backend: Backend


@dataclass(frozen=True, kw_only=True)
class Judge(Limited, OnBackend, Decoded):
    """Let a model or an endpoint compare two systems' answers to the same prompts, each pair in both orders.

    A question counts once; ties count half; what the judge does with the order is reported beside the win rate.
    """

    command = "judge"
    group = USE
    examples = """
    neuroglot judge new old --endpoint https://api.openai.com/v1 --endpoint-model gpt-4o-mini \\
        --key-variable OPENAI_API_KEY --out judged
    neuroglot judge new old --endpoint http://127.0.0.1:8000/v1 --endpoint-model my-model \\
        --candidates en de fr --out judged"""
    positional = ("generated", "baseline")

    generated: Path
    """The new system's answers: a run folder of `neuroglot generate`, or its generated.jsonl."""

    baseline: Path
    """The other system's answers to the same prompts."""

    criteria: str = CRITERIA
    """What the judge is told to prefer."""

    candidates: tuple[str, ...] = ()
    """Tell the language of each answer, among these and the prompts' own: one that is in another language loses
    without being asked about; needs the extra `identification`."""

    max_new_tokens: Positive = 512
    """Longest reply, in tokens; one that is cut off has no verdict."""

    def read(self, identity: Identity) -> _Inputs:
        self.require_one()
        answers, baseline = (
            self._texts(identity, what, path)
            for what, path in (("generated", self.generated), ("baseline", self.baseline))
        )
        if sorted(answers.ids) == sorted(baseline.ids):  # `judge` says what is wrong with others
            baseline = baseline.in_order_of(answers.ids)
        answers, baseline = answers.first(self.limit), baseline.first(self.limit)
        return _Inputs(answers, baseline, self.backend(identity, keep_truncated=False, thinking=False))

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.judging import judge
        from neuroglot.reports import Report

        judged = judge(
            self.keeping_answers(inputs.backend, run), inputs.answers, inputs.baseline, criteria=self.criteria,
            decoding=self.decoding, candidates=self.candidates,
        )  # fmt: skip
        return Report([judged], title="Answers judged in pairs")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        pairs = len(inputs.answers.ids) * len(inputs.answers.languages)
        files = [artefact(path, GENERATED) for path in (self.generated, self.baseline)]
        asked = f"The judge would be asked {2 * pairs:,} times at most, less what is in --answers."
        return of_files(files, [], REPORT_BYTES, [asked])

    def _texts(self, identity: Identity, what: str, path: Path) -> GeneratedTexts:
        from neuroglot.generation.texts import GeneratedTexts

        return identity.file(what, artefact(path, GENERATED), GeneratedTexts.load)
