"""Rates of decay: of gradients, and of the damped oscillator in its equation and in a recurrence trained on it."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def reach(rate: float | None) -> float | None:
    """Return the steps in which a gradient that changes at a rate per step shrinks e-fold; None where it does not."""
    return -1 / rate if rate is not None and rate < 0 else None


def decay_rate(time: Array, size: Array, frequency: float) -> float:
    """Return the rate r of a size that decays as exp(-r t) (1 + a cos 2ωt + b sin 2ωt ...), by least squares.

    The norm of the state of a damped oscillation, and of its gradient, oscillates within its envelope
    with twice the frequency ω. A straight line through log |size| would take part of an oscillation for
    decay, so the oscillation, with its first overtone, is fitted beside it.

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


def trained_gradient(dynamics: dict[str, Any], gradients: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a study's gradients that belong to its trained linear recurrence, while above zero."""
    own = (gradients["method"] == dynamics["method"]) & (gradients["when"] == "after")
    return gradients[own & (gradients["median"] > 0)]


def decay_rates(dynamics: dict[str, Any], gradients: pd.DataFrame) -> dict[str, float] | None:
    """Return the decay rates per unit of time of a study with a trained linear recurrence.

    Parameters
    ----------
    dynamics : dict
        From `step_matrix.compare`.
    gradients : DataFrame
        The study's table, from `gradient_flow`.

    Returns
    -------
    dict or None
        `equation`, of the exact step; `eigenvalue`, the median over the seeds whose gradient was
        followed; `eigenvalue_all_seeds`; `gradient`. None with fewer than 9 lags.
    """
    table = trained_gradient(dynamics, gradients)
    if len(table) < 9:
        return None
    followed = dynamics["learned"][: dynamics["followed"]]
    frequency = float(np.median([each["frequency"] for each in followed]))
    time = dynamics["step"] * table["lag"].to_numpy()
    rates = {
        "equation": dynamics["exact"][0]["decay"],
        "eigenvalue": float(np.median([each["decay"] for each in followed])),
        "eigenvalue_all_seeds": float(np.median([each["decay"] for each in dynamics["learned"]])),
        "gradient": decay_rate(time, table["median"].to_numpy(), frequency),
    }
    return {name: float(f"{rate:.6g}") for name, rate in rates.items()}
