"""The contract of a score, and the errors that several scores share."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.task import TestSet
from unrolled.registry import Item

Array = NDArray[Any]


class Score(Item, ABC):
    """One number a replica from its predictions on one test set.

    `errors` are by test sequence, so that comparisons can tell the spread over sequences from that over seeds;
    `aggregate` makes one number of them.
    """

    label: ClassVar[str]
    """What a reader calls it."""
    test: ClassVar[str] = "test"
    """The test set that it is taken on."""
    higher_is_better: ClassVar[bool] = False
    of_classes: ClassVar[bool] = False
    """Whether it is of predicted probabilities against classes, one-hot, and not of real values."""
    statistical: ClassVar[bool] = False
    """Whether it compares distributions, of which even a perfect sample is not exactly the other."""
    least: ClassVar[int] = 1
    """How many values of the truth it needs."""
    blocks: ClassVar[int | None] = None
    """How many blocks of test sequences the jackknife leaves out, one at a time: by default each sequence by itself; a
    score that is not smooth in the errors, like a median, needs larger ones."""

    def floor(self, test: TestSet) -> float:
        """Return the least score that is told from zero: by default the smallest float32, which the data are in."""
        return float(np.finfo(np.float32).tiny)

    def logs(self, scores: Array, test: TestSet) -> Array:
        """Return the logarithms on which methods are compared, larger is worse, of scores at the floor at least.

        A share of something explained gives the logarithm of the part that is not, and `from_logs` its inverse.
        """
        logs = np.log(np.maximum(scores, self.floor(test)))
        return np.asarray(-logs if self.higher_is_better else logs)

    def from_logs(self, logs: Array) -> Array:
        """Return the scores that have these logarithms."""
        return np.asarray(np.exp(-logs if self.higher_is_better else logs))

    def refuses(self, test: TestSet) -> str | None:
        """Return why the score cannot be had on a test set, or None: a perfect prediction has one, and it is better."""
        with np.errstate(all="ignore"):
            perfect, worse = (self(test.targets[None].astype(np.float64) + error, test) for error in (0.0, 1.0))
        defined = np.isfinite(perfect).all() and (perfect != worse).all()
        return None if defined else "is in units of the truth, and the truth of the test data is constant"

    def unit(self, test: TestSet) -> str:
        """Return the unit: by default that of the test set."""
        return test.unit

    @abstractmethod
    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the error of each replica on each test sequence, (S, N), for predictions (S, N, [T,] K)."""

    @abstractmethod
    def aggregate(self, errors: Array) -> Array:
        """Return the score (S,) from errors (S, N)."""

    def __call__(self, predicted: Array, test: TestSet) -> Array:
        """Return the score (S,) of predictions (S, N, [T,] K)."""
        return self.aggregate(self.errors(predicted, test))


def squares(predicted: Array, test: TestSet) -> Array:
    """Return the mean square error of each sequence (S, N), in the test set's unit squared."""
    error = test.in_unit(predicted.astype(np.float64) - test.targets)
    flat: Array = np.square(error).reshape(*error.shape[:2], -1).mean(axis=2)
    return flat


class RootMeanSquare(Score):
    """The root of the mean over sequences: of their mean square errors, unless a subclass says which."""

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the mean square error of each sequence."""
        return squares(predicted, test)

    def aggregate(self, errors: Array) -> Array:
        """Return the root of the mean."""
        return np.asarray(np.sqrt(errors.mean(axis=1)))


def rmse(predicted: Array, test: TestSet) -> Array:
    """Return the root mean square error (S,) over all sequences, steps and outputs."""
    return np.asarray(np.sqrt(squares(predicted, test).mean(axis=1)))


def variance(truth: Array) -> float:
    """Return the mean variance of the outputs over sequences (N, T, K) and steps."""
    y = truth.astype(np.float64)
    return float(np.square(y - y.mean(axis=(0, 1))).mean())
