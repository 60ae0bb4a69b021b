"""Many-to-many: observe a trajectory, always one step ahead; then run on alone."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.config import Study
from unrolled.data.delay import method_of_steps
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Measured, starts
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task, columns
from unrolled.errors import UnrolledError

PIECE = 50
"""Steps over which a trajectory is held against a tighter integration from the same state."""


class Forecast(Task):
    """Given s_0 ... s_{T-1}, give s_1 ... s_T: teacher forcing, since every input is the truth.

    Left to itself afterwards, a network gets its own last output in place of the truth (closed
    loop), for `horizon` steps from s_T on.
    """

    kind: ClassVar[str] = "many-to-many"
    last: ClassVar[bool] = False

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Draw initial states from a different seed for each split, let the transient pass, integrate."""
        if study.steps is None or system.forced:
            need = "needs 'steps'" if study.steps is None else "needs a system without a force"
            raise UnrolledError(f"task 'forecast' {need}: change the study's row in params.yaml")
        seen_states = columns(study, system)
        times: Array = study.step * np.arange(study.steps + (study.horizon or 0) + 1, dtype=np.float64)
        states, errors = {}, []
        for number, (split, count) in enumerate((("train", study.train), ("val", study.val), ("test", study.test))):
            states[split], error = trajectories(study, system, times, number, count)
            errors.append(error)
        seen = {split: each[..., seen_states] for split, each in states.items()}
        mean, spread = _scale(seen["train"]) if study.standardise else (0.0, 1.0)
        splits = {split: _split(study.steps, times, (each - mean) / spread) for split, each in seen.items()}
        facts: Facts = {"solver_error": float(f"{max(errors):.1e}"), "outputs": [system.states[i] for i in seen_states]}
        if study.standardise:
            facts |= {"mean": np.ravel(mean).tolist(), "standard_deviation": np.ravel(spread).tolist()}
        return splits, facts

    def cut(self, study: Study, series: Measured) -> tuple[dict[str, Split], Facts]:
        """Cut each split into windows, half overlapping to learn from; the test ones do not overlap."""
        if study.steps is None or series.inputs.shape[1]:
            need = "needs 'steps'" if study.steps is None else "needs a series without inputs"
            raise UnrolledError(f"task 'forecast' {need}: change the study's row in params.yaml")
        splits, beyond = {}, study.horizon or 0
        for number, split in enumerate(SPLITS):
            length = study.steps + 1 + (beyond if split == "test" else 0)
            stride = length if split == "test" else max(1, study.steps // 2)
            rows = np.array(starts(study, number, length, stride))[:, None] + np.arange(length)
            times = study.step * np.arange(length, dtype=np.float64)
            splits[split] = _split(study.steps, times, series.outputs[rows])
        return splits, {"solver_error": 0.0}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return `test`, one step ahead at every step, (S, N, T, K), and `alone` (S, N, horizon, K)."""
        observed = torch.from_numpy(splits["test"]["inputs"])
        predictions = {"test": model(observed).numpy()}
        if "alone" in splits["test"]:
            predictions["alone"] = model.run_alone(observed, splits["test"]["alone"].shape[1]).numpy()
        return predictions

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Run on alone after the warm-up."""
        return model.run_alone(warm_up, steps)


def trajectories(study: Study, system: System, times: Array, number: int, count: int) -> tuple[Array, float]:
    """Return `count` trajectories (N, T + 1, d) from random states, without their transient, and the solver's error."""
    initial = system.start(np.random.default_rng([study.seed, number]), count)
    if system.delay:
        states, error = method_of_steps(system, initial, np.concatenate([[0.0], study.transient + times]))
        return states[:, 1:], error
    if study.transient:
        initial = simulate(system, initial, np.array([0.0, study.transient]))[:, -1]
    states = simulate(system, initial, times)
    return states, piecewise_error(system, times, states)


def piecewise_error(system: System, times: Array, states: Array) -> float:
    """Return the largest solver error over pieces of the trajectories, each from its own first state.

    Over a whole trajectory a chaotic system makes any two integrations differ; over a piece they
    must agree, so that the data obey the equation everywhere.
    """
    firsts = range(0, len(times) - 1, PIECE)
    pieces = [slice(first, first + PIECE + 1) for first in firsts]
    return max(solver_error(system, states[:, p.start], times[p] - times[p.start], None, states[:, p]) for p in pieces)


def _scale(series: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of each observed state over all trajectories and times."""
    return series.mean(axis=(0, 1)), series.std(axis=(0, 1))


def _split(steps: int, times: Array, series: Array) -> Split:
    arrays = {"inputs": series[:, :steps], "targets": series[:, 1 : steps + 1]}
    if series.shape[1] > steps + 1:
        # The first forecast step is s_T, from s_{T-1}: the last of the one-step targets.
        arrays["alone"] = series[:, steps:]
    return {name: array.astype(np.float32) for name, array in arrays.items()} | {"times": times[1 : steps + 1]}
