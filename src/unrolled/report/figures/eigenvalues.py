"""The eigenvalues of a trained linear recurrence beside those of the equation."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import TRUTH, new, title


class Eigenvalues(StudyFigure):
    """The upper eigenvalue of each one-step matrix near the unit circle."""

    caption = (
        "Eigenvalues λ of the one-step matrix, upper half plane: of the equation's exact step exp(Δt A), of forward "
        "Euler's 1 + Δt A, and of the matrix W of the linear RNN that each seed trained. The distance from the unit "
        "circle (line) is the damping: η = -2 ln|λ| / Δt."
    )

    def applies(self, study: Evaluation) -> bool:
        """Return whether a linear RNN was trained."""
        return "dynamics" in study.metrics

    def draw(self, study: Evaluation) -> Figure:
        """Draw the eigenvalues of the exact step, of Euler's and of each seed."""
        table = study.metrics["dynamics"]
        figure, axes = new(7.5, 4.6)
        axis = axes[0, 0]
        kinds = ("learned", "euler", "exact")
        points = {kind: np.array([entry["eigenvalues"][-1] for entry in table[kind]]) for kind in kinds}
        every = np.concatenate(list(points.values()))
        angle = np.linspace(0, np.pi / 2, 500)
        axis.plot(np.cos(angle), np.sin(angle), color="#999999", lw=1, label="unit circle, |λ| = 1")
        axis.plot(*points["exact"].T, "o", color=TRUTH, ms=12, mfc="none", mew=1.6, label="exact step")
        axis.plot(*points["euler"].T, "s", color="#D55E00", ms=9, label="forward Euler")
        colour = study.look(table["method"]).colour
        axis.plot(*points["learned"].T, "D", color=colour, ms=5, alpha=0.8, label="trained, one a seed")
        low, high = every.min(axis=0), every.max(axis=0)
        high[0] = max(high[0], np.sqrt(1 - high[1] ** 2))  # so that the unit circle is in view
        pad = 0.35 * max(*(high - low), 0.01)
        axis.set_xlim(low[0] - pad, high[0] + pad)
        axis.set_ylim(low[1] - pad, high[1] + pad)
        axis.set_xlabel("Re λ (dimensionless)")
        axis.set_ylabel("Im λ (dimensionless)")
        axis.legend(loc="best")
        title(figure, self._title(table))
        return figure

    @staticmethod
    def _title(table: dict[str, Any]) -> str:
        trained = np.median([2 * entry["decay"] for entry in table["learned"]])
        true, euler = 2 * table["exact"][0]["decay"], 2 * table["euler"][0]["decay"]
        return f"Trained damping η = {trained:.3f}, true {true:.3f}; Euler's step has {euler:.3f}"
