"""Many-to-one over a long lag: what was marked long ago is asked for at the end."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.config import Study
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task
from unrolled.errors import UnrolledError

PIECE = 8192
"""Trajectories integrated together."""


class Recall(Task):
    """Given u_0 ... u_{T-1} and the marks m, give y(T) of the driven system under the force m u.

    u is uniform in [0, 1]; m is one at two steps, one in each half of the sequence, and zero
    elsewhere. Always answering the mean, 1, has the mean square error 1/6.
    """

    kind: ClassVar[str] = "many-to-one"
    last: ClassVar[bool] = True

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Draw inputs and marks from a different seed for each split; integrate."""
        if study.steps is None or study.steps < 2 or not system.forced:
            need = "needs a driven system" if study.steps and study.steps > 1 else "needs 'steps' of at least 2"
            raise UnrolledError(f"task 'recall' {need}: change the study's row in params.yaml")
        times: Array = study.step * np.arange(study.steps + 1, dtype=np.float64)
        splits: dict[str, Split] = {}
        errors = []
        for number, (split, count) in enumerate((("train", study.train), ("val", study.val), ("test", study.test))):
            random = np.random.default_rng([study.seed, number])
            inputs = marked(random, count, study.steps)
            force = inputs.prod(axis=-1) / study.step
            initial = system.start(random, count)
            states = np.concatenate(
                [simulate(system, initial[i : i + PIECE], times, force[i : i + PIECE]) for i in range(0, count, PIECE)]
            )
            errors.append(solver_error(system, initial, times, force, states))
            targets = states[:, -1].astype(np.float32)
            splits[split] = {"inputs": inputs.astype(np.float32), "targets": targets, "times": np.arange(float(count))}
        return splits, {"solver_error": float(f"{max(errors):.1e}"), "outputs": list(system.states)}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return `test`, the answer at the end, (S, N, K)."""
        return {"test": model(torch.from_numpy(splits["test"]["inputs"])).numpy()}

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Return the answer as it would be after each of the first `steps` inputs."""
        return torch.stack([model(warm_up[:, : i + 1]) for i in range(steps)], dim=2)


def marked(random: np.random.Generator, count: int, steps: int) -> Array:
    """Return `count` sequences (N, T, 2): uniform values, and two marks, one in each half."""
    inputs = np.zeros((count, steps, 2))
    inputs[:, :, 0] = random.uniform(0.0, 1.0, (count, steps))
    half, rows = steps // 2, np.arange(count)
    inputs[rows, random.integers(0, half, count), 1] = 1.0
    inputs[rows, random.integers(half, steps, count), 1] = 1.0
    return inputs
