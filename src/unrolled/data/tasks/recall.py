"""Many-to-one over a long lag: what was marked long ago is asked for at the end."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.config import DataRow
from unrolled.data import lengths
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
    elsewhere: the adding problem. Always answering the mean, 1, has the mean square error 1/6. With `shortest`,
    training and validation sequences are of any length from it to `steps`, uniformly: the steps before are not marked,
    so that all arrays are of one length and the sum is the same.
    """

    kind: ClassVar[str] = "many-to-one"
    many_to_one: ClassVar[bool] = True

    class Settings(registry.Settings):
        """`steps` of each sequence; those of further test sets; the `shortest` training sequence."""

        steps: Annotated[int, Field(ge=2)]
        longer: lengths.Longer = Field(default_factory=list)
        shortest: Annotated[int, Field(ge=2)] | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse what has no force or forgets it, and a washout."""
        if row.washout:
            return "takes no washout: only its last output is scored"
        if system is None or not system.forced:
            return "needs a driven system"
        if not system.sums:
            return "needs a system that sums its forces (the integrator): it asks for their sum"
        return lengths.refused(self.settings.steps, self.settings.longer, self.settings.shortest)

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return value and mark, and the states."""
        return 2, len(self.outputs(row, system))

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Draw inputs and marks from a different seed for each split; integrate."""
        assert isinstance(source, System)
        own, errors = self.settings, list[float]()

        def split(seed: list[int], count: int, steps: int, shortest: int | None) -> Split:
            random, times = np.random.default_rng(seed), row.step * np.arange(steps + 1, dtype=np.float64)
            inputs = marked(random, count, steps, shortest)
            force = inputs.prod(axis=-1) / row.step
            initial = source.start(random, count)
            states = np.concatenate(
                [simulate(source, initial[i : i + PIECE], times, force[i : i + PIECE]) for i in range(0, count, PIECE)]
            )
            errors.append(solver_error(source, initial, times, force, states))
            targets = states[:, -1].astype(np.float32)
            return {"inputs": inputs.astype(np.float32), "targets": targets, "times": np.arange(float(count))}

        splits = {
            name: split([row.seed, number], count, own.steps, None if name == "test" else own.shortest)
            for number, (name, count) in enumerate(zip(SPLITS, (row.train, row.val, row.test), strict=True))
        }
        tests = {"test": TestSet.of(splits["test"], label=f"{own.steps} steps" if own.longer else "answers")}
        for steps, seed, count in lengths.seeds(row.seed, own.longer, row.test):
            tests |= lengths.test_set(steps, split(seed, count, steps, None))
        facts = {
            "solver_error": max(errors),
            "solver_error_over": f"whole trajectories of {max(own.steps, *own.longer, 0)} steps",
        }
        return Data(splits["train"], splits["val"], tests, facts, example=splits["test"]["inputs"][:1])

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the values and the marks."""
        return {"u": "dimensionless", "m": "dimensionless"}

    def describe(self, row: DataRow) -> dict[str, Any]:
        """Return the length, the error of a guess and that of a solution; of mixed lengths the guess alone."""
        chance = {"chance": float(f"{CHANCE:.6g}")}
        recall = {"recall": {"steps": self.settings.steps, "solved": SOLVED} | chance}
        about = {"example_axis": "test sequence", "score_label": "MSE of the answer"}
        return (recall if self.settings.shortest is None else chance) | about

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


def marked(random: np.random.Generator, count: int, steps: int, shortest: int | None = None) -> Array:
    """Return `count` sequences (N, T, 2): uniform values, and two marks, one in each half.

    With `shortest`, in each half of the last so many steps or more, as many as are drawn.
    """
    inputs = np.zeros((count, steps, 2))
    inputs[:, :, 0] = random.uniform(0.0, 1.0, (count, steps))
    first: Any = 0 if shortest is None else steps - lengths.mixed(random, count, steps, shortest)
    half, rows = first + (steps - first) // 2, np.arange(count)
    inputs[rows, random.integers(first, half, count), 1] = 1.0
    inputs[rows, random.integers(half, steps, count), 1] = 1.0
    return inputs
