"""The physics of memory: the oscillator, the recurrence trained on it, and its gradient forget at one rate."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unrolled.analysis.decay_rate import decay_rates, trained_gradient
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, Results
from unrolled.report.style import GREY, HUES, TRUTH, new, title

SAME = 0.15
"""Relative difference up to which rates count as one: about that between the seeds' eigenvalues."""


class Memory(OverviewFigure):
    """Equation, recurrence and gradient against time, and their rates."""

    section = "why"
    order = 30
    heading = "The physics of memory"
    introduction = (
        "The oscillator x″ + η x′ + x = F forgets a push as e<sup>−ηt/2</sup>. A step of Δt multiplies its state by a "
        "matrix with eigenvalues |λ| = e<sup>−ηΔt/2</sup>; a linear network trained on it has them in <em>W</em>; and "
        "the product of Jacobians is then <em>W</em><sup>k</sup>, so its gradient fades at the same rate. To forget "
        "and to have vanishing gradients is one thing, and here it is right."
    )
    caption = (
        "Three things that should fade alike. Black: the free oscillator's state (x, v), from its exact solution, and "
        "its envelope exp(-η t / 2). Green: |λ|ᵏ of the eigenvalues of the linear RNN that each seed trained, k steps "
        "after a disturbance. Red: the gradient of that network's last output with respect to its state k steps before "
        "(median and quartiles over seeds and directions). State and gradient swing within their envelope, since x and "
        "v take turns, so their rates are fitted together with the swing."
    )

    def applies(self, results: Results) -> bool:
        """Return whether a linear RNN was trained and its gradient followed."""
        return self._study(results) is not None

    @staticmethod
    def _study(results: Results) -> tuple[Evaluation, dict[str, float]] | None:
        """Return the study on whose dynamics a linear RNN was trained, and the rates at which it forgets."""
        for study in results.studies:
            if "dynamics" in study.metrics:
                rates = decay_rates(study.metrics["dynamics"], study.tables["gradients"])
                if rates is not None:
                    return study, rates
        return None

    def draw(self, results: Results) -> Figure:
        """Draw what fades."""
        known = self._study(results)
        assert known is not None
        study, found = known
        dynamics = study.metrics["dynamics"]
        table = trained_gradient(dynamics, study.tables["gradients"])
        figure, axes = new(9.5, 4.4)
        axis = axes[0, 0]
        time = dynamics["step"] * table["lag"].to_numpy()
        self._equation(axis, time, dynamics["exact"][0])
        for number, each in enumerate(dynamics["learned"]):
            label = f"recurrence |λ|ᵏ, one a seed (median rate {found['eigenvalue_all_seeds']:.4f})"
            line = np.exp(-each["decay"] * time)
            axis.plot(time, line, color=HUES[2], lw=1.1, alpha=0.8, label=None if number else label)
        axis.fill_between(time, table["low"], table["high"], color=HUES[1], alpha=0.18, lw=0)
        label = (
            f"gradient, first {dynamics['followed']} seeds (rate {found['gradient']:.4f}; "
            f"their |λ|: {found['eigenvalue']:.4f})"
        )
        axis.plot(time, table["median"], color=HUES[1], lw=1.6, label=label)
        axis.set_yscale("log")
        axis.set_xlabel("time back, or since the disturbance (units of 1 / natural frequency)")
        axis.set_ylabel("size (dimensionless)")
        axis.legend(fontsize=8.5, loc="lower left")
        title(figure, self._title(found))
        return figure

    @staticmethod
    def _equation(axis: Any, time: Any, exact: dict[str, Any]) -> None:
        """Draw the oscillator released at x = 1: x = e^{-rt} (cos ωt + r/ω sin ωt), v = -e^{-rt} (ω + r²/ω) sin ωt."""
        rate, omega = exact["decay"], exact["frequency"]
        cosine, sine = np.cos(omega * time), np.sin(omega * time)
        envelope = np.exp(-rate * time)
        state = envelope * np.hypot(cosine + rate / omega * sine, (omega + rate**2 / omega) * sine)
        axis.plot(time, envelope, color=TRUTH, lw=1.4, ls=(0, (5, 2)), label=f"envelope, rate η/2 = {rate:.4g}")
        axis.plot(time, state, color=GREY, lw=1.2, label="free oscillator, |(x, v)|")

    @staticmethod
    def _title(found: dict[str, float]) -> str:
        off = max(abs(found[key] / found["equation"] - 1) for key in ("eigenvalue", "gradient"))
        how = "one rate" if off <= SAME else "different rates"
        equation, eigenvalue, gradient = (f"{found[key]:.3g}" for key in ("equation", "eigenvalue", "gradient"))
        return (
            f"Forgetting at {how}: η/2 = {equation} in the equation, {eigenvalue} in the trained eigenvalue, "
            f"{gradient} in the gradient, all per unit of time"
        )
