"""How far back each method reaches: the error of recall against the length of the sequence."""

from matplotlib.figure import Figure

from unrolled.analysis.comparison import solved as solved_by
from unrolled.analysis.statistics import solves
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, Results, ends
from unrolled.report.style import new, title
from unrolled.report.words import listed


def _steps(study: Evaluation) -> int:
    return int(study.metrics["recall"]["steps"])


class Reach(OverviewFigure):
    """One line a method, over the lengths at which it was trained."""

    section = "overview"
    order = 30
    heading = "Error of recall against the length"
    caption = (
        "Recall of two marked values (the adding problem): test error against the length T of the sequence, geometric"
        " mean over the seeds with its t interval, each method trained anew at each length. Above the dashed line "
        "lies no knowledge: always predicting the mean has this error. Below the dotted line the task counts as "
        "solved."
    )

    def applies(self, results: Results) -> bool:
        """Return whether there are recalls of more than one length."""
        return len(self._recalls(results)) > 1

    @staticmethod
    def _recalls(results: Results) -> list[Evaluation]:
        """Return the recall studies, by length."""
        return sorted((study for study in results.studies if "recall" in study.metrics and study.ranked), key=_steps)

    def draw(self, results: Results) -> Figure:
        """Draw scores and intervals."""
        studies = self._recalls(results)
        figure, axes = new(9, 5)
        axis = axes[0, 0]
        owners = {name: study for study in studies[::-1] for name in study.ranked}
        names = [name for study in studies for name in study.ranked]
        for place, name in enumerate(dict.fromkeys(names)):
            look, shift = owners[name].look(name), 1 + 0.012 * (place - len(owners) / 2)
            found = {_steps(study) * shift: study.methods[name] for study in studies if name in study.ranked}
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
        axis.set_xticks([_steps(study) for study in studies], [str(_steps(study)) for study in studies])
        axis.set_xticks([], minor=True)
        axis.set_xlabel("length T (steps)")
        axis.set_ylabel(studies[0].score)
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        title(figure, self._title(studies[-1]))
        return figure

    @staticmethod
    def _title(longest: Evaluation) -> str:
        solved = [name for name in longest.ranked if solves(**solved_by(longest.methods[name]))]
        return f"Recall over {_steps(longest)} steps is solved by {listed(longest.labels(solved), 'no method')}"
