"""The contract of a record: measured values, read, checked, scaled, and cut in order into windows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled import registry
from unrolled.config import DataRow, RecordRow
from unrolled.data import clock, samples
from unrolled.errors import UnrolledError
from unrolled.registry import Item

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

Array = NDArray[np.float64]
OF_FILES = ("file", "delimiter", "decimal", "encoding", "comment", "time")
"""Keys of a record that say where a file is and how it is written."""
SPLITS = ("train", "val", "test")


class Record(Item, ABC):
    """A source of measured values."""

    test_labels: ClassVar[dict[str, str]] = {}
    """What a reader calls the official tests, where their names do not say it."""

    def refuses(self, row: RecordRow) -> str | None:
        """Return what is wrong with a study's record before anything is read, or None: it has no file."""
        given = [key for key in OF_FILES if getattr(row, key) is not None]
        return f"comes without a file, so it takes no '{given[0]}': take it out" if given else None

    @abstractmethod
    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return all values, one row a time step, one column a channel; the index counts the lines of a file.

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
    facts : dict
        `read`, how the file was read, and `said`, what else the user should know, in words.
    """

    inputs: Array
    outputs: Array
    mean: Array
    standard_deviation: Array
    tests: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    test_labels: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

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
        If a column is missing, a value is not a number or not what was measured, the clock does not fit, or there are
        too few rows; it names the column and the line.
    """
    record = row.record
    assert record is not None
    item: Record = registry.make("records", record.source)
    what, table, official = record.file or record.source, item.read(record), item.tests(record)
    read = table.attrs.get("read")
    known = [str(column) for column in table.columns]
    for name in (*record.inputs, *record.outputs, *([record.time] if record.time else [])):
        if name not in known:
            raise registry.unknown(f"column of {what}", name, known)
    table, said = clock.in_order(table, row, what)
    frame, more = samples.checked(table, record, what)
    values = frame.to_numpy()
    if official and (found := len(next(iter(official.values())))) != row.test:
        raise UnrolledError(f"the first official test of {what} has {found} values, not {row.test}: see params.yaml")
    need = row.train + row.val + (0 if official else row.test)
    if len(values) < need:
        raise UnrolledError(f"{what} has {len(values)} rows, {_remedy(row, len(values), bool(official))}")
    if len(values) > need:
        more.append(f"the last {len(values) - need} of {len(values)} samples are not used")
    mean, deviation = values[: row.train].mean(axis=0), values[: row.train].std(axis=0)
    parts = {"test": values[need - row.test : need]} if not official else {}
    parts |= {
        name: samples.numbers(test[frame.columns], f"{what}, {name}").to_numpy() for name, test in official.items()
    }
    samples.refuse_constant(frame.columns, values[: row.train], what)
    for name, each in parts.items():
        where = f"the test data ({f'the last {row.test} that are used' if name == 'test' else name})"
        samples.refuse_constant(record.outputs, each[:, len(record.inputs) :], what, where)

    def scaled(values: Array) -> tuple[Array, Array]:
        units = (values - mean) / deviation
        return units[:, : len(record.inputs)], units[:, len(record.inputs) :]

    tests = {name: scaled(parts[name]) for name in official}
    facts = {"read": read, "said": [*said, *more]}
    return Series(*scaled(values[:need]), mean, deviation, tests, item.test_labels, facts)


def _remedy(row: DataRow, found: int, official: bool) -> str:
    """Return what to write where a record is too short: the same shares of it."""
    asked = {"train": row.train, "val": row.val} | ({} if official else {"test": row.test})
    shares = {name: size * found // sum(asked.values()) for name, size in asked.items()}
    fitting = ", ".join(f"{name}: {size}" for name, size in shares.items())
    example = f", to {fitting} for example" if min(shares.values()) > 0 else ""
    return f"{' + '.join(asked)} ask for {sum(asked.values())}: lower them in params.yaml{example}"


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
