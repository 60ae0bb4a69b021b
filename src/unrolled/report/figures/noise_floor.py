"""In-sample and out-of-sample error against the variance of the noise."""

from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import GREY, finite, new, title


class NoiseFloor(StudyFigure):
    """Both errors of each method beside the floor."""

    caption = (
        "Mean square error one step ahead, geometric mean over the seeds: on the training values (open) and on the "
        "test values (filled). No model can expect to beat the variance of the noise (line); the dotted and dashed "
        "lines are the variance that the noise happens to have in each part. An open mark left of the dotted line has"
        " fitted noise."
    )

    def applies(self, study: Evaluation) -> bool:
        """Return whether the study's noise gives a floor."""
        return "floor" in study.metrics and len(study.ranked) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw one line a method, best at the top."""
        order, rows, floor = study.ranked[::-1], study.methods, study.metrics["floor"]
        figure, axes = new(9, 1.3 + 0.3 * len(order))
        axis = axes[0, 0]
        for height, name in enumerate(order):
            look = study.look(name)
            inside, outside = rows[name]["in_sample"], rows[name]["out_of_sample"]
            axis.plot(finite([inside, outside]), [height, height], color=look.colour, lw=1.2)
            axis.plot(finite([inside]), height, look.marker, color=look.colour, mfc="white", ms=7)
            axis.plot(finite([outside]), height, look.marker, color=look.colour, ms=7)
        axis.axvline(floor["theory"], color="black", lw=1.2, label=f"variance of the noise, {floor['theory']:.4f}")
        axis.axvline(floor["in_sample"], color=GREY, lw=1, ls=":", label="noise as drawn, training data")
        axis.axvline(floor["out_of_sample"], color=GREY, lw=1, ls=(0, (5, 2)), label="noise as drawn, test data")
        axis.set_yticks(range(len(order)), study.labels(order, 30), fontsize=8)
        axis.set_xlabel(f"mean square error ({study.metrics['unit']})")
        figure.legend(loc="outside lower center", ncols=3)
        title(figure, self._title(study))
        return figure

    @staticmethod
    def _title(study: Evaluation) -> str:
        error = None if study.best is None else study.methods[study.best]["out_of_sample"]
        if error is None:
            return "Validation chooses no method whose test error could be held against the noise"
        ratio = error / study.metrics["floor"]["out_of_sample"]
        what = "the variance of the noise in the test data"
        return f"{study.best_label}, which validation chooses, has {ratio:.2f} times {what}"
