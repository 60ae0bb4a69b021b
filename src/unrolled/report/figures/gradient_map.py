"""Where gradients vanish and where they explode: gain of the recurrent weights against length."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.report.figure import OverviewFigure
from unrolled.report.results import RandomNetworks, Results
from unrolled.report.style import GREY, HUES, MARKERS, TRUTH, new, title

FAR = 12.0
"""Powers of ten at which the colours end."""
LENGTH = 100
"""Steps of which the title speaks, or the nearest length there is."""


class GradientMap(OverviewFigure):
    """The map, the rates, the initialisers and what clipping does."""

    section = "why"
    order = 10
    heading = "Where gradients vanish and explode"
    introduction = (
        "For linear units the rate is the logarithm of the spectral radius of <em>W</em>, about log <em>g</em>. For "
        "tanh units under noise, mean-field theory has <em>r</em> = ½ log (g² ⟨σ′²⟩): σ′ ≤ 1 takes away what "
        "<em>g</em> &gt; 1 gives."
    )
    caption = (
        "Random networks, not trained; medians over the seeds. Top left: the factor by which a gradient has changed on "
        "its way back, for each gain g of the recurrent weights (entries of standard deviation g/√H) and length; "
        "between the lines it has neither vanished nor exploded (drawn: measured, dashed: mean-field theory). Top "
        "right: the change of its logarithm per step; a line of slope one, log g, is the theory for linear units, the "
        "other lines that of wide tanh networks under white noise; marks: weights as the initialisers start them. "
        "Bottom left: the same weights against the length. Bottom right: the gradient of all weights over 100 steps, "
        "and how much of what it says of the inputs is about the first half: clipping cuts the one, and leaves the "
        "other."
    )

    def applies(self, results: Results) -> bool:
        """Return whether the map was made."""
        return "gradient_map" in results.random_networks.numbers

    def draw(self, results: Results) -> Figure:
        """Draw the four panels."""
        networks = results.random_networks
        figure, axes = new(9.5, 7.6, rows=2, columns=2)
        self._map(figure, axes[0, 0], networks)
        self._rates(axes[0, 1], networks)
        self._initialisers(axes[1, 0], networks)
        self._clipping(axes[1, 1], networks.tables["clipping"], networks.numbers["clipping"]["threshold"])
        for axis in (axes[0, 0], axes[0, 1], axes[1, 1]):
            axis.set_xscale("log", base=2)
            axis.set_xlabel("gain g of the recurrent weights")
            axis.xaxis.set_major_formatter("{x:g}")
        title(figure, self._title(networks))
        return figure

    @staticmethod
    def _shown(networks: RandomNetworks) -> str:
        """Return the family on the map: tanh units under the weakest input."""
        return str(next(name for name in networks.numbers["gradient_map"]["families"] if name.startswith("tanh")))

    @staticmethod
    def _middle(table: pd.DataFrame, network: str, value: str) -> pd.DataFrame:
        """Return the medians over the seeds, lengths down and gains across."""
        part = table[table["network"] == network]
        return part.groupby(["length", "gain"])[value].median().unstack()

    def _map(self, figure: Figure, axis: Any, networks: RandomNetworks) -> None:
        table, vanished, shown = networks.tables["gradient_map"], networks.numbers["vanished"], self._shown(networks)
        found, predicted = (self._middle(table, shown, value) for value in ("log10", "predicted"))
        gains, lengths = found.columns.to_numpy(), found.index.to_numpy()
        # "RdBu" is told apart by colour-blind readers: red and blue, both darker than the middle.
        mesh = axis.pcolormesh(
            gains, lengths, found, cmap="RdBu_r", vmin=-FAR, vmax=FAR, shading="gouraud", rasterized=True
        )
        for values, width, dash in ((found, 1.4, "solid"), (predicted, 1.0, "dashed")):
            levels = [-vanished, vanished]
            axis.contour(gains, lengths, values, levels=levels, colors=TRUTH, linewidths=width, linestyles=dash)
        axis.set_yscale("log")
        axis.set_ylabel("length T (steps)")
        axis.grid(False)
        axis.text(0.03, 0.93, "vanishes", transform=axis.transAxes, color="white", fontweight="bold")
        axis.text(0.97, 0.93, "explodes", transform=axis.transAxes, color="white", fontweight="bold", ha="right")
        axis.set_title(f"Factor of the gradient ({shown})")
        figure.colorbar(mesh, ax=axis, label="log₁₀ of the factor", extend="both")

    def _rates(self, axis: Any, networks: RandomNetworks) -> None:
        table = networks.tables["gradient_map"]
        longest = table["length"].max()
        scale = np.log(10) / longest
        for colour, name in zip(cycle((TRUTH, *HUES)), table["network"].unique()):
            rate, line = (self._middle(table, name, value).loc[longest] * scale for value in ("log10", "predicted"))
            label = f"{name}: {'log g' if name == 'linear' else 'mean field'}"
            axis.plot(line.index, line, color=colour, lw=1.4, ls="-", label=label)
            axis.plot(rate.index, rate, "o", color=colour, ms=3.5)
        for name, colour, marker, part in self._starts(networks):
            last = part[part["length"] == longest].median(numeric_only=True)
            axis.plot(last["gain"], last["log10"] * scale, marker, color=colour, ms=9, mec="white", label=name)
        axis.axhline(0, color=GREY, lw=0.8)
        axis.set_ylim(-1.9, 1.5)
        axis.set_ylabel("change of log |gradient| (1 / step)")
        axis.legend(fontsize=7.5, loc="upper left")
        axis.set_title("Rate: dots measured, lines theory")

    @staticmethod
    def _starts(networks: RandomNetworks) -> list[tuple[str, str, str, pd.DataFrame]]:
        """Return name, colour, mark and table of each initialiser."""
        parts = networks.tables["initialisers"].groupby("initialiser", sort=False)
        looks = zip(cycle(HUES[1:]), cycle(MARKERS[1:]))
        return [(str(name), *look, part) for look, (name, part) in zip(looks, parts)]  # noqa: B905

    def _initialisers(self, axis: Any, networks: RandomNetworks) -> None:
        vanished, lowest = networks.numbers["vanished"], 0.0
        for name, colour, marker, part in self._starts(networks):
            line, label = part.groupby("length")["log10"].median(), f"{name} ({part['activation'].iloc[0]})"
            axis.plot(line.index, line, marker=marker, color=colour, ms=5, lw=1.3, label=label)
            lowest = min(lowest, line.min())
        axis.axhspan(-vanished, vanished, color=GREY, alpha=0.15, lw=0)
        axis.set_ylim(max(lowest, -40.0) - 2, vanished + 4)
        axis.set_xscale("log")
        axis.set_xlabel("length T (steps)")
        axis.set_ylabel("log₁₀ of the factor")
        axis.legend(fontsize=7.5, loc="lower left")
        axis.set_title("How the initialisers start (grey: not vanished)")

    @staticmethod
    def _clipping(axis: Any, table: pd.DataFrame, threshold: float) -> None:
        line = table.groupby("gain").median()
        axis.plot(line.index, line["norm"], color=HUES[1], lw=1.6, label="norm of the gradient")
        dash = (0, (4, 2))
        axis.plot(line.index, line["clipped"], color=HUES[1], lw=1.6, ls=dash, label=f"clipped at {threshold:g}")
        axis.plot(line.index, line["early"], color=HUES[0], lw=1.6, label="first half of the inputs over the second")
        axis.plot(line.index, line["early_clipped"], "o", color=HUES[0], ms=3.5, label="the same, clipped")
        axis.set_yscale("log")
        axis.set_ylabel("size (dimensionless)")
        axis.legend(fontsize=7.5, loc="lower right")
        axis.set_title("What clipping changes, T = 100")

    def _title(self, networks: RandomNetworks) -> str:
        family = networks.numbers["gradient_map"]["families"][self._shown(networks)]
        length = min(family["vanished"], key=lambda each: abs(int(each) - LENGTH))
        share = f"{family['vanished'][length]:.0%} of the gains"
        if family["critical_gain"] is None:
            return f"Over {length} steps the gradient vanishes at {share}, and explodes at none of them"
        return (
            f"Over {length} steps the gradient vanishes or explodes at {share}: it shrinks below g = "
            f"{family['critical_gain']:.2f}, and grows above"
        )
