"""The long run of a forecast of chaos: where it wanders, and with which frequencies, when the true path is lost."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import welch

from unrolled.analysis import metrics
from unrolled.training.job import Job

Array = NDArray[Any]
SEGMENT = 256
"""Steps of a segment of the spectrum; a run alone must be longer."""
FAR = 10.0
"""Where a run that leaves the attractor is cut, in units of the truth's spread."""
FLOOR = 1e-6
"""Least power density that counts: below it the truth itself is numerical noise."""


def long_enough(job: Job) -> bool:
    """Return whether a study has runs alone in chaos that are long enough for a climate."""
    alone = job.splits["test"].get("alone")
    return metrics.exponent_of(job.study) is not None and alone is not None and alone.shape[1] > SEGMENT


def bounded(series: Array) -> Array:
    """Return the series as numbers within `FAR`."""
    return np.clip(np.nan_to_num(series.astype(np.float64), nan=FAR, posinf=FAR, neginf=-FAR), -FAR, FAR)


def spectrum(series: Array, step: float) -> tuple[Array, Array]:
    """Return frequencies and the mean power density of the first output over trajectories (N, T, K), by Welch's method.

    References
    ----------
    Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70, doi 10.1109/TAU.1967.1161901.
    """
    frequency, power = welch(bounded(series)[:, :, 0], fs=1 / step, nperseg=SEGMENT, axis=1)
    return frequency[1:], np.maximum(power.mean(axis=0)[1:], FLOOR)


def distance(predicted: Array, truth: Array, step: float) -> float:
    """Return the root mean square difference of the spectra's decimal logarithms, over all frequencies."""
    ours, theirs = (np.log10(spectrum(series, step)[1]) for series in (predicted, truth))
    return float(np.sqrt(np.square(ours - theirs).mean()))


def table(lines: dict[str, Array], step: float) -> pd.DataFrame:
    """Return, for each line (N, T, K), the path of its first trajectory (first and last output) and its spectrum."""
    parts = []
    for name, series in lines.items():
        path = bounded(series[0])
        parts.append(pd.DataFrame({"method": name, "kind": "path", "a": path[:, 0], "b": path[:, -1]}))
        frequency, power = spectrum(series, step)
        parts.append(pd.DataFrame({"method": name, "kind": "spectrum", "a": frequency, "b": power}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["method", "kind", "a", "b"])
