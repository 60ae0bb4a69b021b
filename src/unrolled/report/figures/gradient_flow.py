"""How far back gradients reach, one panel a method."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import GREY, grid, title

LINES = {"before": (0, (4, 2)), "halfway": (0, (1, 1)), "after": "-"}
COLUMNS, LOWEST = 4, 1e-12


class GradientFlow(StudyFigure):
    """Medians and quartiles of the gradient's size against the lag."""

    caption = (
        "Size of the gradient of the last output with respect to the state some steps before, in a random direction: "
        "median over seeds and test sequences; band: quartiles after training. Grey, dashed: before training; dotted: "
        "halfway; full: after. Thin: the gradient of the loss after training, over its size at lag 0; where every step "
        "has an error of its own it does not vanish. A straight line downwards is a gradient that vanishes "
        "exponentially; the number is the factor per step, fitted after training. Panels in order of score."
    )
    order = 90
    heading = "How far back gradients reach"

    def applies(self, study: Evaluation) -> bool:
        """Return whether any method has a recurrence."""
        return len(study.tables["gradients"]) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw one panel a method, best first."""
        table, known = study.tables["gradients"], self._factors(study)
        followed = list(dict.fromkeys(table["method"]))
        shown = [name for name in study.ranked if name in followed]
        shown += [name for name in followed if name not in shown]
        figure, axes = grid(len(shown), COLUMNS)
        for axis, name in zip(axes, shown, strict=True):
            self._panel(axis, table[table["method"] == name], study.look(name).colour)
            label = study.label_of(name, 27)
            axis.set_title(f"{label}: {known[name]:.3g}" if name in known else label, fontsize=7.5)
        axes[0].set_ylim(LOWEST, max(10.0, min(1e6, float(table["high"].max()))))
        figure.supxlabel("lag (steps)", fontsize=10)
        figure.supylabel("size of the gradient (over that at lag 0)", fontsize=10)
        title(figure, self._title(study, known))
        return figure

    @staticmethod
    def _factors(study: Evaluation) -> dict[str, float]:
        """Return by which factor the gradient of each method changes a step, after training."""
        rows = {name: row["flow"].get("after") for name, row in study.methods.items() if "flow" in row}
        return {name: float(np.exp(rate)) for name, rate in rows.items() if rate is not None}

    @staticmethod
    def _panel(axis: Axes, table: pd.DataFrame, colour: str) -> None:
        """Draw one method, while it is trained and after."""
        for when, dash in LINES.items():
            part = table[table["when"] == when]
            if when == "after":
                low, high = part["low"].clip(LOWEST), part["high"].clip(LOWEST)
                axis.fill_between(part["lag"], low, high, color=colour, alpha=0.15, lw=0)
                loss = part["loss"] / part["loss"].iloc[0]
                axis.plot(part["lag"], loss.clip(LOWEST), color=colour, lw=0.7, alpha=0.8)
            line = GREY if when == "before" else colour
            axis.plot(part["lag"], part["median"].clip(LOWEST), color=line, ls=dash, lw=1.4)
        axis.set_yscale("log")

    @staticmethod
    def _title(study: Evaluation, known: dict[str, float]) -> str:
        trained = {n: known[n] for n in study.ranked if n in known}
        if not trained:
            return "No method has a gradient that can be followed"
        far, near = max(trained, key=lambda n: trained[n]), min(trained, key=lambda n: trained[n])
        return (
            f"After training, a step back multiplies the gradient of {study.label_of(far)} by {trained[far]:.3g}, "
            f"that of {study.label_of(near)} by {trained[near]:.3g}"
        )
