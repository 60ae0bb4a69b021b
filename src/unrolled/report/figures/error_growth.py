"""How the error of a forecast of chaos grows, beside the system's own exponent."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.analysis.metrics import THRESHOLD
from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Error without the truth, in units of the truth's spread, median over the trajectories, of each method's seed of "
    "median score; band: quartiles, for the best. The slope of the dashed line, if there is one, is the system's "
    "largest Lyapunov exponent: even a perfect model, once off by a little, drifts away at this rate. Above the dotted "
    "line the trajectory counts as lost."
)
LINEAR = (1e-3, 0.1)
"""Errors between which growth is exponential: above the noise of a first step, below saturation."""


def applies(evaluation: Evaluation) -> bool:
    """Return whether the study lets its methods go on without the truth."""
    return len(evaluation.tables["growth"]) > 0


def rate(part: pd.DataFrame) -> float | None:
    """Return the exponential rate of a method's median error, in Lyapunov exponents, or None if it was never small."""
    inside = part[(part["median"] > LINEAR[0]) & (part["median"] < LINEAR[1])]
    if len(inside) < 10:
        return None
    return float(np.polyfit(inside["time"], np.log(inside["median"]), 1)[0])


def draw(evaluation: Evaluation) -> Figure:
    """Draw the median error against time, one line a method."""
    table, best = evaluation.tables["growth"], evaluation.ranked()[0]
    figure, axes = new(9, 5)
    axis = axes[0, 0]
    for name in evaluation.ranked():
        part, look = table[table["method"] == name], evaluation.looks[name]
        axis.plot(part["time"], part["median"], color=look.colour, ls=look.dash, lw=1.6, label=name)
        if name == best:
            axis.fill_between(part["time"], part["low"], part["high"], color=look.colour, alpha=0.15, lw=0)
    own, exponent = table[table["method"] == best], evaluation.metrics.get("lyapunov")
    if exponent:
        time = np.linspace(0, table["time"].max(), 50)
        start = np.interp(0.5, own["time"], own["median"])
        axis.plot(time, start * np.exp(time - 0.5), color="black", lw=1, ls="--", label="the system itself")
    axis.axhline(THRESHOLD, color="black", lw=1, ls=":")
    axis.set_yscale("log")
    axis.set_ylim(max(own["median"].min() / 2, 1e-8), 4)
    axis.set_xlabel(f"time without the truth ({'Lyapunov times' if exponent else evaluation.units[0]})")
    axis.set_ylabel("error (units of the truth's spread)")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(_title(best, rate(own)) if exponent else _reach(best, own), x=0.01, ha="left")
    return figure


def _reach(best: str, own: pd.DataFrame) -> str:
    lost = own[own["median"] > THRESHOLD]
    if len(lost) == 0:
        return f"{best} stays on the truth: its median error is {own['median'].iloc[-1]:.2g} of the spread at the end"
    return f"Half of the trajectories of {best} are lost after a time of {lost['time'].iloc[0]:.3g}"


def _title(best: str, found: float | None) -> str:
    if found is None:
        return f"No forecast has an error small enough to see it grow; {best} comes nearest"
    return f"The error of {best} grows {found:.2f} times as fast as the system lets any small error grow"
