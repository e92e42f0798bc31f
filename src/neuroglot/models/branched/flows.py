"""Flows: through which encoder and which decoder a direction is read and written, as a bitmask."""

from __future__ import annotations

from enum import IntFlag
from typing import Protocol

from neuroglot.errors import ConfigError
from neuroglot.models.branched.config import ALL_FLOWS, MAIN, SIDES, BranchedConfig


class InDirection(Protocol):
    """A direction of translation; its text is `en-de`."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


Branches = tuple[str, str]  # whose encoder, and whose decoder


class Flow(IntFlag):
    """The bits of the released code (`branch_type`, `ensemble_type`); several together are trained one after another,
    or translate as an ensemble. UNSEEN is never trained: its two branches met in no batch.
    """

    DEC = 1  # main encoder, decoder of the target's group
    ENC = 2  # encoder of the source's group, main decoder
    MIX = 4  # main encoder, main decoder
    UNSEEN = 8  # encoder of the source's group, decoder of the target's group


FLOW_LABELS = {Flow.DEC: "Dec-Flow", Flow.ENC: "Enc-Flow", Flow.MIX: "Mix-Flow", Flow.UNSEEN: "unseen combination"}


def flow_label(flow: int) -> str:
    """The names of a flow, `Dec-Flow + Mix-Flow` of an ensemble."""
    return " + ".join(FLOW_LABELS[each] for each in single_flows(flow))


def single_flows(flow: int) -> tuple[Flow, ...]:
    """The single flows of a bitmask; raises `ConfigError` for a number that is none."""
    if not 1 <= flow <= ALL_FLOWS:
        raise ConfigError(
            f"The flow {flow} was asked for.", "Expected a sum of 1 (Dec), 2 (Enc), 4 (Mix) and 8 (unseen combination)."
        )
    return tuple(each for each in FLOW_LABELS if flow & each)


def branches_of(config: BranchedConfig, direction: InDirection, flow: int) -> tuple[Branches, ...]:
    """Encoder and decoder of each single flow in a direction; several are an ensemble, each pair once.

    Raises `ConfigError` for a direction whose languages lack the branch.
    """
    return tuple(dict.fromkeys(_branches(config, direction, each) for each in single_flows(flow)))


def _branches(config: BranchedConfig, direction: InDirection, flow: Flow) -> Branches:
    source = config.group_of(direction.source) if flow in (Flow.ENC, Flow.UNSEEN) else MAIN
    target = config.group_of(direction.target) if flow in (Flow.DEC, Flow.UNSEEN) else MAIN
    for side, group, language in zip(SIDES, (source, target), (direction.source, direction.target), strict=True):
        if group is None or group not in config.branches(side):
            raise ConfigError(
                f"There is no {side} for {language!r}, which the {FLOW_LABELS[flow]} of {direction} needs.",
                f"There are {side}s of {', '.join(config.branches(side)) or 'nobody'}.",
                "Take another flow.",
            )
    assert source is not None
    assert target is not None
    return source, target


def possible_flows(config: BranchedConfig, direction: InDirection) -> tuple[Flow, ...]:
    """The single flows for which a direction has the branches."""
    found = []
    for flow in FLOW_LABELS:
        try:
            _branches(config, direction, flow)
        except ConfigError:
            continue
        found.append(flow)
    return tuple(found)


def flow_of(config: BranchedConfig, direction: InDirection) -> int:
    """The flow that was chosen for a direction, else the first that is possible: Dec, Enc, Mix.

    Dec before Enc, because stage 2 trains decoders last, in a space that no longer moves. Raises `ConfigError` where
    none is possible.
    """
    chosen = (config.flows or {}).get(str(direction))
    if chosen is not None:
        return chosen
    possible = possible_flows(config, direction)
    if not possible:
        raise ConfigError(
            f"No branches are there for {direction}.", "Expected an encoder and a decoder, or the main pair."
        )
    return int(possible[0])
