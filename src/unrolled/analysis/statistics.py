"""What can be said from a few seeds on shared test sequences: intervals, decisions, and the mean over studies."""

import functools
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Answer = Literal["better", "worse", "equivalent", "undecided"]
ANSWERS: tuple[Answer, ...] = ("better", "worse", "equivalent", "undecided")
REGION = 1.1
"""The region of practical equivalence: scores whose ratio is within this factor are as good as each other."""
LEVEL = 0.05
"""The share of families of comparisons that may hold a false decision."""
MOST_DIVERGED = 0.2
"""The share of diverged seeds up to which the others are compared."""
SURE = 0.9
"""The probability from which a method counts as one that solves a task, or as one that does not."""
COVERAGE, KIND = 0.95, "t interval of log scores"


def _scipy() -> Any:
    """Return SciPy's distributions, at their first use: their import takes half a second."""
    from scipy import stats

    return stats


def interval(logs: Array) -> dict[str, Any]:
    """Return the t interval around the mean of the n finite logs of scores, ȳ ± t₀.₉₇₅ s / √n; None with one value.

    Its bounds are those of the logs: a score's own follow by `Score.from_logs`.
    """
    logs = logs[np.isfinite(logs)]
    n = len(logs)
    if n < 2:
        return {"low": None, "high": None, "kind": KIND, "coverage": None, "n": n}
    half = float(_scipy().t.ppf((1 + COVERAGE) / 2, n - 1) * logs.std(ddof=1) / math.sqrt(n))
    mean = float(logs.mean())
    return {"low": mean - half, "high": mean + half, "kind": KIND, "coverage": COVERAGE, "n": n}


def jackknife(left_out: Array) -> Array:
    """Return the variance (N - 1)/N Σ (d₋ᵢ - d̄)² of a number from its values (..., N) with each block left out."""
    n = left_out.shape[-1]
    return np.asarray((n - 1) / n * np.square(left_out - left_out.mean(axis=-1, keepdims=True)).sum(axis=-1))


def satterthwaite(terms: Array, freedom: Array) -> Array:
    """Return the degrees of freedom (Σ vᵢ)² / Σ vᵢ²/νᵢ of a sum of independent variances (..., k).

    References
    ----------
    Satterthwaite, Biometrics Bulletin 2 (1946) 110, doi 10.2307/3002019; with two terms it is Welch's.
    """
    return np.asarray(np.square(terms.sum(axis=-1)) / (np.square(terms) / freedom).sum(axis=-1))


def p_value(d: Array, variance: Array, freedom: Array) -> Array:
    """Return the p-value of the answer that a difference of log scores is nearest to: 2 P(T > | |d| - log 1.1 | / √v).

    Beyond the region the null hypothesis of "better" (or "worse") is d ≤ log 1.1; within it, that of "equivalent" is
    |d| ≥ log 1.1 (two one-sided tests). An answer stands at 5 % where the 95 % interval lies wholly on one side of each
    bound of the region. The usual 90 % interval for equivalence would let a ratio of exactly 1.1 be decided wrongly in
    7.5 %: 2.5 % as "better" and 5 % as "equivalent".
    """
    return np.asarray(2 * _scipy().t.sf(np.abs(np.abs(d) - math.log(REGION)) / np.sqrt(variance), freedom))


def category(d: float) -> Answer:
    """Return the answer that a difference of log scores, or a draw of it, is nearest to; positive is better."""
    if abs(d) <= math.log(REGION):
        return "equivalent"
    return "better" if d > 0 else "worse"


def holm(p: Array) -> Array:
    """Return p-values (..., m) corrected for their number; NaN stays, and counts for none.

    References
    ----------
    Holm, Scand. J. Statist. 6 (1979) 65, jstor 4615733.
    """
    known = np.isfinite(p).sum(axis=-1, keepdims=True)
    order = np.argsort(p, axis=-1)  # NaN last
    factors = np.maximum(known - np.arange(p.shape[-1]), 1)
    ordered = np.minimum(np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * factors, axis=-1), 1.0)
    corrected = np.empty_like(p, dtype=np.float64)
    np.put_along_axis(corrected, order, ordered, axis=-1)
    return corrected


def random_effects(d: Array, variances: Array) -> tuple[float, float, Array]:
    """Return the mean of k studies' differences, its variance by Hartung and Knapp, and the weights (k,), of sum one.

    The variance τ² between studies is DerSimonian and Laird's; (mean - μ)/√variance has a t distribution with k - 1
    degrees of freedom.

    References
    ----------
    DerSimonian & Laird, Control. Clin. Trials 7 (1986) 177, doi 10.1016/0197-2456(86)90046-2; Hartung & Knapp,
    Stat. Med. 20 (2001) 3875, doi 10.1002/sim.1009.
    """
    fixed = 1 / variances
    q = float((fixed * np.square(d - np.average(d, weights=fixed))).sum())
    between = max(0.0, (q - (len(d) - 1)) / float(fixed.sum() - np.square(fixed).sum() / fixed.sum()))
    weights = 1 / (variances + between)
    weights /= weights.sum()
    mean = float(weights @ d)
    return mean, float(weights @ np.square(d - mean)) / (len(d) - 1), weights


@functools.cache
def solves(solved: int, of: int) -> bool | None:
    """Return whether a method solves a task that `solved` of its seeds solve; None where they leave it open.

    It does where the probability of success exceeds one half with probability 0.9, P(Beta(k + ½, n - k + ½) > ½), by
    Jeffreys' prior; it does not where it falls short of one half with as much.
    """
    sure = float(_scipy().beta.sf(0.5, solved + 0.5, of - solved + 0.5))
    return True if sure >= SURE else False if sure <= 1 - SURE else None
