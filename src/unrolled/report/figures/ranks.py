"""Mean ranks over the studies, with the difference below which they say nothing."""

from typing import Any

from matplotlib.figure import Figure

from unrolled.analysis.summary import mean_ranks
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Results
from unrolled.report.style import new, title
from unrolled.report.words import listed


class Ranks(OverviewFigure):
    """One row a method, the best at the top, and a bar for each group that is not told apart."""

    section = "overview"
    order = 20
    caption = (
        "Mean rank (1 is best) of the methods that are in two thirds of the studies at least, over the studies that "
        "have all of these, ranked among themselves; small marks are the ranks in single studies. Methods joined by a "
        "bar differ by less than the critical difference of Nemenyi's test at 5 %: with this few studies only large "
        "differences count (Demšar, JMLR 7 (2006) 1)."
    )

    def applies(self, results: Results) -> bool:
        """Return whether several methods share several studies."""
        return len(self._ranks(results)["studies"]) > 1

    @staticmethod
    def _ranks(results: Results) -> dict[str, Any]:
        return mean_ranks({study.name: study.metrics for study in results.studies})

    def draw(self, results: Results) -> Figure:
        """Draw the mean ranks, the single ones and the groups."""
        found = self._ranks(results)
        methods, difference = found["methods"], found["critical_difference"]
        names, [study] = list(methods), [each for each in results.studies if each.name == found["studies"][0]]
        figure, axes = new(9, 1.4 + 0.34 * len(names))
        axis = axes[0, 0]
        for row, (name, rank) in enumerate(methods.items()):
            look, each = study.look(name), list(rank["ranks"].values())
            axis.plot(each, [row] * len(each), look.marker, color=look.colour, ms=4, alpha=0.45)
            axis.plot(rank["mean"], row, look.marker, color=look.colour, ms=8, mec="white", mew=0.8)
        for place, group in enumerate(found["groups"]):
            rows = [names.index(group[0]), names.index(group[-1])]
            axis.plot([len(names) + 0.6 + 0.3 * place] * 2, rows, color="black", lw=3, solid_capstyle="round")
        axis.set_yticks(range(len(names)), study.labels(names))
        axis.invert_yaxis()
        axis.set_xlabel(f"rank (critical difference {difference:.2f})")
        best = methods[names[0]]["mean"]
        worse = study.labels(name for name in names if methods[name]["mean"] - best >= difference)
        told = f"clearly ahead of {listed(worse)}" if worse else "not told apart from any other"
        over = f"the best mean rank over {len(found['studies'])} studies"
        title(figure, f"{study.label_of(names[0])} has {over}: {told}")
        return figure
