"""Steps of jobs, as `--dry-run` prices them: what is read and how often, and how much is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from rich.filesize import decimal

from neuroglot.activity.record import record_generated_sharing
from neuroglot.activity.recording import Recording
from neuroglot.activity.tallies import ActivityTally, SharingTally
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed, Parallel
from neuroglot.experiments.evaluation import evaluate
from neuroglot.experiments.scoreboard import _STATISTICS, TEXT_MEANS, gather
from neuroglot.experiments.translations import translate_directions
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.metrics.metrics import ExactAnswer, NatsPerToken
from neuroglot.models.inputs import EncoderInputs
from neuroglot.models.view import ModelView
from neuroglot.neurons.rules.table import Needs
from neuroglot.runs.price import PricedStep, prompts_or_text
from neuroglot.tokens.asked import Readable
from neuroglot.tokens.masking import READINGS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REPORT_BYTES = 6 * 2**20  # a page with its figures, about


def gathering(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    needs: Collection[Needs],
    recording: Recording,
) -> tuple[list[PricedStep], int]:
    """The passes that `gather` makes, and the bytes that they keep."""
    statistics = tuple(name for name in _STATISTICS if name in needs)
    counted = tuple(name for name in needs if name == "counts" or name in statistics)
    means = tuple(name for name in needs if name in TEXT_MEANS)
    gradients = tuple(name for name in needs if name == "gradients")
    cells = len(corpus.languages) * view.layout.neuron_count
    kept = activity_bytes(view, corpus, replace(recording, statistics=statistics)) if counted else 0
    kept += 4 * cells * len(corpus) * len(means) + 8 * cells * len(gradients)

    def step(name: str, some: Collection[Needs]) -> PricedStep:
        return PricedStep(name, corpus, lambda part: gather(view, tokenizer, part, some, recording))

    passes = {"counting": counted, "means of texts": means, "gradients": gradients}
    return [step(name, some) for name, some in passes.items() if some], kept


def scoring(view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, times: int) -> PricedStep:
    """Text, translations or answers scored under so many conditions; an encoder reads text several times for each."""
    metric = ExactAnswer() if isinstance(data, Task) else NatsPerToken()
    name = f"scoring {data.name}{' with neurons off' if times > 1 else ''}"

    def run(part: Readable) -> object:
        return evaluate(view, tokenizer, part, metric)

    readings = READINGS if isinstance(view.family.reads, EncoderInputs) else 1
    read = with_answer if isinstance(data, Task) else prompts_or_text
    return PricedStep(name, data, run, times * readings, timed=readings, read=read)


def writing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    decoding: Decoding,
    recording: Recording | None = None,
) -> PricedStep:
    """Tokens that are generated, once for each beam or draw, and read again where there is a recording."""

    def run(part: Corpus) -> None:
        generation = generate(view, tokenizer, part, decoding)
        if recording is not None:
            record_generated_sharing(view, generation, [recording])

    copies = decoding.copies
    return PricedStep(f"writing on {corpus.name}", corpus, run, copies, copies, written=decoding.max_new_tokens)


def translating(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, new_tokens: int, beams: int, times: int
) -> PricedStep:
    """Whole translations under so many conditions."""

    def run(part: Directed) -> object:
        how = Decoding(new_tokens, beams=beams)
        return translate_directions(view, tokenizer, part.corpus, part.directions, decoding=how, tags=part.tags)

    return PricedStep(f"translating {data.name} with neurons off", data, run, times, written=new_tokens)


def conditions(data: Readable, draws: int) -> int:
    """No neurons off, each language's, and as many random ones."""
    return 1 + len(data.languages) * (1 + draws)


def with_options(task: Task) -> Iterable[Corpus]:
    """Each prompt with each of its options."""
    return [_joined(task.prompts, part) for part in task.options or (task.answers,)]


def with_answer(task: Task) -> Iterable[Corpus]:
    """Each prompt with its right answer."""
    return [_joined(task.prompts, task.answers)]


def weight_bytes(view: ModelView) -> int:
    """What the model's weights take, shared ones once."""
    return sum(parameter.nbytes for parameter in view.model.parameters())


def training_step(
    name: str, data: Parallel, run: Callable[[Any], object], examples: int, *,
    examples_a_row: int = 1, models: int = 1,
) -> PricedStep:  # fmt: skip
    """So many examples learned from, of the first rows or of all rows again and again, by each of the models."""
    rows = -(-examples // examples_a_row)
    return PricedStep(name, data.head(rows), run, models * max(1, round(rows / len(data))))


def training_bytes(model: PreTrainedModel, view: ModelView) -> int:
    """What AdamW keeps of a training on disk, in two checkpoints, beside what it makes: the model."""
    trained = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return 2 * 3 * trained + weight_bytes(view) + REPORT_BYTES


@dataclass(frozen=True)
class Learned:
    """What of a model is trained: `trained` of its `parameters`, and the bytes that are kept for them beside weights:
    gradients and both moments of AdamW, which are as the parameters are.

    `operations` are those a token costs, multiplications and additions: 2 a weight forward, 2 backward to what it read,
    and 2 more for the gradient of a weight that is trained; embeddings that are only looked up cost none.
    """

    parameters: int
    trained: int
    bytes: int
    operations: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> Learned:
        """As the model is now, with its adapters or deltas, if it has any."""
        every = list(model.parameters())
        trained = [parameter for parameter in every if parameter.requires_grad]
        head: Any = model.get_output_embeddings()
        looked_up = model.get_input_embeddings().weight
        free = {id(looked_up)} if head is None or head.weight is not looked_up else set()
        forward = sum(part.numel() for part in every if id(part) not in free)
        learned = sum(part.numel() for part in trained if id(part) not in free)
        numbers = sum(part.numel() for part in trained)
        kept = 3 * sum(part.nbytes for part in trained)
        return cls(sum(part.numel() for part in every), numbers, kept, 4 * forward + 2 * learned)

    def remark(self, name: str, tokens: int) -> str:
        """What it costs to learn from so many tokens, in one sentence."""
        return (
            f"{name} trains {self.trained:,} of {self.parameters:,} parameters on {tokens:,} tokens, "
            f"{self.operations * tokens:.2e} operations; gradients and AdamW take {decimal(self.bytes)} beside weights."
        )


def activity_bytes(view: ModelView, corpus: Parallel, recording: Recording) -> int:
    """What an Activity takes in memory."""
    return _bytes(ActivityTally(view.layout, len(corpus.languages), recording, torch.device("meta")))


def sharing_bytes(view: ModelView, corpus: Parallel, recording: Recording) -> int:
    """What a Sharing takes in memory."""
    return _bytes(SharingTally(view.layout, len(corpus.languages), recording, len(corpus), torch.device("meta")))


def _joined(prompts: Corpus, answers: Corpus) -> Corpus:
    pairs = {language: zip(column, answers.texts[language]) for language, column in prompts.texts.items()}
    return replace(prompts, texts={language: tuple(map("".join, both)) for language, both in pairs.items()})


def _bytes(tally: ActivityTally | SharingTally) -> int:
    return sum(total.numel() * total.element_size() for total in tally.totals.values())
