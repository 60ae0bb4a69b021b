"""Long free runs of networks trained on chaos beside long orbits of the system, and the floor of each number.

A number says little without its floor: what a second orbit of the system itself gets, of the same length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from unrolled.analysis import autonomous, lyapunov, power_spectrum
from unrolled.analysis.headline import rounded
from unrolled.analysis.scores.d_stsp import state_space_divergence
from unrolled.data.integrate import simulate
from unrolled.data.system import System
from unrolled.data.task import Data
from unrolled.training.runs import Run

Array = NDArray[Any]
STARTS, TRANSIENT, STEPS = 10, 1000, 10_000
"""Orbits, their first steps, which do not count, and the steps that do."""
TRUTH, SECOND = 3, 4
"""Third parts of the seeds of the system's orbits: those before belong to the data's splits."""
TOLERANCE = 1e-8
"""Relative, of the system's orbits: statistics of an attractor do not need the exact path."""
SEGMENT, WIDTH, FREQUENCIES = 2000, 2, 500
"""Steps of a segment; standard deviation of the smoothing, in frequencies; and the first frequencies, which count."""
SETTLED = 1e-3
"""Standard deviations of the truth below which a segment has settled: rounding alone moves a network by less."""
AHEAD = 20
"""Steps of the prediction error."""
EXPONENT_STARTS, EXPONENT_TIME = 8, 100.0
"""Orbits over which Lyapunov exponents are averaged, and the time on each of the system's own."""


@dataclass(frozen=True)
class Reference:
    """What networks are held against: orbits of the system (N, T, d) in its units, and the numbers of the floor."""

    orbits: Array
    floor: dict[str, Any]


def applies(run: Run, data: Data) -> bool:
    """Return whether a study has long closed-loop forecasts of a chaotic system all of whose states are observed."""
    system = run.system
    if system is None or system.delay or not power_spectrum.applies(data):
        return False
    return tuple(run.task.outputs(run.experiment.data, system)) == system.states


def reference(run: Run, data: Data) -> Reference | None:
    """Return what a study's networks are held against, None where it does not apply.

    The floor of D_stsp and D_H is that of a second set of orbits; that of the prediction error is what the system
    itself makes of the last observed state, which has the precision of the networks' inputs.
    """
    if not applies(run, data):
        return None
    row, system, loop = run.experiment.data, run.system, data.tests["closed_loop"]
    assert system is not None
    truth, second = (orbits(system, [row.seed, part], row.step) for part in (TRUTH, SECOND))
    seen, later = (run.task.decode(a.astype(np.float64), data.facts) for a in (loop.inputs[:, -1], loop.targets))
    span = np.array([0.0, AHEAD * row.step])
    ahead = simulate(system, np.asarray(seen, dtype=np.float64), span)[:, -1]
    own = lyapunov.of_system(system, truth[:EXPONENT_STARTS, 0], EXPONENT_TIME).mean(axis=0)
    floor = {
        **distances(second, truth),
        "pe_20": rounded(prediction_error(ahead, later[:, AHEAD - 1], truth)),
        "exponents": [rounded(each) for each in own],
        "runs": STARTS,
        "transient": TRANSIENT,
        "steps": STEPS,
    }
    return Reference(truth, floor)


def orbits(system: System, seed: list[int], step: float) -> Array:
    """Return orbits on the attractor, (`STARTS`, `STEPS`, d)."""
    start = system.start(np.random.default_rng(seed), STARTS)
    times: Array = step * np.arange(TRANSIENT + STEPS, dtype=np.float64)
    return simulate(system, start, times, rtol=TOLERANCE)[:, TRANSIENT:]


def of_method(run: Run, theta: Array, predicted: Array, data: Data, truth: Array) -> dict[str, Any]:
    """Return the numbers of one replica in closed loop.

    Parameters
    ----------
    theta : (P,) array
    predicted : (N, T, K) array
        Its forecasts of the test set in closed loop.
    data : Data
        That the method gets.
    truth : (N', T', d) array
        Orbits of the system.
    """
    loop = data.tests["closed_loop"]
    starts = torch.from_numpy(loop.inputs[:STARTS])
    free = run.ensemble(run.network(data), theta[None]).closed_loop(starts, TRANSIENT + STEPS)[0, :, TRANSIENT:].numpy()
    own, ahead, later = (
        run.task.decode(a.astype(float), data.facts)
        for a in (free, predicted[:, AHEAD - 1], loop.targets[:, AHEAD - 1])
    )
    return {
        **distances(own, truth),
        "pe_20": rounded(prediction_error(ahead, later, truth)),
        "exponents": exponents(run, theta, data, truth.shape[2]),
    }


def exponents(run: Run, theta: Array, data: Data, count: int = 1) -> list[float | None] | None:
    """Return the first Lyapunov exponents of one replica (P,) in closed loop, per unit of time; None if it has none."""
    starts = torch.from_numpy(data.tests["closed_loop"].inputs[:EXPONENT_STARTS])
    found = autonomous.exponents(run.network(data), torch.from_numpy(theta)[None], starts, count)
    return None if found is None else [rounded(each / run.experiment.data.step) for each in found]


def distances(orbits: Array, truth: Array) -> dict[str, float | None]:
    """Return D_stsp and D_H."""
    return {
        "d_stsp": rounded(state_space_divergence(orbits, truth)),
        "d_h": rounded(hellinger_distance(orbits, truth)),
    }


def hellinger_distance(orbits: Array, truth: Array) -> float:
    """Return D_H = √(1 - Σ √(p q)) of the power spectra of orbits and truth, the mean over dimensions.

    Spectra are of standardised segments of 2000 steps, smoothed by a Gaussian of two frequencies, their mean over the
    segments, of which the first 500 frequencies count. Here they are normalised to sum to 1, as by Hess et al., so that
    equal spectra have distance 0; without that, what the cut and the smoothing lose stays in the distance. NaN where an
    orbit diverges; segments that settle have no power: where all do, the distance is 1.

    Parameters
    ----------
    orbits, truth : (N, T, d) arrays
        T at least 2000.

    References
    ----------
    Mikhaeil, Monfared & Durstewitz, NeurIPS 2022, arXiv 2110.07238; Hess et al., ICML 2023, PMLR 202:13017.
    """
    if not np.isfinite(orbits).all():
        return float("nan")
    p, q = (_spectra(series, SETTLED * truth.std(axis=(0, 1))) for series in (orbits, truth))
    return float(np.sqrt(np.maximum(0.0, 1 - np.sqrt(p * q).sum(axis=0))).mean())


def _spectra(series: Array, least: Array) -> Array:
    """Return the mean spectrum of each dimension (F, d), which sums to the share of segments that move."""
    whole = series.shape[1] // SEGMENT * SEGMENT
    parts = series[:, :whole].reshape(-1, SEGMENT, series.shape[2])
    deviation = parts.std(axis=1, keepdims=True)
    moving = deviation > least
    standard = np.where(moving, (parts - parts.mean(axis=1, keepdims=True)) / np.where(moving, deviation, 1.0), 0.0)
    power = gaussian_filter1d(abs(np.fft.rfft(standard, axis=1)) ** 2, WIDTH, axis=1, mode="constant", truncate=5.0)
    own = power[:, :FREQUENCIES]
    total = own.sum(axis=1, keepdims=True)
    return np.asarray((own / np.where(total > 0, total, 1.0)).mean(axis=0))


def prediction_error(predicted: Array, later: Array, truth: Array) -> float:
    """Return PE(n), the mean square error (N, d) of free forecasts n steps ahead, in variances of the truth.

    Two unrelated orbits have 2.

    References
    ----------
    Hess, Monfared, Brenner & Durstewitz, ICML 2023, PMLR 202:13017.
    """
    with np.errstate(all="ignore"):
        return float(np.square((predicted - later) / truth.std(axis=(0, 1))).mean())
