"""Scores of predictions against test data, one number a replica."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.config import Study
from unrolled.data.system import of
from unrolled.data.task import Split

Array = NDArray[Any]
HIGHER_IS_BETTER = {"valid_time"}
SOLVED = 0.04**2
"""The mean square error at which recall counts as solved: Hochreiter & Schmidhuber (1997) ask for errors below 0.04."""
THRESHOLD = 0.4
"""The error, in units of the attractor's size, at which a forecast of chaos counts as lost."""


def mse(predicted: Array, truth: Array) -> Array:
    """Return the mean square error (S,) of predictions (S, ...) against the same truth (...)."""
    error = predicted.astype(np.float64) - truth
    return np.asarray(np.square(error).reshape(len(predicted), -1).mean(axis=1))


def normalised_error(predicted: Array, truth: Array) -> Array:
    """Return ‖ŷ - y‖ / √⟨‖y - ȳ‖²⟩ at every step, (S, N, T), for (S, N, T, K) against (N, T, K).

    The mean is over all trajectories and steps; an error that is not finite is infinite.
    """
    y = truth.astype(np.float64)
    size = np.square(y - y.mean(axis=(0, 1))).sum(axis=-1).mean()
    error: Array = np.sqrt(np.square(predicted.astype(np.float64) - y).sum(axis=-1) / size)
    return np.where(np.isfinite(error), error, np.inf)


def valid_steps(predicted: Array, truth: Array) -> Array:
    """Return how many steps each forecast stays below `THRESHOLD`, (S, N); all of them if it never leaves.

    References
    ----------
    Pathak et al., Phys. Rev. Lett. 120 (2018) 024102, doi 10.1103/PhysRevLett.120.024102.
    """
    lost = normalised_error(predicted, truth) > THRESHOLD
    return np.where(lost.any(axis=-1), lost.argmax(axis=-1), lost.shape[-1])


def exponent_of(study: Study) -> float | None:
    """Return the largest Lyapunov exponent of a study's system, where it is known."""
    system = of(study)
    return system.lyapunov if system else None


def valid_time(study: Study, predicted: Array, truth: Array) -> Array:
    """Return the median over the start points of the valid time, (S,), in Lyapunov times."""
    exponent = exponent_of(study) or 1.0
    times: Array = np.median(valid_steps(predicted, truth), axis=1) * study.step * exponent
    return times


def nrmse(predicted: Array, truth: Array) -> Array:
    """Return the root mean square error over the spread of the truth, (S,), for (S, N, T, K) against (N, T, K)."""
    y = truth.astype(np.float64)
    return np.asarray(np.sqrt(mse(predicted, truth) / np.square(y - y.mean(axis=(0, 1))).mean()))


def nrmse_alone(predicted: Array, truth: Array) -> Array:
    """Return the error at the last step run alone over the spread of the truth, (S,).

    References
    ----------
    Jaeger & Haas, Science 304 (2004) 78, doi 10.1126/science.1091277 (NRMSE84).
    """
    y = truth.astype(np.float64)
    size = np.square(y - y.mean(axis=(0, 1))).mean()
    return np.asarray(np.sqrt(mse(predicted[:, :, -1], truth[:, -1]) / size))


def score(study: Study, predictions: dict[str, Array], test: Split) -> Array:
    """Return a study's score (S,) on its test data.

    `mse`: mean square error one step ahead. `rmse`: root mean square error over all steps and
    outputs, in the units of the series where the test has their `scale`. `forecast_rmse`: root mean
    square error of the recursive forecast. `valid_time`: how long a forecast run alone stays on the
    true trajectory; the higher, the better. `nrmse`: `rmse`
    over the truth's spread. `nrmse_alone`: the same at the last step run alone.
    """
    if study.score == "nrmse":
        return nrmse(predictions["test"], test["targets"])
    if study.score == "nrmse_alone":
        return nrmse_alone(predictions["alone"], test["alone"])
    if study.score == "mse":
        return mse(predictions["test"], test["targets"])
    if study.score == "valid_time":
        return valid_time(study, predictions["alone"], test["alone"])
    which = "forecast" if study.score == "forecast_rmse" else "test"
    return np.sqrt(mse(predictions[which], test["targets"])) * test.get("scale", np.ones(1)).mean()


def other_tests(predictions: dict[str, Array], test: Split) -> dict[str, Array]:
    """Return the root mean square error (S,) on each further test that has targets of its own."""
    names = [name for name in predictions if f"{name}_targets" in test]
    return {name: np.sqrt(mse(predictions[name], test[f"{name}_targets"])) * test["scale"].mean() for name in names}
