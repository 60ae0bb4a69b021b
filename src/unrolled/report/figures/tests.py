"""The tests of a simulated series side by side, with what others have published."""

from matplotlib.figure import Figure

from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Root mean square error of the simulation on each official test, median over the seeds with its bootstrap 95 % "
    "interval, best on the first test at the top. Open diamonds: published for a method of that kind, most with the "
    "first 50 samples scored too, which ours are not; the table of published values says which."
)
NAMES = {"median": "multisine", "arrow": "arrow", "arrow_no_extrapolation": "arrow, no extrapolation"}


def applies(evaluation: Evaluation) -> bool:
    """Return whether there is more than one test."""
    return len(evaluation.metrics.get("tests", ())) > 1


def draw(evaluation: Evaluation) -> Figure:
    """Draw a panel for each test, a line for each method."""
    order, rows, tests = evaluation.ranked()[::-1], evaluation.methods, evaluation.metrics["tests"]
    figure, axes = new(9.5, 1.2 + 0.32 * len(order), columns=len(tests), sharey=True)
    for axis, test in zip(axes[0], tests, strict=True):
        for height, name in enumerate(order):
            row, look = rows[name], evaluation.looks[name]
            if row[test] is not None:
                axis.plot(row["ci95" if test == "median" else f"{test}_ci95"], [height] * 2, color=look.colour, lw=2.2)
                axis.plot(row[test], height, look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
        for entry in evaluation.published:
            if entry.get("field", "median") == test and entry["method"] in order:
                axis.plot(entry["value"], order.index(entry["method"]), "D", color="black", mfc="none", ms=5.5, mew=1)
        axis.set_xscale("log")
        axis.set_xticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
        axis.set_xticks([], minor=True)
        axis.set_title(NAMES.get(test, test.replace("_", " ")))
    axes[0, 0].set_yticks(range(len(order)), order)
    figure.supxlabel(f"RMSE ({evaluation.metrics['unit']})", fontsize=10)
    figure.suptitle(_title(evaluation), x=0.01, ha="left")
    return figure


def _title(evaluation: Evaluation) -> str:
    first, second = evaluation.metrics["tests"][:2]
    best = {test: evaluation.best_at(test) for test in (first, second)}
    said = [f"{best[t]} on {NAMES.get(t, t)} ({evaluation.methods[best[t]][t]:.2g})" for t in (first, second)]
    return f"Lowest error: {', '.join(said)} {evaluation.metrics['unit']}"
