"""Where Hessian-free steps go: slope and curvature along them, against those along the gradient."""

from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Results
from unrolled.report.style import GREY, HUES, TRUTH, new, title

PANELS = ({"slope": HUES[0], "curvature": HUES[1]}, {"loss": TRUTH})


class Newton(OverviewFigure):
    """Both ratios and the loss against the update."""

    section = "why"
    order = 50
    heading = "Where Hessian-free steps go"
    caption = (
        "Small tanh networks, trained on the driven oscillator's response by Hessian-free optimisation. Left: along "
        "each step, how steep the loss is and how much it curves (Gauss-Newton), both over the same along the "
        "gradient, where a plain descent goes: thin lines are seeds, thick ones medians. A direction with a tiny "
        "gradient is worth a long step if its curvature is smaller still, that is, if the lower line is the "
        "curvature. Right: the loss."
    )

    def applies(self, results: Results) -> bool:
        """Return whether such networks were trained."""
        return "newton" in results.random_networks.numbers

    def draw(self, results: Results) -> Figure:
        """Draw the three lines of each seed."""
        table, found = results.random_networks.tables["newton"], results.random_networks.numbers["newton"]
        figure, axes = new(9.5, 3.8, columns=2)
        for axis, lines in zip(axes[0], PANELS, strict=True):
            for line, colour in lines.items():
                each = table.pivot(index="update", columns="seed", values=line).clip(lower=1e-12)
                axis.plot(each.index + 1, each, color=colour, lw=0.7, alpha=0.5)
                axis.plot(each.index + 1, each.median(axis=1), color=colour, lw=1.8, marker=".", label=line)
            axis.set_yscale("log")
            axis.set_xlabel("update")
        axes[0, 0].axhline(1, color=GREY, lw=0.8)
        axes[0, 0].set_ylabel("along the step / along the gradient")
        axes[0, 0].legend(loc="lower left")
        axes[0, 1].set_ylabel("mean square error (dimensionless)")
        slope, curvature = (10 ** found[key]["mean"] for key in ("slope", "curvature"))
        smaller = "smaller still" if curvature < slope else "not smaller"
        title(
            figure,
            f"Hessian-free goes where the gradient is {slope:.2g} of the steepest and the curvature, "
            f"{curvature:.1g}, is {smaller}",
        )
        return figure
