"""Experiments with recognisers of sign language: scores, channels by sign language, and what each channel is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.corpora.clips import Clip, Clips
from neuroglot.errors import CorpusError
from neuroglot.experiments.evaluation import ablation_conditions, control_seed, matrix_of
from neuroglot.generation.glosses import Readings
from neuroglot.interventions import switch_off
from neuroglot.layout import Layer
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.signs import NatsPerGloss, RoleEffects
from neuroglot.metrics.texts import Texts, TextScore, score_texts
from neuroglot.models.channels import ALONE, roles
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons import NeuronSet, at_random_like
from neuroglot.progress import advancing
from neuroglot.signature import Signature
from neuroglot.tokens.clips import ClipReader

CLIPS_AT_ONCE = 16
RECORDED_CHANNELS = Recording(site="write", statistics=("moments", "magnitude"))


def score_recognised(
    found: Readings, metrics: Sequence[str], baseline: Readings | None = None
) -> dict[str, list[TextScore]]:
    """Word error rates of each sign language, paired by clip with those of a baseline on the same clips."""
    if baseline is not None and (baseline.ids, baseline.languages) != (found.ids, found.languages):
        raise CorpusError("The baseline read other clips.", "Expected the same, in the same order.")
    scores = {}
    for language in dict.fromkeys(found.languages):
        rows = [row for row, own in enumerate(found.languages) if own == language]
        said, wanted = ([" ".join(part[row]) for row in rows] for part in (found.hypotheses, found.references))
        others = None if baseline is None else [" ".join(baseline.hypotheses[row]) for row in rows]
        scores[language] = score_texts(Texts(tuple(said), (tuple(wanted),)), metrics, baseline=others)
    return scores


def known_clips(reader: ClipReader, clips: Clips) -> tuple[Clips, Counter[str]]:
    """The clips all of whose glosses the model knows, and how often each other gloss stands in those left out."""
    unknown = reader.vocabulary.unknown(clips.clips)
    return clips.take(place for place, clip in enumerate(clips.clips) if not set(clip.glosses) & set(unknown)), unknown


def clip_hashes(clips: Clips) -> Tensor:
    """A hash of each clip, int64 in ascending order, so that channels are not proved on clips that chose them."""
    return torch.tensor(sorted({clip.hash for clip in clips.clips}), dtype=torch.int64)


def record_channels(view: ModelView, reader: ClipReader, clips: Clips) -> Activity:
    """How often each channel fires in each sign language, over all pixels of all frames of its clips, with moments.

    `tokens` are frames; `reached` are the pixels of a layer, which are fewer where it has a larger stride.
    """
    layout, languages = view.layout, clips.languages
    shape = (len(languages), layout.neuron_count)
    fired = torch.zeros(1, *shape, dtype=torch.int64)
    sums, squares = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    tokens, reached = torch.zeros(len(languages)).long(), torch.zeros(len(languages), len(layout.layers)).long()
    places = {layer: place for place, layer in enumerate(layout.layers)}
    with advancing("recording channels", len(clips)) as advance:
        for number, language in enumerate(languages):

            def note(layer: Layer, rows: Tensor, _: object, number: int = number) -> None:
                values = rows.double()
                fired[0, number, layer.neurons] += (rows > 0).sum(0).cpu()
                sums[number, layer.neurons] += values.sum(0).cpu()
                squares[number, layer.neurons] += values.square().sum(0).cpu()
                reached[number, places[layer]] += len(rows)

            with view.evaluating(), view.tapping("write", note):
                for rows, batch in reader.batches(clips.of(language=language), CLIPS_AT_ONCE):
                    view.model.base_model(**{name: part.to(view.model.device) for name, part in batch.items()})
                    tokens[number] += int(batch["frame_mask"].sum())
                    advance(len(rows))
    statistics = {"sum": sums, "sum_of_squares": squares, "sum_of_magnitudes": sums.clone()}  # behind a ReLU
    signature = made_with(view, None, clips) | RECORDED_CHANNELS.signature
    return Activity(
        layout, languages, RECORDED_CHANNELS, fired, tokens, reached, signature, statistics, clip_hashes(clips)
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Clips as rows of sign languages: `clips[r][g]`; by id where all those of one are in all, else by order."""

    clips: tuple[tuple[Clip, ...], ...]
    languages: tuple[str, ...]
    paired_by: str

    @classmethod
    def of(cls, clips: Clips) -> _Rows:
        languages = clips.languages
        columns = [[clip for clip in clips.clips if clip.language == language] for language in languages]
        by_id = [{clip.id: clip for clip in column} for column in columns]
        shared = [id for id in by_id[0] if all(id in others for others in by_id)]
        if len(shared) == min(map(len, by_id)):  # ids of two corpora may meet by chance
            return cls(tuple(tuple(column[id] for column in by_id) for id in shared), languages, "id")
        return cls(tuple(zip(*columns, strict=False)), languages, "order")

    def counts(self, view: ModelView, reader: ClipReader) -> Tensor:
        """Nats of each clip's glosses, and how many there are: `[R, G, 2]`."""
        flat = Clips("rows", tuple(clip for row in self.clips for clip in row))
        nats: list[Tensor] = []
        with view.evaluating():
            for _, batch in reader.batches(flat, CLIPS_AT_ONCE, labelled=True):
                losses = view.model(**{name: part.to(view.model.device) for name, part in batch.items()}).losses
                nats.append(losses.double().cpu())
        glosses = torch.tensor([len(clip.glosses) for clip in flat.clips], dtype=torch.float64)
        return torch.stack([torch.cat(nats), glosses], -1).reshape(len(self.clips), len(self.languages), 2)


def channel_matrix(
    view: ModelView, reader: ClipReader, clips: Clips, sets: Mapping[str, NeuronSet], *, draws: int = 5, seed: int = 0
) -> AblationMatrix:
    """Switch off each sign language's channels and score every one, beside random sets of as many channels a layer.

    Raises `CorpusError` for clips on which the sets were selected.
    """
    _refuse_selected_on(clips, sets)
    rows = _Rows.of(clips)
    conditions = ablation_conditions(view, rows.languages, sets, draws, seed)
    counts = []
    with advancing("switching channels off", len(conditions)) as advance:
        for condition in conditions:
            with switch_off(view, condition.neurons):
                counts.append(rows.counts(view, reader))
            advance(1)
    signature = made_with(view, None, clips, rows=len(rows.clips)) | Signature.of(rows_paired_by=rows.paired_by)
    return matrix_of(
        clips.name, rows.languages, sets, NatsPerGloss(), torch.stack(counts), range(len(rows.clips)),
        signature=signature, draws=draws, seed=seed, random_on="all", dropped={}, repeated=0, seen=0,
    )  # fmt: skip


def role_effects(
    view: ModelView, reader: ClipReader, clips: Clips, sets: Mapping[str, NeuronSet], *, draws: int = 5, seed: int = 0
) -> RoleEffects:
    """Switch off all channels of each role in the shift, beside as many random ones a layer; roles without any are
    left out.
    """
    rows = _Rows.of(clips)
    members = {name: part for name, part in roles(view).items() if bool(part.any())}
    found = {name: NeuronSet(view.layout, part, Signature.of(rule=f"role {name}")) for name, part in members.items()}
    asked = {name: neurons for name, neurons in found.items() if name != ALONE}

    def counted(neurons: NeuronSet) -> Tensor:
        with switch_off(view, neurons):
            return rows.counts(view, reader)

    random = [
        torch.stack([
            counted(at_random_like(neurons, control_seed(seed, draw, name, "role")))
            for name, neurons in asked.items()
        ])
        for draw in range(draws)
    ]  # fmt: skip
    selected = {
        language: {name: int((neurons.members & part).sum()) for name, part in members.items()}
        for language, neurons in sets.items()
    }
    signature = made_with(view, None, clips, rows=len(rows.clips)) | Signature.of(random_draws=draws, seed=seed)
    return RoleEffects(
        clips.name, rows.languages, tuple(asked), {name: int(part.sum()) for name, part in members.items()}, selected,
        NatsPerGloss(), rows.counts(view, reader), torch.stack([counted(neurons) for neurons in asked.values()]),
        torch.stack(random), signature,
    )  # fmt: skip


def _refuse_selected_on(clips: Clips, sets: Mapping[str, NeuronSet]) -> None:
    read = {int(hash) for neurons in sets.values() for hash in neurons.read}
    if seen := sum(int(hash) in read for hash in clip_hashes(clips)):
        raise CorpusError(
            f"{seen} of the {len(clips)} clips are among those that the channels were selected on.",
            "Expected other clips, because channels look better on clips for which they were chosen.",
            "Select on one part and judge on another.",
        )
