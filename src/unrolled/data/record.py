"""A measured series: read, checked, cut in order into train, val and test, and into windows."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from unrolled import registry
from unrolled.config import Study
from unrolled.data.system import Array
from unrolled.errors import UnrolledError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Measured:
    """The values of a series, in units of their spread.

    Attributes
    ----------
    inputs, outputs : (T, D), (T, K) arrays
        Minus the mean and over the standard deviation of the learning data.
    mean, spread : (D + K,) arrays
        In the units of the columns, inputs first.
    tests : dict of pairs of arrays
        Inputs (T, D) and outputs (T, K) of each official test, where the series has some; `test` counts
        the values of the first.
    start : int
        How many first values of a record give its state and are not scored.
    """

    inputs: Array
    outputs: Array
    mean: Array
    spread: Array
    tests: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    start: int = 0

    def block(self, study: Study, number: int) -> slice:
        """Return the rows of a split."""
        edges = np.cumsum([0, study.train, study.val, study.test])
        return slice(int(edges[number]), int(edges[number + 1]))


def load(study: Study) -> Measured:
    """Read a study's series.

    Raises
    ------
    UnrolledError
        If a column is missing, a value is not a number, or there are too few rows; it names the
        column and the line.
    """
    row = study.series
    assert row is not None
    item, what = registry.load("records", row.source), row.file or row.source
    table = item.read(row)
    official = item.tests(row) if hasattr(item, "tests") else {}
    for name in (*row.inputs, *row.outputs):
        if name not in table.columns:
            raise registry.unknown(f"column of {what}", name, [str(column) for column in table.columns])
    chosen = table[[*row.inputs, *row.outputs]]
    values = _numbers(chosen, what)
    need = study.train + study.val + (0 if official else study.test)
    if official and (found := len(next(iter(official.values())))) != study.test:
        raise UnrolledError(f"the first official test of {what} has {found} values, not {study.test}: see params.yaml")
    if len(values) < need:
        raise UnrolledError(
            f"{what} has {len(values)} rows, train + val + test ask for {need}: lower them in params.yaml"
        )
    mean, spread = values[: study.train].mean(axis=0), values[: study.train].std(axis=0)
    for name, each in zip(chosen.columns, spread, strict=True):
        if each == 0:
            raise UnrolledError(f"{what}: column '{name}' is constant over the learning data: leave it out")

    def scaled(values: Array) -> tuple[Array, Array]:
        units = (values - mean) / spread
        return units[:, : len(row.inputs)], units[:, len(row.inputs) :]

    tests = {name: scaled(_numbers(test[chosen.columns], f"{what}, {name}")) for name, test in official.items()}
    return Measured(*scaled(values[:need]), mean, spread, tests, getattr(item, "START", study.window))


def _numbers(table: pd.DataFrame, what: str) -> Array:
    """Return the values, or say which one is not a finite number; line 1 is the heading."""
    numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, column = (int(place) for place in bad[0])
        raise UnrolledError(
            f"{what}: line {row + 2}, column '{table.columns[column]}' holds '{table.iloc[row, column]!s}', not a "
            f"finite number ({len(bad)} such in all): fill the gaps or cut the series"
        )
    return numbers


def starts(study: Study, number: int, length: int, stride: int) -> list[int]:
    """Return the first rows of windows of some length inside a split.

    Raises
    ------
    UnrolledError
        If the split is shorter than one window.
    """
    sizes = (study.train, study.val, study.test)
    if sizes[number] < length:
        raise UnrolledError(
            f"'{SPLITS[number]}' has {sizes[number]} values, one window needs {length}: change the study's row in "
            "params.yaml"
        )
    first = sum(sizes[:number])
    return list(range(first, first + sizes[number] - length + 1, stride))
