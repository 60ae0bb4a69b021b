"""Many-to-one: a window of past values in, the next value out; then in closed loop."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, FiniteFloat

from unrolled import registry
from unrolled.config import Count, DataRow
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Mode, Size, Split, Task, TestSet, long

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

STARTS = 16
"""Places of the validation data, at most, from which a forecast in closed loop starts."""
Bounds = Annotated[list[Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=2)]


class NextValue(Task):
    """One series of `train + val + test` points, cut into windows by the place of their target.

    The windows held back for validation have their targets in the `val` points before the test,
    so nothing of the test is seen while tuning. In closed loop, as in the lecture, the window slides over the network's
    own predictions of all `test` points.
    """

    kind: ClassVar[str] = "many-to-one"
    many_to_one: ClassVar[bool] = True
    mode: ClassVar[Mode] = "closed_loop"
    window: ClassVar[bool] = True
    one_series: ClassVar[bool] = True

    class Settings(registry.Settings):
        """Noise, and how much of it is tested.

        `noise`: bounds of the uniform noise on every value. `test_series`: how many series, each with noise of its own,
        the test windows are taken from, since one of a few hundred points ranks methods by luck.
        """

        noise: Bounds | None = None
        test_series: Count = 1

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a record, a driven system, a washout, and a window as long as the training data."""
        if row.washout:
            return "takes no washout: only the output after the window is scored"
        if system is None or system.forced:
            return "needs a system without a force"
        noise = self.settings.noise
        if noise is not None and noise[0] > noise[1]:
            return "needs 'noise' with the lower bound first"
        if self.settings.test_series > 1 and noise is None:
            return "needs 'noise' for several 'test_series': without it they are all the same"
        return "needs window < train" if self._window(row) >= row.train else None

    def _window(self, row: DataRow) -> int:
        """Return how many past values a network gets."""
        return row.window or 1

    def span(self, row: DataRow) -> int:
        """Return all points."""
        return row.train + row.val + row.test

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return windows, by the place of their targets."""
        counts = (row.train - self._window(row), row.val, row.test * self.settings.test_series)
        return {split: Size(count, self._window(row)) for split, count in zip(SPLITS, counts, strict=True)}

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return what a study lacks: not the closed loop."""
        return {name: why for name, why in super().lacks(row, system).items() if name != "closed_loop"}

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return one input, one output."""
        return 1, 1

    def outputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the first state."""
        return dict(list(super().outputs(row, system).items())[:1])

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Integrate once, add the noise, cut."""
        assert isinstance(source, System)
        random = np.random.default_rng(row.seed)
        times: Array = row.step * np.arange(row.train + row.val + row.test, dtype=np.float64)
        initial = source.start(random, 1)
        states = simulate(source, initial, times)
        error = solver_error(source, initial, times, None, states)
        low, high = self.settings.noise or (0.0, 0.0)
        clean = states[0, :, 0] + (low + high) / 2
        noises = random.uniform(low, high, (self.settings.test_series, len(clean)))
        every = states[0, :, 0] + noises
        window = self._window(row)
        edges = np.cumsum([window, row.train - window, row.val, row.test])
        splits, floors = {}, {}
        for split, first, stop in zip(SPLITS, edges[:-1], edges[1:], strict=True):
            parts = [_windows(each, window, first, stop, times) for each in every[: None if split == "test" else 1]]
            splits[split] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            truth = np.tile(clean[first:stop].astype(np.float32), len(parts))
            floors[split] = float(np.square(splits[split]["targets"][:, 0].astype(np.float64) - truth).mean())
        test = splits["test"]
        first_series = {key: array[: row.test] for key, array in test.items()}
        loop = first_series | {"inputs": test["inputs"][:1], "targets": first_series["targets"][None]}
        tests = {
            "test": TestSet.of(test, label="one step ahead"),
            "closed_loop": TestSet.of(loop, "closed_loop", label="closed loop"),
            "in_sample": TestSet.of(splits["train"], label="training data, one step ahead"),
        }
        facts: dict[str, Any] = {"solver_error": error, "solver_error_over": "the whole series"}
        if self.settings.noise is not None:
            theory = (high - low) ** 2 / 12
            facts["floor"] = {"theory": theory, "in_sample": floors["train"], "out_of_sample": floors["test"]}
        return Data(
            splits["train"], splits["val"], tests, facts, test["inputs"][:1], {"closed_loop": _phases(splits["val"])}
        )

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> "pd.DataFrame":
        """Return the whole series by split; of several test series the first."""
        import pandas as pd

        splits = {"train": data.train, "val": data.val, "test": vars(data.tests["test"])}
        parts = []
        for name, split in splits.items():
            times = _first_series(split["times"])
            parts.append(long({outputs[0]: split["targets"][: len(times), 0]}, times, name, "channel"))
        return pd.concat(parts, ignore_index=True)

    def example(self, lines: dict[str, Array], times: Array, outputs: list[str]) -> "pd.DataFrame":
        """Return truth and predictions of the first test series."""
        own = _first_series(times)
        return super().example({name: line[..., : len(own), :] for name, line in lines.items()}, own, outputs)


def _first_series(times: Array) -> Array:
    """Return the times up to where those of a second series begin."""
    again = np.flatnonzero(np.diff(times) <= 0)
    return times[: again[0] + 1] if len(again) else times


def _phases(val: Split) -> TestSet:
    """Return forecasts in closed loop over a quarter of the validation data, from starts spread over the rest."""
    steps = max(1, len(val["targets"]) // 4)
    starts = np.unique(np.linspace(0, len(val["targets"]) - steps, STARTS).round().astype(int))
    targets = np.stack([val["targets"][start : start + steps] for start in starts])
    return TestSet(val["inputs"][starts], targets, val["times"][:steps], "closed_loop", "closed loop")


def _windows(series: Array, window: int, first: int, stop: int, times: Array) -> Split:
    """Return inputs (N, window, 1) and targets (N, 1) for the targets `series[first:stop]`."""
    views = sliding_window_view(series, window)
    return {
        "inputs": views[first - window : stop - window, :, None].astype(np.float32),
        "targets": series[first:stop, None].astype(np.float32),
        "times": times[first:stop],
    }
