"""A clip of sign language, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuroglot.metrics.intervals import Score
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import Labels, plural
from neuroglot.signature import Signature

MOST_PANELS = 6


def reading_section(
    clip: str,
    spans: Sequence[tuple[str, int, int, float]],
    probabilities: Mapping[str, Sequence[float]],
    signature: Signature,
    *,
    frames: int,
    frames_a_position: int,
    look_ahead: int,
) -> Section:
    """What a clip says: each gloss with its first and last frame and mean probability, and its probability in time."""
    said = " ".join(gloss for gloss, *_ in spans) or "no gloss"
    sentence = f"{clip} says: {said}."
    columns = [Column("gloss"), Column("first frame"), Column("last frame"), Column("mean probability")]
    table = Table.of("glosses-in-time", "Glosses in time", columns, spans)
    starts = [str(place * frames_a_position) for place in range(len(next(iter(probabilities.values()), ())))]
    panels = [
        (gloss, [Series("probability", "observed", [Score.exact(value) for value in values])])
        for gloss, values in list(probabilities.items())[:MOST_PANELS]
    ]
    shown: tuple[Figure, ...] = ()
    if panels:
        labels = Labels(tuple(starts), tuple(starts))
        spec = figures.small_multiples(panels, labels, unit="probability", axis=f"first frame of {frames_a_position}")
        caption = "How to read it: a dot is how probable the gloss is in the frames from this one on."
        shown = (
            Figure("glosses-in-time", "Glosses in time", caption, f"Line plots. {sentence}", (Plot(spec, table),)),
        )
    remarks = (
        f"The clip has {plural(frames, 'frame')}; a position reads {look_ahead} frames beyond its own "
        f"{frames_a_position}, so that live recognition lags by so many.",
    )
    return Section(
        "reading", "A clip read", sentence, signature, remarks, shown, tables=() if shown else (table,), summary=table
    )
