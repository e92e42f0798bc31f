"""The shape of a branched translation model: one M2M-100, its groups of languages, and which branches there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from transformers import M2M100Config, PreTrainedConfig

from neuroglot.errors import ConfigError

MAIN = "main"  # the multilingual pair, which belongs to no group
Side = Literal["encoder", "decoder"]
SIDES: tuple[Side, ...] = ("encoder", "decoder")
ALL_FLOWS = 15  # all bits of `flows.Flow`
GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)  # what no file of Windows may be called


class BranchedConfig(PreTrainedConfig):
    """A branched translation model: the `base` that all its stacks are built as, and who has a branch.

    `groups` are the languages of each group. `encoders` and `decoders` are the groups that have such a branch, `main`
    among them; by default all. `flows` says by direction, such as `en-de`, which flow (`flows.Flow`) is taken if none
    is named. `embedding` is a hash of the shared embedding, in which every branch is at home, `source` the name of the
    model that it began as. Raises `ConfigError` for
    groups that `require_groups` refuses, branches of no group, and flows that are none.
    """

    model_type = "branched_m2m_100"
    sub_configs: ClassVar[dict[str, type[PreTrainedConfig]]] = {"base": M2M100Config}
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    base: Any = None
    groups: dict[str, list[str]] | None = None
    encoders: list[str] | None = None
    decoders: list[str] | None = None
    flows: dict[str, int] | None = None
    embedding: str | None = None
    source: str | None = None
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        base = {} if self.base is None else self.base
        self.base = base if isinstance(base, M2M100Config) else M2M100Config(**base)
        self.groups = {name: list(codes) for name, codes in (self.groups or {}).items()}
        require_groups(self.groups)
        whole = [MAIN, *self.groups]
        self.encoders = list(whole if self.encoders is None else self.encoders)
        self.decoders = list(whole if self.decoders is None else self.decoders)
        self.flows = dict(self.flows or {})
        for side in SIDES:
            unknown = [name for name in self.branches(side) if name not in whole]
            if unknown or len({*self.branches(side)}) < len(self.branches(side)):
                raise ConfigError(
                    f"The config says {side}s={self.branches(side)}.",
                    f"Expected some of {', '.join(whole)}, each once.",
                )
        for direction, flow in self.flows.items():
            if type(flow) is not int or not 1 <= flow <= ALL_FLOWS:
                raise ConfigError(
                    f"The config says that {direction} has the flow {flow!r}.", f"Expected 1 to {ALL_FLOWS}."
                )
        for name in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
            kwargs[name] = getattr(self.base, name)
        super().__post_init__(**kwargs)

    def branches(self, side: Side) -> list[str]:
        """The groups that have an encoder, or a decoder; `main` is one of them where it is there."""
        return list((self.encoders if side == "encoder" else self.decoders) or [])

    @property
    def members(self) -> dict[str, list[str]]:
        """The languages of each group."""
        return self.groups or {}

    def group_of(self, language: str) -> str | None:
        """The group of a language, or None."""
        return next((name for name, codes in self.members.items() if language in codes), None)


def require_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """Raise `ConfigError` for names that cannot be those of files on every system, and languages in two groups.

    A name has letters, digits, `_` and `-`, up to 64; two differ in more than the case of letters.
    """
    for name in groups:
        if not GROUP_NAME.fullmatch(name) or DEVICES.fullmatch(name) or name.lower() == MAIN:
            raise ConfigError(
                f"A group is called {name!r}.",
                f"Expected up to 64 letters, digits, '_' and '-', no name of a device, and not {MAIN!r}: branches are "
                "files of that name.",
            )
    folded = [name.lower() for name in groups]
    twice = [name for name in groups if folded.count(name.lower()) > 1]
    if twice:
        raise ConfigError(
            f"Groups are called {' and '.join(twice)}.", "Expected names that differ in more than upper and lower case."
        )
    codes = [code for members in groups.values() for code in members]
    if empty := [name for name, members in groups.items() if not members]:
        raise ConfigError(f"The group {empty[0]!r} has no language.", "Expected one or more.")
    if several := [code for code in dict.fromkeys(codes) if codes.count(code) > 1]:
        raise ConfigError(f"The language {several[0]!r} is in two groups, or twice.", "Expected each in one.")
