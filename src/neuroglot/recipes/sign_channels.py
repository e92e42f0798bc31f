"""`sign channels`: which channels of a recogniser serve which sign language, and the proof by switching them off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from neuroglot.recipes.artefacts import ACTIVITY
from neuroglot.recipes.options import PROVE, Draws, Positive, Seeded, Share
from neuroglot.recipes.sign_options import OnClips, OnRecogniser

if TYPE_CHECKING:
    from neuroglot.corpora.clips import Clips
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.tokens.clips import ClipReader

PartName = Literal["train", "dev", "test"]
ChannelRule = Literal["entropy", "mean-difference", "magnitude", "coverage", "random"]


class _Inputs(NamedTuple):
    view: ModelView
    reader: ClipReader
    chosen: Clips
    proved: Clips


@dataclass(frozen=True, kw_only=True)
class SignChannels(OnRecogniser, OnClips, Seeded):
    """Record how often each channel fires in each sign language, select the languages' own, and switch them off.

    Beside them stand as many random channels in every layer, and all channels of each role in the shift.
    """

    command = "sign channels"
    group = PROVE
    examples = """
    neuroglot sign channels recogniser --corpus made --out channels"""
    positional = ("model",)

    select_part: PartName = "train"
    """Clips that the channels are selected on."""

    prove_part: PartName = "test"
    """Clips on which they are switched off; another part."""

    rule: ChannelRule = "mean-difference"
    """How channels are selected, as in `neuroglot selectors`."""

    share: Share = 0.1
    """Share of all channels that is selected."""

    channel_count: Positive | None = None
    """Select so many for each sign language instead."""

    draws: Draws = 5
    """Random sets beside each selected one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.errors import ConfigError, CorpusError, listed
        from neuroglot.experiments.signs import known_clips
        from neuroglot.generation.glosses import reader_for
        from neuroglot.models.channels import channels
        from neuroglot.recipes.sign_options import trained_among
        from neuroglot.tokens.clips import require_all_fit

        if self.select_part == self.prove_part:
            raise ConfigError(
                f"Channels were to be selected and proved on the part {self.prove_part!r}.", "Expected two parts."
            )
        clips = self.load_clips(identity)
        if len(clips.languages) < 2:
            raise CorpusError(
                f"The clips are of {', '.join(clips.languages)} alone.", "Expected two sign languages or more.",
                "Name several corpora, and a recogniser that was trained on all of them.",
            )  # fmt: skip
        view = channels(self.load_recogniser(identity, self.model))
        reader = reader_for(view.model)  # type: ignore[arg-type]
        proved, unknown = known_clips(reader, clips.of(self.prove_part))
        require_all_fit(proved, reader.step)
        if unknown:
            identity.remarks.append(
                f"{len(clips.of(self.prove_part)) - len(proved)} clips with glosses that were never trained on are "
                "left out."
            )
        chosen = clips.of(self.select_part)
        for what, part in ((f"part {self.select_part!r}", chosen), (f"known clips of {self.prove_part!r}", proved)):
            if lacking := [language for language in clips.languages if language not in part.languages]:
                raise CorpusError(
                    f"The {what} have none in {listed(lacking)}.",
                    f"Expected clips of every sign language: {', '.join(clips.languages)}.",
                    "Name another part, a recogniser that was trained on all of them, or corpora that have it.",
                )
        if seen := trained_among(proved, self.model):
            identity.remarks.append(
                f"{len(seen)} of the {len(proved)} clips on which channels are switched off trained the recogniser."
            )
        return _Inputs(view, reader, chosen, proved)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.activity.activity import Activity
        from neuroglot.experiments.signs import channel_matrix, record_channels, role_effects
        from neuroglot.neurons.rules.table import Evidence, selector_named
        from neuroglot.reports import Report

        view, reader, chosen, proved = inputs
        activity = run.once(ACTIVITY, Activity, lambda: record_channels(view, reader, chosen))
        selector = selector_named(self.rule)
        sets = selector.sets(Evidence.recorded(activity), **selector.with_options(self._options(selector.options)))
        for language, neurons in sets.items():
            neurons.save(run.files / f"{language}.safetensors")
        how: dict[str, Any] = {"draws": self.draws, "seed": self.seed}
        matrix = channel_matrix(view, reader, proved, sets, **how)
        by_role = role_effects(view, reader, proved, sets, **how)
        title = f"Channels of {self.model.name} by sign language"
        return Report([matrix, by_role, sets, activity], title=title)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.experiments.signs import record_channels
        from neuroglot.recipes.sign_options import sign_price
        from neuroglot.recipes.steps import REPORT_BYTES

        view, reader, chosen, proved = inputs
        languages = len(chosen.languages)
        few = chosen.take(range(min(4, len(chosen))))

        def run() -> int:
            record_channels(view, reader, few)
            return len(few)

        read = len(chosen) + len(proved) * (2 + languages * (1 + self.draws) + 3 * (1 + self.draws))
        size = REPORT_BYTES + 32 * languages * view.layout.neuron_count
        return sign_price(view.model, "The experiment", read, run, size)  # type: ignore[arg-type]

    def _options(self, taken: tuple[str, ...]) -> dict[str, Any]:
        """What the rule takes of size and seed."""
        if self.channel_count is not None and "count" in taken:
            size: dict[str, Any] = {"count": self.channel_count}
        elif "top_share" in taken:
            size = {"top_share": self.share}
        else:
            size = {"coverage": self.share}
        return size | ({"seed": self.seed} if "seed" in taken else {})
