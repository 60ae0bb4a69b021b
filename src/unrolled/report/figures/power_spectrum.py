"""A long closed-loop forecast of chaos: its attractor and its spectrum beside the true ones."""

from itertools import islice
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import TRUTH, new, title

PATHS = 4


class PowerSpectrum(StudyFigure):
    """The paths of the methods with the nearest spectrum, and all spectra."""

    caption = (
        "The long run. Above: the path of the first test trajectory in closed loop (first against last output, grey: "
        "the truth), for the methods whose spectrum is nearest to the true one; what leaves the truth's range is cut "
        "off. Below: power density of the first output over all start points, by Welch's method. A forecast can lose "
        "the true path and still have the right spectrum; one that settles, or circles in one wing, has not."
    )
    order = 41

    def applies(self, study: Evaluation) -> bool:
        """Return whether the study has long closed-loop forecasts of chaos."""
        known = [name for name, row in study.methods.items() if row.get("power_spectrum_error") is not None]
        return len(study.tables["power_spectrum"]) > 0 and len(known) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw paths above, spectra below."""
        rows = {n: r for n, r in study.methods.items() if r.get("power_spectrum_error") is not None}
        order = sorted(rows, key=lambda name: rows[name]["power_spectrum_error"])
        figure = new(9.5, 6.8)[0]
        figure.clear()
        parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.25))
        above, below = parts
        self._paths(above, study, order[:PATHS])
        self._spectra(below.subplots(1, 1), study, order)
        nearest, farthest = (
            f"{study.label_of(n)}, off by {rows[n]['power_spectrum_error']:.2g} decades" for n in (order[0], order[-1])
        )
        title(figure, f"Nearest to the true power spectrum: {nearest}; farthest: {farthest}")
        return figure

    def _paths(self, figure: SubFigure, study: Evaluation, methods: list[str]) -> None:
        panels = figure.subplots(1, PATHS, sharex=True, sharey=True)
        for axis, name in zip(islice(panels, len(methods)), methods, strict=True):
            self._path(axis, study, name)
        for axis in panels[len(methods) :]:
            axis.set_visible(False)
        outputs = [study.channel(output) for output in study.metrics["outputs"]]
        figure.supxlabel(outputs[0], fontsize=9)
        figure.supylabel(outputs[-1], fontsize=9)

    @staticmethod
    def _path(axis: Axes, study: Evaluation, name: str) -> None:
        paths = study.tables["power_spectrum"].query("kind == 'path'")
        truth, own = (paths[paths["method"] == each] for each in ("truth", name))
        axis.plot(truth["a"], truth["b"], color="#AAAAAA", lw=0.5)
        axis.plot(own["a"], own["b"], color=study.look(name).colour, lw=0.8)
        for limit, values in ((axis.set_xlim, truth["a"]), (axis.set_ylim, truth["b"])):
            pad = 0.15 * (values.max() - values.min())
            limit(values.min() - pad, values.max() + pad)
        error = study.methods[name]["power_spectrum_error"]
        axis.set_title(f"{study.label_of(name, 24)}: {error:.2g}", fontsize=8.5)

    @staticmethod
    def _spectra(axis: Any, study: Evaluation, order: list[str]) -> None:
        spectra = study.tables["power_spectrum"].query("kind == 'spectrum'")
        for name in ["truth", *order]:
            part, own = spectra[spectra["method"] == name], name in study.methods
            colour, dash = (study.look(name).colour, study.look(name).dash) if own else (TRUTH, "-")
            label = study.label_of(name, 30) if own else name
            axis.plot(part["a"], part["b"], color=colour, ls=dash, lw=1.2 if own else 2.2, label=label)
        above = spectra[spectra["b"] > 1.01 * spectra["b"].min()]  # the least density is where it was cut off
        axis.set_xlim(0, 1.05 * above["a"].max() if len(above) else None)
        axis.set_yscale("log")
        axis.set_xlabel(f"frequency ({study.rate})")
        unit = next(iter(study.metrics["outputs"].values()))
        axis.set_ylabel(
            "power density (dimensionless)" if unit == "dimensionless" else f"power density (({unit})² time)"
        )
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
