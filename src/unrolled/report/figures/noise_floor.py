"""In-sample and out-of-sample error against the variance of the noise."""

from matplotlib.figure import Figure

from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Mean square error one step ahead, median over the seeds: on the values learned from (open) and on the test "
    "values (filled). No model can expect to beat the variance of the noise (line); the dotted lines are "
    "the variance that the noise happens to have in each part. An open mark left of its dotted line has learned noise."
)


def applies(evaluation: Evaluation) -> bool:
    """Return whether the study's noise gives a floor."""
    return "floor" in evaluation.metrics


def draw(evaluation: Evaluation) -> Figure:
    """Draw both errors of each method beside the floor."""
    order, rows, floor = evaluation.ranked()[::-1], evaluation.methods, evaluation.metrics["floor"]
    figure, axes = new(9, 1.2 + 0.34 * len(order))
    axis = axes[0, 0]
    for height, name in enumerate(order):
        look = evaluation.looks[name]
        inside, outside = rows[name]["in_sample"], rows[name]["out_of_sample"]
        axis.plot([inside, outside], [height, height], color=look.colour, lw=1.2)
        axis.plot(inside, height, look.marker, color=look.colour, mfc="white", ms=7, label=None)
        axis.plot(outside, height, look.marker, color=look.colour, ms=7)
    axis.axvline(floor["theory"], color="black", lw=1.2, label=f"variance of the noise, {floor['theory']:.4f}")
    axis.axvline(floor["in_sample"], color="#777777", lw=1, ls=":", label="noise as drawn, learning data")
    axis.axvline(floor["out_of_sample"], color="#777777", lw=1, ls=(0, (5, 2)), label="noise as drawn, test data")
    axis.set_yticks(range(len(order)), order)
    axis.set_xlabel("mean square error (dimensionless)")
    figure.legend(loc="outside lower center", ncols=3)
    best = order[-1]
    ratio = rows[best]["out_of_sample"] / floor["theory"]
    figure.suptitle(f"The best, {best}, comes to {ratio:.2f} times the noise floor on test data", x=0.01, ha="left")
    return figure
