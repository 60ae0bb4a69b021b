"""Test score against what training cost."""

import math
from collections import Counter

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation, ends
from unrolled.report.style import new, title


class Cost(StudyFigure):
    """One mark a method, and the names beside it, those of one column spread out."""

    caption = (
        "Test score (geometric mean over the seeds; bar: t interval) against the cost of training one replica at one "
        "learning rate, in passes through the training set: forward + backward + 2 for each product with the "
        "curvature; and, with the same marks, against the number of weights, trained and fixed. Methods with the "
        "usual budget stand in one column. Cheap and good lies at the left, low for an error, high for a valid time."
    )
    order = 80

    def applies(self, study: Evaluation) -> bool:
        """Return whether any two methods differ in cost."""
        return len({study.cost(name) for name in study.ranked}) > 1

    def draw(self, study: Evaluation) -> Figure:
        """Draw score against passes, and against weights."""
        rows, best = {name: study.methods[name] for name in study.ranked}, study.best
        usual = Counter(study.cost(name) for name in rows).most_common(1)[0][0]
        figure, axes = new(9.5, 5.6, columns=2, sharey=True, width_ratios=(2, 1))
        axis, beside = axes[0]
        for name, row in rows.items():
            look = study.look(name)
            for each, x in ((axis, study.cost(name)), (beside, row["parameters"])):
                each.plot([x, x], ends(row), color=look.colour, lw=1.5)
                each.plot(x, row["score"], look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
                each.set_xscale("log")
        axis.set_yscale("linear" if study.higher else "log")
        beside.set_xlabel("weights of one network")
        axis.set_xlabel("cost of training (passes of one replica through the training set)")
        axis.set_ylabel(study.score)
        axis.margins(x=0.2)
        for x in {study.cost(name): None for name in rows}:
            self._names(axis, study, {n: row["score"] for n, row in rows.items() if study.cost(n) == x}, x)
        cost = f"at a cost of {study.cost(best):,.0f}; most methods cost {usual:,.0f}"
        title(figure, f"Validation chooses {study.label_of(best)}, {cost}")
        return figure

    @staticmethod
    def _names(axis: Axes, study: Evaluation, column: dict[str, float], x: float) -> None:
        """Write the names of a column's methods to its right, far enough from each other to be read."""
        forward, back = (float, float) if axis.get_yscale() == "linear" else (math.log, math.exp)
        bottom, top = (forward(limit) for limit in axis.get_ylim())
        gap = 0.045 * (top - bottom)
        order = sorted(column, key=lambda name: column[name])
        heights = [forward(column[name]) for name in order]
        for i in range(1, len(heights)):
            heights[i] = max(heights[i], heights[i - 1] + gap)
        limit = top - 0.3 * gap
        for i in reversed(range(len(heights))):
            heights[i] = min(heights[i], limit)
            limit = heights[i] - gap
        for name, height in zip(order, heights, strict=True):
            axis.annotate(
                study.label_of(name),
                (x, column[name]),
                xytext=(1.35 * x, back(height)),
                va="center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "color": study.look(name).colour, "lw": 0.6, "relpos": (0, 0.5)},
            )
