"""Root mean square error in units of the truth's standard deviation."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, RootMeanSquare, variance
from unrolled.data.task import TestSet


class NRMSE(RootMeanSquare):
    """√(⟨(ŷ - y)²⟩ / ⟨(y - ȳ)²⟩) over sequences, steps and outputs."""

    least: ClassVar[int] = 2
    label: ClassVar[str] = "NRMSE"

    def unit(self, test: TestSet) -> str:
        """Return the unit."""
        return "standard deviations of the truth"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence over the variance of all."""
        error = np.square(predicted.astype(np.float64) - test.targets)
        flat: Array = error.reshape(*error.shape[:2], -1).mean(axis=2) / variance(test.targets)
        return flat
