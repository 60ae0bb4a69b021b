"""Test score against what learning cost."""

from collections import Counter

from matplotlib.figure import Figure

from unrolled.figures._base import Evaluation, new

SCOPE = "study"
CAPTION = (
    "Median test error (bar: bootstrap 95 % interval) against the cost of learning one replica at one learning rate, "
    "in passes through the training set: forward + backward + 2 for each product with the curvature. Methods with the "
    "usual budget stand in one column; named are the others, the best, and the simple RNN. Lower left is better."
)


def applies(evaluation: Evaluation) -> bool:
    """Return whether any two methods differ in cost."""
    return len({cost(row) for row in _shown(evaluation).values()}) > 1


def cost(row: dict) -> float:  # type: ignore[type-arg]
    """Return the passes through the training set, a product with the curvature counted twice."""
    passes = row["passes"]
    return float(passes["forward"] + passes["backward"] + 2 * passes["curvature"])


def _shown(evaluation: Evaluation) -> dict:  # type: ignore[type-arg]
    return {n: evaluation.methods[n] for n in evaluation.ranked() if evaluation.methods[n]["median"] is not None}


def draw(evaluation: Evaluation) -> Figure:
    """Draw one mark a method."""
    rows, order = _shown(evaluation), evaluation.ranked()
    usual = Counter(cost(row) for row in rows.values()).most_common(1)[0][0]
    figure, axes = new(9, 4.2)
    axis = axes[0, 0]
    for name, row in rows.items():
        look, x = evaluation.looks[name], cost(row)
        axis.plot([x, x], row["ci95"], color=look.colour, lw=1.5)
        axis.plot(x, row["median"], look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
        if x != usual or name in (order[0], "rnn"):
            axis.annotate(name, (x, row["median"]), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("cost of learning (passes of one replica through the training set)")
    axis.set_ylabel(f"test error, {evaluation.metrics['score'].replace('_', ' ').upper()}")
    axis.margins(x=0.15)
    best = order[0]
    figure.suptitle(
        f"{best} is best with {cost(rows[best]):.3g} passes; the usual budget is {usual:.3g}", x=0.01, ha="left"
    )
    return figure
