"""How often a network must be forced onto the truth in training, to hold an attractor in closed loop."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import GREY, new, title
from unrolled.report.words import number


class Forcing(StudyFigure):
    """The score against the forcing interval, a line a cell."""

    caption = (
        "Score on test data against the interval at which the network is forced onto the truth in training: the dots "
        "are seeds, the line joins their geometric means. Dashed: the same network in closed loop throughout, with its "
        "gradient clipped. Dotted: a second orbit of the system itself, below which nothing can be told. The vertical "
        "line is the predictability time ln 2 / λ, in which errors double."
    )
    order = 5
    heading = "How often to force"

    def applies(self, study: Evaluation) -> bool:
        """Return whether at least three methods are forced at different intervals."""
        return len({interval for points in self._points(study).values() for interval, _ in points}) > 2

    @staticmethod
    def _points(study: Evaluation) -> dict[str, list[tuple[int, str]]]:
        """Return intervals and methods of each cell, shortest first, without those that are clipped."""
        found: dict[str, list[tuple[int, str]]] = {}
        for name, row in study.methods.items():
            interval = (row.get("forcing") or {}).get("interval")
            if interval is not None and row["score"] is not None and row["clip"] is None:
                found.setdefault(row["cell"], []).append((interval, name))
        return {cell: sorted(points) for cell, points in found.items()}

    def draw(self, study: Evaluation) -> Figure:
        """Draw it on logarithmic axes."""
        figure, axes = new(9, 4.2)
        axis: Axes = axes[0, 0]
        points = self._points(study)
        for line in points.values():
            look = study.look(line[0][1])
            means = [(each, study.methods[n]["score"]) for each, n in line]
            axis.plot(*zip(*means, strict=True), "-", color=look.colour)
            for interval, name in line:
                seeds = [seed for seed in study.methods[name]["seeds"] if seed is not None]
                axis.plot([interval] * len(seeds), seeds, look.marker, color=look.colour, ms=5, alpha=0.7)
            axis.plot([], [], look.marker + "-", color=look.colour, label=self._kind(study, line))
        for name, row in study.methods.items():
            if row.get("forcing") and row["clip"] is not None and row["score"] is not None:
                look = study.look(name)
                axis.axhline(row["score"], color=look.colour, ls=(0, (5, 2)), label=study.label_of(name))
        floor = (study.metrics.get("attractor_floor") or {}).get("d_stsp")
        if floor is not None and study.metrics["score"] == "d_stsp":
            axis.axhline(floor, color=GREY, ls=":", label="the system itself")
        if time := self._doubling(study):
            axis.axvline(time, color=GREY, lw=1)
            axis.annotate("ln 2 / λ ", (time, 1), xycoords=("data", "axes fraction"), va="top", ha="right", color=GREY)
        axis.set_xscale("log")
        axis.set_yscale("log")
        ticks = sorted({interval for line in points.values() for interval, _ in line})
        axis.set_xticks(ticks, [str(each) for each in ticks])
        axis.minorticks_off()
        axis.set_xlabel("forced every so many steps")
        axis.set_ylabel(study.score)
        axis.legend(fontsize=8.5, loc="best")
        title(figure, self._title(study, points))
        return figure

    @staticmethod
    def _kind(study: Evaluation, line: list[tuple[int, str]]) -> str:
        """Return what the methods of a line are called before what differs."""
        return study.label_of(line[0][1]).partition(",")[0]

    @staticmethod
    def _doubling(study: Evaluation) -> float | None:
        """Return ln 2 / λ in steps."""
        exponent, step = study.metrics["lyapunov"], study.metrics["step"]
        return float(np.log(2) / (exponent * step)) if exponent else None

    def _title(self, study: Evaluation, points: dict[str, list[tuple[int, str]]]) -> str:
        sign = -1 if study.higher else 1
        parts = []
        for line in points.values():
            interval, best = min(line, key=lambda each: sign * study.methods[each[1]]["score"])
            parts.append(f"{self._kind(study, line)} every {interval} steps ({number(study.methods[best]['score'])})")
        doubling = self._doubling(study)
        beside = f"; errors double in {number(doubling)} steps" if doubling else ""
        return f"{study.metrics['score_label']} is best when forced: {', '.join(parts)}{beside}"
