"""Many-to-one over a long lag: what was marked long ago is asked for at the end."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.config import DataRow
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, History, Split, Task, TestSet, drawn, long

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

PIECE = 8192
"""Trajectories integrated together."""
SOLVED = 0.04**2
"""The mean square error at which recall counts as solved: Hochreiter & Schmidhuber (1997) ask for errors below 0.04."""
CHANCE = 1 / 6
"""The mean square error of always answering the mean: the variance of a sum of two values, each uniform in [0, 1]."""
DRAWN = slice(0, 60)
"""Answers that a figure draws."""


class Recall(Task):
    """Given u_0 ... u_{T-1} and the marks m, give y(T) of the driven system under the force m u.

    u is uniform in [0, 1]; m is one at two steps, one in each half of the sequence, and zero
    elsewhere: the adding problem. Always answering the mean, 1, has the mean square error 1/6.
    """

    kind: ClassVar[str] = "many-to-one"
    many_to_one: ClassVar[bool] = True

    class Settings(registry.Settings):
        """`steps` of each sequence."""

        steps: Annotated[int, Field(ge=2)]

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse what has no force or forgets it, and a washout."""
        if row.washout:
            return "takes no washout: only its last output is scored"
        if system is None or not system.forced:
            return "needs a driven system"
        return None if system.sums else "needs a system that sums its forces (the integrator): it asks for their sum"

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return value and mark, and the states."""
        return 2, len(self.outputs(row, system))

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Draw inputs and marks from a different seed for each split; integrate."""
        assert isinstance(source, System)
        steps = self.settings.steps
        times: Array = row.step * np.arange(steps + 1, dtype=np.float64)
        splits: dict[str, Split] = {}
        errors = []
        for number, (split, count) in enumerate(zip(SPLITS, (row.train, row.val, row.test), strict=True)):
            random = np.random.default_rng([row.seed, number])
            inputs = marked(random, count, steps)
            force = inputs.prod(axis=-1) / row.step
            initial = source.start(random, count)
            states = np.concatenate(
                [simulate(source, initial[i : i + PIECE], times, force[i : i + PIECE]) for i in range(0, count, PIECE)]
            )
            errors.append(solver_error(source, initial, times, force, states))
            targets = states[:, -1].astype(np.float32)
            splits[split] = {"inputs": inputs.astype(np.float32), "targets": targets, "times": np.arange(float(count))}
        facts = {"solver_error": max(errors), "solver_error_over": f"whole trajectories of {steps} steps"}
        test = TestSet.of(splits["test"], label="answers")
        return Data(splits["train"], splits["val"], {"test": test}, facts, example=splits["test"]["inputs"][:1])

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the values and the marks."""
        return {"u": "dimensionless", "m": "dimensionless"}

    def describe(self, row: DataRow) -> dict[str, Any]:
        """Return the length, the error of a guess and that of a solution."""
        recall = {"steps": self.settings.steps, "chance": float(f"{CHANCE:.6g}"), "solved": SOLVED}
        return {"recall": recall, "example_axis": "test sequence", "score_label": "MSE of the answer"}

    def extras(self, scores: Array, history: History) -> dict[str, float]:
        """Return the share of seeds that solve the recall, and after how many updates the median one does."""
        below = history.val_loss <= SOLVED
        needed = np.where(below.any(axis=0), below.argmax(axis=0) + 1, np.inf) if len(below) else np.array([np.inf])
        return {
            "solved": float(np.mean(scores <= SOLVED)),
            "updates": float(np.median(needed * history.updates)),
            "steps": self.settings.steps,
        }

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> "pd.DataFrame":
        """Return values and marks of the first training sequence."""
        x = data.train["inputs"][0]
        return long({"u": x[:, 0], "m": x[:, 1]}, np.arange(float(len(x))), "train", "channel")

    def example(self, lines: dict[str, Array], times: Array, outputs: list[str]) -> "pd.DataFrame":
        """Return some answers: a figure of all would be a cloud."""
        return drawn(lines, times, outputs, DRAWN)


def marked(random: np.random.Generator, count: int, steps: int) -> Array:
    """Return `count` sequences (N, T, 2): uniform values, and two marks, one in each half."""
    inputs = np.zeros((count, steps, 2))
    inputs[:, :, 0] = random.uniform(0.0, 1.0, (count, steps))
    half, rows = steps // 2, np.arange(count)
    inputs[rows, random.integers(0, half, count), 1] = 1.0
    inputs[rows, random.integers(half, steps, count), 1] = 1.0
    return inputs
