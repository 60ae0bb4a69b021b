"""The seeds of a method as an ensemble: how good a forecast its distribution is, and whether its spread can be trusted.

References
----------
Gneiting & Raftery, J. Am. Stat. Assoc. 102 (2007) 359, doi 10.1198/016214506000001437: the score.
Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917, doi 10.1002/qj.2270: its fair form, for few members.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.analysis.headline import rounded
from unrolled.data.task import TestSet

Array = NDArray[Any]


def crps(members: Array, truth: Array) -> Array:
    """Return the fair continuous ranked probability score, CRPS = ⟨|x_i - y|⟩_i - ½ ⟨|x_i - x_j|⟩_{i≠j}.

    Its expectation over the members is that of the distribution that they are drawn from, whatever their number, so
    that few are not taken for overconfident. Of one value it is the absolute error. Lower is better.

    Parameters
    ----------
    members : (S, ...) array
    truth : (...) array

    Returns
    -------
    (...) array
        In the unit of both.
    """
    count = len(members)
    error = np.abs(members - truth).mean(axis=0)
    if count < 2:
        return np.asarray(error)
    # Sorted, Σ_{i<j} |x_i - x_j| = Σ_i (2i - S - 1) x_(i); less the middle, so that large values cancel before.
    ordered = np.sort(members, axis=0)
    weights = 2 * np.arange(1, count + 1) - count - 1
    pairs = np.tensordot(weights, ordered - ordered[count // 2], axes=1)
    return np.asarray(error - pairs / (count * (count - 1)))


def covered(members: Array, truth: Array) -> Array:
    """Return where the truth (...) lies in the range of the members (S, ...), its ends included."""
    return np.asarray((members.min(axis=0) <= truth) & (truth <= members.max(axis=0)))


def nominal(count: int) -> float:
    """Return how often the range of S members covers a truth that is drawn like them, (S - 1)/(S + 1)."""
    return (count - 1) / (count + 1)


def ensemble(predicted: Array, test: TestSet, deterministic: bool) -> dict[str, Any] | None:
    """Return what a method's replicas are worth as an ensemble, on average over sequences, steps and outputs.

    Parameters
    ----------
    predicted : (S, N, [T,] K) array
        Of the replicas that did not diverge.
    test : TestSet
    deterministic : bool
        Whether all replicas are the same: one member.

    Returns
    -------
    dict or None
        `members`; `crps` and `mae`, the mean absolute error of the median replica, in the test set's unit; `coverage`
        of the range of the members and its `nominal` value, None of one member. None where there is no replica or
        some prediction is not finite.
    """
    values = predicted[:1] if deterministic else predicted
    if not len(values) or not np.isfinite(values).all():
        return None
    own, truth = (test.in_unit(each.astype(np.float64)) for each in (values, test.targets))
    errors = np.abs(own - truth).reshape(len(own), -1).mean(axis=1)
    several = len(own) > 1
    return {
        "members": len(own),
        "crps": rounded(float(crps(own, truth).mean())),
        "mae": rounded(float(np.median(errors))),
        "coverage": rounded(float(covered(own, truth).mean())) if several else None,
        "nominal": rounded(nominal(len(own))) if several else None,
    }
