"""Predictions against the truth, and what they miss: the best, a middling and the worst method."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import GREY, TRUTH, new, title


class Forecast(StudyFigure):
    """The first output of three methods beside the truth, and below it the difference of both."""

    caption = (
        "Above: prediction (colour) and truth (black) on test data that no method has seen, in closed loop where that "
        "is scored, each by its typical seed (score nearest the geometric mean). Below: prediction minus truth, on one "
        "scale. By test score the best, the middle and the worst of the trained methods, with the score."
    )
    order = 20
    heading = "Predictions on test data"

    def applies(self, study: Evaluation) -> bool:
        """Return whether any method that is trained has a score."""
        return len(study.ranked) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw a column a method."""
        table, output = study.tables["forecasts"], next(iter(study.metrics["outputs"]))
        table = table[table["output"] == output]
        shown = self._shown(study)
        truth = table[table["method"] == "truth"]
        figure, axes = new(9.5, 4.6, rows=2, columns=len(shown), sharex=True, sharey="row", height_ratios=[2, 1])
        largest = 0.0
        for (above, below), name in zip(axes.T, shown, strict=True):
            part, look = table[table["method"] == name], study.look(name)
            above.plot(truth["time"], truth["value"], color=TRUTH, lw=1.2)
            above.plot(part["time"], part["value"], color=look.colour, lw=1.3, ls=look.dash)
            above.set_title(f"{study.label_of(name, 38)}: {study.methods[name]['score']:.2g}", fontsize=9)
            missed = part["value"].to_numpy() - truth["value"].to_numpy()
            below.axhline(0, color=GREY, lw=0.8)
            below.plot(part["time"], missed, color=look.colour, lw=1)
            largest = max(largest, float(np.nanquantile(np.abs(missed), 0.98)))
        size = float(np.ptp(truth["value"])) or 1.0
        axes[0, 0].set_ylim(truth["value"].min() - 0.35 * size, truth["value"].max() + 0.35 * size)
        bound = 1.15 * min(largest, 1.35 * size) or 1.0
        axes[1, 0].set_ylim(-bound, bound)
        across = study.metrics["example_axis"]
        figure.supxlabel(study.time if across == "time" else across, fontsize=10)
        axes[0, 0].set_ylabel(study.channel(output))
        axes[1, 0].set_ylabel("difference")
        title(figure, self._title(study, truth))
        return figure

    @staticmethod
    def _shown(study: Evaluation) -> list[str]:
        """Return the first, the middle and the last by test score."""
        ranked = study.ranked
        return list(dict.fromkeys([ranked[0], ranked[len(ranked) // 2], ranked[-1]]))

    @staticmethod
    def _title(study: Evaluation, truth: pd.DataFrame) -> str:
        best, worst = study.ranked[0], study.ranked[-1]
        low, high = (study.methods[name]["score"] for name in (best, worst))
        return (
            f"From {study.label_of(best)} ({low:.2g}) to {study.label_of(worst)} ({high:.2g}): "
            f"{study.metrics['score_label']}"
        )
