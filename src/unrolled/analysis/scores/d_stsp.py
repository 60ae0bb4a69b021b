"""How far the attractor of a long free run is from the true one."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score
from unrolled.data.task import TestSet

BINS, SMOOTHING = 10, 1e-5


class StateSpaceDivergence(Score):
    """D_stsp of each long free run, held against all true ones; the mean over runs.

    The floor is what an orbit of the system itself has: of the Lorenz system about 0.005 over 100 000 steps. A run that
    leaves the attractor for good counts as one that stays in a single cell where the truth never is: none is worse.

    References
    ----------
    Mikhaeil, Monfared & Durstewitz, NeurIPS 2022, arXiv 2110.07238.
    """

    label: ClassVar[str] = "D_stsp of free runs"
    test: ClassVar[str] = "free_run"
    statistical: ClassVar[bool] = True

    def unit(self, test: TestSet) -> str:
        """Return the unit of a divergence."""
        return "nats"

    def floor(self, test: TestSet) -> float:
        """Return what no finite orbit is told from zero by."""
        return 1e-4

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the divergence of each run."""
        grid = _Grid(test.targets.astype(np.float64))
        p = grid.shares(grid.truth)
        found = np.array([[_divergence(p, grid.shares(run)) for run in replica] for replica in predicted])
        return np.where(np.isnan(found), _largest(p, test.targets.shape[1]), found)

    def aggregate(self, errors: Array) -> Array:
        """Return the mean."""
        return np.asarray(errors.mean(axis=1))


def state_space_divergence(orbits: Array, truth: Array) -> float:
    """Return D_stsp = Σ p log(p / q), of the shares of time p of the truth and q of the orbits in cells of the space.

    Ten bins a dimension over ±2 standard deviations of the truth around its mean, of which the first is left out, as
    by its authors; p = (n_i + ε) / (n + ε K) with ε = 1e-5 and K = 10^d cells. NaN if no point of the orbits is inside.

    Parameters
    ----------
    orbits, truth : (N, T, d) arrays

    References
    ----------
    Mikhaeil, Monfared & Durstewitz, NeurIPS 2022, arXiv 2110.07238.
    """
    grid = _Grid(truth)
    return _divergence(grid.shares(truth), grid.shares(orbits))


def largest_divergence(truth: Array) -> float:
    """Return D_stsp of a run of as many steps as each of the truth's, all in a cell where the truth never is."""
    return _largest(_Grid(truth).shares(truth), truth.shape[1])


def _divergence(p: Array, q: Array) -> float:
    return float((p * np.log(p / q)).sum())


def _largest(p: Array, steps: int) -> float:
    return float((p * np.log(p * (steps + SMOOTHING * p.size) / SMOOTHING)).sum())


class _Grid:
    """The cells in which a truth (N, T, d) is counted, and what is held against it."""

    def __init__(self, truth: Array) -> None:
        self.truth, points = truth, truth.reshape(-1, truth.shape[-1])
        mean, width = points.mean(axis=0), 2 * points.std(axis=0)
        self.low, self.high = mean - width, mean + width

    def shares(self, series: Array) -> Array:
        """Return the share of time in each cell, NaN if no point is in any."""
        d = len(self.low)
        with np.errstate(all="ignore"):  # what is not finite is in no cell
            cells = np.floor(BINS * (series.reshape(-1, d) - self.low) / (self.high - self.low))
        inside = cells[((cells >= 1) & (cells < BINS)).all(axis=1)].astype(int)
        counts = np.bincount(np.ravel_multi_index(tuple(inside.T), (BINS,) * d), minlength=BINS**d)
        return (counts + SMOOTHING) / (counts.sum() + SMOOTHING * counts.size) if len(inside) else counts * np.nan
