"""All options of a deactivation that can change a number, checked before the model runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Task
from neuroglot.deactivation.scoring import Scope
from neuroglot.errors import ConfigError
from neuroglot.evaluation import require_decoder
from neuroglot.models.view import ModelView
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.signature import Signature

Level = Literal["row", "corpus"]
Value = Literal["zero", "mean", "mean of other languages"]


@dataclass(frozen=True)
class Plan:
    """The options of `deactivate`, which says what they mean."""

    recording: Recording
    level: Level
    corpus_share: float
    scope: Scope
    value: Value
    types: tuple[str, ...]
    draws: int
    equal_size: bool
    by_generation: bool
    seed: int

    def check(self, view: ModelView, task: Task) -> None:
        """Raise `ConfigError` where the options do not fit each other, the model or the task."""
        require_decoder(view)
        choices = {"level": get_args(Level), "scope": get_args(Scope), "value": get_args(Value)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                expected = ", ".join(map(repr, allowed))
                raise ConfigError(f"Got {name}={getattr(self, name)!r}.", f"Expected one of {expected}.")
        if not self.types or len(set(self.types)) != len(self.types) or not set(self.types) <= set(CATEGORIES):
            raise ConfigError(f"Got the types {self.types}.", f"Expected some of {', '.join(CATEGORIES)}, each once.")
        if self.draws < 1 or not 0 < self.corpus_share <= 1:
            raise ConfigError(
                f"Got draws={self.draws} and corpus_share={self.corpus_share}.",
                "Expected one draw or more, and a share above 0 and at most 1.",
            )
        if len(task.languages) < 2 or len(self.recording.fires) != 1 or self.recording.tokens not in ("all", "last"):
            raise ConfigError(
                f"Types were asked for in {len(task.languages)} language(s) of {self.recording.signature}.",
                "They are defined for two languages or more, one threshold, and the last or all tokens of a prompt.",
            )
        if self.by_generation and (self.level != "corpus" or self.scope != "all"):
            raise ConfigError(
                f"Generated text was asked for at the level {self.level!r} in the scope {self.scope!r}.",
                "Expected the level 'corpus' and the scope 'all'.",
                "The outcome 'exact' is what greedy decoding would write, at any level and scope.",
            )

    @property
    def signature(self) -> Signature:
        return self.recording.signature | Signature.of(
            level=self.level, corpus_share=self.corpus_share if self.level == "corpus" else None, scope=self.scope,
            value=self.value, types=",".join(self.types), random_draws=self.draws, equal_size=self.equal_size,
            seed=self.seed, interval="95 % bootstrap over rows",
        )  # fmt: skip
