"""Mean square error."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score, squares
from unrolled.data.task import TestSet


class MSE(Score):
    """⟨(ŷ - y)²⟩ over sequences, steps and outputs."""

    label: ClassVar[str] = "MSE"

    def unit(self, test: TestSet) -> str:
        """Return the test set's unit, squared."""
        return test.unit if test.unit == "dimensionless" else f"({test.unit})²"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence."""
        return squares(predicted, test)

    def aggregate(self, errors: Array) -> Array:
        """Return the mean."""
        return np.asarray(errors.mean(axis=1))
