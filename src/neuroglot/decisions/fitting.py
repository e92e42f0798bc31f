"""Transforms fitted on held-out choices, with intervals over rows, and kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from neuroglot.decisions.transforms import TRANSFORMS, BradleyTerry, Power, Ranks, Transform
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.intervals import Estimate, Score
from neuroglot.signature import Signature, short_hash
from neuroglot.storage import FORMAT_VERSION, parse_json, write_whole

TRANSFORM_KIND = "decision-transform"
BOUND = 7.0  # of the logarithm of a positive parameter, and of α: beyond e⁷ the choice is certain
NEXT_TOKEN = "next token"  # the choices that a transform of a rule must have been fitted on
LEAST_CHOICES = 3  # that a transform is fitted on
ORIGIN = "our reconstruction"  # the equation of the paper is not public
Fittable = Literal["temperature", "power", "bradley-terry", "ranks"]


@dataclass(frozen=True)
class TransformFamily:
    """What is fitted: `positive` says of each parameter whether it is, and is fitted as its logarithm."""

    kind: str
    names: tuple[str, ...]
    positive: tuple[bool, ...]
    make: Callable[..., Transform]


FITTED_FAMILIES: dict[Fittable, TransformFamily] = {
    "temperature": TransformFamily("power", ("beta",), (True,), Power),
    "power": TransformFamily("power", ("beta", "alpha"), (True, False), Power),
    # β stays 1: β and κ stand for each other, and intervals of both hold the truth in 80 to 93 % of fits only
    "bradley-terry": TransformFamily("bradley-terry", ("kappa",), (True,), partial(BradleyTerry, 1.0)),
    "ranks": TransformFamily("ranks", ("kappa",), (True,), Ranks),
}


@dataclass(frozen=True)
class Fitted:
    """A transform, the 95 % intervals of its fitted parameters, the mean loss of the fit in nats, and the rows.

    An interval is NaN where a parameter ran to its bound: where the right candidate is always the first, no finite
    transform fits (one reference a source).
    """

    transform: Transform
    intervals: Mapping[str, Score]
    loss: float
    rows: int
    signature: Signature

    @property
    def of_next_tokens(self) -> Transform:
        """The transform, as rules use it; raises `ConfigError` for one that was fitted on other choices."""
        choice = self.signature.get("choice", NEXT_TOKEN)
        if choice != NEXT_TOKEN:
            raise ConfigError(
                f"A transform was fitted on choices of this kind: {choice}.",
                "Expected one of all next tokens, because a rule draws among all.",
                "Take the file LANGUAGE-next-token-temperature.json.",
            )
        return self.transform

    def save(self, path: Path | str) -> Path:
        """Write JSON, whole or not at all."""
        kind = next(name for name, made in TRANSFORMS.items() if type(self.transform) is made)
        content = {
            "neuroglot": TRANSFORM_KIND, "format": FORMAT_VERSION, "origin": ORIGIN, "kind": kind,
            "parameters": asdict(self.transform),  # type: ignore[call-overload]
            "intervals": {name: score.to_json() for name, score in self.intervals.items()},
            "loss": self.loss, "rows": self.rows, "signature": self.signature.to_json(),
        }  # fmt: skip
        return write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Fitted:
        """Read what `save` wrote; raises `ArtifactError` on any other file."""
        try:
            content = parse_json(Path(path).read_text("utf-8"))
            if (content["neuroglot"], content["format"]) != (TRANSFORM_KIND, FORMAT_VERSION):
                raise ValueError("of another kind or format")
            intervals = {name: Score(*map(_number, score.values())) for name, score in content["intervals"].items()}
            transform = _transform(content["kind"], content["parameters"])
            rows, loss = content["rows"], content["loss"]
            if type(rows) is not int or rows < 0 or not isinstance(loss, int | float):
                raise TypeError("values of another type")
            return cls(transform, intervals, float(loss), rows, Signature.from_json(content["signature"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, ConfigError) as error:
            raise ArtifactError(
                f"{path} is no fitted transform ({type(error).__name__}: {error}).",
                "Expected the JSON that `neuroglot probe` wrote.",
            ) from error


def fit_transform(
    family: Fittable,
    utilities: Tensor,
    chosen: Tensor,
    lengths: Tensor | None = None,
    *,
    signature: Signature | None = None,
) -> Fitted:
    """The likeliest parameters for the choices `chosen [R]` among candidates of `utilities [R, C]`, −inf for none.

    `lengths [R, C]` are those of the candidates in tokens, needed by `power`. Intervals are the house's over rows, of
    the fit without each row to second order (one step of Newton's method), of positive parameters on the scale of
    their logarithms. Raises `ConfigError` for rows that do not fit, fewer than three, and an unknown family.
    """
    _require_choices(family, utilities, chosen)
    form = FITTED_FAMILIES[family]
    utilities, given = utilities.double(), lengths if "alpha" in form.names else None
    if "alpha" in form.names and lengths is None:
        raise ConfigError("A power with length was to be fitted without lengths.", "Expected them in tokens.")

    def losses(point: Tensor) -> Tensor:
        """Nats of each row's choice, `[R]`, at one point for all, `[P]`, or at one for each, `[R, P]`."""
        probabilities = form.make(*_natural(form, point))(utilities, given)
        return -probabilities.gather(-1, chosen[:, None])[:, 0]

    point = _minimum(losses, len(form.names))
    estimate = _without_each(losses, point)
    bounded = point.abs() >= BOUND - 1e-3
    scores = estimate.scores()
    parameters = {
        name: _score(score, positive, bool(at_bound))
        for name, positive, score, at_bound in zip(form.names, form.positive, scores, bounded, strict=True)
    }
    transform = form.make(**{name: score.value for name, score in parameters.items()})
    fitted_on = Signature.of(fit="likelihood", family=family, origin=ORIGIN, fit_rows=len(chosen))
    hashed = Signature.of(fit_data=short_hash(utilities, chosen))
    return Fitted(
        transform, parameters, losses(point).mean().item(), len(chosen), (signature or Signature()) | fitted_on | hashed
    )


def best_by(quality: Callable[[Transform], float], transforms: Sequence[Transform]) -> Transform:
    """The transform that a rule's own metric likes best on held-out rows; the first of equal ones."""
    if not transforms:
        raise ConfigError("No transforms were given to choose from.", "Expected one or more.")
    return max(transforms, key=quality)


def _natural(form: TransformFamily, point: Tensor) -> list[Tensor]:
    """The parameters `[..., P]`, each `[..., 1]`."""
    columns = point.split(1, dim=-1)
    return [value.exp() if positive else value for value, positive in zip(columns, form.positive, strict=True)]


def _minimum(losses: Callable[[Tensor], Tensor], size: int) -> Tensor:
    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.from_numpy(values.copy()).requires_grad_()
        mean = losses(point).mean()
        (gradient,) = torch.autograd.grad(mean, point)
        return mean.item(), gradient.numpy()

    start = np.zeros(size)
    options: dict[str, Any] = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 500}
    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-BOUND, BOUND)] * size, options=options)
    return torch.from_numpy(np.asarray(result.x, dtype=np.float64).copy())


def _without_each(losses: Callable[[Tensor], Tensor], point: Tensor) -> Estimate:
    """The minimum, and where one step of Newton's method from it leads without each row."""
    rows = losses(point).shape[0]
    points = point.expand(rows, -1).clone().requires_grad_()  # a row's loss depends on its own only
    (gradients,) = torch.autograd.grad(losses(points).sum(), points, create_graph=True)
    columns = [torch.autograd.grad(column.sum(), points, retain_graph=True)[0] for column in gradients.unbind(-1)]
    hessians, gradients = torch.stack(columns, -2), gradients.detach()
    remaining = hessians.sum(0) - hessians
    steps = (torch.linalg.pinv(remaining) @ gradients[..., None])[..., 0]
    return Estimate(point, {"rows": point + steps})


def _score(score: Score, positive: bool, at_bound: bool) -> Score:
    """On the parameter's own scale; without an interval at a bound, or where the rows say next to nothing."""
    known = not at_bound and score.high - score.low < 2 * BOUND
    value, low, high = score.value, *((score.low, score.high) if known else (math.nan, math.nan))
    return Score(*map(math.exp, (value, low, high))) if positive else Score(value, low, high)


def _require_choices(family: str, utilities: Tensor, chosen: Tensor) -> None:
    sound = (
        family in FITTED_FAMILIES
        and utilities.ndim == 2
        and chosen.shape == utilities.shape[:1]
        and len(chosen) >= LEAST_CHOICES
    )
    if not sound or not bool(((chosen >= 0) & (chosen < utilities.shape[-1])).all()):
        raise ConfigError(
            f"{family!r} was to be fitted to utilities {list(utilities.shape)} and choices {list(chosen.shape)}.",
            f"Expected [R, C] and [R] with three rows or more, and one of {', '.join(FITTED_FAMILIES)}.",
        )
    picked = utilities.gather(-1, chosen[:, None])
    if bool(utilities.isnan().any()) or not bool(picked.isfinite().all()):
        raise ConfigError("A chosen candidate has no finite utility.", "Expected a number for each that was chosen.")


def _transform(kind: str, parameters: Mapping[str, Any]) -> Transform:
    made = TRANSFORMS[kind]
    if set(parameters) != {each.name for each in fields(made)}:
        raise ValueError(f"parameters {', '.join(parameters)}")
    values = {name: tuple(map(_number, part)) if isinstance(part, list) else part for name, part in parameters.items()}
    plain = all(
        isinstance(part, tuple) or (type(part) in (int, float) and math.isfinite(part)) for part in values.values()
    )
    if not plain:
        raise TypeError("parameters of another type")
    return made(**values)


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number of another type")
    return float(value)
