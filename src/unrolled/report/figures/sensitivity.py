"""The curse of memory: how sensitive a state is to its recurrent weight, against the length of its memory."""

from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Results
from unrolled.report.style import GREY, HUES, TRUTH, new, title

LINES = {
    "plain": ("dh/dλ of h' = λ h + x", HUES[0], "o"),
    "state": ("h itself", GREY, "^"),
    "lru": ("dh/dν of the LRU: λ = exp(−exp ν), input × √(1 − λ²)", HUES[4], "s"),
}


class Sensitivity(OverviewFigure):
    """Mean squares of state and derivatives against 1 / (1 - λ), and theory."""

    section = "why"
    order = 45
    heading = "The curse of memory"
    caption = (
        "Linear units under white input of unit variance, each with a weight 0 < λ < 1, so that nothing explodes in "
        "time: mean squares of the stationary state and of its derivatives, means over seeds of simulations; lines: "
        "theory (Zucchet &amp; Orvieto 2024). The longer the memory, the larger the effect of a small change of λ; the "
        "LRU's parametrisation takes that away."
    )

    def applies(self, results: Results) -> bool:
        """Return whether it was measured."""
        return "sensitivity" in results.random_networks.numbers

    def draw(self, results: Results) -> Figure:
        """Draw the three quantities and both curves of theory."""
        table, found = results.random_networks.tables["sensitivity"], results.random_networks.numbers["sensitivity"]
        means = table.groupby("decay").mean()
        figure, axes = new(9.5, 4.4)
        axis = axes[0, 0]
        for column in ("plain", "lru"):
            axis.plot(1 / means.index, means[f"{column}_expected"], color=TRUTH, lw=1)
        axis.plot(1 / means.index, 1 / (1 - (1 - means.index) ** 2), color=TRUTH, lw=1)
        for column, (label, colour, marker) in LINES.items():
            axis.plot(1 / means.index, means[column], marker, color=colour, ms=6, label=label)
        axis.plot([], [], color=TRUTH, lw=1, label="theory")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("memory 1 / (1 − λ) (steps)")
        axis.set_ylabel("mean square (units of the input's variance)")
        axis.legend(loc="upper left")
        title(
            figure,
            f"With a memory of {found['memory']:.0f} steps, the mean square of a state is "
            f"{10 ** found['state']['mean']:.2g}; of its derivative with respect to λ, "
            f"{10 ** found['plain']['mean']:.1e}; of the LRU's with respect to ν, {10 ** found['lru']['mean']:.2g}",
        )
        return figure
