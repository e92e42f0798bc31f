"""Training of the lab model from nothing: generate, learn the tokenizer, train, write a folder in the hub's layout."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast

from neuroglot.corpora.corpus import Corpus
from neuroglot.lab.artefacts import write_artefacts
from neuroglot.lab.config import LabConfig, train_tokenizer
from neuroglot.lab.generator import LabCorpus, corpus_of_rows, make_corpus
from neuroglot.lab.untrained import LabModel, new_model
from neuroglot.storage import NOTHING_KEPT, Kept, check_free, load_tensors, save_tensors, whole_folder
from neuroglot.tokens.examples import examples
from neuroglot.tokens.tokenizing import Text, token_ids_of
from neuroglot.training.checkpoints import PREFIX, drop_old, last_whole, seal
from neuroglot.training.trainer import require_finite
from neuroglot.training.types import OnStep


@dataclass(frozen=True)
class PackedBatch:
    """`ids_BT` padded on the right; `weights_BT` is the weight of each token as a target, 0 for padding and `<s>`."""

    ids_BT: torch.Tensor
    weights_BT: torch.Tensor


def training_texts(corpus: LabCorpus, tokenizer: PreTrainedTokenizerFast) -> dict[str, list[Text]]:
    """Every training document and question as tokens, by language, the answers scored; each ends with a newline."""
    texts: dict[str, list[Text]] = {}
    for language, documents in corpus.train.texts.items():
        encoding = token_ids_of(tokenizer, [f"{document}\n" for document in documents], special_tokens=False)
        texts[language] = [Text.of(ids) for ids in encoding["input_ids"]]
        for task in corpus.train_tasks:
            pairs = list(zip(task.prompts.texts[language], task.answers.texts[language], strict=True))
            texts[language] += examples(tokenizer, pairs, unfit="refuse", special_tokens=False).texts
    return texts


def batches(
    texts: dict[str, list[Text]], config: LabConfig, tokenizer: PreTrainedTokenizerFast
) -> Iterator[PackedBatch]:
    """Batches without end, a new order and a new packing in each pass over the texts, drawn from the recipe's seed.

    Rows are filled rather than sorted by length: batches of equal length would be batches of one script.
    """
    rng = Random(f"{config.seed}/order")
    while True:
        rows = [row for language in texts.values() for row in packed(language, config.row_tokens - 1, rng)]
        rng.shuffle(rows)
        for start in range(0, len(rows) - config.batch_rows + 1, config.batch_rows):
            chunk = rows[start : start + config.batch_rows]
            yield collate(chunk, config.answer_weight, tokenizer.bos_token_id, tokenizer.pad_token_id)


def packed(texts: list[Text], room: int, rng: Random) -> Iterator[list[Text]]:
    """The texts in a new order, as many to a row as fit into `room` tokens; a longer text has a row of its own."""
    row: list[Text] = []
    used = 0
    for text in rng.sample(texts, len(texts)):
        if row and used + len(text.token_ids) > room:
            yield row
            row, used = [], 0
        row.append(text)
        used += len(text.token_ids)
    if row:
        yield row


def collate(rows: list[list[Text]], answer_weight: float, bos: int, pad: int) -> PackedBatch:
    """Rows of different length as one padded batch, `<s>` in front of each."""
    width = 1 + max(sum(len(text.token_ids) for text in row) for row in rows)
    ids_BT = torch.full((len(rows), width), pad)
    weights_BT = torch.zeros(len(rows), width)
    ids_BT[:, 0] = bos
    for at, row in enumerate(rows):
        start = 1
        for text in row:
            end = start + len(text.token_ids)
            ids_BT[at, start:end] = torch.tensor(text.token_ids)
            weights_BT[at, start:end] = torch.where(torch.tensor(text.scored), answer_weight, 1.0)
            start = end
    return PackedBatch(ids_BT, weights_BT)


TIMED_STEPS = 12  # steps on a throwaway model from which `minutes` is turned into a number of steps
STATE = "state.safetensors"


@dataclass(frozen=True, eq=False)
class Lab:
    """A trained lab model in eval mode with all that belongs to it; `config` has the steps that were made, `losses` are
    in nats per weighted token by step.
    """

    model: LabModel
    tokenizer: PreTrainedTokenizerFast
    corpus: LabCorpus
    config: LabConfig
    losses: tuple[float, ...]


def train(config: LabConfig, out: Path, on_step: OnStep | None = None) -> Path:
    """Train a lab model by this recipe and write it to the new folder `out`, whole or not at all.

    Raises `ArtifactError` where `out` exists and `MissingExtraError` without the extra `lab`.
    """
    check_free(out)
    made = train_lab(config, on_step=on_step)
    with whole_folder(out) as folder:
        write_artefacts(folder, made.model, made.tokenizer, made.corpus, made.config)
    return out


def train_lab(
    config: LabConfig,
    *,
    rows: Corpus | None = None,
    kept: Kept = NOTHING_KEPT,
    checkpoint_every: int = 500,
    on_step: OnStep | None = None,
) -> Lab:
    """Train a lab model by this recipe; with a place in `kept` from the last whole checkpoint there.

    Of other parallel text than the lab's, `rows`, as many as the recipe says are kept and the others read.
    Raises `MissingExtraError` without the extra `lab`, and `ArtifactError` if a checkpoint cannot be written.
    """
    started = time.monotonic()
    with _threads(config.threads):
        corpus, tokenizer, model = begin(config, rows)
        texts = training_texts(corpus, tokenizer)
        steps = kept.once(
            "steps", lambda: {"steps": torch.tensor(affordable_steps(config, tokenizer, texts, started))}
        )  # once: a machine that is slower later must not change what was begun
        config = replace(config, steps=int(steps["steps"]))
        source = batches(texts, config, tokenizer)
        losses = fit_lab(model, source, config, kept=kept, checkpoint_every=checkpoint_every, on_step=on_step)
    return Lab(model, tokenizer, corpus, config, losses)


def begin(config: LabConfig, rows: Corpus | None = None) -> tuple[LabCorpus, PreTrainedTokenizerFast, LabModel]:
    """The corpus, of the lab or of other rows, the tokenizer learned from it, and the untrained model."""
    corpus = make_corpus(config) if rows is None else corpus_of_rows(rows, config)
    tokenizer = train_tokenizer(tokenizer_texts(corpus), config.vocabulary)
    return corpus, tokenizer, new_model(config, tokenizer)


def read_once_packed(model: LabModel, tokenizer: PreTrainedTokenizerFast, corpus: Corpus, config: LabConfig) -> None:
    """Forward and backward over documents, as in training, without an update: what a training is timed by."""
    texts = [
        Text.of(ids) for column in corpus.texts.values() for ids in token_ids_of(tokenizer, list(column))["input_ids"]
    ]
    rows = list(packed(texts, config.row_tokens - 1, Random(0)))
    with _threads(config.threads):
        for start in range(0, len(rows), config.batch_rows):
            chunk = rows[start : start + config.batch_rows]
            batch = collate(chunk, config.answer_weight, tokenizer.bos_token_id, tokenizer.pad_token_id)
            batch_loss(model, batch).backward()
            model.zero_grad(set_to_none=True)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Another number of threads adds in another order, which changes the weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def tokenizer_texts(corpus: LabCorpus) -> Iterator[str]:
    """All that the tokenizer learns from: the training documents, and questions with their answers."""
    for column in corpus.train.texts.values():
        yield from column
    for task in corpus.train_tasks:
        for language in task.prompts.languages:
            pairs = zip(task.prompts.texts[language], task.answers.texts[language], strict=True)
            yield from (prompt + answer for prompt, answer in pairs)


def optimizers(model: LabModel, config: LabConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding, the norms and phases."""
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and ".layers." in name]
    chosen = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=config.matrix_rate, weight_decay=config.weight_decay),
        torch.optim.AdamW(others, lr=config.other_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_factor(step: int, config: LabConfig) -> float:
    """What the learning rates are multiplied by in this step (from 0): a short linear rise, then linear to zero."""
    rise = max(1, round(config.warmup_share * config.steps))
    return min((step + 1) / rise, (config.steps - step) / max(1, config.steps - rise))


def batch_loss(model: LabModel, batch: PackedBatch) -> torch.Tensor:
    """Mean loss in nats over the tokens of a batch, by their weight."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden_BTD = model.model(input_ids=batch.ids_BT[:, :-1]).last_hidden_state
        weights_BT = batch.weights_BT[:, 1:]
        counted_BT = weights_BT > 0  # the unembedding is 40 % of the work: none of it goes to padding
        logits_TV = model.lm_head(hidden_BTD[counted_BT])
    losses_T = cross_entropy(logits_TV.float(), batch.ids_BT[:, 1:][counted_BT], reduction="none")
    weights_T = weights_BT[counted_BT]
    return (losses_T * weights_T).sum() / weights_T.sum()


def fit_lab(
    model: LabModel,
    source: Iterator[PackedBatch],
    config: LabConfig,
    *,
    kept: Kept = NOTHING_KEPT,
    checkpoint_every: int = 500,
    on_step: OnStep | None = None,
) -> tuple[float, ...]:
    """Train in place for `config.steps` steps and leave the model in eval mode; returns the losses by step.

    transformers' Trainer has one optimizer and computes logits of padding too: this loop has neither, and the shipped
    weights are its. Checkpoints and how it goes on are those of the training core.
    """
    model.train()
    chosen = optimizers(model, config)
    rates = [group["lr"] for optimizer in chosen for group in optimizer.param_groups]
    losses = _restored(model, chosen, kept)
    for step, batch in enumerate(islice(source, len(losses), config.steps), start=len(losses) + 1):
        _set_rates(chosen, rates, rate_factor(step - 1, config))
        losses.append(_step(model, chosen, batch))
        require_finite(losses[-1], step)
        if kept.folder is not None and step % checkpoint_every == 0:
            _keep(model, chosen, losses, kept.folder / f"{PREFIX}{step}")
        if on_step:
            on_step(step, config.steps, losses[-1])
    model.eval()
    return tuple(losses)


def _set_rates(chosen: Sequence[torch.optim.Optimizer], rates: Sequence[float], factor: float) -> None:
    groups = [group for optimizer in chosen for group in optimizer.param_groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate * factor


def _step(model: LabModel, chosen: Sequence[torch.optim.Optimizer], batch: PackedBatch) -> float:
    loss = batch_loss(model, batch)
    loss.backward()
    for optimizer in chosen:
        optimizer.step()
    model.zero_grad(set_to_none=True)
    return loss.item()


def _keep(model: LabModel, chosen: Sequence[torch.optim.Optimizer], losses: Sequence[float], checkpoint: Path) -> None:
    """Write weights, moments and losses; nothing else changes from step to step, as nothing is drawn but the order."""
    weights = {f"model.{name}": weight for name, weight in model.named_parameters()}
    moments = {
        f"{index}.{parameter}.{name}": moment
        for index, optimizer in enumerate(chosen)
        for parameter, state in optimizer.state_dict()["state"].items()
        for name, moment in state.items()
    }
    told = {"losses": torch.tensor(losses, dtype=torch.float64)}
    save_tensors(checkpoint / STATE, "lab training", weights | moments | told, {})
    seal(checkpoint)
    drop_old(checkpoint.parent)


def _restored(model: LabModel, chosen: Sequence[torch.optim.Optimizer], kept: Kept) -> list[float]:
    """Take weights and moments from the last whole checkpoint; returns the losses of the steps that were made."""
    checkpoint = None if kept.folder is None else last_whole(kept.folder)
    if checkpoint is None:
        return []
    tensors, _ = load_tensors(checkpoint / STATE, "lab training")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(tensors[f"model.{name}"])
    for index, optimizer in enumerate(chosen):
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            owner, _, rest = key.partition(".")
            if owner == str(index):
                parameter, _, name = rest.partition(".")
                state.setdefault(int(parameter), {})[name] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return [float(loss) for loss in tensors["losses"]]


def affordable_steps(
    config: LabConfig, tokenizer: PreTrainedTokenizerFast, texts: dict[str, list[Text]], started: float
) -> int:
    """How many of the recipe's steps fit into its minutes, from timing a few on a model that is thrown away."""
    if config.minutes is None:
        return config.steps
    times: list[float] = []
    trial = replace(config, steps=TIMED_STEPS)
    source = batches(texts, config, tokenizer)
    fit_lab(new_model(config, tokenizer), source, trial, on_step=lambda *_: times.append(time.monotonic()))
    seconds_left = config.minutes * 60 - (times[-1] - started)
    seconds_a_step = (times[-1] - times[1]) / (TIMED_STEPS - 2)  # the first two also set up memory
    return max(1, min(config.steps, int(seconds_left / seconds_a_step)))
