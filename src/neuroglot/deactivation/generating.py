"""Whether generated text begins with the right answer, with one set of neurons off in every text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Task
from neuroglot.deactivation.questions import Questions
from neuroglot.generation import Decoding, generate
from neuroglot.interventions.deactivating import deactivating
from neuroglot.models.view import ModelView

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def longest_answer(questions: Questions) -> int:
    """Tokens of the longest right answer."""
    rights = (
        questions.wholes[place * questions.answers + questions.right[place // len(questions.languages)]]
        for place in range(len(questions.prompts))
    )
    return max(sum(text.scored) for text in rights)


def generated_right(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    questions: Questions,
    off: Tensor,
    value: float | Tensor,
    token_budget: int,
) -> Tensor:
    """Whether greedy decoding from each prompt begins with the right answer: `[R, G]`, float64.

    The neurons `off [N]` are off at all tokens; `value` as in `Scorer`. White space before the answer does not count,
    nor do special tokens. Laxer than the outcome `exact`: other tokens may spell the answer, and more may follow at
    once, as 68 begins with 6.
    """
    decoding = Decoding(max_new_tokens=longest_answer(questions))
    asked, columns = task.take(questions.rows), []
    for place, language in enumerate(task.languages):
        own = value[place] if isinstance(value, Tensor) and value.dim() == 2 else value
        prompts = asked.prompts.select([language])
        with deactivating(view, off, None, own):
            texts = generate(view, tokenizer, prompts, decoding, token_budget=token_budget).texts[language]
        pairs = zip(texts, asked.answers.texts[language], strict=True)
        columns.append([float(text.lstrip().startswith(answer.lstrip())) for text, answer in pairs])
    return torch.tensor(columns, dtype=torch.float64).T
