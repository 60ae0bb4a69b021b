"""Predictions against the truth, one panel a method."""

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import TRUTH, grid, title

COLUMNS = 3


class Forecast(StudyFigure):
    """The first output of each method beside the truth, best first."""

    caption = (
        "Prediction (colour) against truth (black) on test data that no method has seen, each by its "
        "typical seed (score nearest the geometric mean); panels in order of that score, which stands above each."
    )
    order = 20
    heading = "Predictions on test data"

    def draw(self, study: Evaluation) -> Figure:
        """Draw one panel a method that has a score."""
        table, output = study.tables["forecasts"], next(iter(study.metrics["outputs"]))
        table = table[table["output"] == output]
        shown = [name for name in study.ordered if study.methods[name]["score"] is not None]
        figure, axes = grid(len(shown), COLUMNS)
        truth = table[table["method"] == "truth"]
        for axis, name in zip(axes, shown, strict=True):
            part, look = table[table["method"] == name], study.look(name)
            axis.plot(truth["time"], truth["value"], color=TRUTH, lw=1)
            axis.plot(part["time"], part["value"], color=look.colour, lw=1.5, ls=look.dash)
            axis.set_title(f"{study.label_of(name, 38)}: {study.methods[name]['score']:.2g}", fontsize=8.5)
        size = np.ptp(truth["value"])
        axes[0].set_ylim(truth["value"].min() - 0.35 * size, truth["value"].max() + 0.35 * size)
        across = study.metrics["example_axis"]
        figure.supxlabel(study.time if across == "time" else across, fontsize=10)
        figure.supylabel(study.channel(output), fontsize=10)
        title(figure, self._title(study))
        return figure

    @staticmethod
    def _title(study: Evaluation) -> str:
        best, worst = study.ranked[0], study.ranked[-1]
        low, high = (study.methods[name]["score"] for name in (best, worst))
        return (
            f"From {study.label_of(best)} ({low:.2g}) to {study.label_of(worst)} ({high:.2g}): "
            f"{study.metrics['score_label']}"
        )
