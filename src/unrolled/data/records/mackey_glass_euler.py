"""Mackey and Glass's delay equation by Euler's method with a coarse step, as some protocols have it."""

from typing import TYPE_CHECKING

import numpy as np

from unrolled.config import RecordRow
from unrolled.data.record import Record

if TYPE_CHECKING:
    import pandas as pd

LENGTH, TRANSIENT, FIRST, STEPS = 80_000, 1000, 1.2, 10
"""Values of a series, values left out before, the constant past, and steps of Euler's method between two values."""


class MackeyGlassEuler(Record):
    """y_{n+1} = y_n + (0.2 y_{n-10τ} / (1 + y_{n-10τ}^10) - 0.1 y_n) / 10, every tenth value, as tanh(y - 1).

    Columns `tau_17` and `tau_30`. It is not the delay equation, but what a published network was trained on.

    References
    ----------
    Jaeger, The echo state approach, GMD Report 148 (2001), section 6.1.
    """

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return both series."""
        import pandas as pd

        return pd.DataFrame({f"tau_{tau}": np.tanh(series(tau) - 1) for tau in (17, 30)})


def series(tau: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return y at every unit of time."""
    lag = tau * STEPS
    y = [FIRST] * (lag + 1)
    for n in range(lag, lag + (LENGTH + TRANSIENT) * STEPS):
        late = y[n - lag]
        y.append(y[n] + (0.2 * late / (1 + late**10) - 0.1 * y[n]) / STEPS)
    return np.array(y[lag + TRANSIENT * STEPS :: STEPS][:LENGTH])
