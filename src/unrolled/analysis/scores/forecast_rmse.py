"""Root mean square error of a forecast in closed loop."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score, squares
from unrolled.data.task import TestSet


class ForecastRMSE(Score):
    """√⟨(ŷ - y)²⟩ over all steps of the closed loop."""

    label: ClassVar[str] = "RMSE in closed loop"
    test: ClassVar[str] = "closed_loop"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence."""
        return squares(predicted, test)

    def aggregate(self, errors: Array) -> Array:
        """Return the root of the mean."""
        return np.asarray(np.sqrt(errors.mean(axis=1)))
