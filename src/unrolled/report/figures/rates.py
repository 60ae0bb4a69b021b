"""The rate at which gradients vanish against the exponent of the driven network, over all methods and studies."""

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from unrolled.report.style import Evaluation, new

SCOPE = "overview"
CAPTION = (
    "One mark a method and study, after learning. Across: the largest Lyapunov exponent of the network while the test "
    "inputs drive it, the rate at which a small change of its state grows from step to step, forward in time. Up: the "
    "rate at which its gradients change with the lag, fitted backward in time. Both are rates of the same product of "
    "step Jacobians, so marks lie on the line as far as some hundred steps can tell; faster rates are not shown. Left "
    "of zero a network forgets where it began, and so its gradients vanish; the upper axis says after how many steps, "
    "e-fold."
)
LIMIT = 0.8


def pairs(evaluations: list[Evaluation]) -> list[tuple[Evaluation, str, float, float]]:
    """Return study, method, exponent and fitted rate wherever both are known."""
    found = []
    for evaluation in evaluations:
        for name, row in evaluation.methods.items():
            flow = row.get("flow", {})
            if row["learns"] and flow.get("exponent") is not None and flow.get("after") is not None:
                found.append((evaluation, name, float(flow["exponent"]), float(flow["after"])))
    return found


def applies(evaluations: list[Evaluation]) -> bool:
    """Return whether there are enough networks to compare."""
    return len(pairs(evaluations)) > 2


def draw(evaluations: list[Evaluation]) -> Figure:
    """Draw one mark a pair, and the line where both agree."""
    found = pairs(evaluations)
    figure, axes = new(8, 5.4)
    axis = axes[0, 0]
    lowest = max(-LIMIT, min(min(x, y) for _, _, x, y in found) * 1.1)
    axis.plot([lowest, 0.15], [lowest, 0.15], color="black", lw=0.8)
    named: dict[str, None] = {}
    for evaluation, name, x, y in found:
        look = evaluation.looks[name]
        label = None if name in named else name
        named[name] = None
        axis.plot(x, y, look.marker, color=look.colour, ms=6, mec="white", mew=0.6, label=label)
    axis.axvline(0, color="#999999", lw=0.8, ls=":")
    axis.set_xlim(lowest, 0.15)
    axis.set_ylim(lowest, 0.15)
    axis.set_xlabel("largest exponent of the driven network (1 / step)")
    axis.set_ylabel("fitted rate of the gradient (1 / step)")
    above = axis.secondary_xaxis("top")
    above.set_xticks([-1.0, -0.5, -0.2, -0.1], ["1", "2", "5", "10"])
    above.set_xlabel("memory (steps)")
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
    figure.suptitle(_title(found), x=0.01, ha="left")
    return figure


def _title(found: list[tuple[Evaluation, str, float, float]]) -> str:
    x, y = np.array([each[2] for each in found]), np.array([each[3] for each in found])
    agree = float(stats.spearmanr(x, y).statistic)
    return (
        f"In {np.mean(x < 0):.0%} of {len(x)} learned networks a change of the state dies out,\n"
        f"and the gradient with it (rank correlation of the two rates {agree:.2f})"
    )
