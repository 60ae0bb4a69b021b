"""How far back gradients reach, one panel a method."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.evaluation.gradient_flow import rate
from unrolled.figures._base import GREY, Evaluation, new

SCOPE = "study"
CAPTION = (
    "Size of the gradient of the last output with respect to the state some steps before, in a random direction: "
    "median and quartiles over test sequences, of one seed. Grey and dashed: before learning; in colour: after. A "
    "straight line downwards is a gradient that vanishes exponentially; the number is by which factor it changes a "
    "step, fitted after learning. Panels in order of score."
)
LOWEST = 1e-12


def applies(evaluation: Evaluation) -> bool:
    """Return whether any method has a recurrence."""
    return len(evaluation.tables["gradients"]) > 0


def factors(table: pd.DataFrame) -> dict[str, float]:
    """Return by which factor the gradient of each method changes a step, after learning."""
    found = {str(n): rate(part["median"].to_numpy()) for n, part in table[table["when"] == "after"].groupby("method")}
    return {name: float(np.exp(each)) for name, each in found.items() if each is not None}


def draw(evaluation: Evaluation) -> Figure:
    """Draw the medians and quartiles against the lag."""
    table = evaluation.tables["gradients"]
    shown, known = list(dict.fromkeys(table["method"])), factors(table)  # a set's order changes from run to run
    order = [n for n in evaluation.ranked() if n in shown] + [n for n in shown if n not in evaluation.ranked()]
    rows = -(-len(order) // 4)
    figure, axes = new(9.5, 1.1 + 1.45 * rows, rows=rows, columns=4, sharex=True, sharey=True)
    for axis, name in zip(axes.flat, order, strict=False):
        for when, colour, dash in (("before", GREY, (0, (3, 2))), ("after", evaluation.looks[name].colour, "-")):
            part = table[(table["method"] == name) & (table["when"] == when)]
            axis.fill_between(
                part["lag"], part["low"].clip(LOWEST), part["high"].clip(LOWEST), color=colour, alpha=0.15, lw=0
            )
            axis.plot(part["lag"], part["median"].clip(LOWEST), color=colour, ls=dash, lw=1.4)
        axis.set_title(f"{name}: {known[name]:.3g}" if name in known else name, fontsize=9)
        axis.set_yscale("log")
    for axis in axes.flat[len(order) :]:
        axis.set_visible(False)
    axes[0, 0].set_ylim(LOWEST, max(10.0, min(1e6, float(table["high"].max()))))
    figure.supxlabel("lag (steps)", fontsize=10)
    figure.supylabel("size of the gradient", fontsize=10)
    figure.suptitle(_title(evaluation, known), x=0.01, ha="left")
    return figure


def _title(evaluation: Evaluation, known: dict[str, float]) -> str:
    learned = {n: known[n] for n in evaluation.ranked() if n in known}
    if not learned:
        return "No method has a gradient that can be followed"
    far, near = max(learned, key=lambda n: learned[n]), min(learned, key=lambda n: learned[n])
    return (
        f"After learning, a step back changes the gradient of {far} by a factor of {learned[far]:.3g},\n"
        f"that of {near} by {learned[near]:.2g}"
    )
