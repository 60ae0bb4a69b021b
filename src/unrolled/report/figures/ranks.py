"""Mean ranks over the studies, with the difference below which they say nothing."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from unrolled.analysis.statistics import critical_difference
from unrolled.report.style import Evaluation, new

SCOPE = "overview"
CAPTION = (
    "Mean rank (1 is best) of the methods that are in two thirds of the studies at least, over the studies that have "
    "all of these, ranked among themselves; small marks are the ranks in single studies. Methods joined by a bar "
    "differ by less than the critical difference of Nemenyi's test at 5 %: with this few studies only large "
    "differences count (Demšar, JMLR 7 (2006) 1)."
)


def shared(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Return the studies that have every method which is in two thirds of all studies."""
    count = Counter(name for evaluation in evaluations for name in evaluation.ranked())
    frequent = {name for name, number in count.items() if 3 * number >= 2 * len(evaluations)}
    return [evaluation for evaluation in evaluations if frequent <= set(evaluation.ranked())]


def applies(evaluations: list[Evaluation]) -> bool:
    """Return whether some methods share some studies."""
    return len(mean_ranks(shared(evaluations))) > 1


def mean_ranks(evaluations: list[Evaluation]) -> dict[str, list[int]]:
    """Return the ranks in each study of the methods that are in all, best mean first."""
    if not evaluations:
        return {}
    frequent = Counter(name for evaluation in evaluations for name in evaluation.ranked())
    common = [n for n in evaluations[0].ranked() if frequent[n] == len(evaluations)]
    ranks = {n: [[m for m in e.ranked() if m in common].index(n) + 1 for e in evaluations] for n in common}
    return dict(sorted(ranks.items(), key=lambda item: np.mean(item[1])))


def groups(means: list[float], difference: float) -> list[tuple[int, int]]:
    """Return the longest runs (first, last) of sorted means that span less than `difference`."""
    runs: list[tuple[int, int]] = []
    for first, low in enumerate(means):
        last = max(i for i, mean in enumerate(means) if mean - low < difference)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def draw(evaluations: list[Evaluation]) -> Figure:
    """Draw one row a method, the best at the top, and a bar for each group that is not told apart."""
    evaluations = shared(evaluations)
    ranks = mean_ranks(evaluations)
    means = [float(np.mean(each)) for each in ranks.values()]
    difference = critical_difference(len(ranks), len(evaluations))
    figure, axes = new(9, 1.4 + 0.34 * len(ranks))
    axis = axes[0, 0]
    for row, (name, each) in enumerate(ranks.items()):
        look = evaluations[0].looks[name]
        axis.plot(each, [row] * len(each), look.marker, color=look.colour, ms=4, alpha=0.45)
        axis.plot(means[row], row, look.marker, color=look.colour, ms=8, mec="white", mew=0.8)
    for place, (first, last) in enumerate(groups(means, difference)):
        axis.plot([len(ranks) + 0.6 + 0.3 * place] * 2, [first, last], color="black", lw=3, solid_capstyle="round")
    axis.set_yticks(range(len(ranks)), ranks)
    axis.invert_yaxis()
    axis.set_xlabel(f"rank (critical difference {difference:.2f})")
    figure.suptitle(_title(list(ranks), means, difference, len(evaluations)), x=0.01, ha="left")
    return figure


def _title(names: list[str], means: list[float], difference: float, studies: int) -> str:
    worse = [name for name, mean in zip(names, means, strict=True) if mean - means[0] >= difference]
    told = f"clearly ahead of {', '.join(worse)}" if worse else "not told apart from any other"
    return f"{names[0] if names else 'No method'} has the best mean rank over {studies} studies: {told}"
