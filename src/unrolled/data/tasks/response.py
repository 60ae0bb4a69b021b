"""Many-to-many: a force in, the state of the driven system out at every step."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, FiniteFloat

from unrolled import registry
from unrolled.config import Count, DataRow
from unrolled.data import forcing
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.record import SPLITS, Series, counted, windows
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Size, Split, Task, TestSet

Bounds = Annotated[list[Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=2)]


class Response(Task):
    """Given F_0 ... F_{T-1} and the initial state, give the states s_1 ... s_T.

    The inputs at step i are F_i and, at the first step only, the initial state (zero afterwards),
    so a network that forgets early loses it.
    """

    kind: ClassVar[str] = "many-to-many"

    of_systems: ClassVar[tuple[str, ...]] = ("amplitudes", "stronger_force")

    class Settings(registry.Settings):
        """`steps` of each sequence; `amplitudes` of the force, and of a `stronger_force` in a second test set."""

        steps: Count
        amplitudes: Bounds = Field([0.2, 1.0])
        stronger_force: Bounds | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse what has no force."""
        for name in ("amplitudes", "stronger_force"):
            bounds = getattr(self.settings, name)
            if bounds is not None and bounds[0] > bounds[1]:
                return f"needs '{name}' with the lower bound first"
        if row.washout >= self.settings.steps:
            return f"needs 'steps' of more than the washout of {row.washout}"
        if row.record is not None:
            return None if row.record.inputs else "needs a record with inputs"
        return None if system is not None and system.forced else "needs a driven system"

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return what a study lacks: not the initial state."""
        return {name: why for name, why in super().lacks(row, system).items() if name != "initial_state"}

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return trajectories, or windows of a record."""
        if row.record is None:
            return super().sizes(row)
        steps = self.settings.steps
        return {s: Size(counted(row, n, *self._cuts(s)), steps) for n, s in enumerate(SPLITS)}

    def _cuts(self, split: str) -> tuple[int, int]:
        """Return the length of a split's windows of a record, the state before included, and their distance."""
        steps = self.settings.steps
        return steps + 1, steps if split == "test" else max(1, steps // 2)

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return inputs and initial state, and the outputs."""
        outputs = len(self.outputs(row, system))
        return (len(row.record.inputs) if row.record else 1) + outputs, outputs

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Integrate trajectories, or cut a record into windows."""
        return self._simulated(row, source) if isinstance(source, System) else self._recorded(row, source)

    def _simulated(self, row: DataRow, system: System) -> Data:
        """Draw forces and initial states from a different seed for each set; integrate."""
        own = self.settings
        times: Array = row.step * np.arange(own.steps + 1, dtype=np.float64)
        sets = [
            (name, count, own.amplitudes) for name, count in zip(SPLITS, (row.train, row.val, row.test), strict=True)
        ]
        if own.stronger_force is not None:
            sets.append(("stronger_force", row.test, own.stronger_force))
        made, errors = {}, []
        for number, (name, count, amplitudes) in enumerate(sets):
            made[name], error = respond(system, np.random.default_rng([row.seed, number]), count, times, amplitudes)
            made[name]["targets"] = made[name]["targets"][:, row.washout :]
            made[name]["times"] = times[1 + row.washout :]
            errors.append(error)
        labels = {"test": "forces as trained", "stronger_force": "stronger forces"}
        tests = {n: TestSet.of(made[n], label=label) for n, label in labels.items() if n in made}
        facts = {"solver_error": max(errors), "solver_error_over": f"whole trajectories of {own.steps} steps"}
        return Data(made["train"], made["val"], tests, facts, example=made["test"]["inputs"][:1])

    def _recorded(self, row: DataRow, series: Series) -> Data:
        """Cut each split into windows, half overlapping for training; the state is the output before the first."""
        steps, made = self.settings.steps, {}
        for number, split in enumerate(SPLITS):
            at = windows(row, number, *self._cuts(split))
            state = np.zeros_like(series.outputs[at[:, 1:]])
            state[:, 0] = series.outputs[at[:, 0]]
            made[split] = {
                "inputs": np.concatenate([series.inputs[at[:, 1:]], state], axis=-1).astype(np.float32),
                "targets": series.outputs[at[:, 1 + row.washout :]].astype(np.float32),
                "times": row.step * np.arange(1 + row.washout, steps + 1, dtype=np.float64),
            }
        test = TestSet.of(made["test"], label="the last part", **self.measure(row, series))
        first = windows(row, 2, steps + 1, steps)[:1]
        values = np.concatenate([series.inputs[first[:, 1:]], series.outputs[first[:, :-1]]], axis=-1)
        example = series.mean + series.standard_deviation * values
        return Data(made["train"], made["val"], {"test": test}, {"scaling": series.scaling}, example)

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the force, or the recorded inputs, and the state before the first step."""
        return ({} if row.record is not None else {"F": "dimensionless"}) | super().inputs(row, system)

    def encode(self, raw: Array, facts: dict[str, Any], system: System | None, steps: int) -> Array:
        """Return the inputs scaled, and the state at the first step only."""
        scaled = super().encode(raw, facts, system, steps)
        free = raw.shape[-1] - len(facts["outputs"])
        scaled[:, 1:, free:] = 0
        return scaled


def respond(
    system: System, random: np.random.Generator, count: int, times: Array, amplitudes: list[float]
) -> tuple[Split, float]:
    """Draw forces and initial states; return inputs (N, T, 1 + d) and targets (N, T, d), and the solver's error."""
    initial = system.start(random, count)
    force = forcing.draw(random, count, times[:-1], amplitudes)
    states = simulate(system, initial, times, force)
    error = solver_error(system, initial, times, force, states)
    inputs = np.zeros((count, len(times) - 1, 1 + initial.shape[1]))
    inputs[:, :, 0] = force
    inputs[:, 0, 1:] = initial
    return {"inputs": inputs.astype(np.float32), "targets": states[:, 1:].astype(np.float32)}, error
