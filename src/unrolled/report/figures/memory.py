"""The physics of memory: the oscillator, the recurrence that learned it, and its gradient forget at one rate."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.analysis.gradient_flow import REPLICAS
from unrolled.analysis.random_networks.memory import decay
from unrolled.data.systems.oscillator import Oscillator
from unrolled.report.style import GREY, HUES, TRUTH, Evaluation, Theory, new

SCOPE = "theory"
CAPTION = (
    "Three things that should fade alike. Black: the free oscillator's state (x, v), from its exact solution, and its "
    "envelope exp(-η t / 2). Green: |λ|ᵏ of the eigenvalues that each seed of the linear RNN learned from data, k "
    "steps after a disturbance. Red: the gradient of that network's last output with respect to its state k steps "
    "before (median and quartiles over seeds and directions). State and gradient swing within their envelope, since x "
    "and v take turns, so their rates are fitted together with the swing."
)

SAME = 0.15
"""Relative difference up to which rates count as one: about the spread of the seeds' eigenvalues."""


def study(evaluations: list[Evaluation]) -> Evaluation | None:
    """Return the study whose dynamics a linear RNN learned, with its gradients."""
    for evaluation in evaluations:
        if "dynamics" in evaluation.metrics and len(gradient(evaluation)) > 8:
            return evaluation
    return None


def gradient(evaluation: Evaluation) -> pd.DataFrame:
    """Return the learned linear network's gradient against the lag."""
    table = evaluation.tables["gradients"]
    own = table["method"] == evaluation.metrics["dynamics"]["method"]
    return table[own & (table["when"] == "after") & (table["median"] > 0)]


def rates(evaluation: Evaluation) -> dict[str, float]:
    """Return the rates of decay per unit of time: of the equation, of the learned eigenvalues, of the gradient."""
    dynamics, table = evaluation.metrics["dynamics"], gradient(evaluation)
    true = dynamics["exact"][0]
    followed = dynamics["learned"][:REPLICAS]  # the seeds through which the gradient was followed
    frequency = float(np.median([each["frequency"] for each in followed]))
    time, median = dynamics["step"] * table["lag"].to_numpy(), table["median"].to_numpy()
    return {
        "equation": true["decay"],
        "eigenvalue": float(np.median([each["decay"] for each in followed])),
        "median eigenvalue": float(np.median([each["decay"] for each in dynamics["learned"]])),
        "gradient": decay(time, median, frequency),
    }


def applies(theory: Theory, evaluations: list[Evaluation]) -> bool:
    """Return whether a linear RNN was learned and its gradient followed."""
    return study(evaluations) is not None


def draw(theory: Theory, evaluations: list[Evaluation]) -> Figure:
    """Draw equation, recurrence and gradient against time, and their rates."""
    evaluation = study(evaluations)
    assert evaluation is not None
    dynamics, table, found = evaluation.metrics["dynamics"], gradient(evaluation), rates(evaluation)
    figure, axes = new(9.5, 4.4)
    axis = axes[0, 0]
    time = dynamics["step"] * table["lag"].to_numpy()
    _equation(axis, time, found["equation"])
    for number, each in enumerate(dynamics["learned"]):
        label = f"recurrence |λ|ᵏ, one a seed (median rate {found['median eigenvalue']:.4f})" if number == 0 else None
        axis.plot(time, np.exp(-each["decay"] * time), color=HUES[5], lw=1.1, alpha=0.8, label=label)
    axis.fill_between(time, table["low"], table["high"], color=HUES[2], alpha=0.18, lw=0)
    label = f"gradient, first {REPLICAS} seeds (rate {found['gradient']:.4f}; their |λ|: {found['eigenvalue']:.4f})"
    axis.plot(time, table["median"], color=HUES[2], lw=1.6, label=label)
    axis.set_yscale("log")
    axis.set_xlabel("time back, or since the disturbance (units of 1 / natural frequency)")
    axis.set_ylabel("size (dimensionless)")
    axis.legend(fontsize=8.5, loc="lower left")
    figure.suptitle(_title(found), x=0.01, ha="left")
    return figure


def _equation(axis: Any, time: Any, rate: float) -> None:
    free = Oscillator(eta=2 * rate).exact(time, np.array([[1.0, 0.0]]), None)[0]
    axis.plot(time, np.exp(-rate * time), color=TRUTH, lw=1.4, ls=(0, (5, 2)), label=f"envelope, rate η/2 = {rate:.4g}")
    axis.plot(time, np.linalg.norm(free, axis=1), color=GREY, lw=1.2, label="free oscillator, |(x, v)|")


def _title(found: dict[str, float]) -> str:
    off = max(abs(found[key] / found["equation"] - 1) for key in ("eigenvalue", "gradient"))
    how = "one rate" if off <= SAME else "different rates"
    equation, eigenvalue, gradient = (f"{found[key]:.3g}" for key in ("equation", "eigenvalue", "gradient"))
    return (
        f"Forgetting at {how}: η/2 = {equation} in the equation, {eigenvalue} in the learned eigenvalue,\n"
        f"{gradient} in the gradient, all per unit of time"
    )
