"""Two exact statements: Euler's method as a recurrent cell; a bounded forward and a linear backward pass."""

from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Results
from unrolled.report.style import HUES, TRUTH, new, title


class Equations(OverviewFigure):
    """A loop beside a network, and what saturates beside what does not."""

    section = "why"
    order = 40
    heading = "Two exact statements"
    caption = (
        "Left: the position of a driven, damped oscillator by Euler's method written as a loop, and by a linear "
        "recurrent network whose weights are (η, Δt). Right: by which factor the states of a tanh network grow when "
        "all its inputs do, and the gradients of its states when all output errors do: the first saturates, the "
        "second is a straight line."
    )

    def applies(self, results: Results) -> bool:
        """Return whether both were computed."""
        return {"euler", "linearity"} <= results.random_networks.numbers.keys()

    def draw(self, results: Results) -> Figure:
        """Draw both comparisons."""
        networks = results.random_networks
        figure, axes = new(9.5, 3.8, columns=2)
        left, right = axes[0]
        table = networks.tables["euler"]
        left.plot(table["time"], table["loop"], color=TRUTH, lw=1.4, label="Euler's method, a loop")
        left.plot(table["time"][::8], table["network"][::8], "o", color=HUES[1], ms=4, label="recurrent network")
        left.set_xlabel("time (units of 1 / natural frequency)")
        left.set_ylabel("position x (dimensionless)")
        left.legend(loc="best")
        table = networks.tables["scaling"]
        right.plot(table["factor"], table["backward"], color=HUES[1], marker="s", ms=4, label="backward: gradients")
        right.plot(table["factor"], table["forward"], color=HUES[0], marker="o", ms=4, label="forward: states")
        right.set_xscale("log", base=2)
        right.set_yscale("log", base=2)
        right.set_xlabel("factor on what enters")
        right.set_ylabel("factor on what comes out")
        right.legend(loc="best")
        numbers, difference = networks.numbers["linearity"], networks.numbers["euler"]["max_difference"]
        title(
            figure,
            f"Loop and network differ by {difference:.1g}; states stay within {numbers['max_state']:g}, and "
            f"doubled errors miss doubled gradients by {numbers['backward_deviation']:.1g}",
        )
        return figure
