"""What the data of a study look like."""

from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import new, title
from unrolled.report.words import listed

SHADES = {"train": "#0072B2", "val": "#B87A00", "test": "#D55E00"}
NAMES = {"train": "training", "val": "validation", "test": "test"}


class Data(StudyFigure):
    """Each channel against time, coloured by split."""

    caption = "The data that the methods are trained, tuned and tested on."
    order = 60
    heading = "The data"

    def applies(self, study: Evaluation) -> bool:
        """Return whether the task names channels of its data."""
        return len(study.tables["data"]) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw one panel a channel."""
        table = study.tables["data"]
        channels = list(dict.fromkeys(table["channel"]))
        figure, axes = new(9, 1.1 + 1.15 * len(channels), rows=len(channels), sharex=True)
        for axis, channel in zip(axes[:, 0], channels, strict=True):
            for split, part in table[table["channel"] == channel].groupby("split", sort=False):
                axis.plot(part["time"], part["value"], color=SHADES[str(split)], lw=1.2, label=NAMES[str(split)])
            axis.set_ylabel(study.channel(channel))
        axes[-1, 0].set_xlabel(study.time)
        if table["split"].nunique() > 1:
            axes[0, 0].legend(ncols=3, loc="upper right", bbox_to_anchor=(1, 1.2))
        title(figure, self._title(study))
        return figure

    @staticmethod
    def _title(study: Evaluation) -> str:
        counts, inputs = study.tables["data"].groupby("split").size(), study.metrics["inputs"]
        if len(counts) > 1:
            return (
                f"One series, cut into windows: {counts['train']} points for training, {counts['val']} for validation, "
                f"{counts['test']} for the test"
            )
        if "recall" in study.metrics:
            return "One of the training sequences: the network is asked for the sum of the marked values"
        driven = f": {listed(inputs)} drives {listed(study.metrics['outputs'])}" if inputs else ""
        return f"One of the training sequences{driven}"
