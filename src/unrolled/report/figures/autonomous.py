"""What networks do when left alone: settle, oscillate, be chaotic."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.style import GREY, HUES, TRUTH, Evaluation, Theory, new

SCOPE = "theory"
CAPTION = (
    "Networks of tanh units without input, h ← tanh(W h), no learning. Top left: largest Lyapunov exponent of every "
    "seed against the gain of the weights, and what the network does. Top right: the values that one unit of one of "
    "these networks takes on its attractor: one value is a fixed point, a band an oscillation or chaos. Bottom left: "
    "all exponents of that network (by repeated QR), largest first; above zero lie the directions in which neighbours "
    "part. Bottom right, of networks that did learn: the largest exponent of each method's network after learning "
    "Lorenz's system and running on alone, beside that of the equation."
)
LOOKS = {"settles": (HUES[0], "o"), "oscillates": (HUES[4], "s"), "chaotic": (HUES[2], "^")}


def learned(evaluations: list[Evaluation]) -> tuple[Evaluation, dict[str, float]] | None:
    """Return the study of chaos, and each method's largest exponent there, if there is one."""
    for evaluation in evaluations:
        rows = {n: row["exponent"] for n, row in evaluation.methods.items() if row.get("exponent") is not None}
        if rows and evaluation.metrics.get("lyapunov") is not None:
            return evaluation, {n: rows[n] for n in evaluation.ranked() if n in rows}
    return None


def draw(theory: Theory, evaluations: list[Evaluation]) -> Figure:
    """Draw exponents, bifurcations, spectra and what was learned of Lorenz."""
    figure, axes = new(9.5, 7.2, rows=2, columns=2)
    _exponents(axes[0, 0], theory)
    _bifurcation(axes[0, 1], theory)
    _spectra(axes[1, 0], theory)
    found = learned(evaluations)
    if found is None:
        axes[1, 1].set_visible(False)
    else:
        _learned(axes[1, 1], *found)
    figure.suptitle(_title(theory), x=0.01, ha="left")
    return figure


def _exponents(axis: Any, theory: Theory) -> None:
    table, counts = theory.tables["alone"], theory.numbers["alone"]["counts"]
    for kind, (colour, marker) in LOOKS.items():
        part = table[table["kind"] == kind]
        axis.plot(
            part["gain"], part["exponent"], marker, color=colour, ms=4, alpha=0.8, label=f"{kind} ({counts[kind]})"
        )
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set_xlabel("gain g of the recurrent weights")
    axis.set_ylabel("largest exponent (per step)")
    axis.legend(loc="lower right")
    axis.set_title("Largest Lyapunov exponent")


def _bifurcation(axis: Any, theory: Theory) -> None:
    table = theory.tables["bifurcation"]
    axis.plot(table["gain"], table["value"], ".", color=TRUTH, ms=0.7, mew=0, rasterized=True)
    axis.set_xlabel("gain g of the recurrent weights")
    axis.set_ylabel("h of one unit")
    axis.set_title("Bifurcations of one network")


def _spectra(axis: Any, theory: Theory) -> None:
    dimensions = theory.numbers["alone"]["dimension"]
    for hue, (gain, part) in zip((0, 4, 2, 6, 8), theory.tables["spectrum"].groupby("gain"), strict=False):
        label = f"g = {gain:g}: dimension {dimensions[f'{gain:g}']:.1f}"
        axis.plot(part["index"], part["exponent"], color=HUES[hue], marker=".", ms=3, lw=1.2, label=label)
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set_ylim(max(theory.tables["spectrum"]["exponent"].min(), -2.0), None)
    axis.set_xlabel("number of the exponent")
    axis.set_ylabel("exponent (per step)")
    axis.legend(fontsize=8, loc="lower left")
    axis.set_title("All exponents, and the attractor's dimension")


def _learned(axis: Any, evaluation: Evaluation, exponents: dict[str, float]) -> None:
    true, names = evaluation.metrics["lyapunov"], list(exponents)[::-1]
    for place, name in enumerate(names):
        look = evaluation.looks[name]
        axis.plot(exponents[name], place, look.marker, color=look.colour, ms=7)
    axis.axvline(true, color=TRUTH, lw=1.4, label=f"the equation, {true:g}")
    axis.axvline(0, color=GREY, lw=0.8)
    axis.set_yticks(np.arange(len(names)), names)
    axis.set_xlabel("largest exponent (per unit of time)")
    axis.legend(fontsize=8, loc="upper left")
    axis.set_title(f"Networks that learned {evaluation.name}, best first")


def _title(theory: Theory) -> str:
    numbers = theory.numbers["alone"]
    settled, chaotic = numbers["settled_up_to"], numbers["mostly_chaotic_from"]
    parts = [] if settled is None else [f"settles up to g = {settled:.1f}"]
    parts += ["is never mostly chaotic" if chaotic is None else f"is mostly chaotic from g = {chaotic:.1f}"]
    oscillating = ";\nit oscillates in between" if numbers["counts"]["oscillates"] else ""
    return f"Left alone, a random network {' and '.join(parts)}{oscillating}"
