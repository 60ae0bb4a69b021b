"""A method's headline on a test set, the geometric mean of its seeds' scores, and what the test sequences add to it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.analysis import statistics
from unrolled.analysis.score import Score
from unrolled.data.task import TestSet

Array = NDArray[Any]
BLOCKS = 20
"""Into how many blocks a test set of one sequence is cut."""
FARTHEST = 700.0
"""The size of a logarithm at which the bound of an interval stops: what it is the logarithm of is still a number."""


def rounded(value: float | None) -> float | None:
    """Return six digits, or None where the value is not finite (JSON knows no NaN)."""
    return float(f"{value:.6g}") if value is not None and np.isfinite(value) else None


def headline(score: Score, scores: Array, test: TestSet, deterministic: bool) -> dict[str, Any]:
    """Return the geometric mean of the finite scores (S,), its interval, and mean and variance of their logarithms.

    A deterministic method has one value, and no interval.
    """
    logs = score.logs(scores, test)
    logs = logs[np.isfinite(logs)][: 1 if deterministic else None]
    if not len(logs):
        return {"score": None, "interval": statistics.interval(logs), "logs": None}
    interval, n = statistics.interval(logs), len(logs)
    bounds = [interval[key] for key in ("low", "high")]
    if n > 1:
        scores = score.from_logs(np.clip(np.array(bounds, dtype=np.float64), -FARTHEST, FARTHEST))
        bounds = sorted(float(f"{bound:.6g}") for bound in scores)
    return {
        "score": rounded(float(score.from_logs(logs.mean()))),
        "interval": interval | dict(zip(("low", "high"), bounds, strict=True)),
        "logs": {
            "mean": rounded(float(logs.mean())),
            "variance": rounded(float(logs.var(ddof=1))) if n > 1 else 0.0 if deterministic else None,
            "n": n,
        },
    }


def left_out(score: Score, predicted: Array, test: TestSet, finite: Array) -> Array | None:
    """Return the mean log score of the finite replicas with each block of test sequences left out, (blocks,).

    A block is one sequence; several where the score is not smooth in the errors (`Score.blocks`); and a part of the
    only sequence, where a network is given its inputs, so that one part is like another. None where there is one block,
    or no finite replica.
    """
    if not finite.any():
        return None
    if len(test.targets) == 1 and test.mode != "closed_loop" and test.targets.ndim == 3:
        predicted, test = _cut(predicted, test)
    errors = score.errors(predicted[finite], test)
    count = min(errors.shape[1], score.blocks or errors.shape[1])
    if count < 2:
        return None
    blocks = np.array_split(np.arange(errors.shape[1]), count)
    return np.array([score.logs(score.aggregate(np.delete(errors, block, axis=1)), test).mean() for block in blocks])


def _cut(predicted: Array, test: TestSet) -> tuple[Array, TestSet]:
    """Return predictions (S, 1, T, K) and a test set of one sequence as one of blocks of equal length."""
    length = test.targets.shape[1] // BLOCKS
    if length == 0:
        return predicted, test
    used, shape = BLOCKS * length, (BLOCKS, length, test.targets.shape[2])
    blocks = replace(test, targets=test.targets[0, :used].reshape(shape), times=test.times[:length])
    return predicted[:, 0, :used].reshape(len(predicted), *shape), blocks


def sequence_variances(left: dict[str, Array | None]) -> dict[str, Any]:
    """Return what the choice of test sequences adds to the variance of log scores, by the jackknife.

    Parameters
    ----------
    left : dict
        By method, from `left_out`.

    Returns
    -------
    dict
        `blocks`, how many there are, 0 where the variance cannot be had; `variance`, by method and method: of the mean
        log score where it is the same, else of the difference of both, each pair once, in the order of the methods.
    """
    known = {name: each for name, each in left.items() if each is not None}
    names = list(known)
    return {
        "blocks": len(known[names[0]]) if names else 0,
        "variance": {
            one: {
                other: rounded(float(statistics.jackknife(known[one] - (known[other] if other != one else 0.0))))
                for other in names[place:]
            }
            for place, one in enumerate(names)
        },
    }
