"""`steer`: what is to be done to some neurons, as a file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.recipes.artefacts import ACTIVITY, STEERING, artefact, neuron_file
from neuroglot.recipes.options import USE, SiteName
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.interventions.operators import Given, Step
    from neuroglot.interventions.steering import Steering
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

VALUES = {"value", "activity", "language", "reading", "quantile"}
READ = {  # which of these options an operator reads
    "set": VALUES,
    "multiply": VALUES,
    "add": VALUES | {"alpha"},
    "arithmetic": VALUES | {"alpha", "filled", "fill"},
    "two-sets": {"weakened", "alpha", "beta", "gamma"},
}


class _Inputs(NamedTuple):
    neurons: NeuronSet
    second: NeuronSet | None  # the source's of `arithmetic`, the weakened of `two-sets`
    given: Given | None
    before: Steering | None


@dataclass(frozen=True, kw_only=True)
class Steer(Recipe):
    """Build a steering file from neuron sets and recorded activity, for `neuroglot generate --steer`."""

    command = "steer"
    group = USE
    examples = """
    neuroglot steer set --neurons en.safetensors --value 0 --out no-english
    neuroglot steer add --neurons selected/de.safetensors --activity recorded \\
        --language de --out more-german
    neuroglot steer arithmetic --filled selected/en.safetensors \\
        --neurons selected/de.safetensors --activity recorded --language de \\
        --reading "mean minus others" --scope generated --out en-to-de
    neuroglot steer two-sets --neurons partial.safetensors \\
        --weakened specific.safetensors --out clas"""
    positional = ("operator",)

    operator: Literal["set", "add", "multiply", "arithmetic", "two-sets"]
    """`set` activations to a value, `add` α times a value, `multiply` by one; `arithmetic` fills the source's neurons
    and adds to the target's; `two-sets` strengthens one set and weakens another."""

    neurons: Path
    """File of a neuron set, or a run folder with one: for `arithmetic` the target's, for `two-sets` those to
    strengthen."""

    value: float | None = None
    """One value for all neurons; or take values by neuron from --activity."""

    activity: Path | None = None
    """Run folder of `neuroglot record` or its activity.safetensors, with the statistic `moments`, or `histogram` for
    quantiles."""

    language: str | None = None
    """Language of the activity."""

    reading: Literal["mean", "quantile", "mean of others", "mean minus others"] = "mean"
    """What is read of it: the language's `mean` or `quantile`, the `mean of others`, or the `mean minus others`."""

    quantile: float = 0.9
    """Which quantile."""

    alpha: float = 1.0
    """Strength of `add`, `arithmetic` and `two-sets`."""

    filled: Path | None = None
    """For `arithmetic`: neuron set of the language to leave, whose neurons are filled."""

    fill: float = -1.0
    """For `arithmetic`: what they are filled with."""

    weakened: Path | None = None
    """For `two-sets`: neuron set of those to weaken."""

    beta: float = 0.2
    """For `two-sets`: the share by which the first set is strengthened."""

    gamma: float = 0.2
    """For `two-sets`: the share by which the second set is weakened."""

    site: SiteName | None = None
    """Where to act: `post_act`, output of the nonlinearity, or `write`, input of the down projection. That of the
    activity by default, else `post_act` for `arithmetic` and `write` for all others."""

    scope: Literal["all", "prompt", "generated"] = "all"
    """On `all` tokens, those of the `prompt`, or those `generated`."""

    after: Path | None = None
    """Run folder of `neuroglot steer`, or a steering file, whose steps go before these."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.interventions.steering import Steering
        from neuroglot.neurons import NeuronSet

        self._require_fitting()
        neurons = identity.file("neurons", neuron_file(self.neurons), NeuronSet.load)
        second = self.filled or self.weakened
        return _Inputs(
            neurons,
            None if second is None else identity.file("second neurons", neuron_file(second), NeuronSet.load),
            self._given(identity),
            None if self.after is None else identity.file("after", artefact(self.after, STEERING), Steering.load),
        )

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.interventions.steering import Steering
        from neuroglot.reports import Report
        from neuroglot.reports.sections.steering import steering_section

        steering = Steering(self._steps(inputs), self.scope)
        if inputs.before is not None:
            inputs.before.require_layout(steering.layout)
            steering = inputs.before + steering
        steering.save(run.files / STEERING)
        return Report([steering_section(steering)], title=f"Steering: {self.operator}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Generate under the steering."""
        return ("generate", "MODEL", "--steer", str(out), "--corpus", "PROMPTS", "--out", f"{out}-texts")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        second, before = self.filled or self.weakened, self.after
        read = [neuron_file(path) for path in (self.neurons, second) if path is not None]
        read += [artefact(self.activity, ACTIVITY)] if self.activity is not None else []
        read += [artefact(before, STEERING)] if before is not None else []
        size = 12 * len(inputs.neurons)  # an index and a value a neuron
        return of_files(read, [STEERING], size + REPORT_BYTES)

    def _require_fitting(self) -> None:
        """Refuse options that the operator would not read, and the lack of those that it needs."""
        from neuroglot.errors import ConfigError

        read, optional = READ[self.operator], set().union(*READ.values())
        given = {field.name for field in fields(self) if getattr(self, field.name) != field.default} & optional
        if unread := sorted(given - read):
            raise ConfigError(
                f"The operator {self.operator!r} does not read --{unread[0]}.",
                f"Expected of these only {', '.join(sorted(read))}.",
            )
        needed = read & {"filled", "weakened"}
        if lacking := needed - given:
            raise ConfigError(
                f"The operator {self.operator!r} needs a second neuron set.", f"Expected --{lacking.pop()}."
            )
        lacks_values = read >= VALUES and len(given & {"value", "activity"}) != 1
        if lacks_values or len(given & {"activity", "language"}) == 1:
            raise ConfigError(
                f"The operator {self.operator!r} needs values.",
                "Expected either --value, or --activity with --language.",
            )

    def _given(self, identity: Identity) -> Given | None:
        """The value, or the values that the activity has."""
        from neuroglot.activity.activity import Activity
        from neuroglot.interventions.operators import values_of

        if self.activity is None or self.language is None:
            return self.value
        activity = identity.file("activity", artefact(self.activity, ACTIVITY), Activity.load)
        return values_of(activity, self.language, self.reading, self.quantile)

    def _steps(self, inputs: _Inputs) -> tuple[Step, ...]:
        from neuroglot.interventions.operators import add, language_arithmetic, multiply, set_to, two_set_scaling

        neurons, second, given = inputs[:3]
        if self.operator == "two-sets":
            assert second is not None
            return two_set_scaling(neurons, second, self.beta, self.gamma, self.alpha, self.site)
        assert given is not None
        if self.operator == "arithmetic":
            assert second is not None
            return language_arithmetic(second, neurons, given, self.alpha, self.fill, self.site)
        if self.operator == "add":
            return (add(neurons, given, self.alpha, self.site),)
        return ((set_to if self.operator == "set" else multiply)(neurons, given, self.site),)
