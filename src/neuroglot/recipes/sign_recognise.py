"""`sign recognise`: the glosses of one clip, in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import USE
from neuroglot.recipes.sign_options import OnRecogniser, Recognising

if TYPE_CHECKING:
    from torch import Tensor

    from neuroglot.corpora.clips import Clip
    from neuroglot.corpora.clips.clip import Frames
    from neuroglot.models.architectures.tscm import TSCMForCTC
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

STRIP = "frames.svg"
SIDE = 96  # of a frame in the picture
NO_XML = r"[^\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # what XML 1.0 holds in no form


class _Inputs(NamedTuple):
    model: TSCMForCTC
    clip: Clip


@dataclass(frozen=True, kw_only=True)
class SignRecognise(OnRecogniser, Recognising):
    """Read one clip: its glosses, where in time each stands, and how far ahead the network looks.

    With a run folder the frames and their glosses are kept as one picture, which browsers show.
    """

    command = "sign recognise"
    group = USE
    examples = """
    neuroglot sign recognise film.mp4 --model recogniser
    neuroglot sign recognise made:test-3 --model recogniser --out read"""
    positional = ("clip",)
    keeping = "optional"

    clip: str
    """A folder of images, a video, or `made:ID` for a made clip."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.signature import Signature

        clip = clip_named(self.clip)
        identity.note("clip", Signature.of(clip=clip.source.described))
        return _Inputs(self.load_recogniser(identity, self.model), clip)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import extras
        from neuroglot.corpora.clips import Clips
        from neuroglot.generation.ctc import BeamOptions, prefix_beam_search
        from neuroglot.generation.glosses import glosses_in_time, reader_for
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.sections.clip_read import reading_section
        from neuroglot.signature import Signature
        from neuroglot.tokens.clips import POOLED

        model, clip = inputs
        if run.out is not None:
            extras.require("PIL.Image", extra="sign")  # which draws the frames
        reader = reader_for(model)
        log_probs, lengths = self._log_probs(inputs)
        best = prefix_beam_search(log_probs, lengths, 0, BeamOptions(self.beam))[0][0]
        spans = glosses_in_time(log_probs[0], best.symbols, reader.vocabulary)
        each = POOLED * reader.step
        frames = clip.source.read()
        last = len(frames) - 1
        rows = [
            (span.gloss, span.first * each, min((span.last + 1) * each - 1, last), span.probability) for span in spans
        ]
        numbers = reader.vocabulary.numbers
        probabilities = {
            span.gloss: log_probs[0, :, numbers[span.gloss]].exp().tolist() for span in spans
        }  # fmt: skip
        made = made_with(model, None, Clips(clip.id, (clip,))) | Signature.of(beam=self.beam)
        section = reading_section(
            clip.id, rows, probabilities, made, frames=len(frames), frames_a_position=each,
            look_ahead=model.config.look_ahead * reader.step,
        )  # fmt: skip
        if run.out is not None:
            _draw(frames, rows, each, run.files / STRIP)
        return Report([section], title=f"{clip.id}, read by {self.model.name}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.sign_options import sign_price
        from neuroglot.recipes.steps import REPORT_BYTES

        def run() -> int:
            self._log_probs(inputs)
            return 1

        return sign_price(inputs.model, "Recognition", 1, run, REPORT_BYTES)

    def _log_probs(self, inputs: _Inputs) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the positions `[1, T/4, K + 1]`, and how many there are."""
        import torch

        from neuroglot.generation.glosses import reader_for
        from neuroglot.tokens.clips import ClipRow

        model, clip = inputs
        batch = reader_for(model).batch([ClipRow(clip)], labelled=False)
        with torch.no_grad():
            output = model.eval()(**{name: part.to(model.device) for name, part in batch.items()})
        return output.logits.float().log_softmax(-1).cpu(), output.lengths


def clip_named(name: str) -> Clip:
    """A clip by its folder, file, or `made:ID`; raises `CorpusError` where there is none."""
    from neuroglot.corpora.clips import Clip, MadeClips, make_clips
    from neuroglot.corpora.clips.made import MADE
    from neuroglot.corpora.clips.sources import source_at
    from neuroglot.errors import CorpusError, listed

    if not name.startswith(f"{MADE}:"):
        path = Path(name)
        return Clip(path.name, "unknown", "unknown", (), "test", source_at(path))
    made = make_clips(MadeClips()).clips
    known = {clip.id: clip for clip in reversed(made)}
    wanted = name.partition(":")[2]
    if wanted not in known:
        raise CorpusError(f"There is no made clip {wanted!r}.", f"Expected one of {listed(sorted(known), 5)}.")
    return known[wanted]


def _draw(frames: Frames, rows: list[tuple[str, int, int, float]], each: int, path: Path) -> None:
    """Every few frames side by side, and below them each gloss from its first to its last one.

    Glosses are text, so that whoever shows the picture finds letters of any script; images have fonts of few.
    """
    import base64
    import io
    from xml.sax.saxutils import escape

    from neuroglot import extras
    from neuroglot.storage import write_whole

    image = extras.require("PIL.Image", extra="sign")
    shown = range(0, len(frames), each)
    parts = []
    for place, frame in enumerate(shown):
        written = io.BytesIO()
        image.fromarray(frames[frame]).resize((SIDE, SIDE)).save(written, "PNG")
        pixels = base64.b64encode(written.getvalue()).decode()
        left = SIDE * place
        parts.append(f'<image x="{left}" width="{SIDE}" height="{SIDE}" href="data:image/png;base64,{pixels}"/>')
        parts.append(f'<text x="{left + 3}" y="{SIDE + 13}" fill="#595959">{frame}</text>')
    for gloss, first, last, _ in rows:
        left, wide = SIDE * (first // each), SIDE * (last // each - first // each + 1)
        said = escape(re.sub(NO_XML, "", gloss))
        parts.append(
            f'<svg x="{left}" y="{SIDE + 18}" width="{wide}" height="20"><title>{said}</title>'
            f'<rect width="{wide - 2}" height="20" fill="#dce9f5"/><text x="3" y="14">{said}</text></svg>'
        )
    width, height = SIDE * len(shown), SIDE + 40
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [f'{begin} font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    write_whole(path, "\n".join([*lines, *parts, "</svg>"]) + "\n")
