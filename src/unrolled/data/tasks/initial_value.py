"""One-to-many: an initial state in, the whole trajectory out."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.config import Count, DataRow, Names
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Split, Task, TestSet, observed


class InitialValue(Task):
    """Given s_0, give the observed states at steps 1 ... T.

    The initial state is the input of the first step, all later inputs are zero: what the network
    does then is its own dynamics.
    """

    kind: ClassVar[str] = "one-to-many"
    open_ended: ClassVar[bool] = True
    error_growth: ClassVar[str | None] = "test"

    class Settings(registry.Settings):
        """`steps` of each trajectory; `observed` names the states to give (all by default)."""

        steps: Count
        observed: Annotated[Names, Field(min_length=1)] | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a force, a record and a washout."""
        if row.washout:
            return "takes no washout: every step from the initial state is scored"
        return None if system is not None and not system.forced else "needs a system without a force"

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return what a study lacks: not the initial state."""
        return {name: why for name, why in super().lacks(row, system).items() if name != "initial_state"}

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return the whole state, and the observed ones."""
        return len(super().outputs(row, system)), len(self.outputs(row, system))

    def outputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the observed states."""
        known = super().outputs(row, system)
        return (
            known
            if system is None
            else {list(known)[k]: "dimensionless" for k in observed(row, system, self.settings.observed)}
        )

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Draw initial states from a different seed for each split; integrate."""
        assert isinstance(source, System)
        steps, seen = self.settings.steps, observed(row, source, self.settings.observed)
        times: Array = row.step * np.arange(steps + 1, dtype=np.float64)
        counts = (row.train, row.val, row.test)
        initial = np.concatenate(
            [source.start(np.random.default_rng([row.seed, number]), count) for number, count in enumerate(counts)]
        )
        states = simulate(source, initial, times)  # all splits at once: one by one, they share the cores
        error = solver_error(source, initial, times, None, states)
        inputs = np.zeros((len(initial), steps, initial.shape[1]), np.float32)
        inputs[:, 0] = source.network_input(initial)
        splits: dict[str, Split] = {}
        for split, rows in zip(SPLITS, np.split(np.arange(len(initial)), np.cumsum(counts)[:-1]), strict=True):
            targets = states[rows][:, 1:, seen].astype(np.float32)
            splits[split] = {"inputs": inputs[rows], "targets": targets, "times": times[1:]}
        facts = {"solver_error": error, "solver_error_over": f"whole trajectories of {steps} steps"}
        test = TestSet.of(splits["test"], label="trajectories")
        example = initial[-row.test :][:1, None]
        return Data(splits["train"], splits["val"], {"test": test}, facts, example)

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the whole state."""
        return Task.outputs(self, row, system)

    def encode(self, raw: Array, facts: dict[str, Any], system: System | None, steps: int) -> Array:
        """Return the initial state (N, 1, d), as a network gets it, at the first of `steps` steps."""
        assert system is not None
        inputs = np.zeros((len(raw), steps, raw.shape[-1]), np.float32)
        inputs[:, 0] = system.network_input(raw[:, 0])
        return inputs
