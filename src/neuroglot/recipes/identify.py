"""`identify`: whether generated texts are in the language that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from annotated_types import Ge, Le

from neuroglot.recipes.artefacts import GENERATED, artefact
from neuroglot.recipes.options import USE, Limited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature


class _Inputs(NamedTuple):
    texts: Mapping[str, Sequence[str]]  # by the language that was asked for
    ids: Sequence[str]
    signature: Signature


@dataclass(frozen=True, kw_only=True)
class Identify(Limited):
    """Share of generated texts that are in their language, with intervals over rows (language forcing success).

    Needs the extra: pip install 'neuroglot[identification]'.
    """

    command = "identify"
    group = USE
    examples = """
    neuroglot generate lab --corpus prompts.tsv --steer to-german --out steered
    neuroglot identify steered --candidates en de fr
    neuroglot identify steered --candidates en de fr --target de --json"""
    positional = ("generated",)
    keeping = "optional"

    generated: Path
    """Run folder of `neuroglot generate`, or its generated.jsonl."""

    candidates: tuple[str, ...]
    """All languages that the texts may be in, by code; also those into which the model may fall back."""

    target: str | None = None
    """The language that was asked for, where it is not that of the prompt, as with steering."""

    min_distance: Annotated[float, Ge(0), Le(0.99)] = 0.0
    """Texts whose two likeliest languages are nearer than this are undecided."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.generation.texts import GeneratedTexts

        read = identity.file("generated", artefact(self.generated, GENERATED), GeneratedTexts.load).first(self.limit)
        if self.target is None:
            return _Inputs(read.texts, read.ids, read.signature)
        ids = [f"{language}/{row_id}" for language in read.languages for row_id in read.ids]
        return _Inputs({self.target: [text for *_, text in read.rows()]}, ids, read.signature)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.metrics.identification import language_forcing
        from neuroglot.reports import Report

        forcing = language_forcing(
            inputs.texts, inputs.ids, candidates=self.candidates, min_distance=self.min_distance,
            signature=inputs.signature,
        )  # fmt: skip
        return Report([forcing], title="Languages of generated texts")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        return of_files([artefact(self.generated, GENERATED)], [], REPORT_BYTES)
