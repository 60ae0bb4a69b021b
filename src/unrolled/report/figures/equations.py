"""Two exact statements: Euler's method as a recurrent cell; a bounded forward and a linear backward pass."""

from matplotlib.figure import Figure

from unrolled.report.style import HUES, TRUTH, Evaluation, Theory, new

SCOPE = "theory"
CAPTION = (
    "Left: the position of a driven, damped oscillator by Euler's method written as a loop, and by a linear recurrent "
    "network whose weights are (η, Δt). Right: by which factor the states of a tanh network grow when all its inputs "
    "do, and the gradients of its states when all output errors do: the first saturates, the second is a straight line."
)


def draw(theory: Theory, evaluations: list[Evaluation]) -> Figure:
    """Draw both comparisons."""
    figure, axes = new(9.5, 3.8, columns=2)
    left, right = axes[0]
    table = theory.tables["euler"]
    left.plot(table["time"], table["loop"], color=TRUTH, lw=1.4, label="Euler's method, a loop")
    left.plot(table["time"][::8], table["network"][::8], "o", color=HUES[2], ms=4, label="recurrent network")
    left.set_xlabel("time (units of 1 / natural frequency)")
    left.set_ylabel("position x (dimensionless)")
    left.legend(loc="best")
    table = theory.tables["scaled"]
    right.plot(table["factor"], table["backward"], color=HUES[2], marker="s", ms=4, label="backward: gradients")
    right.plot(table["factor"], table["forward"], color=HUES[0], marker="o", ms=4, label="forward: states")
    right.set_xscale("log", base=2)
    right.set_yscale("log", base=2)
    right.set_xlabel("factor on what enters")
    right.set_ylabel("factor on what comes out")
    right.legend(loc="best")
    numbers = theory.numbers["linearity"]
    difference = theory.numbers["euler"]["difference"]
    figure.suptitle(
        f"Loop and network differ by {difference:.1g}; states stay within {numbers['largest_state']:g},\n"
        f"and doubled errors miss doubled gradients by {numbers['backward_deviation']:.1g}",
        x=0.01,
        ha="left",
    )
    return figure
