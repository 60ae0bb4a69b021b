"""The contract of a record: measured values, read, checked, scaled, and cut in order into windows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled import registry
from unrolled.config import DataRow, RecordRow
from unrolled.errors import UnrolledError
from unrolled.registry import Item

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

Array = NDArray[np.float64]
SPLITS = ("train", "val", "test")


class Record(Item, ABC):
    """A source of measured values."""

    test_labels: ClassVar[dict[str, str]] = {}
    """What a reader calls the official tests, where their names do not say it."""

    def refuses(self, row: RecordRow) -> str | None:
        """Return what is wrong with a study's record before anything is read, or None."""
        return "reads no 'file': take it out" if row.file is not None else None

    @abstractmethod
    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return all values, one row a time step, one column a channel.

        Raises
        ------
        UnrolledError
            If the file is missing or damaged.
        NotRunError
            If the data cannot be had here.
        """

    def tests(self, row: RecordRow) -> "dict[str, pd.DataFrame]":
        """Return the official tests by name, the first called `test`, where the record comes with some."""
        return {}


@dataclass(frozen=True)
class Series:
    """The values of a record, in units of their standard deviation.

    Attributes
    ----------
    inputs, outputs : (T, D), (T, K) arrays
        Minus the mean and over the standard deviation of the training data.
    mean, standard_deviation : (D + K,) arrays
        In the units of the columns, inputs first.
    tests : dict of pairs of arrays
        Inputs (T, D) and outputs (T, K) of each official test, where the record has some; `test` counts
        the values of the first.
    """

    inputs: Array
    outputs: Array
    mean: Array
    standard_deviation: Array
    tests: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    test_labels: dict[str, str] = field(default_factory=dict)

    @property
    def scaling(self) -> dict[str, list[float]]:
        """Mean and standard deviation of each column, inputs first, as the sidecar keeps them."""
        return {"mean": self.mean.tolist(), "standard_deviation": self.standard_deviation.tolist()}

    @property
    def output_scale(self) -> Array:
        """The standard deviation of each output, (K,), in its unit."""
        return self.standard_deviation[self.inputs.shape[1] :]


def load(row: DataRow) -> Series:
    """Read a study's record.

    Raises
    ------
    UnrolledError
        If a column is missing, a value is not a number, or there are too few rows; it names the
        column and the line.
    """
    record = row.record
    assert record is not None
    item: Record = registry.make("records", record.source)
    what, table, official = record.file or record.source, item.read(record), item.tests(record)
    for name in (*record.inputs, *record.outputs):
        if name not in table.columns:
            raise registry.unknown(f"column of {what}", name, [str(column) for column in table.columns])
    chosen = table[[*record.inputs, *record.outputs]]
    values = _numbers(chosen, what)
    need = row.train + row.val + (0 if official else row.test)
    if official and (found := len(next(iter(official.values())))) != row.test:
        raise UnrolledError(f"the first official test of {what} has {found} values, not {row.test}: see params.yaml")
    if len(values) < need:
        raise UnrolledError(
            f"{what} has {len(values)} rows, train + val + test ask for {need}: lower them in params.yaml"
        )
    mean, deviation = values[: row.train].mean(axis=0), values[: row.train].std(axis=0)
    for name, each in zip(chosen.columns, deviation, strict=True):
        if each == 0:
            raise UnrolledError(f"{what}: column '{name}' is constant over the training data: leave it out")

    def scaled(values: Array) -> tuple[Array, Array]:
        units = (values - mean) / deviation
        return units[:, : len(record.inputs)], units[:, len(record.inputs) :]

    tests = {name: scaled(_numbers(test[chosen.columns], f"{what}, {name}")) for name, test in official.items()}
    return Series(*scaled(values[:need]), mean, deviation, tests, item.test_labels)


def _numbers(table: "pd.DataFrame", what: str) -> Array:
    """Return the values, or say which one is not a finite number; line 1 is the heading."""
    import pandas as pd

    numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, column = (int(place) for place in bad[0])
        raise UnrolledError(
            f"{what}: line {row + 2}, column '{table.columns[column]}' holds '{table.iloc[row, column]!s}', not a "
            f"finite number ({len(bad)} such in all): fill the gaps or cut the series"
        )
    return numbers


def block(row: DataRow, number: int) -> slice:
    """Return the rows of a record that belong to a split."""
    edges = np.cumsum([0, row.train, row.val, row.test])
    return slice(int(edges[number]), int(edges[number + 1]))


def windows(row: DataRow, number: int, length: int, stride: int) -> Array:
    """Return the rows (N, length) of windows inside a split.

    Raises
    ------
    UnrolledError
        If the split is shorter than one window.
    """
    part = block(row, number)
    counted(row, number, length, stride)
    first = np.arange(part.start, part.stop - length + 1, stride)
    return first[:, None] + np.arange(length)


def counted(row: DataRow, number: int, length: int, stride: int) -> int:
    """Return how many windows a split has; errors as in `windows`."""
    size = int(getattr(row, SPLITS[number]))
    if size < length:
        raise UnrolledError(
            f"'{SPLITS[number]}' has {size} values, one window needs {length}: change the study's row in params.yaml"
        )
    return (size - length) // stride + 1
