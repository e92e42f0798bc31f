"""`compare`: how two models share neurons between languages, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import FIND, OnDevice, OnLanguages, OnSite
from neuroglot.recipes.parallel import Directable
from neuroglot.recipes.reading import note_data
from neuroglot.recipes.sharing import over_long, prompts_of

if TYPE_CHECKING:
    from neuroglot.activity.recording import Recording
    from neuroglot.activity.sharing import Sharing
    from neuroglot.corpora import Corpus, Directed
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    corpus: Corpus | Directed
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class Compare(OnDevice, Directable, OnLanguages, OnSite):
    """Compare how two models share neurons between languages, for example before and after alignment."""

    command = "compare"
    group = FIND
    examples = """
    neuroglot compare ./base ./aligned --corpus mgsm/ --out run
    neuroglot compare ./base ./aligned --corpus texts.tsv --limit 500 --out run --json"""
    positional = ("before", "after")

    before: str
    """`lab`, a folder in the hub's layout, a GGUF file, or a hub id (`owner/model`, `owner/model/file.gguf`)."""

    after: str
    """The other model, built alike."""

    corpus: str
    """A task or parallel text, as in `neuroglot sharing`."""

    fires: float = 0.0
    """A neuron fires where its value is greater than this."""

    special_tokens: bool = True

    def read(self, identity: Identity) -> _Inputs:
        family, _ = map(self.family_of, (self.before, self.after))  # both, before the first reads the corpus
        corpus, notes = prompts_of(self, self.corpus)
        note_data(identity, corpus)
        return _Inputs(self.as_read_by(family, corpus, identity), notes)

    def compare(self, identity: Identity) -> None:
        for name in ("before", "after"):
            self.load_model(identity, getattr(self, name), name)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.neurons import SharingChange
        from neuroglot.reports import Report

        change = SharingChange(self._shared(run, inputs, "before"), self._shared(run, inputs, "after"))
        notes = inputs.notes + over_long([change.before])
        if change.before.signature.get("tokenizer") != change.after.signature.get("tokenizer"):
            notes += ("The models' tokenizers differ, so that the last tokens, of which this is, are other ones.",)
        return Report([change], title="Shared neurons of two models", notes=notes)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.runs.identity import Identity
        from neuroglot.runs.price import together

        return together([self._price(Identity(), inputs, name) for name in ("before", "after")])

    @property
    def _recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, "last", (self.fires,), self.special_tokens)

    def _shared(self, run: Run, inputs: _Inputs, name: str) -> Sharing:
        from neuroglot.activity.record import record_sharing
        from neuroglot.activity.sharing import Sharing

        model = self.load_model(run.identity, getattr(self, name), name)
        return run.once(
            f"{name}.safetensors", Sharing,
            lambda: record_sharing(*model, inputs.corpus, self._recording, kept=run.kept(name)),
        )  # fmt: skip

    def _price(self, identity: Identity, inputs: _Inputs, name: str) -> Price:
        from neuroglot.activity.record import record_sharing
        from neuroglot.recipes.steps import REPORT_BYTES, sharing_bytes
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer = self.load_model(identity, getattr(self, name), name)
        kept = sharing_bytes(view, inputs.corpus, self._recording)
        step = PricedStep(
            "counting", inputs.corpus, lambda part: record_sharing(view, tokenizer, part, self._recording)
        )
        return price(view, tokenizer, [step], kept, kept + REPORT_BYTES)
