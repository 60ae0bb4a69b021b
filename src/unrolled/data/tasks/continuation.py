"""Many-to-many: one series, always one step ahead; trained on its first part, tested on the values that follow it."""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from unrolled import registry
from unrolled.config import Count, DataRow, Natural, Precision
from unrolled.data.record import Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Size, Split, Task, TestSet, number_type

Cut = tuple[Array, int]
"""Where the sequences of a part begin, and how many values each network gets of them."""


class Continuation(Task):
    """Given s_0 ... s_{t-1}, give s_t: of the first `train` values, then of the next `test` values.

    Validation is on what follows, so that the test comes at once after the training. Each part is seen from its washout
    on, values that belong to the part before: a network's state forms on them. With a `horizon` n the test values
    are cut into sequences: after the washout a network gets its own outputs back for n steps.
    """

    kind: ClassVar[str] = "many-to-many"
    error_growth: ClassVar[str | None] = "closed_loop"

    class Settings(registry.Settings):
        """`skip` first values are left out, values are in standard deviations of these, with this precision.

        Training sequences have `steps` values (by default all), of which the washout overlaps with the one before.
        """

        skip: Natural = 0
        standardise: Literal["none", "train", "all"] = "train"
        precision: Precision = "single"
        steps: Count | None = None
        horizon: Count | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a system, other inputs, and parts of which nothing is left."""
        if row.record is None or row.record.inputs:
            return "needs a record without inputs"
        for name, values in (("train", row.train), ("steps", self.settings.steps or row.train)):
            if values <= row.washout:
                return f"needs '{name}' of more than the washout of {row.washout}"
        if (self.settings.steps or 0) > row.train:
            return "needs 'steps' of at most 'train'"
        least = self.settings.skip + 1 + (0 if self.settings.horizon is None else self._length(row))
        if self.settings.horizon is not None and row.test < self._length(row):
            return f"needs 'test' of at least the washout and the horizon, {self._length(row)}"
        return None if row.val > least else f"needs 'val' of more than {least}"

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return what a study lacks: the closed loop only where there is no horizon."""
        lacking = super().lacks(row, system)
        return {n: why for n, why in lacking.items() if n != "closed_loop" or self.settings.horizon is None}

    def _length(self, row: DataRow) -> int:
        """Return how many values a sequence of the test in closed loop has."""
        return row.washout + (self.settings.horizon or 0) + 1

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return the sequences of each part, washout included."""
        cuts = self._cuts(row)
        return {name: Size(len(first), steps, whole=len(first) == 1) for name, (first, steps) in cuts.items()}

    def _cuts(self, row: DataRow) -> dict[str, Cut]:
        """Return which values are the inputs of each part."""
        washout, steps, end = row.washout, self.settings.steps or row.train, row.train + row.test
        last = end + row.val - self.settings.skip - 1
        train = np.arange(0, row.train - steps + 1, steps - washout), steps
        if self.settings.horizon is None:
            test, val = (np.array([first - washout]) for first in (row.train, end))
            return {"train": train, "val": (val, last - end + washout), "test": (test, row.test + washout)}
        length = self._length(row)
        tests = np.arange(row.train, end - length + 1, length)
        vals = np.arange(end, last - length + 2, length)
        return {"train": train, "val": (vals, length - 1), "test": (tests, length - 1)}

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return the number of outputs, twice."""
        count = len(self.outputs(row, system))
        return count, count

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Cut the series into its three parts."""
        assert isinstance(source, Series)
        source = self._scaled(source)
        number = number_type(self.settings.precision)
        values, washout = source.outputs.astype(number), row.washout

        def cut(first: Array, begin: int, stop: int) -> Array:
            return values[first[:, None] + np.arange(begin, stop)]

        def split(first: Array, given: int, wanted: int, stop: int) -> Split:
            times = row.step * (first[0] + np.arange(wanted, stop, dtype=np.float64))
            return {"inputs": cut(first, 0, given), "targets": cut(first, wanted, stop), "times": times}

        cuts = self._cuts(row)
        splits = {name: split(first, steps, washout + 1, steps + 1) for name, (first, steps) in cuts.items()}
        about = self.measure(row, source)
        tests = {"test": TestSet.of(splits["test"], label="the values that follow", **about)}
        vals = dict[str, TestSet]()
        if self.settings.horizon is not None:
            tests["closed_loop"], vals["closed_loop"] = (
                TestSet.of(split(first, washout, washout, steps + 1), "closed_loop", label="closed loop", **about)
                for first, steps in (cuts["test"], cuts["val"])
            )
        example = source.mean + source.standard_deviation * splits["test"]["inputs"][:1].astype(np.float64)
        return Data(splits["train"], splits["val"], tests, {"scaling": source.scaling}, example, vals)

    def _scaled(self, source: Series) -> Series:
        """Return the series without the values to be left out, in the units that are asked for."""
        values, mean, deviation = source.outputs, source.mean, source.standard_deviation
        own = values[self.settings.skip :]
        if self.settings.standardise == "none":
            return replace(source, outputs=mean + deviation * own, mean=0 * mean, standard_deviation=0 * mean + 1)
        if self.settings.standardise == "train":
            return replace(source, outputs=own)
        centre, width = own.mean(axis=0), own.std(axis=0)
        scaled = {"mean": mean + deviation * centre, "standard_deviation": deviation * width}
        return replace(source, outputs=(own - centre) / width, **scaled)
