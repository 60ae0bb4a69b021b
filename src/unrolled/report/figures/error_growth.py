"""How the error grows without the truth, beside the system's own exponent."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.analysis.error_growth import growth_rate
from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import new, title


class ErrorGrowth(StudyFigure):
    """The median error against time in closed loop, one line a method."""

    caption = (
        "Error without the truth, in standard deviations of the truth, median over the trajectories, of each method's"
        " typical seed (score nearest the geometric mean); band: quartiles, for the method that validation chooses. "
        "The slope of the dashed line, if there is one, is the system's largest Lyapunov exponent: even a perfect "
        "model, once off by a little, drifts away at this rate. Above the dotted line the trajectory counts as lost."
    )
    order = 40

    def applies(self, study: Evaluation) -> bool:
        """Return whether the study lets its methods go on without the truth."""
        return len(study.tables["growth"]) > 0 and study.best is not None

    def draw(self, study: Evaluation) -> Figure:
        """Draw all methods that are trained."""
        table, best, lost = study.tables["growth"], str(study.best), study.metrics["lost_above"]
        figure, axes = new(9, 5)
        axis = axes[0, 0]
        for name in study.ranked:
            part, look = table[table["method"] == name], study.look(name)
            axis.plot(
                part["time"], part["median"], color=look.colour, ls=look.dash, lw=1.6, label=study.label_of(name, 30)
            )
            if name == best:
                axis.fill_between(part["time"], part["low"], part["high"], color=look.colour, alpha=0.15, lw=0)
        own, exponent = table[table["method"] == best], study.metrics["lyapunov"]
        if exponent:
            time = np.linspace(0, table["time"].max(), 50)
            start = np.interp(0.5, own["time"], own["median"])
            axis.plot(time, start * np.exp(time - 0.5), color="black", lw=1, ls="--", label="the system itself")
        axis.axhline(lost, color="black", lw=1, ls=":")
        axis.set_yscale("log")
        axis.set_ylim(max(own["median"].min() / 2, 1e-8), 4)
        axis.set_xlabel(f"time without the truth ({'Lyapunov times' if exponent else study.metrics['time_unit']})")
        axis.set_ylabel("error (standard deviations of the truth)")
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        label = study.best_label
        title(
            figure,
            self._against_the_system(label, growth_rate(own["time"], own["median"]))
            if exponent
            else self._reach(label, own, lost),
        )
        return figure

    @staticmethod
    def _reach(best: str, own: pd.DataFrame, threshold: float) -> str:
        lost = own[own["median"] > threshold]
        if len(lost) == 0:
            return (
                f"{best} stays on the truth: its median error ends at {own['median'].iloc[-1]:.2g} standard deviations"
            )
        return f"Half of the trajectories of {best} are lost after a time of {lost['time'].iloc[0]:.3g}"

    @staticmethod
    def _against_the_system(best: str, found: float | None) -> str:
        if found is None:
            return f"No forecast has an error small enough to see it grow; {best} comes nearest"
        return f"The error of {best} grows {found:.2f} times as fast as the system lets any small error grow"
