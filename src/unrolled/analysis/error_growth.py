"""How fast the error of a forecast grows while nothing corrects it."""

import numpy as np
import pandas as pd

EXPONENTIAL = (1e-3, 0.1)
"""Errors between which growth is exponential: above the noise of a first step, below saturation."""
FEWEST = 10
"""Points in time that a rate needs."""


def growth_rate(time: pd.Series, error: pd.Series) -> float | None:
    """Return the slope of log(error) against time while the error is within `EXPONENTIAL`; None if hardly ever."""
    inside = (error > EXPONENTIAL[0]) & (error < EXPONENTIAL[1])
    if inside.sum() < FEWEST:
        return None
    return float(f"{np.polyfit(time[inside], np.log(error[inside]), 1)[0]:.6g}")


def growth_rates(growth: pd.DataFrame) -> dict[str, float | None]:
    """Return the rate of each method's median error, per unit of the table's time.

    Time in Lyapunov times makes 1 the rate at which the system itself lets a small error grow.

    Parameters
    ----------
    growth : DataFrame
        A study's table `growth`, with the columns method, time and median.
    """
    groups = growth.groupby("method", sort=False)
    return {str(method): growth_rate(part["time"], part["median"]) for method, part in groups}
