"""Many-to-one: a window of past values in, the next value out; then in closed loop."""

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, FiniteFloat

from unrolled import registry
from unrolled.config import DataRow
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Mode, Split, Task, TestSet, long

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

Bounds = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]


class NextValue(Task):
    """One series of `train + val + test` points, cut into windows by the place of their target.

    The windows held back for validation have their targets in the `val` points before the test,
    so nothing of the test is seen while tuning. In closed loop, as in the lecture, the window slides over the network's
    own predictions of all `test` points.
    """

    kind: ClassVar[str] = "many-to-one"
    many_to_one: ClassVar[bool] = True
    mode: ClassVar[Mode] = "closed_loop"

    class Settings(registry.Settings):
        """`noise`: bounds of the uniform noise on every value."""

        noise: Bounds | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a record, a driven system, a washout, and a window as long as the training data."""
        if row.washout:
            return "takes no washout: only the output after the window is scored"
        if system is None or system.forced:
            return "needs a system without a force"
        noise = self.settings.noise
        if noise is not None and noise[0] > noise[1]:
            return "needs 'noise' with the lower bound first"
        return "needs window < train" if row.window >= row.train else None

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
        clean, series = states[0, :, 0].copy(), states[0, :, 0].copy()
        if self.settings.noise is not None:
            low, high = self.settings.noise
            series += random.uniform(low, high, size=len(series))
            clean += (low + high) / 2
        edges = np.cumsum([row.window, row.train - row.window, row.val, row.test])
        splits, floors = {}, {}
        for split, first, stop in zip(SPLITS, edges[:-1], edges[1:], strict=True):
            splits[split] = _windows(series, row.window, first, stop, times)
            noise = splits[split]["targets"][:, 0].astype(np.float64) - clean[first:stop].astype(np.float32)
            floors[split] = float(np.square(noise).mean())
        test = splits["test"]
        loop = test | {"inputs": test["inputs"][:1], "targets": test["targets"][None]}
        tests = {
            "test": TestSet.of(test, label="one step ahead"),
            "closed_loop": TestSet.of(loop, "closed_loop", label="closed loop"),
            "in_sample": TestSet.of(splits["train"], label="training data, one step ahead"),
        }
        facts = {"solver_error": error, "solver_error_over": "the whole series"}
        if self.settings.noise is not None:
            theory = (self.settings.noise[1] - self.settings.noise[0]) ** 2 / 12
            facts["floor"] = {"theory": theory, "in_sample": floors["train"], "out_of_sample": floors["test"]}
        return Data(splits["train"], splits["val"], tests, facts, example=test["inputs"][:1])

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> "pd.DataFrame":
        """Return the whole series by split."""
        import pandas as pd

        splits = {"train": data.train, "val": data.val, "test": vars(data.tests["test"])}
        parts = [long({outputs[0]: s["targets"][:, 0]}, s["times"], n, "channel") for n, s in splits.items()]
        return pd.concat(parts, ignore_index=True)


def _windows(series: Array, window: int, first: int, stop: int, times: Array) -> Split:
    """Return inputs (N, window, 1) and targets (N, 1) for the targets `series[first:stop]`."""
    views = sliding_window_view(series, window)
    return {
        "inputs": views[first - window : stop - window, :, None].astype(np.float32),
        "targets": series[first:stop, None].astype(np.float32),
        "times": times[first:stop],
    }
