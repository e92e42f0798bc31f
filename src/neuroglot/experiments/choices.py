"""Choices that a model's scores make: of next tokens, and of a question's options, as utilities of candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.activity.passes import token_budget_of
from neuroglot.corpora.corpus import Task
from neuroglot.decisions.fitting import NEXT_TOKEN, Fittable, Fitted
from neuroglot.decisions.transforms import Softmax, Transform
from neuroglot.experiments.curriculum import answer_losses
from neuroglot.experiments.scoring import LOGIT_BUDGET
from neuroglot.metrics.calibration import UNCHANGED, calibration_counts, risks
from neuroglot.metrics.intervals import Estimate, Score
from neuroglot.metrics.probing import rank_counts
from neuroglot.models.finite import not_finite
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.tokens.asked import AskedTokens, answered
from neuroglot.tokens.questions import Questions

AMONG_LIKELIEST, OPTION = "next token of the 20 likeliest", "option"
LIKELIEST = 20
# What is fitted to each kind: of all next tokens a power is the temperature, and pairs and ranks would be too many.
FITTED_TO: Mapping[str, tuple[Fittable, ...]] = {
    NEXT_TOKEN: ("temperature",),
    AMONG_LIKELIEST: ("temperature", "bradley-terry", "ranks"),
    OPTION: ("temperature", "power", "bradley-terry", "ranks"),
}
MOST_SCORES = 2**22  # of a language's next tokens: 32 MiB of float64
LEAST_TOKENS = 256  # of a language, where the vocabulary is large


@dataclass(frozen=True, eq=False)
class Choices:
    """N choices among C candidates of R rows: `utilities [N, C]`, `chosen [N]` is the right one, `rows [N]` its row.

    `lengths [N, C]` are those of the candidates in tokens, where they are texts; `left_out` counts choices whose right
    candidate is not among them.
    """

    utilities: Tensor
    chosen: Tensor
    rows: Tensor
    row_count: int
    lengths: Tensor | None = None
    left_out: int = 0


def next_tokens(view: ModelView, asked: AskedTokens, language: int) -> tuple[Choices, Tensor]:
    """The first choices of the next token of each row, and of all tokens asked for the `rank_counts [R, 4]`."""
    row_count, vocabulary = len(asked.tokens.ids), int(text_config(view.model).vocab_size)
    each = -(-max(MOST_SCORES // vocabulary, LEAST_TOKENS) // row_count)
    ranks = torch.zeros(row_count, 4, dtype=torch.float64)
    parts: list[tuple[int, Tensor, Tensor]] = []
    budget = max(1, min(token_budget_of(view), LOGIT_BUDGET // vocabulary))
    with view.evaluating():
        for batch in asked.batches(budget, language):
            said = answered(view, batch.to(view.model.device))
            for text, logits, targets, scored in zip(batch.texts, *said, strict=True):
                known, right = logits[scored].float(), targets[scored]
                if not bool(known.amax(-1).isfinite().all()):
                    raise not_finite(view.model, "Scores of tokens are")
                ranks[text.row] += rank_counts(known, right).sum(0).cpu()
                parts.append((text.row, known[:each].cpu(), right[:each].cpu()))
    parts.sort(key=lambda part: part[0])
    rows = torch.tensor([row for row, scores, _ in parts for _ in scores])
    utilities, chosen = (torch.cat(column) for column in list(zip(*parts, strict=True))[1:])
    return Choices(utilities, chosen, rows, row_count), ranks


def among_likeliest(choices: Choices, count: int = LIKELIEST) -> Choices:
    """The same choices among the likeliest candidates; those whose right one is not among them are left out."""
    largest = choices.utilities.topk(min(count, choices.utilities.shape[-1]), dim=-1)
    matches = largest.indices == choices.chosen[:, None]
    kept = matches.any(-1)
    chosen = matches[kept].long().argmax(-1)
    left_out = int((~kept).sum())
    return Choices(largest.values[kept], chosen, choices.rows[kept], choices.row_count, left_out=left_out)


def options(view: ModelView, questions: Questions, language: int) -> Choices:
    """Each question's options by their log-probability behind the prompt, with their lengths in tokens."""
    rows = range(len(questions.rows))
    texts = [text for row in rows for text in questions.of_row(row)[language]]
    losses = answer_losses(view, texts).unflatten(0, (len(rows), questions.answers))
    chosen = torch.tensor(questions.right)
    return Choices(-losses[..., 0], chosen, torch.arange(len(rows)), len(rows), losses[..., 1])


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Of one language and transform: its counts `[R, 33]`, its risks by coverage, and its fitted parameters."""

    counts: Tensor
    curve: Estimate
    parameters: Mapping[str, Score]


def calibrated(choices: Choices, fitted: Mapping[str, Fitted]) -> dict[str, Calibrated]:
    """What the scores as they are, and each fitted transform, say of choices that it was not fitted on."""
    transforms: dict[str, Transform] = {UNCHANGED: Softmax(), **{name: fit.transform for name, fit in fitted.items()}}
    parameters = {name: fit.intervals for name, fit in fitted.items()}
    return {
        name: Calibrated(*_counted(choices, transform), parameters.get(name, {}))
        for name, transform in transforms.items()
    }


def _counted(choices: Choices, transform: Transform) -> tuple[Tensor, Estimate]:
    logs = transform(choices.utilities.double(), choices.lengths)
    confidence, first = logs.exp().max(-1)
    counts = calibration_counts(logs, choices.chosen, choices.rows, choices.row_count)
    return counts, risks(confidence, first == choices.chosen, choices.rows, choices.row_count)


def has_options(view: ModelView, data: object) -> bool:
    """Whether there are options whose likelihood a decoder can tell."""
    return isinstance(data, Task) and bool(data.options) and view.family.predicts_next
