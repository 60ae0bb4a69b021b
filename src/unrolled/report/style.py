"""The look all figures share: a colour for each family, a dash and a mark for each variant, and the bytes of an SVG."""

import io
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatterMathtext

from unrolled.report.words import SUPERSCRIPTS

FAMILIES = {
    "rnn": "#0D52F9",
    "lstm": "#CF2605",
    "gru": "#42A054",
    "oscillatory": "#D544C9",
    "linear recurrence": "#380697",
    "reservoir": "#771414",
    "regression": "#38123F",
    "reference": "#777777",
}
"""A contrast of 3 to white at least; told apart from each other, from grey and from black in every kind of colour
vision (a distance of 20 in CIELAB, after Machado et al. 2009, doi 10.1109/TVCG.2009.113)."""
SPARE, GREY, TRUTH = "#806600", "#777777", "#000000"
"""Of a family without a colour of its own; of guiding lines and of what is not trained; of the truth."""
HUES = tuple(FAMILIES.values())[:-1]
"""For what is no method: the same colours, in order."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "osD^vPX<>ph"


@dataclass(frozen=True)
class Look:
    """How one method is drawn, everywhere."""

    colour: str
    dash: Any
    marker: str


def looks(families: Mapping[str, str]) -> dict[str, Look]:
    """Return the look of each method: by its family the colour, by its place within the family dash and mark.

    So it depends on no method but those of its family that stand before it in the table.

    Parameters
    ----------
    families : mapping
        The family of each method, in the order of the table.
    """
    count: Counter[str] = Counter()
    found = {}
    for name, family in families.items():
        place = count[family]
        count[family] += 1
        dash, marker = DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)]
        found[name] = Look(FAMILIES.get(family, SPARE), dash, marker)
    return found


def new(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, Any]:
    """Return a figure (inches) and its axes, as an array."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def grid(panels: int, columns: int, width: float = 9.5) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many small panels that share their axes; fixed margins draw twice as fast."""
    rows = -(-panels // columns)
    height = 1.5 + 1.4 * rows
    margins = {"left": 0.8 / width, "right": 1 - 0.1 / width, "bottom": 0.6 / height, "top": 1 - 0.95 / height}
    figure = Figure(figsize=(width, height))
    gaps = {"wspace": 0.08, "hspace": 0.45}
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=margins | gaps)
    for place, axis in enumerate(axes.flat):
        axis.set_visible(place < panels)
        if panels - columns <= place < panels:
            axis.xaxis.set_tick_params(labelbottom=True)
    return figure, list(axes.flat[:panels])


def finite(values: Iterable[float | None]) -> Any:
    """Return numbers as an array to be drawn, in which what is missing or infinite leaves a gap."""
    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def title(figure: Figure, text: str) -> None:
    """Give a figure its title, in as many lines as its width needs."""
    fixed = figure.get_layout_engine() is None  # else the layout makes room for it
    place: Any = {"y": 1 - 0.1 / figure.get_figheight(), "va": "top"} if fixed else {}
    figure.suptitle(textwrap.fill(text, int(9.8 * figure.get_figwidth())), x=0.01, ha="left", **place)


STYLE: Any = {
    "font.size": 10,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # for measuring; then as wide; then what there is
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
    "svg.fonttype": "none",
    "svg.hashsalt": "unrolled",
    "pdf.fonttype": 42,  # fonts as they are, so that text can be searched and edited
}
FORMATS = ("png", "pdf", "svg")
"""Of the files of a figure."""


def style() -> Any:
    """Return the context in which figures are drawn and saved."""
    return mpl.rc_context(STYLE)


def plain_title(figure: Figure) -> str:
    """Return the title of a figure in one line."""
    return " ".join(figure.get_suptitle().replace(r"\$", "$").split())


def svg(figure: Figure) -> str:
    """Return a figure as a whole SVG file: its title as one, text as text; the same bytes for the same figure."""
    _plain_powers(figure)
    _lay_out(figure)
    buffer = io.StringIO()
    metadata: Any = {"Title": plain_title(figure), "Date": None, "Creator": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    text = re.sub(r'\b(d|x|y|transform|points)="[^"]*"', _rounded, buffer.getvalue())
    return re.sub(r"[ \t]+\n", "\n", text)


def saved(figure: Figure, form: str, dpi: int) -> bytes:
    """Return a figure as a file of one of `FORMATS`; the same bytes for the same figure."""
    if form == "svg":
        return svg(figure).encode()
    _plain_powers(figure)
    buffer = io.BytesIO()
    metadata: Any = {"Title": plain_title(figure), **({"CreationDate": None} if form == "pdf" else {})}
    figure.savefig(buffer, format=form, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place everything as in an SVG; to find that out, saving would draw the whole figure once more."""
    FigureCanvasSVG(figure)
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _plain_powers(figure: Figure) -> None:
    """Write powers at all axes of a figure as text."""
    for axis in (each for axes in figure.axes for each in (axes.xaxis, axes.yaxis)):
        if isinstance(major := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(_Powers(major))
        if isinstance(minor := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(_Powers(minor))


class _Powers(Formatter):
    """Powers as text, 10⁻², which is laid out in no time, may be copied, and is read aloud; formulas are none of it."""

    def __init__(self, formulas: Formatter) -> None:
        self.formulas = formulas

    def set_locs(self, locs: Any) -> None:
        self.formulas.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        formula = self.formulas(x, pos)
        found = re.fullmatch(r"\$\\mathdefault\{([-−\d.]*)(\\times)?(\d+)\^\{([-−]?\d+)\}\}\$", formula)
        if not found:
            return formula
        factor, times, base, power = found.groups(default="")
        return f"{factor}{'×' * bool(times)}{base}{power.replace('−', '-').translate(SUPERSCRIPTS)}".replace("-", "−")


def _rounded(attribute: re.Match[str]) -> str:
    """Round coordinates to a hundredth of a point."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", attribute[0])
