"""The damped oscillator's memory: one rate in the equation, in the recurrence and in the gradient."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def decay(time: Array, size: Array, frequency: float) -> float:
    """Return the rate r of a size that decays as exp(-r t) (1 + a cos 2ωt + b sin 2ωt ...), by least squares.

    The norm of a state of a damped oscillation, and of a gradient, swings within its envelope with
    twice the frequency ω. A straight line through log |size| would take a part of a swing for decay,
    so the swing, with its first overtone, is fitted beside it.

    Parameters
    ----------
    time, size : (n,) array
    frequency : float
        ω, radians per unit of time.
    """
    phase = 2 * frequency * time
    columns = [np.ones_like(time), -time]
    columns += [wave(order * phase) for order in (1, 2) for wave in (np.cos, np.sin)]
    return float(np.linalg.lstsq(np.column_stack(columns), np.log(size), rcond=None)[0][1])
