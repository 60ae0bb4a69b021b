"""The rate at which gradients vanish against the exponent of the driven network, over all methods and studies."""

from matplotlib.figure import Figure

from unrolled.analysis.summary import gradient_rates
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, Results
from unrolled.report.style import GREY, new, title

LIMIT, RIGHT = 0.8, 0.15


class Rates(OverviewFigure):
    """One mark a method and study, and the line where both rates agree."""

    section = "overview"
    order = 40
    caption = (
        "One mark a method and study, after training. Across: the largest Lyapunov exponent of the network while the "
        "test inputs drive it, the rate at which a small change of its state grows from step to step, forward in time. "
        "Up: the rate at which its gradients change with the lag, fitted backward in time. Both are rates of the same "
        "product of step Jacobians, so marks lie on the line as far as some hundred steps can tell; faster rates are "
        "not shown. Left of zero a network forgets where it began, and so its gradients vanish; the upper axis says "
        "after how many steps, e-fold."
    )

    def applies(self, results: Results) -> bool:
        """Return whether there are several studies, and enough networks to compare."""
        return len(results.studies) > 1 and len(self._pairs(results)) > 2

    @staticmethod
    def _pairs(results: Results) -> list[tuple[Evaluation, str, float, float]]:
        """Return study, method, exponent and fitted rate wherever both are known."""
        found = []
        for study in results.studies:
            for name, row in study.methods.items():
                flow = row.get("flow", {})
                if row["trains"] and flow.get("exponent") is not None and flow.get("after") is not None:
                    found.append((study, name, float(flow["exponent"]), float(flow["after"])))
        return found

    def draw(self, results: Results) -> Figure:
        """Draw all pairs."""
        found = self._pairs(results)
        figure, axes = new(9, 6)
        axis = axes[0, 0]
        lowest = max(-LIMIT, min(min(x, y) for _, _, x, y in found) * 1.1)
        axis.plot([lowest, RIGHT], [lowest, RIGHT], color="black", lw=0.8)
        named: set[str] = set()
        for study, name, x, y in found:
            look = study.look(name)
            label = None if name in named else study.label_of(name, 30)
            named.add(name)
            axis.plot(x, y, look.marker, color=look.colour, ms=6, mec="white", mew=0.6, label=label)
        axis.axvline(0, color=GREY, lw=0.8, ls=":")
        axis.set_xlim(lowest, RIGHT)
        axis.set_ylim(lowest, RIGHT)
        axis.set_xlabel("largest exponent of the driven network (1 / step)")
        axis.set_ylabel("fitted rate of the gradient (1 / step)")
        above = axis.secondary_xaxis("top")
        above.set_xticks([-1.0, -0.5, -0.2, -0.1], ["1", "2", "5", "10"])
        above.set_xlabel("memory (steps)")
        axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
        title(figure, self._title(results))
        return figure

    @staticmethod
    def _title(results: Results) -> str:
        found = gradient_rates({study.name: study.metrics for study in results.studies})
        return (
            f"In {found['forgetting']:.0%} of {found['networks']} trained networks a change of the state dies out, and "
            f"the gradient with it (rank correlation of the two rates {found['spearman']:.2f})"
        )
