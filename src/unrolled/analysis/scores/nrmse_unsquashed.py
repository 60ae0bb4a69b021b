"""Error at the last step of a forecast in closed loop of tanh(y - 1), in units of the standard deviation of y."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, RootMeanSquare, variance
from unrolled.data.task import TestSet

INSIDE = 1 - 1e-9
"""What a forecast is cut off at, where no y belongs to it."""


class NRMSEUnsquashed(RootMeanSquare):
    """√(⟨(ŷ_h - y_h)²⟩ / ⟨(y - ȳ)²⟩) at the horizon h, with y = artanh(s) + 1 of a series s; at 84 steps NRMSE84.

    References
    ----------
    Jaeger, The echo state approach, GMD Report 148 (2001), section 6.3.
    """

    least: ClassVar[int] = 2
    label: ClassVar[str] = "NRMSE at the horizon, in closed loop, in original coordinates"
    test: ClassVar[str] = "closed_loop"

    def unit(self, test: TestSet) -> str:
        """Return the unit."""
        return "standard deviations of the truth"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence at the last step, over the variance of all."""
        truth = original(test.targets)
        error = np.square(original(predicted[:, :, -1]) - truth[:, -1])
        return np.asarray(error.mean(axis=2) / variance(truth))


def original(values: Array) -> Array:
    """Return artanh of values, without the constant that differences do not see."""
    return np.asarray(np.arctanh(np.clip(values.astype(np.float64), -INSIDE, INSIDE)))
