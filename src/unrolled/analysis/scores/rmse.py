"""Root mean square error."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score, squares
from unrolled.data.task import TestSet


class RMSE(Score):
    """√⟨(ŷ - y)²⟩ over sequences, steps and outputs, in the unit of the outputs."""

    label: ClassVar[str] = "RMSE"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence."""
        return squares(predicted, test)

    def aggregate(self, errors: Array) -> Array:
        """Return the root of the mean."""
        return np.asarray(np.sqrt(errors.mean(axis=1)))
