"""How far back gradients reach, one panel a method."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.report.style import GREY, Evaluation, new

SCOPE = "study"
CAPTION = (
    "Size of the gradient of the last output with respect to the state some steps before, in a random direction: "
    "median over seeds and test sequences; band: quartiles after learning. Grey, dashed: before learning; dotted: "
    "halfway; full: after. Thin: the gradient of the loss after learning, over its size at lag 0; where every step has "
    "an error of its own it does not vanish. A straight line downwards is a gradient that vanishes exponentially; the "
    "number is by which factor it changes a step, fitted after learning. Panels in order of score."
)
LINES = {"before": (0, (4, 2)), "halfway": (0, (1, 1)), "after": "-"}
LOWEST = 1e-12


def applies(evaluation: Evaluation) -> bool:
    """Return whether any method has a recurrence."""
    return len(evaluation.tables["gradients"]) > 0


def factors(evaluation: Evaluation) -> dict[str, float]:
    """Return by which factor the gradient of each method changes a step, after learning."""
    rows = {name: row.get("flow", {}).get("after") for name, row in evaluation.methods.items()}
    return {name: float(np.exp(rate)) for name, rate in rows.items() if rate is not None}


def draw(evaluation: Evaluation) -> Figure:
    """Draw the medians and quartiles against the lag."""
    table = evaluation.tables["gradients"]
    shown, known = list(dict.fromkeys(table["method"])), factors(evaluation)  # a set's order changes from run to run
    order = [n for n in evaluation.ranked() if n in shown] + [n for n in shown if n not in evaluation.ranked()]
    rows = -(-len(order) // 4)
    figure, axes = new(9.5, 1.1 + 1.45 * rows, rows=rows, columns=4, sharex=True, sharey=True)
    for axis, name in zip(axes.flat, order, strict=False):
        _panel(axis, table[table["method"] == name], evaluation.looks[name].colour)
        axis.set_title(f"{name}: {known[name]:.3g}" if name in known else name, fontsize=9)
    for axis in axes.flat[len(order) :]:
        axis.set_visible(False)
    axes[0, 0].set_ylim(LOWEST, max(10.0, min(1e6, float(table["high"].max()))))
    figure.supxlabel("lag (steps)", fontsize=10)
    figure.supylabel("size of the gradient", fontsize=10)
    figure.suptitle(_title(evaluation, known), x=0.01, ha="left")
    return figure


def _panel(axis: Axes, table: pd.DataFrame, colour: str) -> None:
    """Draw one method, while it learns and after."""
    for when, dash in LINES.items():
        part = table[table["when"] == when]
        if when == "after":
            axis.fill_between(
                part["lag"], part["low"].clip(LOWEST), part["high"].clip(LOWEST), color=colour, alpha=0.15, lw=0
            )
            loss = part["loss"] / part["loss"].iloc[0]
            axis.plot(part["lag"], loss.clip(LOWEST), color=colour, lw=0.7, alpha=0.8)
        axis.plot(part["lag"], part["median"].clip(LOWEST), color=GREY if when == "before" else colour, ls=dash, lw=1.4)
    axis.set_yscale("log")


def _title(evaluation: Evaluation, known: dict[str, float]) -> str:
    learned = {n: known[n] for n in evaluation.ranked() if n in known}
    if not learned:
        return "No method has a gradient that can be followed"
    far, near = max(learned, key=lambda n: learned[n]), min(learned, key=lambda n: learned[n])
    return (
        f"After learning, a step back changes the gradient of {far} by a factor of {learned[far]:.3g},\n"
        f"that of {near} by {learned[near]:.2g}"
    )
