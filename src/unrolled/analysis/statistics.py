"""What can be said from a few seeds: medians, ranges, paired tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[Any]
RANGE = "range over seeds"


def interval(scores: Array) -> dict[str, Any]:
    """Return the range of the n finite scores over seeds, and the probability that it covers the median, 1 - 2 · 2⁻ⁿ.

    A deterministic method has one value, and the range a point.
    """
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return {"low": None, "high": None, "kind": RANGE, "coverage": None, "n": 0}
    n = len(scores) if np.ptp(scores) > 0 else 1
    low, high = (float(f"{bound:.6g}") for bound in (scores.min(), scores.max()))
    return {"low": low, "high": high, "kind": RANGE, "coverage": 1 - 2 * 2.0**-n if n > 1 else None, "n": n}


def paired_p(scores: Array, reference: Array) -> float | None:
    """Return the two-sided p-value of a paired t-test on the logarithms of the scores.

    The pairs share a seed: initial weights, where the shapes agree, and the order of the batches.
    Logarithms, because errors of different methods differ by factors. None with fewer than three
    pairs of finite scores.
    """
    both = np.isfinite(scores) & np.isfinite(reference) & (scores > 0) & (reference > 0)
    difference = np.log(scores[both]) - np.log(reference[both])
    if len(difference) < 3:
        return None
    if np.ptp(difference) < 1e-12:
        return 1.0 if abs(difference[0]) < 1e-12 else 0.0
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def holm(p_values: dict[str, float | None]) -> dict[str, float | None]:
    """Return the p-values corrected for their number; None stays None.

    References
    ----------
    Holm, Scand. J. Statist. 6 (1979) 65, jstor 4615733.
    """
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p_values)
    running = 0.0
    for place, (p, name) in enumerate(known):
        running = max(running, min(1.0, (len(known) - place) * p))
        corrected[name] = running
    return corrected


def critical_difference(methods: int, studies: int) -> float:
    """Return by how much two mean ranks must differ to differ at 5 % (Nemenyi): q √(k (k + 1) / 6 N).

    References
    ----------
    Demšar, J. Mach. Learn. Res. 7 (2006) 1, section 3.2.2, jmlr.org/papers/v7/demsar06a.html.
    """
    if methods < 2:
        return 0.0
    q = stats.studentized_range.ppf(0.95, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * studies)))
