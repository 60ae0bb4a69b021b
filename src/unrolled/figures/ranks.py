"""Mean ranks over the studies, with the difference below which they say nothing."""

import numpy as np
from matplotlib.figure import Figure

from unrolled.evaluation.statistics import critical_difference
from unrolled.figures._base import Evaluation, new

SCOPE = "overview"
CAPTION = (
    "Mean rank over the studies (1 is best) of the methods that are in all of them, ranked among themselves; small "
    "marks are the ranks in single studies. Methods joined by a bar differ by less than the critical difference of "
    "Nemenyi's test at 5 %: with this few studies only large differences count (Demšar, JMLR 7 (2006) 1)."
)


def mean_ranks(evaluations: list[Evaluation]) -> dict[str, list[int]]:
    """Return the ranks in each study of the methods that are in all, best mean first."""
    common = [n for n in evaluations[0].ranked() if all(n in e.ranked() for e in evaluations)]
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
