"""What networks without input do: settle, oscillate, be chaotic."""

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import Evaluation, RandomNetworks, Results
from unrolled.report.style import GREY, HUES, TRUTH, new, title

LOOKS = {"settles": (HUES[0], "o"), "oscillates": (HUES[2], "s"), "chaotic": (HUES[1], "^")}


class Autonomous(OverviewFigure):
    """Exponents, bifurcations and spectra of random networks, and the exponents of trained ones in closed loop."""

    section = "why"
    order = 20
    heading = "What a network does without input"
    introduction = (
        "Without input the same product, along the network's own path, gives its Lyapunov exponents: all negative at "
        "a fixed point, zero for an oscillation, positive in chaos. A network whose gradients grow is one that is "
        "chaotic."
    )
    caption = (
        "Networks of tanh units without input, h ← tanh(W h), not trained. Top left: largest Lyapunov exponent of "
        "every seed against the gain of the weights, and what the network does. Top right: the values that one unit of "
        "one of these networks takes on its attractor: one value is a fixed point, a band an oscillation or chaos. "
        "Bottom left: all exponents of that network (by repeated QR), largest first; above zero lie the directions in "
        "which neighbours part. Bottom right, of networks that were trained on a chaotic system: the largest exponent "
        "of each in closed loop, beside that of the equation."
    )

    def applies(self, results: Results) -> bool:
        """Return whether the random networks were made."""
        return "autonomous" in results.random_networks.numbers

    @staticmethod
    def _trained(studies: list[Evaluation]) -> tuple[Evaluation, dict[str, float]] | None:
        """Return the study of chaos, and each method's largest exponent there, if there is one."""
        for study in studies:
            rows = {n: row["exponent"] for n, row in study.methods.items() if row.get("exponent") is not None}
            if rows and study.metrics["lyapunov"] is not None:
                return study, {name: rows[name] for name in study.ranked if name in rows}
        return None

    def draw(self, results: Results) -> Figure:
        """Draw the four panels."""
        networks, found = results.random_networks, self._trained(results.studies)
        figure, axes = new(9.5, 7.2, rows=2, columns=2)
        self._exponents(axes[0, 0], networks)
        self._bifurcation(axes[0, 1], networks)
        self._spectra(axes[1, 0], networks)
        if found is None:
            axes[1, 1].set_visible(False)
        else:
            self._closed_loop(axes[1, 1], *found)
        title(figure, self._title(networks.numbers["autonomous"]))
        return figure

    @staticmethod
    def _exponents(axis: Any, networks: RandomNetworks) -> None:
        table, counts = networks.tables["autonomous"], networks.numbers["autonomous"]["counts"]
        for kind, (colour, marker) in LOOKS.items():
            part, label = table[table["kind"] == kind], f"{kind} ({counts[kind]})"
            axis.plot(part["gain"], part["exponent"], marker, color=colour, ms=4, alpha=0.8, label=label)
        axis.axhline(0, color=GREY, lw=0.8)
        axis.set_xlabel("gain g of the recurrent weights")
        axis.set_ylabel("largest exponent (1 / step)")
        axis.legend(loc="lower right")
        axis.set_title("Largest Lyapunov exponent")

    @staticmethod
    def _bifurcation(axis: Any, networks: RandomNetworks) -> None:
        table = networks.tables["bifurcation"]
        axis.plot(table["gain"], table["value"], ".", color=TRUTH, ms=0.7, mew=0, rasterized=True)
        axis.set_xlabel("gain g of the recurrent weights")
        axis.set_ylabel("h of one unit")
        axis.set_title("Bifurcations of one network")

    @staticmethod
    def _spectra(axis: Any, networks: RandomNetworks) -> None:
        dimensions, table = networks.numbers["autonomous"]["dimension"], networks.tables["spectra"]
        for colour, (gain, part) in zip(cycle(HUES), table.groupby("gain")):
            label = f"g = {gain:g}: dimension {dimensions[f'{gain:g}']:.1f}"
            axis.plot(part["index"], part["exponent"], color=colour, marker=".", ms=3, lw=1.2, label=label)
        axis.axhline(0, color=GREY, lw=0.8)
        axis.set_ylim(max(table["exponent"].min(), -2.0), None)
        axis.set_xlabel("number of the exponent")
        axis.set_ylabel("exponent (1 / step)")
        axis.legend(fontsize=8, loc="lower left")
        axis.set_title("All exponents, and the attractor's dimension")

    @staticmethod
    def _closed_loop(axis: Any, study: Evaluation, exponents: dict[str, float]) -> None:
        true, names = study.metrics["lyapunov"], [*exponents][::-1]
        for place, name in enumerate(names):
            look = study.look(name)
            axis.plot(exponents[name], place, look.marker, color=look.colour, ms=7)
        axis.axvline(true, color=TRUTH, lw=1.4, label=f"the equation, {true:g}")
        axis.axvline(0, color=GREY, lw=0.8)
        width, size = (22, 7.5) if len(names) <= 10 else (34, 6)  # so that lines of neighbours do not touch
        axis.set_yticks(np.arange(len(names)), study.labels(names, width), fontsize=size)
        axis.set_xlabel(f"largest exponent ({study.rate})")
        axis.legend(fontsize=8, loc="upper left")
        axis.set_title(f"Trained on {study.label}, best first")

    @staticmethod
    def _title(numbers: dict[str, Any]) -> str:
        settled, chaotic = numbers["settled_up_to"], numbers["mostly_chaotic_from"]
        parts = [] if settled is None else [f"settles up to g = {settled:.1f}"]
        parts += ["is never mostly chaotic" if chaotic is None else f"is mostly chaotic from g = {chaotic:.1f}"]
        between = "; it oscillates in between" if numbers["counts"]["oscillates"] else ""
        return f"Without input, a random network {' and '.join(parts)}{between}"
