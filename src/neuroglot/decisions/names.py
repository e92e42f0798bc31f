"""The names of decision rules, apart from what computes with them."""

from __future__ import annotations

from typing import Literal

NamedRule = Literal["exact", "sample", "epsilon", "majority", "mbr-match", "mbr-chrf", "mbr-bleu"]
RuleName = Literal["greedy", "beam", NamedRule, "mbr"]
