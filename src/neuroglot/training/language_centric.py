"""What one group is trained on in a turn: batches of its own directions and of all, by flow, drawn beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers.models.m2m_100.modeling_m2m_100 import shift_tokens_right

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.models.branched.config import MAIN, BranchedConfig
from neuroglot.models.branched.flows import FLOW_LABELS, Flow, single_flows
from neuroglot.signature import seed_of
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pair, encode_pairs, labels, pad_pairs
from neuroglot.training.sharing import Collate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models.view import ModelView

IN_ORDER = (Flow.MIX, Flow.DEC, Flow.ENC)  # of the batches of a step, as the released code accumulates them
FlowRow = tuple[Pair, Flow, str]  # what is learned, through which flow, and of which group its branch is


@dataclass(frozen=True, eq=False)
class Directions:
    """The pairs of every direction, tokenised and tagged; rows differ from direction to direction.

    `dropped` counts the rows that were too long for the model.
    """

    pairs: Mapping[Direction, tuple[Pair, ...]]
    pad_id: int
    dropped: int = 0

    @classmethod
    def encode(
        cls, view: ModelView, tokenizer: PreTrainedTokenizerBase, texts: Mapping[Direction, Corpus]
    ) -> Directions:
        """The texts of each direction as tokens; raises as `encode_pairs`, and `ConfigError` for no direction."""
        if not texts:
            raise ConfigError("No direction was given.", "Expected text of one or more.")
        encoded = {direction: encode_pairs(view, tokenizer, corpus, [direction]) for direction, corpus in texts.items()}
        pairs = {direction: each.pairs for direction, each in encoded.items()}
        first = next(iter(encoded.values()))
        return cls(pairs, first.pad_id, sum(len(each.dropped) for each in encoded.values()))

    def of_flow(self, config: BranchedConfig, flow: Flow, group: str) -> tuple[Direction, ...]:
        """The directions that a flow of a group reads: all (Mix), into a language of it (Dec), out of one (Enc)."""
        members = config.members[group]
        reads: dict[Flow, Callable[[Direction], bool]] = {
            Flow.MIX: lambda direction: True,
            Flow.DEC: lambda direction: direction.target in members,
            Flow.ENC: lambda direction: direction.source in members,
        }
        return tuple(direction for direction in self.pairs if reads[flow](direction))


def rows_of_turn(
    directions: Directions, config: BranchedConfig, group: str, flows: int, steps: int, batch_size: int,
    temperature: float, seed: int,
) -> list[FlowRow]:  # fmt: skip
    """What is read in so many steps, `batch_size` pairs for each flow, in the order Mix, Dec, Enc.

    Directions are drawn with p ∝ n^(1/temperature), for each flow from a seed of its own. Raises `ConfigError` for a
    flow of which there is no direction.
    """
    columns = [
        _drawn(directions, config, group, flow, (steps, batch_size), temperature, seed_of(seed, group, int(flow)))
        for flow in IN_ORDER
        if flow in single_flows(flows)
    ]
    return [row for step in range(steps) for column in columns for row in column[step * batch_size :][:batch_size]]


def _drawn(
    directions: Directions, config: BranchedConfig, group: str, flow: Flow, size: tuple[int, int],
    temperature: float, seed: int,
) -> list[FlowRow]:  # fmt: skip
    chosen = directions.of_flow(config, flow, group)
    if not chosen:
        raise ConfigError(
            f"The {FLOW_LABELS[flow]} of {group!r} has nothing to learn from.",
            f"Expected text {'into' if flow == Flow.DEC else 'out of'} {', '.join(config.members[group])}.",
        )
    parts = [place for place, direction in enumerate(chosen) for _ in directions.pairs[direction]]
    pairs = [pair for direction in chosen for pair in directions.pairs[direction]]
    lengths = [len(pair.token_ids) + len(pair.target_ids) for pair in pairs]
    order = drawn(parts, *size, temperature=temperature, mixed=True, lengths=lengths, seed=seed)
    return [(pairs[row], flow, group) for row in order]


def flow_collator(config: BranchedConfig, pad_id: int) -> Collate:
    """What turns rows of one flow into a batch of a `BranchedSeq2Seq`, which names its encoder and its decoder."""

    def collate(rows: Sequence[FlowRow]) -> dict[str, Any]:
        (which,) = {(flow, group) for _, flow, group in rows}
        encoder, decoder = branches_of_flow(*which)
        batch = pad_pairs([pair for pair, _, _ in rows], pad_id)
        answers = labels(batch)
        start = config.base.decoder_start_token_id
        return {
            "input_ids": batch.token_ids, "attention_mask": batch.real.long(), "labels": answers,
            "decoder_input_ids": shift_tokens_right(answers, pad_id, start), "encoder": encoder, "decoder": decoder,
        }  # fmt: skip

    return collate


def branches_of_flow(flow: Flow, group: str) -> tuple[str, str]:
    """Whose encoder and whose decoder a flow of a group trains."""
    return (group if flow == Flow.ENC else MAIN, group if flow == Flow.DEC else MAIN)
