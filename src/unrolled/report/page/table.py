"""A table of the page as data: its columns are functions of a row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from unrolled.report.results import Evaluation
from unrolled.report.words import number

Cell = Callable[[Any], str]


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells, and what marks it in HTML."""

    cells: list[str]
    id: str = ""
    css: str = ""


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
    id: Cell = lambda row: "",
    css: Cell = lambda row: "",
) -> Table:
    """Return the table whose columns are functions of a row."""
    made = [Row([column(row) for column in columns.values()], id(row), css(row)) for row in rows]
    return Table(caption, [*columns], made, frozenset(i for i, head in enumerate(columns) if head in prose))


def small(text: str) -> Markup:
    """Return a second line of a cell."""
    return Markup("<small>{}</small>").format(text) if text else Markup()


def swatch(study: Evaluation, method: str) -> Markup:
    """Return a method's colour, its name for people, and its id."""
    colour, label = study.look(method).colour, study.label_of(method)
    return Markup('<span class="swatch" style="background:{}"></span>{} <code>{}</code>').format(colour, label, method)


def spread(interval: dict[str, Any]) -> str:
    """Return an interval; a method without randomness, or without a result, has none."""
    return "" if interval["low"] is None else f"{number(interval['low'])} to {number(interval['high'])}"


def or_nothing(value: float | None) -> str:
    """Return a number, or an empty cell."""
    return "" if value is None else number(value)
