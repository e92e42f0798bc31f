"""Training rows of the lab: a few texts of one language in a row, languages mixed in every batch, answers weighted."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from transformers import PreTrainedTokenizerFast

from neuroglot.lab.config import LabConfig
from neuroglot.lab.generator import LabCorpus


@dataclass(frozen=True)
class Text:
    """Token ids of one document or one question with its answer, and where the answer begins (its end, without one)."""

    ids: tuple[int, ...]
    answer_from: int


@dataclass(frozen=True)
class Batch:
    """`ids_BT` padded on the right; `weights_BT` is the weight of each token as a target, 0 for padding and `<s>`."""

    ids_BT: torch.Tensor
    weights_BT: torch.Tensor


def training_texts(corpus: LabCorpus, tokenizer: PreTrainedTokenizerFast) -> dict[str, list[Text]]:
    """Every training document and question as tokens, by language; each ends with a newline."""
    texts: dict[str, list[Text]] = {}
    for language, documents in corpus.train.texts.items():
        encoded = _encode(tokenizer, [document + "\n" for document in documents])
        texts[language] = [Text(tuple(ids), len(ids)) for ids in encoded]
        for task in corpus.train_tasks:
            prompts = _encode(tokenizer, task.prompts.texts[language])
            answers = _encode(tokenizer, task.answers.texts[language])
            texts[language] += [Text((*head, *tail), len(head)) for head, tail in zip(prompts, answers, strict=True)]
    return texts


def _encode(tokenizer: PreTrainedTokenizerFast, texts: list[str] | tuple[str, ...]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def batches(texts: dict[str, list[Text]], config: LabConfig, tokenizer: PreTrainedTokenizerFast) -> Iterator[Batch]:
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
        if row and used + len(text.ids) > room:
            yield row
            row, used = [], 0
        row.append(text)
        used += len(text.ids)
    if row:
        yield row


def collate(rows: list[list[Text]], answer_weight: float, bos: int, pad: int) -> Batch:
    """Rows of different length as one padded batch, `<s>` in front of each."""
    width = 1 + max(sum(len(text.ids) for text in row) for row in rows)
    ids_BT = torch.full((len(rows), width), pad)
    weights_BT = torch.zeros(len(rows), width)
    ids_BT[:, 0] = bos
    for at, row in enumerate(rows):
        start = 1
        for text in row:
            end = start + len(text.ids)
            ids_BT[at, start:end] = torch.tensor(text.ids)
            weights_BT[at, start:end] = 1.0
            weights_BT[at, start + text.answer_from : end] = answer_weight
            start = end
    return Batch(ids_BT, weights_BT)
