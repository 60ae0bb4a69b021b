"""The climate of a forecast of chaos: its attractor and its spectrum beside the true ones."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unrolled.analysis.power_spectrum import FLOOR
from unrolled.report.style import TRUTH, Evaluation, new

SCOPE = "study"
CAPTION = (
    "The long run. Above: the path of the first test trajectory while run alone (first against last output, grey: the "
    "truth), for the methods whose spectrum is nearest to the true one. Below: power density of the first output over "
    "all start points, by Welch's method. A forecast can lose the true path and still have the right climate; one that "
    "settles, or circles in one wing, has not."
)
PATHS = 4


def applies(evaluation: Evaluation) -> bool:
    """Return whether the study has long runs alone in chaos."""
    return len(evaluation.tables["climate"]) > 0


def draw(evaluation: Evaluation) -> Figure:
    """Draw the paths of the nearest methods and all spectra."""
    table = evaluation.tables["climate"]
    rows = {n: r for n, r in evaluation.methods.items() if r.get("climate") is not None}
    order = sorted(rows, key=lambda name: rows[name]["climate"])
    figure = new(9.5, 6.6, rows=1, columns=1)[0]
    figure.clear()
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.25))
    above, below = parts
    for axis, name in zip(above.subplots(1, PATHS, sharex=True, sharey=True), order, strict=False):
        _path(axis, evaluation, name)
    above.supxlabel("first output (units of spread)", fontsize=9)
    above.supylabel("last output", fontsize=9)
    axis = below.subplots(1, 1)
    for name in ["truth", *order]:
        part = table[(table["method"] == name) & (table["kind"] == "spectrum")]
        look = evaluation.looks.get(name)
        colour, dash = (look.colour, look.dash) if look else (TRUTH, "-")
        axis.plot(part["a"], part["b"], color=colour, ls=dash, lw=2.2 if name == "truth" else 1.2, label=name)
    spectra = table[(table["kind"] == "spectrum") & (table["b"] > 1.01 * FLOOR)]
    axis.set_xlim(0, 1.05 * spectra["a"].max() if len(spectra) else None)
    axis.set_yscale("log")
    axis.set_xlabel("frequency (1 / unit of time)")
    axis.set_ylabel("power density")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(_title(evaluation, order), x=0.01, ha="left")
    return figure


def _path(axis: Axes, evaluation: Evaluation, name: str) -> None:
    table = evaluation.tables["climate"]
    paths = table[table["kind"] == "path"]
    for which, colour, width in (("truth", "#BBBBBB", 0.5), (name, evaluation.looks[name].colour, 0.8)):
        part = paths[paths["method"] == which]
        axis.plot(part["a"], part["b"], color=colour, lw=width)
    axis.set_xlim(-3, 3)
    axis.set_ylim(-3, 3.5)
    axis.set_title(f"{name}: {evaluation.methods[name]['climate']:.2g}", fontsize=9)


def _title(evaluation: Evaluation, order: list[str]) -> str:
    rows = evaluation.methods
    worst = order[-1]
    return (
        f"Nearest to the true climate: {order[0]}, its spectrum off by {rows[order[0]]['climate']:.2g} decades; "
        f"farthest: {worst}, {rows[worst]['climate']:.2g}"
    )
