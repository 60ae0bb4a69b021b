"""Test score against what learning cost."""

import math
from collections import Counter

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Median test score (bar: bootstrap 95 % interval) against the cost of learning one replica at one learning rate, "
    "in passes through the training set: forward + backward + 2 for each product with the curvature; and, with the "
    "same marks, against the number of learned and fixed weights. Methods with the usual budget stand in one column. "
    "Cheap and good lies at the left, low for an error, high for a valid time."
)


def applies(evaluation: Evaluation) -> bool:
    """Return whether any two methods differ in cost."""
    return len({cost(row) for row in _shown(evaluation).values()}) > 1


def cost(row: dict) -> float:  # type: ignore[type-arg]
    """Return the passes through the training set, a product with the curvature counted twice."""
    passes = row["passes"]
    return float(passes["forward"] + passes["backward"] + 2 * passes["curvature"])


def _shown(evaluation: Evaluation) -> dict:  # type: ignore[type-arg]
    return {n: evaluation.methods[n] for n in evaluation.ranked() if evaluation.methods[n]["median"] is not None}


def draw(evaluation: Evaluation) -> Figure:
    """Draw one mark a method, and the names beside it, those of one column spread out."""
    rows, best = _shown(evaluation), evaluation.ranked()[0]
    usual = Counter(cost(row) for row in rows.values()).most_common(1)[0][0]
    figure, axes = new(9.5, 5.6, columns=2, sharey=True, width_ratios=(2, 1))
    axis, beside = axes[0]
    for name, row in rows.items():
        look = evaluation.looks[name]
        for each, x in ((axis, cost(row)), (beside, row["parameters"])):
            each.plot([x, x], row["ci95"], color=look.colour, lw=1.5)
            each.plot(x, row["median"], look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
            each.set_xscale("log")
    axis.set_yscale("linear" if evaluation.higher else "log")
    beside.set_xlabel("weights of one network")
    axis.set_xlabel("cost of learning (passes of one replica through the training set)")
    axis.set_ylabel(evaluation.score)
    axis.margins(x=0.2)
    for x in {cost(row) for row in rows.values()}:
        _names(axis, evaluation, {n: row["median"] for n, row in rows.items() if cost(row) == x}, x)
    title = f"{best} is best with {cost(rows[best]):,.0f} passes; the usual budget is {usual:,.0f}"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _names(axis: Axes, evaluation: Evaluation, column: dict[str, float], x: float) -> None:
    """Write the names of a column's methods to its right, far enough from each other to be read."""
    forward, back = (float, float) if axis.get_yscale() == "linear" else (math.log, math.exp)
    bottom, top = (forward(limit) for limit in axis.get_ylim())
    least = 0.045 * (top - bottom)
    order = sorted(column, key=lambda name: column[name])
    heights = [forward(column[name]) for name in order]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + least)
    excess = max(0.0, heights[-1] - (top - 0.3 * least))
    for i in reversed(range(len(heights))):
        limit = top - 0.3 * least if i == len(heights) - 1 else heights[i + 1] - least
        heights[i] = min(heights[i], limit) if excess else heights[i]
    for name, height in zip(order, heights, strict=True):
        axis.annotate(
            name,
            (x, column[name]),
            xytext=(1.35 * x, back(height)),
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": evaluation.looks[name].colour, "lw": 0.6, "relpos": (0, 0.5)},
        )
