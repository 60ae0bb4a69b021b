"""When a forecast of chaos is lost: its error in units of the attractor's size, and where that is too large."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
THRESHOLD = 0.4
"""The error, in units of the attractor's size, at which a forecast of chaos counts as lost."""


def normalised_error(predicted: Array, truth: Array) -> Array:
    """Return ‖ŷ - y‖ / √⟨‖y - ȳ‖²⟩ at every step, (S, N, T), for (S, N, T, K) against (N, T, K).

    The mean is over all trajectories and steps; an error that is not finite is infinite.
    """
    y = truth.astype(np.float64)
    size = np.square(y - y.mean(axis=(0, 1))).sum(axis=-1).mean()
    error: Array = np.sqrt(np.square(predicted.astype(np.float64) - y).sum(axis=-1) / size)
    return np.where(np.isfinite(error), error, np.inf)
