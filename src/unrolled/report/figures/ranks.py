"""Mean ranks over the studies, an exploratory order."""

from typing import Any

from matplotlib.figure import Figure

from unrolled.analysis.summary import mean_ranks
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Results
from unrolled.report.style import new, title


class Ranks(OverviewFigure):
    """One row a method, the best at the top."""

    section = "overview"
    order = 20
    caption = (
        "Mean rank (1 is best) of the methods that are in two thirds of the studies at least, over the studies that "
        "have all of these, ranked by test score among themselves; small marks are the ranks in single studies. An "
        "exploratory order: what of it is more than chance is not tested here, the planned comparisons are."
    )

    def applies(self, results: Results) -> bool:
        """Return whether several methods share several studies."""
        return len(self._ranks(results)["studies"]) > 1

    @staticmethod
    def _ranks(results: Results) -> dict[str, Any]:
        return mean_ranks({study.name: study.metrics for study in results.studies})

    def draw(self, results: Results) -> Figure:
        """Draw the mean ranks and the single ones."""
        found = self._ranks(results)
        methods = found["methods"]
        names, [study] = list(methods), [each for each in results.studies if each.name == found["studies"][0]]
        figure, axes = new(9, 1.4 + 0.34 * len(names))
        axis = axes[0, 0]
        for row, (name, rank) in enumerate(methods.items()):
            look, each = study.look(name), list(rank["ranks"].values())
            axis.plot(each, [row] * len(each), look.marker, color=look.colour, ms=4, alpha=0.45)
            axis.plot(rank["mean"], row, look.marker, color=look.colour, ms=8, mec="white", mew=0.8)
        axis.set_yticks(range(len(names)), study.labels(names))
        axis.invert_yaxis()
        axis.set_xlabel("rank by test score (exploratory)")
        mean, over = methods[names[0]]["mean"], len(found["studies"])
        title(
            figure, f"Exploratory: {study.label_of(names[0])} has the lowest mean rank over {over} studies, {mean:.1f}"
        )
        return figure
