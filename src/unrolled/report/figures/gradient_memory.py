"""Over how many steps gradients reach, before and after training."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.analysis.decay_rate import reach
from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import GREY, new, title
from unrolled.report.words import number

ENDLESS = 1e4
"""Steps at which a gradient is drawn that does not shrink, or takes longer to."""


def steps(rate: float) -> float:
    """Return the steps in which a gradient shrinks e-fold, as drawn."""
    return min(reach(rate) or ENDLESS, ENDLESS)


class GradientMemory(StudyFigure):
    """A line a method, from before training to after."""

    caption = (
        "Steps in which the gradient of the last output shrinks e-fold on its way back through time, in a random "
        "direction: median over seeds and test sequences; open before training, full after it. At the right edge it "
        "does not shrink within what is followed. The dotted line is the length of the sequences."
    )
    order = 50
    heading = "How far back gradients reach"

    def applies(self, study: Evaluation) -> bool:
        """Return whether the gradients of any method were followed."""
        return len(self._known(study)) > 0

    @staticmethod
    def _known(study: Evaluation) -> dict[str, tuple[float | None, float]]:
        """Return the steps before and after training, by method, farthest first."""
        flows = {name: row["flow"] for name, row in study.methods.items() if row.get("flow")}
        found = {
            name: (None if flow.get("before") is None else steps(flow["before"]), steps(flow["after"]))
            for name, flow in flows.items()
            if flow.get("after") is not None
        }
        return dict(sorted(found.items(), key=lambda each: -each[1][1]))

    def draw(self, study: Evaluation) -> Figure:
        """Draw one dumbbell a method."""
        known = self._known(study)
        figure, axes = new(9, 1.3 + 0.3 * len(known))
        axis: Axes = axes[0, 0]
        for height, (name, (before, after)) in enumerate(reversed(known.items())):
            look = study.look(name)
            if before is not None:
                axis.plot([before, after], [height] * 2, color=look.colour, lw=1.6)
                axis.plot(before, height, look.marker, color=look.colour, mfc="white", ms=6.5)
            axis.plot(after, height, look.marker, color=look.colour, ms=7)
        axis.set_yticks(range(len(known)), study.labels(reversed(known), 40), fontsize=8.5)
        axis.set_ylim(-0.7, len(known) - 0.3)
        axis.set_xscale("log")
        lowest = min(min(each for each in pair if each is not None) for pair in known.values())
        axis.set_xlim(0.7 * lowest, 1.5 * ENDLESS)
        if study.metrics["steps"]:
            axis.axvline(study.metrics["steps"], color=GREY, lw=1, ls=":")
        axis.set_xlabel("memory of the gradient (steps)")
        title(figure, self._title(study, known))
        return figure

    @staticmethod
    def _title(study: Evaluation, known: dict[str, tuple[float | None, float]]) -> str:
        trained = {name: after for name, (_, after) in known.items() if study.methods[name]["trains"]} or {
            name: after for name, (_, after) in known.items()
        }
        far, near = max(trained, key=lambda n: trained[n]), min(trained, key=lambda n: trained[n])
        longer = [before < after for before, after in known.values() if before is not None]
        reach = f"{number(trained[far])} steps" if trained[far] < ENDLESS else "as far as it is followed"
        return (
            f"After training the gradient of {study.label_of(far)} reaches {reach}, that of {study.label_of(near)} "
            f"{number(trained[near])} steps; training lengthens it in {int(np.sum(longer))} of {len(longer)} methods"
        )
