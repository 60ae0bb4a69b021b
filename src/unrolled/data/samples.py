"""The samples of a record, checked: numbers, none missing, none of a logger's codes, no input that holds the output."""

import re
from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.config import RecordRow
from unrolled.data.textfile import KEY, quoted
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
OUTSIDE, FEW = 20.0, 0.05
"""A value so many standard deviations of the rest away from all of it is no sample, if at most this share is."""
CODES = [
    float(sign + digits) for sign in ("", "-") for digits in ("99", "999", "9999", "99999", "32767", "65535", "1e20")
]
CODES += [
    -32768.0,
    -6999.0,
    -7777.0,
    -8888.0,
    2147483647.0,
    -2147483648.0,
    9.969209968386869e36,
    1e30,
    1e35,
    -1e30,
    -1e35,
]
"""What loggers write for a lost sample: none, however often, if it lies a standard deviation away from the rest."""
ROUNDING = 1e-10
"""A standard deviation below this share of the largest value is that of rounding."""
COPY = 1e-6
"""An input that gives an output by a straight line up to this share of its standard deviation is a copy of it."""
LARGEST = 1e100
"""Whose square is still a number."""


def checked(table: "pd.DataFrame", record: RecordRow, what: str) -> tuple["pd.DataFrame", list[str]]:
    """Return the columns of a record as numbers, all there, and what is to be said of them.

    Raises
    ------
    UnrolledError
        If a value is no number, missing, or not what was measured; it names column, line and remedy.
    """
    chosen, said = table[[*record.inputs, *record.outputs]], list[str]()
    for name in chosen.columns:
        _refuse_words(chosen[name], what)
    chosen = chosen.astype(np.float64)
    for name in chosen.columns:
        _refuse_infinite(chosen[name], what)
        if name in record.limits:
            low, high = record.limits[name]
            beyond = (chosen[name] < low) | (chosen[name] > high)
            chosen[name] = chosen[name].mask(beyond)
            if beyond.any():
                said.append(f"column '{name}': {_values(int(beyond.sum()))} beyond its limits, taken for lost")
        else:
            _refuse_codes(chosen[name], what)
    chosen, filled = _filled(chosen, record.fill_gaps, what)
    said += [f"{filled} of {len(chosen)} samples were lost, and are put in on straight lines"] if filled else []
    _refuse_copies(chosen.to_numpy(), record, what)
    for one, other in combinations(chosen.columns, 2):
        if (chosen[one] == chosen[other]).all():
            said.append(f"columns '{one}' and '{other}' are the same throughout")
    return chosen, said


def numbers(table: "pd.DataFrame", what: str) -> "pd.DataFrame":
    """Return a table whose values are finite numbers, or say which is none."""
    for name in table.columns:
        _refuse_words(table[name], what)
        _refuse_infinite(table[name], what)
    return _filled(table.astype(np.float64), 0, what)[0]


def refuse_constant(names: Iterable[str], values: Array, where: str, part: str = "the training data") -> None:
    """Refuse columns that do not change by more than rounding."""
    for name, column in zip(names, values.T, strict=True):
        if _constant(column):
            remedy = (
                "leave it out" if part == "the training data" else "choose `train` and `val` so that it changes there"
            )
            raise UnrolledError(f"{where}: column '{name}' is constant over {part}, {column[0]:g} throughout: {remedy}")


def _constant(column: Array) -> bool:
    return bool(column.std() <= ROUNDING * np.abs(column).max())


def _refuse_words(column: "pd.Series[Any]", what: str) -> None:
    """Refuse a column with anything but numbers."""
    if column.dtype.kind in "iuf":
        return
    words = [isinstance(value, str | bool | np.bool_) or not np.isreal(value) for value in column]
    if any(words):
        place = words.index(True)
        value, count = str(column.iloc[place]), sum(words)
        hint = "correct it, or leave the column out"
        if value.isascii() and re.sub("[., ']", "", value).lstrip("+-").isdecimal():
            hint = f"write numbers without signs between thousands and with one decimal sign, or set 'decimal' {KEY}"
        shown = value if len(value) <= 40 else f"{value[:40]}..."
        raise UnrolledError(
            f"{what}: line {column.index[place]}, column '{column.name}' holds '{shown}', not a number "
            f"({count} such in all): {hint}"
        )


def _refuse_infinite(column: "pd.Series[Any]", what: str) -> None:
    """Refuse infinite numbers, and those too large to be squared."""
    if (bad := np.flatnonzero(np.abs(column.to_numpy(np.float64)) > LARGEST)).size:
        raise UnrolledError(
            f"{what}: line {column.index[bad[0]]}, column '{column.name}' holds {column.iloc[bad[0]]:g}, not a number "
            f"that can be measured ({bad.size} such in all): correct it, or leave it empty and set `fill_gaps` {KEY}"
        )


def _refuse_codes(column: "pd.Series[float]", what: str) -> None:
    """Refuse few values far from all others, and a logger's codes: the rest is what remains between them."""
    values = np.sort(column.dropna().to_numpy())
    if len(values) < 20 or values[0] == values[-1]:
        return
    lowest, highest = _inner(values), len(values) - _inner(-values[::-1])
    far = OUTSIDE * values[lowest:highest].std() or np.inf  # where the rest is constant, only codes are known
    outside: list[float] = []
    if values[lowest] - values[lowest - 1] > far:
        outside += values[:lowest].tolist()
    if values[highest] - values[highest - 1] > far:
        outside += values[highest:].tolist()
    outside = outside or [code for code in CODES if _is_code(code, values)]
    if outside:
        found, true = column.isin(outside), np.setdiff1d(values, outside)
        place = int(np.flatnonzero(found)[0])
        count, name = int(found.sum()), quoted(str(column.name))
        more = f" (one of {count} such)" if count > 1 else ""
        raise UnrolledError(
            f"{what}: line {column.index[place]}, column '{column.name}' holds {column.iloc[place]:g}{more}, more than "
            f"{OUTSIDE:g} standard deviations off, or a logger's code: the rest lies between {true[0]:.12g} and "
            f"{true[-1]:.12g}. `limits: {{{name}: [{true[0]:.12g}, {true[-1]:.12g}]}}` {KEY} says what is possible, "
            "and what lies beyond counts as lost; if it is true, let them hold it"
        )


def _inner(values: Array) -> int:
    """Return how many of the lowest values lie below the largest gap among the few lowest."""
    few = max(1, int(FEW * len(values)))
    return int(np.argmax(np.diff(values[: few + 1]))) + 1


def _is_code(code: float, values: Array) -> bool:
    """Return whether a code is there, less often than not, and a standard deviation away from all the rest."""
    others = values[values != code]
    if len(others) in (0, len(values)) or len(others) < len(values) / 2:
        return False
    return bool(np.abs(others - code).min() > max(others.std(), ROUNDING * abs(code)))


def _filled(table: "pd.DataFrame", most: int, what: str) -> tuple["pd.DataFrame", int]:
    """Return the table with up to so many missing values in a row put on straight lines, and how many values."""
    missing = table.isna().to_numpy()
    if not missing.any():
        return table, 0
    if empty := [name for k, name in enumerate(table.columns) if missing[:, k].all()]:
        raise UnrolledError(f"{what}: column '{empty[0]}' is empty: leave it out")
    runs = [(k, int(first), int(stop)) for k in range(missing.shape[1]) for first, stop in _runs(missing[:, k])]
    lines = [int(line) for line in table.index]
    for k, first, stop in runs:
        if first == 0 or stop == len(table):
            own, end = lines[first:stop], "last" if first else "first"
            span = f"line {own[0]}" if len(own) == 1 else f"lines {own[0]} to {own[-1]}"
            raise UnrolledError(
                f"{what}: line {own[0]}, column '{table.columns[k]}' holds nothing, at the {end} sample: delete {span}"
            )
    total, longest = int(missing.any(axis=1).sum()), max(stop - first for _, first, stop in runs)
    if longest > most:
        k, first, stop = next(each for each in runs if each[2] - each[1] > most)
        where = f"line {lines[first]}" if lines[first] else f"between lines {lines[first - 1]} and {lines[stop]}"
        count = "a sample is" if stop - first == 1 else f"{stop - first} samples in a row are"
        raise UnrolledError(
            f"{what}: {where}, column '{table.columns[k]}': {count} missing ({total} in all): `fill_gaps: {longest}` "
            f"{KEY} puts up to so many in a row on a straight line between their neighbours; or cut the table there"
        )
    straight = table.reset_index(drop=True).interpolate(method="linear")
    return straight.set_axis(table.index, axis=0), total


def _runs(missing: Array) -> Array:
    """Return where each run of missing values begins and ends, (runs, 2)."""
    return np.flatnonzero(np.diff(np.concatenate([[0], missing, [0]]))).reshape(-1, 2)


def _refuse_copies(values: Array, record: RecordRow, what: str) -> None:
    """Refuse an input that is an output, up to a shift by one step, a factor and a constant."""
    for i, name in enumerate(record.inputs):
        for k, output in enumerate(record.outputs, len(record.inputs)):
            for shift, when in ((0, ""), (1, ", one step later"), (-1, ", one step before")):
                u = values[max(0, -shift) : len(values) - max(0, shift), i]
                y = values[max(0, shift) : len(values) - max(0, -shift), k]
                if len(u) > 3 and _lacking(u, y) < COPY:
                    raise UnrolledError(
                        f"{what}: input '{name}' holds the output '{output}'{when}, up to a factor and a constant, so "
                        f"that nothing is left to be learnt: leave '{name}' out of the 'inputs'"
                    )


def _lacking(u: Array, y: Array) -> float:
    """Return the standard deviation of what a straight line in u lacks of y, over that of y."""
    if _constant(u) or _constant(y):
        return 1.0
    u, y = u - u.mean(), y - y.mean()
    return float((y - u * (u @ y) / (u @ u)).std() / y.std())


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
