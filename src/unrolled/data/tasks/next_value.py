"""Many-to-one: a window of past values in, the next value out; then run on alone."""

from typing import ClassVar

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from unrolled.config import Study
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task
from unrolled.errors import UnrolledError


def windows(series: Array, window: int, first: int, stop: int) -> tuple[Array, Array]:
    """Return inputs (N, window, 1) and targets (N, 1) for the targets `series[first:stop]`."""
    views = sliding_window_view(series, window)
    return views[first - window : stop - window, :, None], series[first:stop, None]


class NextValue(Task):
    """One series of `train + val + test` points, cut into windows by the place of their target.

    The windows held back for validation have their targets in the `val` points before the test,
    so nothing of the test is seen while tuning.
    """

    kind: ClassVar[str] = "many-to-one"
    last: ClassVar[bool] = True

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Integrate once, add the noise, cut; `clean` is the expected value of each target."""
        if study.window >= study.train:
            raise UnrolledError("task 'next_value' needs window < train: change the study's row in params.yaml")
        random = np.random.default_rng(study.seed)
        times: Array = study.step * np.arange(study.train + study.val + study.test, dtype=np.float64)
        initial = system.start(random, 1)
        states = simulate(system, initial, times)
        error = solver_error(system, initial, times, None, states)
        clean, series = states[0, :, 0].copy(), states[0, :, 0].copy()
        if study.noise is not None:
            series += random.uniform(study.noise[0], study.noise[1], size=len(series))
            clean += sum(study.noise) / 2
        edges = np.cumsum([study.window, study.train - study.window, study.val, study.test])
        splits: dict[str, Split] = {}
        for split, first, stop in zip(("train", "val", "test"), edges[:-1], edges[1:], strict=True):
            inputs, targets = windows(series, study.window, first, stop)
            splits[split] = {
                "inputs": inputs.astype(np.float32),
                "targets": targets.astype(np.float32),
                "clean": clean[first:stop, None].astype(np.float32),
                "times": times[first:stop],
            }
        return splits, {"solver_error": float(f"{error:.1e}"), "outputs": ["x"]}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return one-step predictions `train`, `test` (S, N, 1) and the recursive `forecast`."""
        one_step = {name: model(torch.from_numpy(splits[name]["inputs"])).numpy() for name in ("train", "test")}
        test = torch.from_numpy(splits["test"]["inputs"])
        return one_step | {"forecast": self.forecast(model, test[:1], len(test))[:, 0].numpy()}

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Feed the network its own predictions: the window slides over them, as in the lecture."""
        latest = model(warm_up)
        window = warm_up.expand(len(latest), *warm_up.shape)
        outputs = [latest]
        for _ in range(steps - 1):
            window = torch.cat([window[:, :, 1:], latest[:, :, None]], dim=2)
            latest = model(window)
            outputs.append(latest)
        return torch.stack(outputs, dim=2)
