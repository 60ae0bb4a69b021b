"""All methods on all studies."""

import textwrap
from itertools import islice
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, Results, ends
from unrolled.report.style import new, title

COLUMNS = 3


class Headline(OverviewFigure):
    """One panel a study, methods sorted by their test score."""

    section = "overview"
    order = 10
    heading = "Every score with its seeds"
    caption = (
        "Test score of every method on every study, the best at the top: of an error the lowest (logarithmic axis "
        "where errors differ by factors), of a valid time the longest. Small marks are single seeds at the "
        "hyperparameters chosen on validation data, the large mark is their geometric mean, the bar its t interval "
        "(coverage 0.95). The order is by test score and so exploratory; the method that validation chooses is bold. "
        "Grey methods are not trained."
    )

    def applies(self, results: Results) -> bool:
        """Return whether any study was run."""
        return len(results.studies) > 0

    def draw(self, results: Results) -> Figure:
        """Draw all studies."""
        studies = results.studies
        columns = min(COLUMNS, len(studies))
        rows = [studies[i : i + columns] for i in range(0, len(studies), columns)]
        heights = [1.0 + 0.27 * max(len(study.methods) for study in row) for row in rows]
        width = 4.5 * columns if columns > 1 else 9.0
        figure, axes = new(width, 0.5 + sum(heights), rows=len(rows), columns=columns, height_ratios=heights)
        for axis, study in zip(islice(axes.flat, len(studies)), studies, strict=True):
            self._panel(axis, study)
        for axis in axes.flat[len(studies) :]:
            axis.set_visible(False)
        title(figure, self._title(studies))
        return figure

    @staticmethod
    def _title(studies: list[Evaluation]) -> str:
        if len(studies) == 1:
            [study] = studies
            return f"Chosen by validation on {study.label}: {study.best_label}"
        chosen = [study.methods[study.best]["recurrent"] for study in studies if study.best is not None]
        none = f", none on {len(studies) - len(chosen)}" if len(chosen) < len(studies) else ""
        return (
            f"Validation chooses a recurrent network on {sum(chosen)} of {len(studies)} studies, a "
            f"method without recurrence on {len(chosen) - sum(chosen)}{none}"
        )

    @staticmethod
    def _panel(axis: Axes, study: Evaluation) -> None:
        """Draw one study's scores, best at the top."""
        order = [name for name in study.ordered if study.methods[name]["score"] is not None][::-1]
        for height, name in enumerate(order):
            row, look = study.methods[name], study.look(name)
            seeds = [score for score in row["seeds"] if score is not None]
            axis.plot(seeds, [height] * len(seeds), look.marker, color=look.colour, ms=3.5, alpha=0.45)
            axis.plot(ends(row), [height, height], color=look.colour, lw=2.2, solid_capstyle="round")
            axis.plot(row["score"], height, look.marker, color=look.colour, ms=7, mec="white", mew=0.8)
        axis.set_yticks(range(len(order)), study.labels(order, 30), fontsize=7.5)
        if study.best is not None:
            axis.get_yticklabels()[order.index(study.best)].set_fontweight("bold")
        axis.set_ylim(-0.7, len(order) - 0.3)
        scores = [study.methods[name]["score"] for name in order]
        if not study.higher and scores and max(scores) > 5 * min(scores):
            axis.set_xscale("log")
            if max(scores) < 30 * min(scores):  # few decades: name the numbers between them too
                axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.xaxis.set_major_formatter("{x:g}")
                axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(study.score.replace(" (", "\n("), fontsize=9)
        axis.set_title(textwrap.fill(study.label, 26), fontweight="bold")
        if not order:
            axis.set_xticks([])
            axis.text(0.5, 0.5, "no method has a score", transform=axis.transAxes, ha="center")
        if "floor" in study.metrics:
            floor = study.metrics["floor"]["theory"]
            axis.axvline(floor, color="black", lw=1, ls=":")
            where: Any = {"xytext": (3, -3), "textcoords": "offset points", "fontsize": 8, "va": "top"}
            axis.annotate("noise floor", (floor, 0), **where)
