"""Cross-entropy of predicted probabilities against the true classes."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score
from unrolled.data.task import TestSet


class CrossEntropy(Score):
    """-⟨Σ_k y_k ln p_k⟩ over sequences and steps, in nats; y is one-hot, p the predicted probabilities."""

    label: ClassVar[str] = "cross-entropy"
    of_classes: ClassVar[bool] = True

    def floor(self, test: TestSet) -> float:
        """Return the least that float32 tells from zero."""
        return float(np.finfo(np.float32).eps)

    def unit(self, test: TestSet) -> str:
        """Return the unit."""
        return "nats"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean over the steps of each sequence; a probability of zero counts as the least float32."""
        tiny = np.finfo(np.float32).tiny
        logs = np.log(np.maximum(predicted.astype(np.float64), tiny))
        flat: Array = -(test.targets * logs).sum(axis=-1).reshape(*predicted.shape[:2], -1).mean(axis=2)
        return flat

    def aggregate(self, errors: Array) -> Array:
        """Return the mean."""
        return np.asarray(errors.mean(axis=1))
