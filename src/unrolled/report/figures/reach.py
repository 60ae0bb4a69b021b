"""How far back each method reaches: the error of recall against the length of the sequence."""

from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, Results, ends, followed, recalls
from unrolled.report.style import new, title
from unrolled.report.words import listed


class Reach(OverviewFigure):
    """One line a method, over the lengths at which it was trained."""

    section = "overview"
    order = 30
    heading = "Error of recall against the length"
    caption = (
        "Recall of two marked values (the adding problem): test error against the length T of the sequence, geometric"
        " mean over the seeds with its t interval, each method trained anew at each length. Above the dashed line "
        "lies no knowledge: always predicting the mean has this error. Below the dotted line the task counts as "
        "solved. What ran on one length only stands in its study."
    )

    def applies(self, results: Results) -> bool:
        """Return whether there are recalls of more than one length."""
        return len(self._recalls(results)) > 1

    @staticmethod
    def _recalls(results: Results) -> list[Evaluation]:
        """Return the recall studies, by length."""
        return [study for study in recalls(results.studies) if study.ranked]

    def draw(self, results: Results) -> Figure:
        """Draw scores and intervals."""
        studies = self._recalls(results)
        figure, axes = new(9, 5)
        axis = axes[0, 0]
        owners = followed(studies)
        for place, name in enumerate(owners):
            look, shift = owners[name].look(name), 1 + 0.012 * (place - len(owners) / 2)
            found = {study.recall_steps * shift: study.methods[name] for study in studies if name in study.ranked}
            scores = [row["score"] for row in found.values()]
            label = owners[name].label_of(name, 30)
            axis.plot([*found], scores, look.marker, ls=look.dash, color=look.colour, label=label)
            for x, row in found.items():
                axis.plot([x, x], ends(row), color=look.colour, lw=1.4)
        limits = studies[0].metrics["recall"]
        axis.axhline(limits["chance"], color="black", lw=1, ls="--")
        axis.axhline(limits["solved"], color="black", lw=1, ls=":")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks([study.recall_steps for study in studies], [str(study.recall_steps) for study in studies])
        axis.set_xticks([], minor=True)
        axis.set_xlabel("length T (steps)")
        axis.set_ylabel(studies[0].score)
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        title(figure, self._title(studies[-1]))
        return figure

    @staticmethod
    def _title(longest: Evaluation) -> str:
        solvers = listed(longest.labels(longest.solvers), "no method")
        return f"Recall over {longest.recall_steps} steps is solved by {solvers}"
