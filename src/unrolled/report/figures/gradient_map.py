"""Where gradients vanish and where they explode: gain of the recurrent weights against length."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.report.style import GREY, HUES, MARKERS, TRUTH, Evaluation, Theory, new

SCOPE = "theory"
CAPTION = (
    "Random networks of tanh units, no learning; medians over the seeds. Top left: the factor by which a gradient has "
    "changed on its way back, for each gain g of the recurrent weights (entries of deviation g/√H) and length; between "
    "the lines it is within a thousand (drawn: measured, dashed: mean-field theory). Top right: the change of its "
    "logarithm per step; a line of slope one, log g, is the theory for linear units, the other lines that of wide tanh "
    "networks under white noise; marks: weights as the initialisers start them. Bottom left: the same weights against "
    "the length. Bottom right: the gradient of all weights over 100 steps, and how much of what it says of the inputs "
    "is about the first half: clipping cuts the one, and leaves the other."
)
STARTS = (HUES[2], HUES[4], HUES[0], HUES[7], HUES[6])
"""Colours of the initialisers, in their order in `params.yaml`."""
FAR = 12.0
"""Powers of ten at which the colours end."""


def draw(theory: Theory, evaluations: list[Evaluation]) -> Figure:
    """Draw the map, the rates, the initialisers and what clipping does."""
    figure, axes = new(9.5, 7.6, rows=2, columns=2)
    _map(figure, axes[0, 0], theory)
    _rates(axes[0, 1], theory)
    _initialisers(axes[1, 0], theory)
    _clipping(axes[1, 1], theory.tables["clipping"], theory.numbers["clipping"]["threshold"])
    for axis in (axes[0, 0], axes[0, 1], axes[1, 1]):
        axis.set_xscale("log", base=2)
        axis.set_xlabel("gain g of the recurrent weights")
        axis.xaxis.set_major_formatter("{x:g}")
    figure.suptitle(_title(theory), x=0.01, ha="left")
    return figure


def shown(theory: Theory) -> str:
    """Return the family on the map: tanh units under the weakest input."""
    return str(next(name for name in theory.numbers["map"]["families"] if name.startswith("tanh")))


def middle(table: pd.DataFrame, network: str, value: str) -> pd.DataFrame:
    """Return the medians over the seeds, lengths down and gains across."""
    part = table[table["network"] == network]
    return part.groupby(["length", "gain"])[value].median().unstack()


def _map(figure: Figure, axis: Any, theory: Theory) -> None:
    table, lost = theory.tables["map"], theory.numbers["lost"]
    found, foretold = (middle(table, shown(theory), value) for value in ("log10", "theory"))
    gains, lengths = found.columns.to_numpy(), found.index.to_numpy()
    # "RdBu" is told apart by colour-blind readers: red and blue, both darker than the middle.
    mesh = axis.pcolormesh(
        gains, lengths, found, cmap="RdBu_r", vmin=-FAR, vmax=FAR, shading="gouraud", rasterized=True
    )
    axis.contour(gains, lengths, found, levels=[-lost, lost], colors=TRUTH, linewidths=1.4, linestyles="solid")
    axis.contour(gains, lengths, foretold, levels=[-lost, lost], colors=TRUTH, linewidths=1.0, linestyles="dashed")
    axis.set_yscale("log")
    axis.set_ylabel("length T (steps)")
    axis.grid(False)
    axis.text(0.03, 0.93, "vanishes", transform=axis.transAxes, color="white", fontweight="bold")
    axis.text(0.97, 0.93, "explodes", transform=axis.transAxes, color="white", fontweight="bold", ha="right")
    axis.set_title(f"Factor of the gradient ({shown(theory)})")
    figure.colorbar(mesh, ax=axis, label="log₁₀ of the factor", extend="both")


def _rates(axis: Any, theory: Theory) -> None:
    table = theory.tables["map"]
    longest = table["length"].max()
    scale = np.log(10) / longest
    for colour, (name, _) in zip(
        (TRUTH, HUES[4], HUES[2], HUES[6]), table.groupby("network", sort=False), strict=False
    ):
        rate, line = (middle(table, str(name), value).loc[longest] * scale for value in ("log10", "theory"))
        label = f"{name}: {'log g' if name == 'linear' else 'mean field'}"
        axis.plot(line.index, line, color=colour, lw=1.4, ls="-", label=label)
        axis.plot(rate.index, rate, "o", color=colour, ms=3.5)
    for hue, marker, (name, part) in zip(STARTS, MARKERS[1:], _start(theory), strict=False):
        last = part[part["length"] == longest].median(numeric_only=True)
        axis.plot(last["gain"], last["log10"] * scale, marker, color=hue, ms=9, mec="white", label=name)
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set_ylim(-1.9, 1.5)
    axis.set_ylabel("change of log |gradient| per step")
    axis.legend(fontsize=7.5, loc="upper left")
    axis.set_title("Rate: dots measured, lines theory")


def _start(theory: Theory) -> list[tuple[str, pd.DataFrame]]:
    table = theory.tables["initialisers"]
    return [(str(name), part) for name, part in table.groupby("initialiser", sort=False)]


def _initialisers(axis: Any, theory: Theory) -> None:
    lost, spread = theory.numbers["lost"], []
    for hue, marker, (name, part) in zip(STARTS, MARKERS[1:], _start(theory), strict=False):
        line = part.groupby("length")["log10"].median()
        axis.plot(
            line.index, line, marker=marker, color=hue, ms=5, lw=1.3, label=f"{name} ({part['activation'].iloc[0]})"
        )
        spread.append(line.min())
    axis.axhspan(-lost, lost, color=GREY, alpha=0.15, lw=0)
    axis.set_ylim(max(min(spread), -40.0) - 2, lost + 4)
    axis.set_xscale("log")
    axis.set_xlabel("length T (steps)")
    axis.set_ylabel("log₁₀ of the factor")
    axis.legend(fontsize=7.5, loc="lower left")
    axis.set_title("How the initialisers start (grey: within a thousand)")


def _clipping(axis: Any, table: pd.DataFrame, threshold: float) -> None:
    line = table.groupby("gain").median()
    axis.plot(line.index, line["norm"], color=HUES[2], lw=1.6, label="norm of the gradient")
    axis.plot(line.index, line["clipped"], color=HUES[2], lw=1.6, ls=(0, (4, 2)), label=f"clipped at {threshold:g}")
    axis.plot(line.index, line["early"], color=HUES[0], lw=1.6, label="first half of the inputs over the second")
    axis.plot(line.index, line["early_clipped"], "o", color=HUES[0], ms=3.5, label="the same, clipped")
    axis.set_yscale("log")
    axis.set_ylabel("size (dimensionless)")
    axis.legend(fontsize=7.5, loc="lower right")
    axis.set_title("What clipping changes, T = 100")


def _title(theory: Theory) -> str:
    family = theory.numbers["map"]["families"][shown(theory)]
    length = min((int(each) for each in family["lost"]), key=lambda each: abs(each - 100))
    said = f"Over {length} steps the gradient is lost at {family['lost'][str(length)]:.0%} of the gains"
    if family["edge"] is None:
        return f"{said},\nand grows at none of them"
    return f"{said}:\nbelow g = {family['edge']:.2f} it vanishes, above it explodes"
