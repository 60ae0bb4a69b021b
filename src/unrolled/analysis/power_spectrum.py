"""Long closed-loop forecasts of chaos: how far their power spectrum is from that of the system."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.task import Data

Array = NDArray[Any]
SEGMENT = 256
"""Steps of a segment of the spectrum; a closed-loop forecast must be longer."""
FAR = 10.0
"""Where a forecast that leaves the attractor is clipped, in standard deviations of the truth."""
FLOOR = 1e-6
"""Smallest power density that counts: below it the truth itself is numerical noise."""
COLUMNS = ("method", "kind", "a", "b")
"""Of the table: `kind` is "path" (first and last output) or "spectrum" (frequency and power)."""


def long_enough(truth: Array, lyapunov: float | None) -> bool:
    """Return whether closed-loop forecasts of a truth (N, T, K) are of chaos, and long enough for a spectrum."""
    return lyapunov is not None and truth.shape[1] > SEGMENT


def applies(data: Data) -> bool:
    """Return whether a study has such forecasts."""
    test = data.tests.get("closed_loop")
    return test is not None and long_enough(test.targets, test.lyapunov)


def bounded(series: Array) -> Array:
    """Return the series clipped to ±`FAR`."""
    return np.clip(np.nan_to_num(series.astype(np.float64), nan=FAR, posinf=FAR, neginf=-FAR), -FAR, FAR)


def spectrum(series: Array, step: float) -> tuple[Array, Array]:
    """Return frequencies and the mean power density of the first output over trajectories (N, T, K), by Welch's method.

    References
    ----------
    Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70, doi 10.1109/TAU.1967.1161901.
    """
    from scipy.signal import welch  # here, because its import takes a second

    frequency, power = welch(bounded(series)[:, :, 0], fs=1 / step, nperseg=SEGMENT, axis=1)
    return frequency[1:], np.maximum(power.mean(axis=0)[1:], FLOOR)


def power_spectrum_error(predicted: Array, truth: Array, step: float) -> float:
    """Return the root mean square difference of log10 of the two power spectra, over all frequencies.

    For (N, T, K) arrays; of the kind of the Hellinger distance D_H of spectra, but of logarithms, so that
    rare frequencies count too.

    References
    ----------
    Hess, Monfared, Brenner & Durstewitz, ICML 2023, PMLR 202:13017 (D_H).
    """
    ours, theirs = (np.log10(spectrum(series, step)[1]) for series in (predicted, truth))
    return float(np.sqrt(np.square(ours - theirs).mean()))


def table(lines: dict[str, Array], step: float) -> pd.DataFrame:
    """Return, for each line (N, T, K), the path of its first trajectory and its spectrum (`COLUMNS`)."""
    parts = []
    for name, series in lines.items():
        path = bounded(series[0])
        parts.append(pd.DataFrame({"method": name, "kind": "path", "a": path[:, 0], "b": path[:, -1]}))
        frequency, power = spectrum(series, step)
        parts.append(pd.DataFrame({"method": name, "kind": "spectrum", "a": frequency, "b": power}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
