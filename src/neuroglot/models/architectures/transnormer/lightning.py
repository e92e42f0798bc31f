"""Lightning attention: linear attention with decay, in three forms that give the same numbers.

`o_t = Σ_{s≤t} λ^{c_t−c_s} (q_t·k_s) v_s`, where `c_t` counts the real tokens up to t: padding neither adds nor decays,
and a new document forgets what stood before it. Axes: B batch, H head, T token, K width of queries and keys, V width of
values, J block, C token in a block. Every exponent is a difference of counts and at most 0, so nothing overflows; the
split into `q_t λ^t` and `k_s λ^{−s}` overflows in float32 at t = 89 for λ = 1/e. Sources: Qin et al. 2024,
arXiv:2405.17381, algorithm 5 (blocks) and section 3.3 (recurrence); arXiv:2307.14995, equation 8 (masked product).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from neuroglot.models.architectures.transnormer.kernels import has_kernel, kernel_attention

AttentionForm = Literal["masked", "blocks", "recurrence", "kernel"]
BLOCK_TOKENS = 64  # of 32 to 256 tokens, 64 and 128 are the fastest on a CPU


@dataclass(frozen=True, eq=False)
class Clock:
    """What decay runs by, for each token, `[B, T]` or `[1, T]` where it is alike in all rows.

    `count` is the number of real tokens up to and with this one. `real` is False for padding. `document` is the number
    of documents that began up to here: 0 goes on with what came before the first token. None where all tokens are real,
    and where nothing begins.
    """

    count: Tensor
    real: Tensor | None = None
    document: Tensor | None = None

    @classmethod
    def of(cls, length: int, device: torch.device, real: Tensor | None, begins: Tensor | None = None) -> Clock:
        """The clock of `length` tokens; `begins` `[B, T]` is True for the first token of a document."""
        count = torch.arange(1, length + 1, device=device)[None] if real is None else real.long().cumsum(1)
        return cls(count, real, None if begins is None else begins.long().cumsum(1))

    @property
    def is_plain(self) -> bool:
        """Whether all tokens are real and none begins a document, so that all blocks are alike."""
        return self.real is None and self.document is None


@dataclass(frozen=True, eq=False)
class _Decay:
    """Factors within blocks, from one clock and the heads' log-decays.

    `pairs` `[B, H, J, C, C]` of query and key, `from_state` `[B, H, J, C, 1]` of what stood before the block, `to_end`
    `[B, H, J, C, 1]` of what a token adds to the state behind the block, `kept` `[B, H, J, 1, 1]` of the state itself.
    """

    pairs: Tensor
    from_state: Tensor
    to_end: Tensor
    kept: Tensor


def lightning_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    log_decay: Tensor,
    clock: Clock | None = None,
    state: Tensor | None = None,
    *,
    form: AttentionForm | None = None,
    block: int = BLOCK_TOKENS,
) -> tuple[Tensor, Tensor]:
    """Outputs `[B, H, T, V]` and the state `[B, H, K, V]` behind the last token, in float32 or better.

    `log_decay` `[H]` is −ln λ, at least 0. Without a `form`, one token takes the recurrence, no more than a block the
    masked product, and more the blocks, or the kernels of fla on a GPU that has them and where nothing is padded or
    begins. The state keeps the dtype in which it comes.
    """
    precise = torch.promote_types(queries.dtype, torch.float32)
    with torch.autocast(queries.device.type, enabled=False):
        length = queries.shape[2]
        clock = clock or Clock.of(length, queries.device, None)
        if state is None:
            state = torch.zeros(
                *queries.shape[:2], queries.shape[3], values.shape[3], dtype=precise, device=queries.device
            )
        if not length:
            return values.to(precise), state
        form = form or _fastest(length, block, clock.is_plain and has_kernel(queries))
        if form == "kernel":
            return kernel_attention(queries, keys, values, log_decay, state)
        queries, keys, values = queries.to(precise), keys.to(precise), values.to(precise)
        if form == "recurrence":
            return _recurrence(queries, keys, values, log_decay, clock, state)
        size = block if form == "blocks" else length
        return _blocks(queries, keys, values, log_decay, clock, state, size)


def _fastest(length: int, block: int, kernel: bool) -> AttentionForm:
    if length == 1:
        return "recurrence"
    if length <= block:
        return "masked"
    return "kernel" if kernel else "blocks"


def _recurrence(
    queries: Tensor, keys: Tensor, values: Tensor, log_decay: Tensor, clock: Clock, state: Tensor
) -> tuple[Tensor, Tensor]:
    """One token after the other: `S_t = λ S_{t−1} + k_t v_tᵀ`, `o_t = q_tᵀ S_t`."""
    kept = _kept_a_token(log_decay, clock, state)
    if clock.real is not None:
        keys = keys * clock.real[:, None, :, None]
    outputs = []
    for query, key, value, factor in zip(*(part.unbind(2) for part in (queries, keys, values, kept))):
        added = key[..., :, None] * value[..., None, :]
        state = factor[..., None] * state + added
        outputs.append((query[..., None, :].to(state.dtype) @ state)[..., 0, :])
    return torch.stack(outputs, dim=2).to(queries.dtype), state


def _kept_a_token(log_decay: Tensor, clock: Clock, state: Tensor) -> Tensor:
    """What each token leaves of the state before it: λ, 1 at padding, 0 at the first of a document: `[B, H, T, 1]`."""
    passed = torch.ones_like(clock.count) if clock.real is None else clock.real.long()
    kept = torch.exp(-log_decay.to(state)[:, None] * passed[:, None])[..., None]
    if clock.document is None:
        return kept
    began = clock.document.diff(dim=1, prepend=torch.zeros_like(clock.document[:, :1])) > 0
    return kept.masked_fill(began[:, None, :, None], 0)


def _blocks(
    queries: Tensor, keys: Tensor, values: Tensor, log_decay: Tensor, clock: Clock, state: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """The masked product within blocks of `size` tokens, and the state from block to block.

    A last block that is not full is filled with tokens that are none. With one block this is the masked product.
    """
    length = queries.shape[2]
    decay = _decay(log_decay, clock, size, queries.dtype, state.dtype)
    queries, keys, values = (_in_blocks(part, size) for part in (queries, keys, values))
    within = ((queries @ keys.mT) * decay.pairs) @ values
    added = (keys * decay.to_end).mT @ values
    before = []
    for kept, new in zip(decay.kept.expand(-1, -1, added.shape[2], 1, 1).unbind(2), added.unbind(2)):
        before.append(state.to(queries.dtype))
        state = kept * state + new
    outputs = within + decay.from_state * (queries @ torch.stack(before, dim=2))
    return outputs.flatten(2, 3)[:, :, :length], state


def _in_blocks(tokens: Tensor, size: int) -> Tensor:
    """`[B, H, T, ·]` → `[B, H, J, C, ·]`, zeros behind the last token."""
    missing = -tokens.shape[2] % size
    return pad(tokens, (0, 0, 0, missing)).unflatten(2, (-1, size))


def _decay(log_decay: Tensor, clock: Clock, size: int, within: torch.dtype, state: torch.dtype) -> _Decay:
    """The factors of all blocks; those of pairs are one block's where the clock runs alike in all.

    What the state keeps is a product over all blocks, and so in the dtype of the state.
    """
    count, since = _in_block(clock.count, size)
    passed = count - since
    document = None if clock.document is None else torch.sub(*_in_block(clock.document, size))
    real = None if clock.real is None else _in_block(clock.real.long(), size)[0] > 0
    first = passed[:, :1] if clock.is_plain else passed
    pairs = first[..., :, None] - first[..., None, :]
    unseen = torch.ones(size, size, dtype=torch.bool, device=count.device).triu(1)
    to_end, foreign, forgotten, lost = passed[..., -1:] - passed, None, None, None
    if document is not None:
        unseen = unseen | (document[..., :, None] != document[..., None, :])
        forgotten, foreign, lost = document > 0, document != document[..., -1:], document[..., -1:] > 0
    if real is not None:
        unseen = unseen | ~real[..., None, :]
        foreign = ~real if foreign is None else foreign | ~real
    rate = log_decay.to(within)
    return _Decay(
        _powers(rate, pairs, unseen),
        _powers(rate, passed, forgotten)[..., None],
        _powers(rate, to_end, foreign)[..., None],
        _powers(log_decay.to(state), passed[..., -1:], lost)[..., None],
    )


def _in_block(counts: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """A running count `[B, T]` in blocks, `[B, J, C]`, and what it was before each block, `[B, J, 1]`.

    Behind the last token it stands still.
    """
    missing = -counts.shape[1] % size
    blocks = torch.cat([counts, counts[:, -1:].expand(-1, missing)], dim=1).unflatten(1, (-1, size))
    return blocks, pad(blocks[:, :-1, -1:], (0, 0, 1, 0))


def _powers(log_decay: Tensor, passed: Tensor, zero: Tensor | None) -> Tensor:
    """`λ^passed` by head, `[B, H, ...]` for `passed` `[B, ...]`, and 0 where `zero`."""
    exponents = -log_decay.reshape(-1, *(1 for _ in passed.shape[1:])) * passed[:, None]
    if zero is not None:
        exponents = exponents.masked_fill(zero[:, None] if zero.dim() == passed.dim() else zero, -torch.inf)
    return exponents.exp()
