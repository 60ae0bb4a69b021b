"""The eigenvalues of a learned linear recurrence beside those of the equation."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.style import TRUTH, Evaluation, new

SCOPE = "study"
CAPTION = (
    "Eigenvalues λ of the one-step matrix, upper half plane: of the equation's exact step exp(Δt A), of forward "
    "Euler's 1 + Δt A, and of the matrix W that each seed of the linear RNN learned from data. The distance from "
    "the unit circle (line) is the damping: η = -2 ln|λ| / Δt."
)


def applies(evaluation: Evaluation) -> bool:
    """Return whether a linear RNN was learned."""
    return "dynamics" in evaluation.metrics


def damping(entry: dict[str, Any]) -> float:
    """Return η = 2 x decay rate."""
    return 2 * float(entry["decay"])


def draw(evaluation: Evaluation) -> Figure:
    """Draw the upper eigenvalue of each matrix near the unit circle."""
    table = evaluation.metrics["dynamics"]
    figure, axes = new(7.5, 4.6)
    axis = axes[0, 0]
    points = {
        name: np.array([entry["eigenvalues"][-1] for entry in table[name]]) for name in ("learned", "euler", "exact")
    }
    learned_colour = evaluation.looks[table["method"]].colour
    every = np.concatenate(list(points.values()))
    angle = np.linspace(0, np.pi / 2, 2000)
    axis.plot(np.cos(angle), np.sin(angle), color="#999999", lw=1, label="unit circle, |λ| = 1")
    axis.plot(*points["exact"].T, "o", color=TRUTH, ms=12, mfc="none", mew=1.6, label="exact step")
    axis.plot(*points["euler"].T, "s", color="#D55E00", ms=9, label="forward Euler")
    axis.plot(*points["learned"].T, "D", color=learned_colour, ms=5, alpha=0.8, label="learned, one a seed")
    low, high = every.min(axis=0), every.max(axis=0)
    high[0] = max(high[0], np.sqrt(1 - high[1] ** 2))  # so that the unit circle is in view
    pad = 0.35 * max(*(high - low), 0.01)
    axis.set_xlim(low[0] - pad, high[0] + pad)
    axis.set_ylim(low[1] - pad, high[1] + pad)
    axis.set_xlabel("Re λ")
    axis.set_ylabel("Im λ")
    axis.legend(loc="best")
    learned = np.median([damping(entry) for entry in table["learned"]])
    true, euler = damping(table["exact"][0]), damping(table["euler"][0])
    figure.suptitle(
        f"Learned damping η = {learned:.3f}, true {true:.3f}; Euler's step has {euler:.3f}", x=0.01, ha="left"
    )
    return figure
