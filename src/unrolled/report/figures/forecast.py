"""Predictions against the truth, one panel a method."""

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.style import TRUTH, Evaluation, new

SCOPE = "study"
CAPTION = (
    "Prediction (colour) against truth (black) on test data that no method has seen, each by its seed of median "
    "score; panels in order of that score."
)


def applies(evaluation: Evaluation) -> bool:
    """Return True: every study has predictions."""
    return True


def draw(evaluation: Evaluation) -> Figure:
    """Draw the first output of each method, best first."""
    table = evaluation.tables["forecasts"]
    table = table[table["output"] == table["output"].iloc[0]]
    shown = {n: row["median"] for n, row in evaluation.methods.items() if row["median"] is not None}
    order = sorted(shown, key=lambda name: shown[name], reverse=evaluation.higher)
    rows = -(-len(order) // 3)
    figure, axes = new(9.5, 0.9 + 1.45 * rows, rows=rows, columns=3, sharex=True, sharey=True)
    truth = table[table["method"] == "truth"]
    for axis, name in zip(axes.flat, order, strict=False):
        part, look = table[table["method"] == name], evaluation.looks[name]
        axis.plot(truth["time"], truth["value"], color=TRUTH, lw=1)
        axis.plot(part["time"], part["value"], color=look.colour, lw=1.6, ls=look.dash)
        axis.set_title(f"{name}: {shown[name]:.2g}", fontsize=9)
    for axis in axes.flat[len(order) :]:
        axis.set_visible(False)
    spread = np.ptp(truth["value"])
    axes[0, 0].set_ylim(truth["value"].min() - 0.35 * spread, truth["value"].max() + 0.35 * spread)
    recall = evaluation.metrics.get("task") == "recall"
    time, size = evaluation.units
    figure.supxlabel("test sequence" if recall else f"time ({time})", fontsize=10)
    figure.supylabel(f"{table['output'].iloc[0]} ({size})", fontsize=10)
    figure.suptitle(_title(evaluation), x=0.01, ha="left")
    return figure


def _title(evaluation: Evaluation) -> str:
    best, worst = evaluation.ranked()[0], evaluation.ranked()[-1]
    rows, score = evaluation.methods, evaluation.metrics["score"].replace("_", " ").upper()
    return f"From {best} ({score} {rows[best]['median']:.2g}) to {worst} ({rows[worst]['median']:.2g})"
