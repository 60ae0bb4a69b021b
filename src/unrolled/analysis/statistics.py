"""What can be said from a few seeds: medians, intervals, paired tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[Any]


def interval(scores: Array) -> list[float]:
    """Return the bootstrap 95 % interval (percentile method) of the median over seeds.

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), doi 10.1201/9780429246593.
    """
    if len(scores) < 2 or np.ptp(scores) == 0:
        return [float(scores[0]), float(scores[0])]
    found = stats.bootstrap((scores,), np.median, method="percentile", rng=np.random.default_rng(0), vectorized=True)
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]


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
