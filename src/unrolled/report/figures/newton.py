"""Where Hessian-free steps go: slope and curvature along them, against those along the gradient."""

from matplotlib.figure import Figure

from unrolled.report.style import GREY, HUES, TRUTH, Evaluation, Theory, new

SCOPE = "theory"
CAPTION = (
    "Small tanh networks learning the driven oscillator's response by Hessian-free optimisation. Left: along each "
    "step, how steep the loss is and how much it curves (Gauss-Newton), both over the same along the gradient, where a "
    "plain descent goes: thin lines are seeds, thick ones medians. Below the other line lies the smaller: a direction "
    "with a tiny gradient is worth a long step if the curvature is smaller still. Right: the loss."
)


def draw(theory: Theory, evaluations: list[Evaluation]) -> Figure:
    """Draw both ratios and the loss against the update."""
    table, found = theory.tables["newton"], theory.numbers["newton"]
    figure, axes = new(9.5, 3.8, columns=2)
    for axis, lines in ((axes[0, 0], ("slope", "curvature")), (axes[0, 1], ("loss",))):
        for line, colour in zip(lines, (HUES[0], HUES[2]) if len(lines) > 1 else (TRUTH,), strict=True):
            each = table.pivot(index="update", columns="seed", values=line).clip(lower=1e-12)
            axis.plot(each.index + 1, each, color=colour, lw=0.7, alpha=0.5)
            axis.plot(each.index + 1, each.median(axis=1), color=colour, lw=1.8, marker=".", label=line)
        axis.set_yscale("log")
        axis.set_xlabel("update")
    axes[0, 0].axhline(1, color=GREY, lw=0.8)
    axes[0, 0].set_ylabel("along the step / along the gradient")
    axes[0, 0].legend(loc="lower left")
    axes[0, 1].set_ylabel("mean square error (dimensionless)")
    smaller = "smaller still" if found["curvature"] < found["slope"] else "not smaller"
    figure.suptitle(
        f"Hessian-free goes where the gradient is {found['slope']:.2g} of the steepest\n"
        f"and the curvature, {found['curvature']:.1g}, is {smaller}",
        x=0.01,
        ha="left",
    )
    return figure
