"""One setting of one original on one model: answers, their score, and firing by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.activity.generated import record_generation_by_row
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.rows import RowCountsTally
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.generation.decoding import Decoding
from neuroglot.headers import STRICT, Names, StoredSignature, load_artefact, save_artefact
from neuroglot.metrics.prompts import Counted, SettingResult
from neuroglot.metrics.texts import Texts
from neuroglot.metrics.texts.metric import TextMetric
from neuroglot.models.view import ModelView
from neuroglot.prompting import Prompt, PromptSet
from neuroglot.prompting.examples import Example
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.examples import examples
from neuroglot.tokens.reading import GivenTexts
from neuroglot.tokens.spans import token_spans
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TENSORS = ("score", "neurons", "zero_by_layer", "prompt_tokens", "generated_tokens")
NO_SIGNATURE = Signature()


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    signature: StoredSignature
    roles: Names
    ids: Names
    answers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MeasuredSetting:
    """What one setting of one original gave, and the answers by id, for people to read."""

    result: SettingResult
    ids: tuple[str, ...]
    answers: tuple[str, ...]
    signature: Signature

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file; ids and answers are in its header."""
        tensors = {name: getattr(self.result, name) for name in TENSORS}
        for role, counted in self.result.firing.items():
            tensors |= {f"fired {role}": counted.fired, f"tokens {role}": counted.tokens}
        header = _Header(self.signature, tuple(self.result.firing), self.ids, self.answers)
        return save_artefact(path, "prompt setting", tensors, header)

    @classmethod
    def load(cls, path: Path | str) -> MeasuredSetting:
        """The inverse of `save`; raises `ArtifactError` on any other file."""
        tensors, header = load_artefact(path, "prompt setting", _Header, needed=TENSORS)
        try:
            firing = {role: Counted(tensors[f"fired {role}"], tensors[f"tokens {role}"]) for role in header.roles}
        except KeyError as error:
            raise ArtifactError(f"{path} lacks the tensor {error}.", "Expected a complete prompt setting.") from error
        result = SettingResult(firing=firing, **{name: tensors[name] for name in TENSORS})
        _require_same_rows(result, len(header.ids), path)
        return cls(result, header.ids, header.answers, header.signature)


def _require_same_rows(result: SettingResult, rows: int, path: Path | str) -> None:
    """Raise `ArtifactError` unless all parts are of as many rows and originals."""
    counted = [tensor for both in result.firing.values() for tensor in (both.fired, both.tokens)]
    parts = [result.prompt_tokens, result.generated_tokens, *counted]
    shape = result.score.shape[:2]
    if result.score.dim() != 3 or shape[0] != rows or any(part.shape[:2] != shape for part in parts):
        shapes = ", ".join(str(list(part.shape)) for part in (result.score, *parts))
        raise ArtifactError(f"{path} holds tensors of {shapes}.", f"Expected the same {rows} rows in all.")


def side_by_side(results: Sequence[SettingResult]) -> SettingResult:
    """Results of several originals side by side on the axis G; roles that not all have are left out."""
    roles = [role for role in results[0].firing if all(role in result.firing for result in results)]
    firing = {
        role: Counted(
            torch.cat([result.firing[role].fired for result in results], 1),
            torch.cat([result.firing[role].tokens for result in results], 1),
        )
        for role in roles
    }
    tokens = torch.stack([result.firing["steps"].tokens.sum() for result in results]).double()
    zeros = torch.stack([result.zero_by_layer for result in results])
    return SettingResult(
        torch.cat([result.score for result in results], 1),
        firing,
        torch.stack([result.neurons for result in results]).sum(0),
        (zeros * tokens[:, None]).sum(0) / tokens.sum(),
        torch.cat([result.prompt_tokens for result in results], 1),
        torch.cat([result.generated_tokens for result in results], 1),
    )


def forced(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], outputs: Sequence[str]) -> tuple[Text, ...]:
    """The given outputs as if they had been generated: their tokens are marked, and the last is never read.

    Raises `CorpusError` if a prompt and its output share a token: the row would be missing in this setting only.
    """
    items = [Example.of(prompt, output, "", str(row)) for row, (prompt, output) in enumerate(zip(prompts, outputs))]
    encoded = examples(tokenizer, items, unfit="refuse")
    return tuple(text.cut(len(text.token_ids) - 1) for text in encoded.texts)


def segments(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], column: str) -> tuple[Text, ...]:
    """The prompts with the tokens of one column marked."""
    texts = []
    for row, prompt in enumerate(prompts):
        spans = token_spans(prompt, tokenizer)
        marked = set(spans.positions(column))
        scored = tuple(index in marked for index in range(len(spans.token_ids)))
        texts.append(replace(Text.of(spans.token_ids, row), scored=scored))
    return tuple(texts)


def measure_setting(
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
    signature: Signature = NO_SIGNATURE,
) -> MeasuredSetting:
    """The result of one prompt set, its tensors with one original, and the answers.

    Raises `CorpusError` where a prompt leaves no room for the answer: such a row would be missing in this setting only.
    """
    recording = Recording.pmi()
    decoding = replace(decoding, rule=decoding.rule_for(tokenizer, (stop,)))  # what is behind an answer decides nothing
    activity, steps, generation = record_generation_by_row(
        view, tokenizer, prompts.corpus, recording, decoding, chats=any(prompt.is_chat for prompt in prompts.prompts)
    )
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
    return MeasuredSetting(result, prompts.ids, answers, signature)


def _score(metric: TextMetric, answers: tuple[str, ...], prompts: PromptSet) -> Tensor:
    """Counts by row, `[R, C]`; rows with fewer references than others have their first one again."""
    most = max(map(len, prompts.references))
    columns = [
        tuple(of[place] if place < len(of) else of[0] for of in prompts.references) for place in range(most)
    ]  # fmt: skip
    sources = tuple(prompt.text for prompt in prompts.prompts)
    return metric.counts(Texts(answers, tuple(columns), sources))


def _counted(view: ModelView, texts: Sequence[Text], recording: Recording) -> Counted:
    plain = replace(recording, statistics=())
    tally = RowCountsTally(view.layout, 1, plain, len(texts))
    Pass(view, GivenTexts(texts, 1, TOKEN_BUDGET), [tally]).run()
    return Counted(tally.totals["fired"], tally.totals["tokens"])


def _widths(view: ModelView) -> Tensor:
    return torch.tensor([layer.width for layer in view.layout.layers], dtype=torch.float64)
