"""Training and validation loss by update."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import new, title

PANELS = {"train": "training loss", "val": "validation loss"}
BANDS = 5
"""Methods whose range is drawn too."""


class LearningCurves(StudyFigure):
    """Both losses side by side on the same logarithmic axis."""

    caption = (
        "Loss by update (the mean square error; of classes the cross-entropy) at each method's chosen learning rate: "
        "median over the seeds; of the five with the lowest validation loss also the range (band). The mark is the "
        "epoch of the lowest validation loss, the weights that are scored. What is scored in closed loop is validated "
        "so, but trained one step ahead. Methods solved in one step have no curve, and what lies far above the start "
        "is cut off."
    )
    order = 30
    heading = "Learning curves"

    def applies(self, study: Evaluation) -> bool:
        """Return whether any method is trained in epochs, with a loss that can be drawn."""
        table = study.tables["curves"]
        return len(table) > 0 and bool(np.isfinite(table[table["loss"] == "val"]["median"]).any())

    def draw(self, study: Evaluation) -> Figure:
        """Draw one line a method."""
        table = self._by_update(study)
        figure, axes = new(9.5, 5.4, columns=2, sharey=True)
        val = table[table["loss"] == "val"]
        leading = val.groupby("method")["median"].min().nsmallest(BANDS).index
        for axis, (loss, label) in zip(axes[0], PANELS.items(), strict=True):
            for name, part in table[table["loss"] == loss].groupby("method", sort=False):
                look, losses = study.look(str(name)), val[val["method"] == name]["median"].to_numpy()
                axis.plot(
                    part["update"],
                    part["median"],
                    color=look.colour,
                    ls=look.dash,
                    lw=1.3,
                    marker=look.marker,
                    ms=5,
                    markevery=[int(losses.argmin())],
                    label=study.label_of(str(name), 30),
                )
                if name in leading:
                    axis.fill_between(part["update"], part["low"], part["high"], color=look.colour, alpha=0.13, lw=0)
            axis.set_yscale("log")
            axis.set_xlabel("update")
            loop = loss == "val" and study.metrics["validated_in_closed_loop"]
            axis.set_title(f"{label}, in closed loop" if loop else label)
        first, low = table[table["epoch"] == 1]["median"].median(), table["low"][table["low"] > 0].min()
        if 0.7 * low < 10 * first:  # which no missing number is
            axes[0, 0].set_ylim(0.7 * low, 10 * first)
        classes = study.metrics.get("loss") == "cross_entropy"
        axes[0, 0].set_ylabel("cross-entropy (nats)" if classes else "mean square error (dimensionless)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
        title(figure, self._title(study, val))
        return figure

    @staticmethod
    def _by_update(study: Evaluation) -> pd.DataFrame:
        """Return the curves with the number of updates after each epoch."""
        table = study.tables["curves"]
        last = table.groupby("method")["epoch"].transform("max")
        updates = table["method"].map({name: row["updates"] for name, row in study.methods.items()})
        return table.assign(update=table["epoch"] * updates / last)

    @staticmethod
    def _title(study: Evaluation, val: pd.DataFrame) -> str:
        lowest = val.sort_values("median").iloc[0]
        states = [study.methods[name]["state"] for name in dict.fromkeys(val["method"])]
        return (
            f"{states.count('converged')} of {len(states)} methods trained in epochs have converged; lowest validation "
            f"loss: {study.label_of(lowest['method'])}, {lowest['median']:.2g} after {lowest['update']:.0f} updates"
        )
