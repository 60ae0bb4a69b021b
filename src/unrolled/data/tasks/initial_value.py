"""One-to-many: an initial state in, the whole trajectory out."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.config import Study
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS
from unrolled.data.system import Array, System
from unrolled.data.task import Facts, Runner, Split, Task, columns
from unrolled.errors import UnrolledError


class InitialValue(Task):
    """Given s_0, give the observed states at steps 1 ... T.

    The initial state is the input of the first step, all later inputs are zero: what the network
    does then is its own dynamics.
    """

    kind: ClassVar[str] = "one-to-many"
    last: ClassVar[bool] = False

    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Draw initial states from a different seed for each split; integrate."""
        if study.steps is None or system.forced:
            need = "needs 'steps'" if study.steps is None else "needs a system without a force"
            raise UnrolledError(f"task 'initial_value' {need}: change the study's row in params.yaml")
        seen = columns(study, system)
        times: Array = study.step * np.arange(study.steps + 1, dtype=np.float64)
        counts = (study.train, study.val, study.test)
        initial = np.concatenate(
            [system.start(np.random.default_rng([study.seed, number]), count) for number, count in enumerate(counts)]
        )
        states = simulate(system, initial, times)  # all splits at once: where each is alone, they share the cores
        error = solver_error(system, initial, times, None, states)
        inputs = np.zeros((len(initial), study.steps, initial.shape[1]), np.float32)
        inputs[:, 0] = system.shown(initial)
        splits: dict[str, Split] = {}
        for split, rows in zip(SPLITS, np.split(np.arange(len(initial)), np.cumsum(counts)[:-1]), strict=True):
            splits[split] = {
                "inputs": inputs[rows],
                "targets": states[rows][:, 1:, seen].astype(np.float32),
                "times": times[1:],
                "initial": initial[rows].astype(np.float32),
            }
        return splits, {"solver_error": float(f"{error:.1e}"), "outputs": [system.states[i] for i in seen]}

    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return `test`, the trajectories, (S, N, T, K)."""
        return {"test": model(torch.from_numpy(splits["test"]["inputs"])).numpy()}

    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Return the first `steps` of the trajectory, however long, from the first step of `warm_up`."""
        beyond = warm_up.new_zeros(len(warm_up), max(0, steps - warm_up.shape[1]), warm_up.shape[2])
        return model(torch.cat([warm_up, beyond], dim=1)[:, :steps])
