"""The share of classes that are right."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score
from unrolled.data.task import TestSet


class Accuracy(Score):
    """The share of answers whose most probable class is the true one; steps that ask for a blank are left out."""

    label: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    of_classes: ClassVar[bool] = True

    def floor(self, test: TestSet) -> float:
        """Return the share that half a wrong answer is: no fewer than none are told from none."""
        return 0.5 / max(1, int(self._asked(test).sum()))

    def logs(self, scores: Array, test: TestSet) -> Array:
        """Return the logarithms of the share that is wrong."""
        return np.asarray(np.log(np.maximum(1.0 - scores, self.floor(test))))

    def from_logs(self, logs: Array) -> Array:
        """Return the scores that have these logarithms."""
        return np.asarray(1.0 - np.exp(logs))

    def unit(self, test: TestSet) -> str:
        """Return the unit."""
        return "share"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the share that is right, of each sequence; what is not finite is wrong."""
        right = predicted.argmax(axis=-1) == test.targets.argmax(axis=-1)
        right &= np.isfinite(predicted).all(axis=-1)
        asked = self._asked(test).reshape(len(test.targets), -1)
        right = right.reshape(*predicted.shape[:2], -1) & asked
        return np.asarray(right.sum(axis=2) / np.maximum(asked.sum(axis=1), 1))

    def aggregate(self, errors: Array) -> Array:
        """Return the mean."""
        return np.asarray(errors.mean(axis=1))

    @staticmethod
    def _asked(test: TestSet) -> Array:
        """Return which answers count, (N, [T])."""
        classes = test.targets.argmax(axis=-1)
        return np.asarray(classes != (-1 if test.blank is None else test.blank))
