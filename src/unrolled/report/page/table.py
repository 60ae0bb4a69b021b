"""A table of the page as data: its columns are functions of a row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup

from unrolled.report.results import Evaluation
from unrolled.report.words import number

Cell = Callable[[Any], "str | Value"]


class Value(NamedTuple):
    """A cell with the number that it is sorted by (None comes last), and how it is filled: a colour, or `hatched`."""

    text: str
    sort: float | None
    fill: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells, and what marks it in HTML."""

    cells: "list[str | Value]"
    id: str = ""
    css: str = ""
    method: str = ""


@dataclass(frozen=True)
class Table:
    """A table: the heads of its columns, of which the first names the row."""

    caption: str
    heads: list[str]
    rows: list[Row]
    prose: frozenset[int] = frozenset()
    """Columns that hold sentences."""


def table(
    caption: str,
    columns: dict[str, Cell],
    rows: Iterable[Any],
    prose: Iterable[str] = (),
    id: Callable[[Any], str] = lambda row: "",
    css: Callable[[Any], str] = lambda row: "",
    method: Callable[[Any], str] = lambda row: "",
) -> Table:
    """Return the table whose columns are functions of a row; `method` names the one that a row is about."""
    made = [Row([column(row) for column in columns.values()], id(row), css(row), method(row)) for row in rows]
    return Table(caption, [*columns], made, frozenset(i for i, head in enumerate(columns) if head in prose))


def small(text: str) -> Markup:
    """Return a second line of a cell."""
    return Markup("<small>{}</small>").format(text) if text else Markup()


def swatch(study: Evaluation, method: str, code: bool = True) -> Markup:
    """Return a method's colour, its name for people, and its id."""
    shown = Markup('<span class="swatch" style="background:{}"></span>{}').format(
        study.look(method).colour, study.label_of(method)
    )
    return shown + Markup(" <code>{}</code>").format(method) if code else shown


def heat(share: float) -> str:
    """Return a colour between white (0) and a blue (1) on which black text has a contrast of 8 at least."""
    share = min(max(share, 0.0), 1.0)
    ends = zip((255, 255, 255), (107, 174, 214), strict=True)
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in ends)


def spread(interval: dict[str, Any]) -> str:
    """Return an interval; a method without randomness, or without a result, has none."""
    return "" if interval["low"] is None else f"{number(interval['low'])} to {number(interval['high'])}"


def or_nothing(value: float | None) -> str:
    """Return a number, or an empty cell."""
    return "" if value is None else number(value)
