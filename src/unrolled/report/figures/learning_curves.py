"""Training and validation loss by epoch."""

import pandas as pd
from matplotlib.figure import Figure

from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Mean square error by epoch at each method's chosen learning rate: median over the seeds; of the five with the "
    "lowest validation loss also the range (band). Methods solved in one go have no curve, and what lies far above the "
    "start is cut off."
)
PANELS = {"train": "training loss", "val": "validation loss"}


def applies(evaluation: Evaluation) -> bool:
    """Return whether any method learned in epochs."""
    return len(evaluation.tables["curves"]) > 0


def draw(evaluation: Evaluation) -> Figure:
    """Draw both losses side by side on the same logarithmic axis."""
    table = evaluation.tables["curves"]
    figure, axes = new(9, 5.2, columns=2, sharey=True)
    val = table[table["loss"] == "val"]
    leading = val.groupby("method")["median"].min().nsmallest(5).index
    for axis, (loss, label) in zip(axes[0], PANELS.items(), strict=True):
        for name, part in table[table["loss"] == loss].groupby("method", sort=False):
            look = evaluation.looks[str(name)]
            axis.plot(part["epoch"], part["median"], color=look.colour, ls=look.dash, lw=1.5, label=name)
            if name in leading:
                axis.fill_between(part["epoch"], part["low"], part["high"], color=look.colour, alpha=0.13, lw=0)
        axis.set_yscale("log")
        axis.set_xlabel("epoch")
        axis.set_title(label)
    first = table[table["epoch"] == 1]["median"]
    axes[0, 0].set_ylim(0.7 * table["low"].min(), 10 * first.median())
    axes[0, 0].set_ylabel("mean square error (dimensionless)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    figure.suptitle(_title(table), x=0.01, ha="left")
    return figure


def _title(table: pd.DataFrame) -> str:
    val = table[table["loss"] == "val"]
    lowest = val.sort_values("median").iloc[0]
    name, loss, epoch = lowest["method"], lowest["median"], lowest["epoch"]
    return f"Lowest validation loss of a gradient method: {name}, {loss:.2g} in epoch {epoch}"
