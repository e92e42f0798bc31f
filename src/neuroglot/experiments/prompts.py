"""One setting of one original on one model: answers, their score, and firing by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.activity.generated import GivenTexts, record_generation_by_row
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.rows import RowCountsTally
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation.decoding import Decoding, Generation
from neuroglot.metrics.prompts import Counted, SettingResult
from neuroglot.metrics.texts import Texts
from neuroglot.metrics.texts.metric import TextMetric
from neuroglot.models.view import ModelView
from neuroglot.prompting import Prompt, PromptSet, token_spans
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


KIND = "prompt setting"
PLAIN = ("score", "neurons", "zero_by_layer", "prompt_tokens", "generated_tokens")


def save_result(
    path: Path, result: SettingResult, signature: Signature, answers: tuple[str, ...], prompts: PromptSet
) -> None:
    """One safetensors file; answers and prompts are in its header, for people to read."""
    tensors = {name: getattr(result, name) for name in PLAIN}
    for role, counted in result.firing.items():
        tensors |= {f"fired {role}": counted.fired, f"tokens {role}": counted.tokens}
    header = {
        "signature": signature.to_json(),
        "roles": list(result.firing),
        "ids": list(prompts.ids),
        "answers": answers,
    }
    save_tensors(path, KIND, tensors, header)


def load_result(path: Path, signature: Signature) -> SettingResult | None:
    """The result in a file, None where there is none; raises `ArtifactError` where it is of another experiment."""
    if not path.exists():
        return None
    tensors, header = load_tensors(path, KIND)
    if differing := signature.differing_from(Signature.from_json(header.get("signature", {}))):
        raise ArtifactError(
            f"{path} is a result of another experiment ({differing}).", "", "Name another folder, or remove it."
        )
    try:
        firing = {role: Counted(tensors[f"fired {role}"], tensors[f"tokens {role}"]) for role in header["roles"]}
        result = SettingResult(firing=firing, **{name: tensors[name] for name in PLAIN})
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{path} lacks {error}.", "Expected a complete result.") from error
    shape = result.score.shape[:2]
    counted = [one for both in firing.values() for one in (both.fired, both.tokens)]
    parts = [result.prompt_tokens, result.generated_tokens, *counted]
    if result.score.dim() != 3 or any(part.shape[:2] != shape for part in parts):
        shapes = ", ".join(str(list(part.shape)) for part in (result.score, *parts))
        raise ArtifactError(f"{path} holds tensors of {shapes}.", "Expected the same rows and originals in all.")
    return result


def forced(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], outputs: Sequence[str]) -> Generation:
    """The given outputs as if they had been generated: their tokens are marked, and the last is never read.

    The output begins where the tokens are no longer those of the prompt alone, so that the space before it belongs to
    it, and a token that is part of both.
    """
    texts = []
    for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
        answered = prompt.with_answer(output)
        joint, alone = token_spans(answered, tokenizer), token_spans(prompt, tokenizer).token_ids
        end = joint.spans[answered.spans[-1]].stop
        start = next((place for place, (a, b) in enumerate(zip(joint.token_ids, alone)) if a != b), len(alone))
        if not 0 < start < end:
            raise ConfigError(f"The output {output!r} of prompt {row + 1} has no tokens.", "Expected some.")
        texts.append(_text(row, joint.token_ids[: end - 1], range(start, end - 1)))
    return _marked(texts)


def segments(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], column: str) -> Generation:
    """The prompts with the tokens of one column marked."""
    texts = []
    for row, prompt in enumerate(prompts):
        spans = token_spans(prompt, tokenizer)
        texts.append(_text(row, spans.token_ids, spans.positions(column)))
    return _marked(texts)


def _text(row: int, token_ids: Sequence[int], marked: Sequence[int]) -> Text:
    places = set(marked)
    scored = tuple(place in places for place in range(len(token_ids)))
    return Text(row, 0, tuple(token_ids), (False,) * len(token_ids), scored, 0)


def _marked(texts: Sequence[Text]) -> Generation:
    ids = tuple(str(text.row) for text in texts)
    return Generation(("prompt",), ids, {}, {}, tuple(texts), Signature())


def measure(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: PromptSet,
    original: str,
    metric: TextMetric,
    *,
    decoding: Decoding,
    stop: str,
    forced_too: bool,
    by_segment: bool,
) -> tuple[SettingResult, tuple[str, ...]]:
    """The result of one prompt set, its tensors with one original, and the answers.

    Raises `CorpusError` where a prompt leaves no room for the answer: such a row would be missing in this setting only.
    """
    recording = Recording.pmi()
    activity, steps, generation = record_generation_by_row(
        view, tokenizer, prompts.corpus, recording, decoding
    )  # fmt: skip
    if len(generation.ids) < len(prompts):
        raise CorpusError(
            f"{len(prompts) - len(generation.ids)} prompts of the setting {prompts.setting.name!r} are longer than the "
            "model's context.",
            "Expected room for every row in every setting.",
            "Show fewer languages, or take a model with a longer context.",
        )
    answers = tuple(answer.split(stop)[0].strip() for answer in generation.texts[prompts.target])
    firing = {"steps": Counted(steps.fired, steps.tokens)}
    if forced_too:
        references = [references[0] for references in prompts.references]
        firing["forced"] = _counted(view, forced(tokenizer, prompts.prompts, references), recording)
    if by_segment:
        for column in dict.fromkeys(prompts.setting.columns):
            marked = segments(tokenizer, prompts.prompts, column)
            role = f"segment {'original' if column == original else column}"
            firing[role] = _counted(view, marked, replace(recording, tokens="generated"))
    zeros = view.layout.sum_by_layer(activity.zeros()[0]) / _widths(view)
    generated = torch.tensor([[len(ids)] for ids in generation.token_ids[prompts.target]])
    read = {text.row: len(text.token_ids) for text in generation.read}
    prompt_tokens = torch.tensor([[read[row]] for row in range(len(prompts))]) - (generated - 1)
    result = SettingResult(
        _score(metric, answers, prompts)[:, None], firing, activity.fired[0, 0], zeros, prompt_tokens, generated
    )
    return result, answers


def _score(metric: TextMetric, answers: tuple[str, ...], prompts: PromptSet) -> Tensor:
    """Counts by row, `[R, C]`; rows with fewer references than others have their first one again."""
    most = max(map(len, prompts.references))
    columns = [
        tuple(of[place] if place < len(of) else of[0] for of in prompts.references) for place in range(most)
    ]  # fmt: skip
    sources = tuple(prompt.text for prompt in prompts.prompts)
    return metric.counts(Texts(answers, tuple(columns), sources))


def _counted(view: ModelView, texts: Generation, recording: Recording) -> Counted:
    plain = replace(recording, statistics=())
    tally = RowCountsTally(view.layout, 1, plain, len(texts.ids))
    Pass(view, GivenTexts(texts, TOKEN_BUDGET), [tally]).run()
    return Counted(tally.totals["fired"], tally.totals["tokens"])


def _widths(view: ModelView) -> Tensor:
    return torch.tensor([layer.width for layer in view.layout.layers], dtype=torch.float64)
