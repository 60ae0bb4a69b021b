"""Many-to-many over a whole record: the inputs in, the outputs out, the measured outputs seen at its start alone."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter, lfiltic
from torch import Tensor

from unrolled.config import Study
from unrolled.data.record import Measured, starts
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task
from unrolled.errors import UnrolledError


class Simulation(Task):
    """Given u_0 ... u_{T-1} and the first n outputs, give y_n ... y_{T-1}.

    What a method may see, by `sees` in its row, is a column each: `before`, y_{t-1} (a network that
    sees it gets its own output in the test); the inputs, by their names; `start`, y_{t-1} for the
    first n steps with a mark (zero afterwards); `linear`, the output of a linear model on its own
    (see `linear_response`). By default it sees the inputs alone. Learning is on windows of `steps`,
    validation on one record, and neither scores the first n steps.
    """

    kind: ClassVar[str] = "many-to-many"
    last: ClassVar[bool] = False

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Refuse: only a measured series is simulated."""
        raise UnrolledError("task 'simulation' needs a 'series' in place of the 'system': see params.yaml")

    def columns(self, study: Study) -> list[str]:
        """Return the name of each column of the inputs; what is fed back comes first, the linear model last."""
        assert study.series is not None
        outputs = len(study.series.outputs)
        return ["before"] * outputs + study.series.inputs + ["start"] * (outputs + 1) + ["linear"] * outputs

    def default(self, study: Study) -> list[str]:
        """Return the columns that a method sees if its row does not say: the inputs."""
        assert study.series is not None
        return study.series.inputs

    def cut(self, study: Study, series: Measured) -> tuple[dict[str, Split], Facts]:
        """Cut half overlapping windows to learn from; validation data and tests are whole records."""
        if not series.inputs.shape[1]:
            raise UnrolledError("task 'simulation' needs a series with inputs: name them in params.yaml")
        if study.steps is None or study.steps <= series.start:
            raise UnrolledError(f"task 'simulation' needs 'steps' of more than {series.start}: see params.yaml")
        model = fit(series.inputs[: study.train], series.outputs[: study.train], study.window)
        u, y, start = series.inputs, series.outputs, series.start
        linear = linear_response(model, u, y, start)
        found: dict[str, Split] = {}
        for number, (part, length) in enumerate((("train", study.steps), ("val", study.val))):
            at = np.array(starts(study, number, length, max(1, length // 2)))[:, None] + np.arange(length)
            found[part] = record(u[at], y[at], linear[at], start)
        found["test"] = {"scale": series.spread[u.shape[1] :]}
        rows = series.block(study, 2)
        for name, (own_u, own_y) in (series.tests or {"test": (u[rows], y[rows])}).items():
            own = record(own_u[None], own_y[None], linear_response(model, own_u, own_y, start)[None], start)
            own["inputs"][:, start + 1 :, : y.shape[1]] = 0  # nobody may see them
            found["test"] |= {key if name == "test" else f"{name}_{key}": array for key, array in own.items()}
        for split in found.values():
            split["times"] = study.step * np.arange(start, start + split["targets"].shape[1])
        return found, {"solver_error": 0.0}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs after the first n in each test, (S, 1, T - n, K); `test` is the first."""
        known = {name.removesuffix("inputs"): a for name, a in splits["test"].items() if name.endswith("inputs")}
        return {name.rstrip("_") or "test": model.simulate(torch.from_numpy(x)).numpy() for name, x in known.items()}

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Return the first `steps` outputs after the start of the record `warm_up`."""
        return model.simulate(warm_up)[:, :, :steps]


def record(u: Array, y: Array, linear: Array, start: int) -> Split:
    """Return inputs (N, T, ...) in the order of `columns`, and targets (N, T - n, K), of windows u, y, linear."""
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    mark = np.zeros((*u.shape[:2], 1))
    mark[:, 1 : start + 1] = 1
    inputs = np.concatenate([before, u, before * mark, mark, linear], axis=-1)
    return {"inputs": inputs.astype(np.float32), "targets": y[:, start:].astype(np.float32)}


def fit(u: Array, y: Array, lags: int) -> list[tuple[Array, Array, float]]:
    """Return, for each output, (a, b, c) of y_t = Σ a_k y_{t-k} + Σ u_{t-k} b_k + c by least squares, with k to `lags`.

    The shapes are (L,), (L + 1, D); the lags of y begin at 1, those of u at 0.
    """
    at = np.arange(lags, len(u))[:, None]
    inputs = u[at - np.arange(lags + 1)].reshape(len(at), -1)
    models = []
    for each in y.T:
        rows = np.concatenate([each[at - np.arange(1, lags + 1)], inputs, np.ones((len(at), 1))], axis=1)
        found = np.linalg.lstsq(rows, each[lags:], rcond=None)[0]
        models.append((found[:lags], found[lags:-1].reshape(lags + 1, -1), float(found[-1])))
    return models


def linear_response(models: list[tuple[Array, Array, float]], u: Array, y: Array, start: int) -> Array:
    """Return the linear models' outputs (T, K) to u (T, D): the measured y up to `start`, on their own from there."""
    found = y.copy()
    for k, (a, b, c) in enumerate(models):
        force = c + sum(lfilter(b[:, d], [1.0], u[:, d]) for d in range(u.shape[1]))
        poles = np.concatenate([[1.0], -a])
        state = lfiltic([1.0], poles, y[:start, k][::-1])
        found[start:, k] = lfilter([1.0], poles, force[start:], zi=state)[0]
    return found
