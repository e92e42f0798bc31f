"""One setting of one original on one model: answers, their score, and firing by role."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.activity.generated import GivenTexts, record_generation_by_row
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.row_counts import RowCountsTally
from neuroglot.corpora.batches import TOKEN_BUDGET
from neuroglot.errors import CorpusError
from neuroglot.generation import Generation
from neuroglot.metrics.prompt_comparison import Counted, SettingResult
from neuroglot.metrics.texts import Texts
from neuroglot.metrics.texts.metric import TextMetric
from neuroglot.models.view import ModelView
from neuroglot.pmi.config import PmiConfig
from neuroglot.pmi.forced import forced, segments
from neuroglot.prompting import PromptSet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def measure(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: PromptSet,
    original: str,
    config: PmiConfig,
    metric: TextMetric,
) -> tuple[SettingResult, tuple[str, ...]]:
    """The result of one prompt set, its tensors with one original, and the answers.

    Raises `CorpusError` where a prompt leaves no room for the answer: such a row would be missing in this setting only.
    """
    recording = Recording.pmi()
    activity, steps, generation = record_generation_by_row(
        view, tokenizer, prompts.corpus, recording, config.decoding
    )  # fmt: skip
    if len(generation.ids) < len(prompts):
        raise CorpusError(
            f"{len(prompts) - len(generation.ids)} prompts of the setting {prompts.setting.name!r} are longer than the "
            "model's context.",
            "Expected room for every row in every setting.",
            "Show fewer languages, or take a model with a longer context.",
        )
    answers = tuple(answer.split(config.stop)[0].strip() for answer in generation.texts[prompts.target])
    firing = {"steps": Counted(steps.fired, steps.tokens)}
    if config.forced:
        references = [references[0] for references in prompts.references]
        firing["forced"] = _counted(view, forced(tokenizer, prompts.prompts, references), recording)
    if config.segments:
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
