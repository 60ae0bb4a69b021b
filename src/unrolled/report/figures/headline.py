"""All methods on all studies."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unrolled.report.style import Evaluation, new

SCOPE = "overview"
CAPTION = (
    "Test score of every method on every study, the best at the top: of an error the lowest (logarithmic axis where "
    "errors differ by factors), of a valid time the longest. "
    "Small marks are single seeds at the learning rate chosen on validation data, the large mark is their median, "
    "the bar its bootstrap 95 % interval. Grey rows learn nothing."
)
COLUMNS = 3


def draw(evaluations: list[Evaluation]) -> Figure:
    """Draw one panel a study, methods sorted by their median."""
    columns = min(COLUMNS, len(evaluations))
    rows = [evaluations[i : i + columns] for i in range(0, len(evaluations), columns)]
    heights = [1.0 + 0.24 * max(len(evaluation.methods) for evaluation in row) for row in rows]
    figure, axes = new(4.1 * columns, 0.5 + sum(heights), rows=len(rows), columns=columns, height_ratios=heights)
    for axis, evaluation in zip(axes.flat, evaluations, strict=False):
        panel(axis, evaluation)
    for axis in axes.flat[len(evaluations) :]:
        axis.set_visible(False)
    figure.suptitle(_title(evaluations), x=0.01, ha="left")
    return figure


def _title(evaluations: list[Evaluation]) -> str:
    winners = [f"{e.ranked()[0]} on {e.name}" for e in evaluations]
    lines = [", ".join(winners[i : i + 3]) for i in range(0, len(winners), 3)]
    return "Best test score: " + ",\n".join(lines)


def panel(axis: Axes, evaluation: Evaluation) -> None:
    """Draw one study's scores, best at the top."""
    shown = {n: row for n, row in evaluation.methods.items() if row["median"] is not None}
    order = sorted(shown, key=lambda n: shown[n]["median"], reverse=not evaluation.higher)
    for height, name in enumerate(order):
        row, look = shown[name], evaluation.looks[name]
        replicas = [score for score in row["replicas"] if score is not None]
        axis.plot(replicas, [height] * len(replicas), look.marker, color=look.colour, ms=3.5, alpha=0.45)
        axis.plot(row["ci95"], [height, height], color=look.colour, lw=2.2, solid_capstyle="round")
        axis.plot(row["median"], height, look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
    axis.set_yticks(range(len(order)), order)
    medians = [row["median"] for row in shown.values()]
    if not evaluation.higher and max(medians) > 5 * min(medians):
        axis.set_xscale("log")
        if max(medians) < 30 * min(medians):  # few decades: name the numbers between them too
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(evaluation.score)
    axis.set_title(evaluation.name, fontweight="bold")
    if "floor" in evaluation.metrics:
        floor = evaluation.metrics["floor"]["theory"]
        axis.axvline(floor, color="black", lw=1, ls=":")
        axis.annotate("noise floor", (floor, 0), xytext=(3, -3), textcoords="offset points", fontsize=8, va="top")
