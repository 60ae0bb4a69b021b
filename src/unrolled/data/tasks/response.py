"""Many-to-many: a force in, the state of the driven system out at every step."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.config import Study
from unrolled.data import forcing
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Measured, starts
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task
from unrolled.errors import UnrolledError

Floats = NDArray[np.float32]


class Response(Task):
    """Given F_0 ... F_{T-1} and the initial state, give the states s_1 ... s_T.

    The inputs at step i are F_i and, at the first step only, the initial state (zero afterwards),
    so a network that forgets early loses it.
    """

    kind: ClassVar[str] = "many-to-many"
    last: ClassVar[bool] = False

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Draw forces and initial states from a different seed for each split; integrate."""
        if study.steps is None or not system.forced:
            need = "needs 'steps'" if study.steps is None else "needs a driven system"
            raise UnrolledError(f"task 'response' {need}: change the study's row in params.yaml")
        times: Array = study.step * np.arange(study.steps + 1, dtype=np.float64)
        splits: dict[str, Split] = {}
        errors = []
        for number, (split, count) in enumerate((("train", study.train), ("val", study.val), ("test", study.test))):
            random = np.random.default_rng([study.seed, number])
            inputs, targets, error = respond(system, random, count, times, study.amplitudes)
            errors.append(error)
            splits[split] = {"inputs": inputs, "targets": targets, "times": times[1:]}
        if study.outside is not None:
            random = np.random.default_rng([study.seed, 3])
            inputs, targets, error = respond(system, random, study.test, times, study.outside)
            errors.append(error)
            splits["test"] |= {"outside_inputs": inputs, "outside": targets}
        return splits, {"solver_error": float(f"{max(errors):.1e}"), "outputs": list(system.states)}

    def cut(self, study: Study, series: Measured) -> tuple[dict[str, Split], Facts]:
        """Cut each split into windows, half overlapping to learn from; the state is the output before the first."""
        if study.steps is None or not series.inputs.shape[1]:
            need = "needs 'steps'" if study.steps is None else "needs a series with inputs"
            raise UnrolledError(f"task 'response' {need}: change the study's row in params.yaml")
        splits: dict[str, Split] = {}
        for number, split in enumerate(SPLITS):
            stride = study.steps if split == "test" else max(1, study.steps // 2)
            rows = np.array(starts(study, number, study.steps + 1, stride))[:, None] + np.arange(study.steps + 1)
            state = np.zeros_like(series.outputs[rows[:, 1:]])
            state[:, 0] = series.outputs[rows[:, 0]]
            splits[split] = {
                "inputs": np.concatenate([series.inputs[rows[:, 1:]], state], axis=-1).astype(np.float32),
                "targets": series.outputs[rows[:, 1:]].astype(np.float32),
                "times": study.step * np.arange(1, study.steps + 1, dtype=np.float64),
            }
        return splits, {"solver_error": 0.0}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return `test`, and `outside` if there is such a test: the states at every step, (S, N, T, K)."""
        names = {"test": "inputs", "outside": "outside_inputs"}
        known = {name: splits["test"][key] for name, key in names.items() if key in splits["test"]}
        return {name: model(torch.from_numpy(inputs)).numpy() for name, inputs in known.items()}

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Return the response to the first `steps` forces of `warm_up`."""
        return model(warm_up[:, :steps])


def respond(
    system: System, random: np.random.Generator, count: int, times: Array, amplitudes: list[float]
) -> tuple[Floats, Floats, float]:
    """Draw forces and initial states; return inputs (N, T, 1 + d), states (N, T, d) and the solver's error."""
    initial = system.start(random, count)
    force = forcing.draw(random, count, times[:-1], amplitudes)
    states = simulate(system, initial, times, force)
    error = solver_error(system, initial, times, force, states)
    inputs = np.zeros((count, len(times) - 1, 1 + initial.shape[1]))
    inputs[:, :, 0] = force
    inputs[:, 0, 1:] = initial
    return inputs.astype(np.float32), states[:, 1:].astype(np.float32), error
