"""Error at the last step of a forecast in closed loop, in units of the truth's standard deviation."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, RootMeanSquare, variance
from unrolled.data.task import TestSet


class NRMSEHorizon(RootMeanSquare):
    """√(⟨(ŷ_h - y_h)²⟩ / ⟨(y - ȳ)²⟩) at the horizon h; with h = 84 the NRMSE84 of Mackey-Glass forecasts.

    References
    ----------
    Jaeger & Haas, Science 304 (2004) 78, doi 10.1126/science.1091277.
    """

    least: ClassVar[int] = 2
    label: ClassVar[str] = "NRMSE at the horizon, in closed loop"
    test: ClassVar[str] = "closed_loop"

    def unit(self, test: TestSet) -> str:
        """Return the unit."""
        return "standard deviations of the truth"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence at the last step, over the variance of all."""
        error = np.square(predicted[:, :, -1].astype(np.float64) - test.targets[:, -1])
        return np.asarray(error.mean(axis=2) / variance(test.targets))
