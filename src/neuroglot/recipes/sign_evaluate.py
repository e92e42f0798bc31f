"""`sign evaluate`: word error rates of a recogniser, by sign language, with what it costs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.recipes.options import USE
from neuroglot.recipes.sign_options import OnClips, OnRecogniser, Recognising
from neuroglot.recipes.training_options import Unlearned

if TYPE_CHECKING:
    from neuroglot.corpora.clips import Clips
    from neuroglot.generation.glosses import Readings
    from neuroglot.models.architectures.tscm import TSCMForCTC
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

RECOGNISED = "recognised.jsonl"


class _Inputs(NamedTuple):
    model: TSCMForCTC
    baseline: TSCMForCTC | None
    clips: Clips
    seen: int  # clips that one of them was trained on
    unread: tuple[str, ...]  # clips whose glosses are nothing to sclite


@dataclass(frozen=True, kw_only=True)
class SignEvaluate(OnRecogniser, OnClips, Recognising, Unlearned):
    """Read the clips of a part, and count errors; beside a baseline, paired by clip."""

    command = "sign evaluate"
    group = USE
    examples = """
    neuroglot sign evaluate recogniser --corpus made --out evaluated
    neuroglot sign evaluate student --corpus made --baseline recogniser \\
        --metrics wer wer-of-sentences --out evaluated"""
    positional = ("model",)
    keeping = "optional"

    read_part: Literal["train", "dev", "test"] = "test"
    """Which clips are read."""

    metrics: tuple[Literal["wer", "wer-sclite", "wer-of-sentences"], ...] = ("wer",)
    """Error rates: of the corpus, the same on glosses as RWTH-PHOENIX-2014 hands them to sclite, or the mean over
    sentences, which is another number."""

    baseline: Path | None = None
    """Another recogniser, read beside it."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.trained import require_untrained
        from neuroglot.metrics.texts import TextOptions, choose_metrics
        from neuroglot.metrics.texts.words import only_marks
        from neuroglot.recipes.sign_options import trained_among

        choose_metrics(self.metrics, TextOptions())  # refuses, before anything is read
        clips = self.load_clips(identity).of(self.read_part)
        model = self.load_recogniser(identity, self.model)
        other = None if self.baseline is None else self.load_recogniser(identity, self.baseline, "baseline")
        found = trained_among(clips, self.model, *(() if self.baseline is None else (self.baseline,)))
        seen = require_untrained(
            [clip.id for clip in found], len(clips), "clips", self.same_rows, "Name another part (--read-part)"
        )
        marks = only_marks([" ".join(clip.glosses) for clip in clips.clips]) if "wer-sclite" in self.metrics else []
        return _Inputs(model, other, clips, seen, tuple(clips.clips[row].id for row in marks))

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from dataclasses import replace

        from neuroglot.corpora.trained import told_trained
        from neuroglot.errors import listed
        from neuroglot.experiments.signs import score_recognised
        from neuroglot.generation.glosses import vocabulary_of
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.sections.scoring import scores_section
        from neuroglot.reports.sections.signs import cost_table
        from neuroglot.signature import Signature

        model, other, clips, seen, unread = inputs
        found = self._recognised(model, clips)
        beside = None if other is None else self._recognised(other, clips)
        _save(found, run.files / RECOGNISED)
        scores = score_recognised(found, self.metrics, beside)
        made = made_with(model, None, clips) | Signature.of(part=self.read_part, beam=self.beam) | told_trained(seen)
        section = scores_section(dict(scores), made, "sign language", "of the baseline")
        unknown = vocabulary_of(model).unknown(clips.clips)
        if unknown:
            named = ", ".join(f"{gloss} ({count})" for gloss, count in unknown.most_common(5))
            remark = (
                f"{unknown.total()} glosses of {len(unknown)} kinds were never trained on, and are errors: {named}."
            )
            section = replace(section, remarks=(remark, *section.remarks))
        if unread:
            remark = (
                f"Of {len(unread)} clips sclite is handed no gloss, because they have only marks: {listed(unread, 5)}. "
                "What is read of them are insertions."
            )
            section = replace(section, remarks=(remark, *section.remarks))
        costs = {"model": _cost(model)} | ({} if other is None else {"baseline": _cost(other)})
        section = replace(section, tables=(*section.tables, cost_table(costs)))
        return Report([section], title=f"{self.model.name} on {clips.name}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.sign_options import sign_price
        from neuroglot.recipes.steps import REPORT_BYTES

        model, other, clips, *_ = inputs
        few = clips.take(range(min(2, len(clips))))

        def run() -> int:
            self._recognised(model, few)
            return len(few)

        return sign_price(model, "Evaluation", len(clips) * (1 if other is None else 2), run, REPORT_BYTES)

    def _recognised(self, model: TSCMForCTC, clips: Clips) -> Readings:
        from neuroglot.generation.ctc import BeamOptions
        from neuroglot.generation.glosses import reader_for, recognise

        return recognise(model, reader_for(model), clips, BeamOptions(self.beam))


def _cost(model: TSCMForCTC) -> tuple[int, int, int, int]:
    """Parameters, multiply–adds a frame, pixels, look-ahead in frames."""
    from neuroglot.models.architectures.tscm import multiplications_a_frame

    parameters = sum(parameter.numel() for parameter in model.parameters())
    config = model.config
    return parameters, multiplications_a_frame(model), config.image_size, config.look_ahead * config.frame_step


def _save(found: Readings, path: Path) -> None:
    """One line a clip: what was signed and what was read."""
    from neuroglot.storage import write_whole

    rows = zip(found.ids, found.languages, found.references, found.hypotheses, found.log_probs, strict=True)
    lines = [
        {"id": id, "language": language, "reference": list(wanted), "read": list(said), "log_prob": round(log_prob, 4)}
        for id, language, wanted, said, log_prob in rows
    ]
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
