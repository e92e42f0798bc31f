"""Options of recipes whose texts may be decided on by a rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt

from neuroglot.decisions.names import NamedRule
from neuroglot.recipes.options import Decoded, Positive

if TYPE_CHECKING:
    from neuroglot.decisions.rules import Rule
    from neuroglot.decisions.transforms import Transform
    from neuroglot.generation.decoding import Decoding
    from neuroglot.models import ModelView
    from neuroglot.runs.identity import Identity

_OF_RULES = ("samples", "least_confidence", "least_probability", "transform")


@dataclass(frozen=True, kw_only=True)
class ByRule(Decoded):
    """How a text is decided on: token by token, by beams, or by a rule."""

    heading: ClassVar[str] = "Decoding"

    rule: NamedRule | None = None
    """Decide on whole texts by a rule instead: `exact` (the likeliest text, of small spaces), `sample` and `epsilon` (a
    draw), `majority`, or minimum Bayes risk by word match, chrF or BLEU (`mbr-match`, `mbr-chrf`, `mbr-bleu`). Neither
    batches nor the order of prompts change its texts."""

    samples: Positive = 16
    """Draws among which `majority` and `mbr-…` decide."""

    least_confidence: Annotated[float, Ge(0), Le(1)] = 0.0
    """Leave a text empty if a smaller share of draws is for it, or its expected gain is smaller; of `majority` and
    `mbr-…`."""

    least_probability: Annotated[float, Gt(0), Lt(1)] = 0.02
    """The least probability of a token that `epsilon` draws."""

    transform: Path | None = None
    """File of a fitted transform, as `neuroglot probe` writes them, that makes probabilities of the scores of next
    tokens before a rule draws."""

    def note_rule(self, identity: Identity) -> None:
        """Note the file of the transform, and say in the report what decides and what it costs, if a rule does.

        Raises `ConfigError` for options that contradict each other, and `ArtifactError` for another file.
        """
        from neuroglot.decisions.fitting import Fitted

        rule = self.decoding.rule  # refuses first
        if self.transform is not None:
            fitted = identity.file("transform", self.transform, Fitted.load).signature
        if rule is not None:
            said = f"Texts were decided on by the rule {rule.signature['rule']}, at {rule.signature['cost']}."
            identity.remarks.append(said)
        if self.transform is not None and "model" in fitted.to_json():
            made_of = f"{fitted['model']} on {fitted.get('corpus')} in {fitted.get('language')}"
            identity.remarks.append(f"Its transform was fitted on choices of {made_of}.")

    def require_rule(self, view: ModelView) -> None:
        """Raise `ConfigError` for a transform that does not fit the model's next tokens."""
        import torch

        from neuroglot.models.locating import text_config

        if (transform := self._transform) is not None:
            transform(torch.zeros(1, int(text_config(view.model).vocab_size)))

    @property
    def decoding(self) -> Decoding:
        """As the options say; raises `ConfigError` where they contradict each other."""
        from dataclasses import replace

        return replace(super().decoding, rule=self._rule)

    @property
    def _rule(self) -> Rule | None:
        from neuroglot.decisions.rules import Rule
        from neuroglot.decisions.transforms import Softmax
        from neuroglot.errors import ConfigError

        given = [name for name in _OF_RULES if getattr(self, name) != getattr(type(self), name)]
        if self.rule is None:
            if given:
                raise ConfigError(f"{', '.join(given)} was given without a rule.", "Expected --rule beside it.")
            return None
        rule = Rule(
            self.rule, samples=self.samples, seed=self.seed, transform=self._transform or Softmax(),
            least_confidence=self.least_confidence, least_probability=self.least_probability,
        )  # fmt: skip
        idle = {"samples": not rule.compares, "least_probability": rule.name != "epsilon"}
        unread = [name for name in given if idle.get(name)]
        if unread:
            raise ConfigError(f"The rule {self.rule!r} was given {', '.join(unread)}.", "Expected what it reads.")
        return rule

    @property
    def _transform(self) -> Transform | None:
        from neuroglot.decisions.fitting import Fitted

        return None if self.transform is None else Fitted.load(self.transform).of_next_tokens
