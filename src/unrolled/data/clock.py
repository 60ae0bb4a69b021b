"""The clock of a record: equal steps that fit the study's, in order, and where samples are lost."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.config import DataRow
from unrolled.data.textfile import quoted
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
UNEVEN, WRONG = 0.1, 0.01
"""Shares of a step: how far one step, and the mean of all, may be off."""
OFTEN = 0.9
"""The share of equal steps from which a column looks like a clock."""
NAMES = re.compile(r"(time|times|t|date|datetime|timestamp|clock|zeit|datum|uhrzeit|zeitstempel)\b", re.IGNORECASE)
FORMATS = (
    "ISO8601",
    *(f"{day} %H:%M{s}" for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y") for s in (":%S", ":%S.%f", "")),
)
SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
WORDS = {"second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d", "millisecond": "ms", "microsecond": "us"}


def in_order(table: "pd.DataFrame", row: DataRow, what: str) -> tuple["pd.DataFrame", list[str]]:
    """Return the table in the order of its clock, an empty row for each lost sample, and what is to be said of it.

    Without `time` in the record's row, a column that looks like a clock is only checked.

    Raises
    ------
    UnrolledError
        If the clock repeats, jumps, goes back, does not fit `step`, or samples are lost that may not be filled; it
        names line, time and remedy.
    """
    record = row.record
    assert record is not None
    used = {*record.inputs, *record.outputs}
    said = [
        f"column '{name}' looks like a clock, and the networks get it as if it were measured: take it out, unless meant"
        for name in record.inputs
        if name != record.time and record.time is not False and _looks_like_one(table[name], name)
    ]
    if record.time is False:
        return table, said
    if record.time is None:
        name = next((str(c) for c in table if c not in used and _looks_like_one(table[c], str(c))), None)
        if name is None:
            return table, said
        follow = f"`time: {quoted(name)}` in the study's 'record' has it followed, `time: false` says that it is none"
        try:
            _placed(table.dropna(how="all")[name], row, unasked=True)
        except UnrolledError as error:
            raise UnrolledError(f"{what}: column '{name}' looks like a clock ({follow}), but {error}") from None
        return table, [*said, f"column '{name}' looks like a clock, and fits: {follow}"]
    table = table.dropna(how="all")  # the clock knows whether a blank line was a sample
    try:
        places, falls = _placed(table[record.time], row, record.fill_gaps)
    except UnrolledError as error:
        raise UnrolledError(f"{what}: column '{record.time}': {error}") from None
    if falls:
        said.append(f"turned round: column '{record.time}' has the newest first")
        table = table.iloc[::-1]
    if len(places) < places[-1] + 1:
        lines = np.full(places[-1] + 1, 0)
        lines[places] = table.index
        table = table.set_axis(places, axis=0).reindex(range(places[-1] + 1)).set_axis(lines, axis=0)
    return table, said


def times(column: "pd.Series[Any]", unit: str) -> Array:
    """Return a clock's times: numbers as they are, dates and times in the unit, counted from the first.

    Raises
    ------
    UnrolledError
        If a field is neither, or there is no unit for a date.
    """
    import pandas as pd

    lines = column.index
    if column.dtype != object:
        if (bad := np.flatnonzero(~np.isfinite(column.to_numpy()))).size:
            raise UnrolledError(f"line {lines[bad[0]]} has no time: put it in, or delete the line")
        return np.asarray(column, dtype=np.float64)
    if len(words := column[column.map(lambda field: isinstance(field, str))]) < len(column):
        raise UnrolledError(
            f"line {words.index[0]} holds '{words.iloc[0]}', where others hold a number or nothing: correct it"
        )
    texts = column.astype(str).str.replace(",", ".", regex=False)
    dated = (pd.to_datetime(texts, format=form, errors="coerce", utc=True) for form in FORMATS)
    found = next((each - each.iloc[0] for each in dated if each.notna().all()), None)
    if found is None:
        found = pd.to_timedelta(texts, errors="coerce")
        if found.isna().any():
            bad = np.flatnonzero(pd.to_datetime(texts, format="mixed", errors="coerce", utc=True).isna())
            place = bad[0] if bad.size else 0
            raise UnrolledError(
                f"line {lines[place]} holds '{column.iloc[place]}', neither a number nor a date and time such as "
                "2024-05-31 12:00:04: correct it, or write the clock as a number"
            )
    plain = unit if unit in SECONDS else WORDS.get(unit.lower().removesuffix("s"), "")
    if not plain:
        raise UnrolledError(
            f"line {lines[0]} holds '{column.iloc[0]}', so that `step` needs a unit: set `time_unit` in the study's "
            f"'data' to one of {', '.join(SECONDS)}"
        )
    return np.asarray(found.dt.total_seconds() / SECONDS[plain], dtype=np.float64)


def _looks_like_one(column: "pd.Series[Any]", name: str) -> bool:
    """Return whether a column has the name of a clock, or rises (or falls) nearly always by the same step."""
    import pandas as pd

    if len(column) < 3:
        return False
    if column.dtype == object:
        words = column[column.map(lambda field: isinstance(field, str))]
        if len(words) > (1 - OFTEN) * len(column):
            dated = words.iloc[:9].astype(str)
            return bool(pd.to_datetime(dated, format="mixed", errors="coerce", utc=True).notna().all())
        column = column.drop(words.index).astype(np.float64)
    steps = np.diff(column.dropna().to_numpy())
    middle = np.median(steps) if len(steps) else 0.0
    if middle == 0:
        return NAMES.match(name) is not None and len(steps) > 0
    even = np.mean(np.abs(steps - middle) <= UNEVEN * abs(middle))
    return bool(even >= OFTEN) or NAMES.match(name) is not None


def _placed(column: "pd.Series[Any]", row: DataRow, fill: int = 0, unasked: bool = False) -> tuple[Array, bool]:
    """Return the place of each sample in a series without gaps, and whether the newest comes first.

    The places are those in the order of time. Of a column that nobody called a clock, one that counts samples fits any
    step, and the newest may not come first.
    """
    at, step = times(column, row.unit_of_time), row.step
    if falls := bool(len(at) > 1 and np.median(np.diff(at)) < 0):
        if unasked:
            raise UnrolledError("the newest comes first: with `time` it is turned round")
        column, at = column.iloc[::-1], at[::-1]
    steps, lines = np.diff(at), column.index
    unit = "" if row.time_unit is None else f" {row.time_unit}"

    def between(place: int) -> str:
        first, second = (f"line {lines[k]} ({column.iloc[k]})" for k in (place, place + 1))
        return f"from {first} to {second}"

    def refuse(wrong: Array, why: str, remedy: str) -> None:
        if (found := np.flatnonzero(wrong)).size:
            more = f" ({found.size} such in all)" if found.size > 1 else ""
            raise UnrolledError(f"{between(found[0])} {why}{more}: {remedy}")

    refuse(steps < 0, "it goes back", "sort the lines by time, and have one series in a file")
    refuse(steps == 0, "it repeats", "delete one of the lines; or `time: false`, if the clock is too coarse")
    if unasked and len(at) > 1 and np.median(steps) == 1:
        step = 1.0
    relative = np.minimum(steps / step, 1e12)
    near = np.abs(relative - 1) <= 0.5
    mean = float(np.mean(steps[near]) if near.mean() >= 0.5 else np.median(steps)) if len(steps) else step
    if abs(mean / step - 1) > WRONG:
        raise UnrolledError(
            f"it goes in steps of {mean:.6g}{unit}, and `step` in the study's 'data' is {step:g}{unit}: correct one"
        )
    whole = np.rint(relative).astype(np.int64)
    refuse(
        (np.abs(relative - whole) > UNEVEN) | (whole < 1),
        f"it does not go on by whole steps of {step:g}{unit}, within {UNEVEN:.0%}",
        "bring the series to equal steps, with pandas for example: table.resample(...).interpolate()",
    )
    if (gaps := np.flatnonzero(whole - 1 > fill)).size:
        first, largest, total = int(whole[gaps[0]]) - 1, int(whole.max()) - 1, int((whole - 1).sum())
        lost = "1 sample is lost" if first == 1 else f"{first} samples are lost"
        more = f", {total} in all" if total > first else ""
        raise UnrolledError(
            f"{between(gaps[0])} {lost}{more}: `fill_gaps: {largest}` in the study's 'record' puts up to so many in a "
            "row on a straight line between their neighbours; or cut the table there"
        )
    return np.concatenate([[0], np.cumsum(whole)]), falls
