"""Scores of predictions against test data, one number a replica; lower is better in all of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks._base import Split

Array = NDArray[Any]


def mse(predicted: Array, truth: Array) -> Array:
    """Return the mean square error (S,) of predictions (S, ...) against the same truth (...)."""
    error = predicted.astype(np.float64) - truth
    return np.asarray(np.square(error).reshape(len(predicted), -1).mean(axis=1))


def score(name: str, predictions: dict[str, Array], test: Split) -> Array:
    """Return a study's score (S,) on its test data.

    `mse`: mean square error one step ahead. `rmse`: root mean square error over all steps and
    outputs. `forecast_rmse`: root mean square error of the recursive forecast.
    """
    if name == "mse":
        return mse(predictions["test"], test["targets"])
    which = "forecast" if name == "forecast_rmse" else "test"
    return np.sqrt(mse(predictions[which], test["targets"]))
