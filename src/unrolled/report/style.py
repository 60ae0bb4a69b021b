"""The contract of a figure, and the look all figures share.

A figure item has `SCOPE` ("overview", "study" or "theory"), `CAPTION`, and `draw`; one of scope
"study" has `applies` too. What `draw` and `applies` take: all evaluations; one evaluation; the
theory and all evaluations. Its title says the finding, computed from the numbers.
"""

import io
import re
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

HUES = ("#332288", "#88CCEE", "#CC6677", "#CCB84E", "#44AA99", "#117733", "#AA4499", "#882255", "#999933")
"""Tol's muted palette, told apart by colour-blind readers; black is the truth, grey learns nothing."""
GREY, TRUTH = "#777777", "#000000"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)))
MARKERS = "osD^vPX*"


SCORES = {
    "forecast_rmse": "RMSE of the forecast run alone",
    "mse": "MSE one step ahead",
    "rmse": "RMSE over all steps",
    "nrmse": "RMSE over all steps",
    "nrmse_alone": "error at the last step run alone",
    "valid_time": "valid time run alone",
}


@dataclass(frozen=True)
class Look:
    """How one method is drawn, everywhere."""

    colour: str
    dash: Any
    marker: str


@dataclass(frozen=True)
class Theory:
    """What networks that learn nothing showed: the numbers and tables of the stage `theory`."""

    numbers: dict[str, Any]
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Evaluation:
    """One study as evaluated: its numbers, its tables and the looks of its methods."""

    name: str
    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    looks: dict[str, Look] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    """What others have published on it."""

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Return the methods' numbers."""
        rows: dict[str, dict[str, Any]] = self.metrics["methods"]
        return rows

    @property
    def higher(self) -> bool:
        """Return whether a higher score is better."""
        return bool(self.metrics["better"] == "higher")

    @property
    def score(self) -> str:
        """Return the name of the score with its unit."""
        name = "MSE of the answer" if self.metrics.get("task") == "recall" else SCORES[self.metrics["score"]]
        return f"{name} ({self.metrics['unit']})"

    @property
    def units(self) -> tuple[str, str]:
        """Return the units of time and of the outputs, for axes."""
        if "axes" in self.metrics:
            return self.metrics["axes"][0], self.metrics["axes"][1]
        return ("samples", "units of spread") if self.metrics.get("measured") else ("dimensionless", "dimensionless")

    def ordered(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all methods with their rows, best first; those that diverged with every seed stand last."""
        known = [item for item in self.methods.items() if item[1]["median"] is not None]
        known.sort(key=lambda item: item[1]["median"], reverse=self.higher)
        return known + [item for item in self.methods.items() if item[1]["median"] is None]

    def ranked(self) -> list[str]:
        """Return the methods that learn, best first."""
        return sorted((n for n, row in self.methods.items() if row["rank"]), key=lambda n: self.methods[n]["rank"])

    def best_at(self, field: str) -> str:
        """Return the learning method that is best by some number of its row; but for the score the lowest."""
        known = [name for name in self.ranked() if self.methods[name][field] is not None]
        return known[0] if field == "median" else min(known, key=lambda name: self.methods[name][field])


def looks(methods: dict[str, bool]) -> dict[str, Look]:
    """Return a look for each method from its place in the table; `methods` says which ones learn."""
    learned = [name for name, learns in methods.items() if learns]
    passive = [name for name, learns in methods.items() if not learns]
    markers = dict(zip(methods, cycle(MARKERS), strict=False))
    table = {n: Look(HUES[i % len(HUES)], DASHES[(i // len(HUES)) % 3], markers[n]) for i, n in enumerate(learned)}
    return table | {n: Look(GREY, DASHES[i % 3], markers[n]) for i, n in enumerate(passive)}


def new(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, Any]:
    """Return a figure (inches) and its axes, as an array."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "svg.fonttype": "path",
    "svg.hashsalt": "unrolled",
}


def style() -> Any:
    """Return the context in which figures are drawn and saved."""
    return mpl.rc_context(STYLE)


def svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element for a page, the same bytes for the same figure.

    Parameters
    ----------
    figure : Figure
    name : str
        Made part of every id, so that several figures can share a page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    prefix = re.sub(r"\W", "-", name)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(xlink:href="|href="|url\()#', rf"\g<1>#{prefix}-", text)
    return re.sub(r"[ \t]+\n", "\n", text)
