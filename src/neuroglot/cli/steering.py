"""`neuroglot steer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neuroglot.cli.options import Json

if TYPE_CHECKING:
    from neuroglot.interventions.operators import Given, Step
    from neuroglot.neurons import NeuronSet

STEER_EXAMPLES = """Examples:

    neuroglot steer set --neurons en.safetensors --value 0 --out no-english.safetensors
    neuroglot steer add --neurons de.safetensors --activity run/activity.safetensors --language de --out de+.safetensors
    neuroglot steer arithmetic --source en.safetensors --neurons de.safetensors --activity run/activity.safetensors \\
        --language de --reading "mean minus others" --scope generated --out en-to-de.safetensors
    neuroglot steer two-sets --neurons partial.safetensors --weakened specific.safetensors --out clas.safetensors"""


def steer(
    operator: Literal["set", "add", "multiply", "arithmetic", "two-sets"],
    /,
    *,
    neurons: Path,
    out: Path,
    value: float | None = None,
    activity: Path | None = None,
    language: str | None = None,
    reading: Literal["mean", "quantile", "mean of others", "mean minus others"] = "mean",
    quantile: float = 0.9,
    alpha: float = 1.0,
    source: Path | None = None,
    fill: float = -1.0,
    weakened: Path | None = None,
    beta: float = 0.2,
    gamma: float = 0.2,
    site: Literal["post_act", "write"] | None = None,
    scope: Literal["all", "prompt", "generated"] = "all",
    after: Path | None = None,
    json: Json = False,
) -> None:
    """Build a steering file from neuron sets and recorded activity, for `neuroglot generate --steer`.

    Parameters
    ----------
    operator:
        `set` activations to a value, `add` α times a value, `multiply` by one; `arithmetic` fills the source neurons
        and adds to the target's; `two-sets` strengthens one set and weakens another.
    neurons:
        Neuron set file: for `arithmetic` the target's, for `two-sets` those to strengthen.
    out:
        Steering file to write.
    value:
        One value for all neurons; or take values by neuron from --activity.
    activity:
        Activity file with the statistic `moments`, or `histogram` for quantiles.
    language:
        Language of the activity.
    reading:
        What is read of it: the language's `mean` or `quantile`, the `mean of others`, or the `mean minus others`.
    quantile:
        Which quantile.
    alpha:
        Strength of `add`, `arithmetic` and `two-sets`.
    source:
        For `arithmetic`: neuron set file of the language to leave.
    fill:
        For `arithmetic`: what the source neurons are filled with.
    weakened:
        For `two-sets`: neuron set file of those to weaken.
    beta:
        For `two-sets`: the share by which the first set is strengthened.
    gamma:
        For `two-sets`: the share by which the second set is weakened.
    site:
        Where to act: `post_act`, output of the nonlinearity, or `write`, input of the down projection. That of the
        activity by default, else `post_act` for `arithmetic` and `write` for all others.
    scope:
        On `all` tokens, those of the `prompt`, or those `generated`.
    after:
        Steering file whose steps go before these.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.interventions.operators import two_set_scaling
    from neuroglot.interventions.steering import Steering
    from neuroglot.neurons import NeuronSet

    _check_fitting(operator, value=value, activity=activity, source=source, weakened=weakened, alpha=alpha)
    chosen = NeuronSet.load(neurons)
    if operator == "two-sets":
        second = NeuronSet.load(_needed(weakened, operator, "--weakened"))
        steps = two_set_scaling(chosen, second, beta, gamma, alpha, site)
    else:
        given = _given(operator, value, activity, language, reading, quantile)
        filled = NeuronSet.load(_needed(source, operator, "--source")) if operator == "arithmetic" else None
        steps = _steps(operator, chosen, given, alpha, site, filled, fill)
    built = Steering(steps, scope)
    built = built if after is None else Steering.load(after, built.layout) + built
    saved = built.save(out)
    if json:
        print_json({"out": str(saved), "signature": built.signature.to_json()})
        return
    print(f"{built.signature}: {saved}")


def _given(
    operator: str, value: float | None, activity: Path | None, language: str | None, reading: str, quantile: float
) -> Given:
    from neuroglot.activity.activity import Activity
    from neuroglot.errors import ConfigError
    from neuroglot.interventions.operators import values_of

    if (value is None) == (activity is None) or (activity is None) != (language is None):
        raise ConfigError(
            f"The operator {operator!r} needs values.", "Expected either --value, or --activity with --language."
        )
    if activity is None:
        assert value is not None
        return value
    assert language is not None
    return values_of(Activity.load(activity), language, reading, quantile)  # type: ignore[arg-type]


def _steps(
    operator: str,
    neurons: NeuronSet,
    given: Given,
    alpha: float,
    site: Literal["post_act", "write"] | None,
    source: NeuronSet | None,
    fill: float,
) -> tuple[Step, ...]:
    from neuroglot.interventions.operators import add, language_arithmetic, multiply, set_to

    if operator == "arithmetic":
        assert source is not None
        return language_arithmetic(source, neurons, given, alpha, fill, site)
    if operator == "add":
        return (add(neurons, given, alpha, site),)
    return ((set_to if operator == "set" else multiply)(neurons, given, site),)


def _check_fitting(operator: str, **given: object) -> None:
    """Refuse options that the operator would not read."""
    from neuroglot.errors import ConfigError

    read = {
        "set": {"value", "activity"},
        "multiply": {"value", "activity"},
        "add": {"value", "activity", "alpha"},
        "arithmetic": {"value", "activity", "alpha", "source"},
        "two-sets": {"weakened", "alpha"},
    }[operator]
    unread = [name for name, value in given.items() if name not in read and value != (1.0 if name == "alpha" else None)]
    if unread:
        raise ConfigError(
            f"The operator {operator!r} does not read --{unread[0]}.",
            f"Expected of these only {', '.join(sorted(read))}.",
        )


def _needed(path: Path | None, operator: str, option: str) -> Path:
    from neuroglot.errors import ConfigError

    if path is None:
        raise ConfigError(f"The operator {operator!r} needs a second neuron set.", f"Expected {option}.")
    return path
