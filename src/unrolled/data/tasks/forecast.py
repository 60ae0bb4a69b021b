"""Many-to-many: observe a trajectory, always one step ahead; then forecast in closed loop."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, FiniteFloat

from unrolled import registry
from unrolled.config import Count, DataRow, Names, Precision
from unrolled.data.delay import method_of_steps
from unrolled.data.integrate import DEFAULTS, by_default, simulate, solver_error
from unrolled.data.lost import THRESHOLD, normalised_error
from unrolled.data.record import SPLITS, Series, counted, windows
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Mode, Size, Split, Task, TestSet, number_type, observed

STARTS = 16
"""From at least so many places validation forecasts in closed loop, where a record is long enough."""
FREE_RUN, RUNS, TOLERANCE = "free_run", 4, 1e-9
"""The test set of long free runs, how many there are, and the relative tolerance of the true ones."""
PIECE = 50
"""Steps over which a trajectory is held against a tighter integration from the same state."""


class Forecast(Task):
    """Given s_0 ... s_{T-1}, give s_1 ... s_T: teacher forcing, since every input is the truth.

    In closed loop afterwards, a network gets its own last output in place of the truth, for `horizon` steps from
    s_T on.
    """

    kind: ClassVar[str] = "many-to-many"
    mode: ClassVar[Mode] = "closed_loop"
    delays: ClassVar[bool] = True
    of_systems: ClassVar[tuple[str, ...]] = ("observed", "transient", "standardise", "solver_defaults", "free_run")
    error_growth: ClassVar[str | None] = "closed_loop"

    class Settings(registry.Settings):
        """The length of the sequences, and what of the system is observed.

        `steps` are observed, then come `horizon` steps in closed loop, of which validation takes the first
        `val_horizon` (by default all); `observed` names the states that the network gets (all by default), after a
        `transient` of the system, with `standardise` in units of their standard deviation in the training data. With
        `precision: double` the values are kept as float64, for methods that ask for it. The first four test
        trajectories of a system go on for a `free_run` of so many steps, to hold a network's attractor against. With
        `solver_defaults` SciPy integrates at its defaults, as in some protocols: far less exactly.
        """

        steps: Count
        horizon: Count | None = None
        val_horizon: Count | None = None
        observed: Annotated[Names, Field(min_length=1)] | None = None
        transient: Annotated[FiniteFloat, Field(ge=0)] = 0.0
        standardise: bool = False
        solver_defaults: bool = False
        precision: Precision = "single"
        free_run: Count | None = None

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a force, a part of a horizon that is not there, and a washout that leaves nothing."""
        if self.settings.val_horizon is not None and self.settings.val_horizon > (self.settings.horizon or 0):
            return "needs a 'horizon' of at least the 'val_horizon', which is a part of it"
        if self.settings.free_run is not None and (self.settings.horizon is None or (system and system.delay)):
            return "needs, for a 'free_run', a 'horizon' and a system without a delay"
        if self.settings.solver_defaults and system is not None and (system.delay or system.lyapunov):
            return "needs a system with neither delay nor chaos for 'solver_defaults'"
        if row.washout >= self.settings.steps:
            return f"needs 'steps' of more than the washout of {row.washout}"
        if row.record is not None:
            return "needs a record without inputs" if row.record.inputs else None
        return "needs a system without a force" if system is not None and system.forced else None

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return what a study lacks: the closed loop only where there is no horizon."""
        lacking = super().lacks(row, system)
        return {n: why for n, why in lacking.items() if n != "closed_loop" or self.settings.horizon is None}

    def span(self, row: DataRow) -> int:
        """Return the steps observed and those of the closed loop."""
        return int(self.settings.steps + (self.settings.horizon or 0))

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return trajectories, or windows of a record."""
        if row.record is None:
            return super().sizes(row)
        lengths = {split: self._cuts(row, split) for split in SPLITS}
        return {s: Size(counted(row, n, *lengths[s]), lengths[s][0]) for n, s in enumerate(SPLITS)}

    def _cuts(self, row: DataRow, split: str) -> tuple[int, int]:
        """Return the length of a split's windows of a record, and their distance."""
        own = self.settings
        length = own.steps + 1 + {"train": 0, "val": self._val_horizon, "test": own.horizon or 0}[split]
        half = max(1, own.steps // 2)
        often = min(half, max(1, (row.val - length) // (STARTS - 1)))
        return length, {"train": half, "val": often, "test": length}[split]

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return the number of observed states, twice."""
        count = len(self.outputs(row, system))
        return count, count

    def outputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the observed states or recorded columns."""
        known = super().outputs(row, system)
        if system is None:
            return known
        return {list(known)[k]: "dimensionless" for k in observed(row, system, self.settings.observed)}

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Integrate trajectories, or cut a record into windows."""
        return self._simulated(row, source) if isinstance(source, System) else self._recorded(row, source)

    def _simulated(self, row: DataRow, system: System) -> Data:
        """Draw initial states from a different seed for each split, let the transient pass, integrate."""
        own, seen = self.settings, observed(row, system, self.settings.observed)
        times: Array = row.step * np.arange(own.steps + (own.horizon or 0) + 1, dtype=np.float64)
        counts = (row.train, row.val, row.test)
        starts = [system.start(np.random.default_rng([row.seed, n]), count) for n, count in enumerate(counts)]
        found, error = self._integrated(system, np.concatenate(starts), times)  # all splits in one batch
        states = dict(zip(SPLITS, np.split(found[..., seen], np.cumsum(counts)[:-1]), strict=True))
        mean, deviation = np.zeros(len(seen)), np.ones(len(seen))
        if own.standardise:
            mean, deviation = states["train"].mean(axis=(0, 1)), states["train"].std(axis=(0, 1))
        over = f"the whole of each trajectory, a time of {times[-1] + own.transient:g}, transient included"
        pieces = f"pieces of {PIECE} steps (a time of {PIECE * row.step:g}), each from its own first state"
        whole = system.delay or own.solver_defaults
        facts: dict[str, Any] = {"solver_error": error, "solver_error_over": over if whole else pieces}
        facts |= DEFAULTS if own.solver_defaults else {}
        if own.standardise:
            facts["scaling"] = {"mean": mean.tolist(), "standard_deviation": deviation.tolist()}
        unit = "standard deviations" if own.standardise else "dimensionless"
        scaled = {split: (each - mean) / deviation for split, each in states.items()}
        exponent = system.exponent()
        cut = self._cut(row, scaled, times, {"unit": unit, "lyapunov": exponent}, facts)
        if own.horizon is None or system.delay:
            return cut
        before = found[-row.test :, own.steps - 1 :]  # test trajectories from the last observed state on
        if own.free_run is not None:
            later = simulate(system, before[:RUNS, 0], row.step * np.arange(own.free_run + 1.0), rtol=TOLERANCE)
            cut = self._with_free_run(cut, (later[:, 1:, seen] - mean) / deviation)
        return cut if exponent is None else self._with_agreement(cut, solvers_agree(system, before, row.step))

    @staticmethod
    def _with_free_run(cut: Data, targets: Array) -> Data:
        """Add long free runs after the first test sequences, of which the statistics count, not the exact path."""
        loop = cut.tests["closed_loop"]
        step = cut.train["times"][1] - cut.train["times"][0]
        times = loop.times[0] + step * np.arange(targets.shape[1])
        arrays = {"inputs": loop.inputs[:RUNS], "targets": targets.astype(np.float32), "times": times}
        long = replace(loop, **arrays, label="long free run")
        own = cut.val_tests | {FREE_RUN: cut.val_tests["closed_loop"]}
        return replace(cut, tests=cut.tests | {FREE_RUN: long}, val_tests=own)

    @staticmethod
    def _with_agreement(cut: Data, agreed: Array) -> Data:
        """Add for how many steps of each test sequence two solvers agree, and say for how many Lyapunov times."""
        loop = cut.tests["closed_loop"]
        known = (loop.times[1] - loop.times[0]) * (loop.lyapunov or 1.0) * agreed
        cut.facts["solvers_agree"] = {"least": float(known.min()), "median": float(np.median(known))}
        return replace(cut, tests=cut.tests | {"closed_loop": replace(loop, agreed=agreed)})

    def _recorded(self, row: DataRow, series: Series) -> Data:
        """Cut each split into windows, half overlapping for training; the test ones do not overlap.

        Those for validation begin as often as it takes to have 16, if the split is that long.
        """
        own, parts = self.settings, {}
        for number, split in enumerate(SPLITS):
            parts[split] = series.outputs[windows(row, number, *self._cuts(row, split))]
        times = row.step * np.arange(own.steps + 1 + (own.horizon or 0), dtype=np.float64)
        return self._cut(row, parts, times, self.measure(row, series), {"scaling": series.scaling})

    def _cut(
        self,
        row: DataRow,
        parts: dict[str, Array],
        times: Array,
        about: dict[str, Any],
        facts: dict[str, Any],
    ) -> Data:
        """Part each sequence (N, T + 1 [+ horizon], K) into inputs, targets one step ahead, and the closed loop."""
        steps, washout = self.settings.steps, row.washout
        number = number_type(self.settings.precision)
        splits: dict[str, Split] = {
            split: {
                "inputs": series[:, :steps].astype(number),
                "targets": series[:, 1 + washout : steps + 1].astype(number),
                "times": times[1 + washout : steps + 1],
            }
            for split, series in parts.items()
        }
        test = splits["test"]
        tests, val_tests = {"test": TestSet.of(test, label="one step ahead", **about)}, {}
        if self.settings.horizon is not None:

            def loop(split: str, horizon: int) -> TestSet:
                """Return what follows each sequence: first s_T, from s_{T-1}, the last of the one-step targets."""
                end = steps + 1 + horizon
                beyond = parts[split][:, steps:end].astype(number)
                arrays = {"inputs": splits[split]["inputs"], "targets": beyond, "times": times[steps:end]}
                return TestSet.of(arrays, "closed_loop", label="closed loop", **about)

            tests["closed_loop"] = loop("test", self.settings.horizon)
            val_tests["closed_loop"] = loop("val", self._val_horizon)
        scaling = facts.get("scaling", {"mean": 0.0, "standard_deviation": 1.0})
        example = scaling["mean"] + np.array(scaling["standard_deviation"]) * parts["test"][:1, :steps]
        return Data(splits["train"], splits["val"], tests, facts, example, val_tests)

    @property
    def _val_horizon(self) -> int:
        """Return how many steps validation takes in closed loop, beyond the one-step target."""
        whole = self.settings.horizon or 0
        return min(self.settings.val_horizon or whole, whole)

    def _integrated(self, system: System, initial: Array, times: Array) -> tuple[Array, float]:
        """Return trajectories (N, T + 1, d) from states (N, d), without their transient, and the solver's error."""
        transient = self.settings.transient
        if system.delay:
            states, error = method_of_steps(system, initial, np.concatenate([[0.0], transient + times]))
            return states[:, 1:], error
        if transient:
            initial = simulate(system, initial, np.array([0.0, transient]))[:, -1]
        if self.settings.solver_defaults:
            loose = by_default(system, initial, times)
            return loose, float(np.abs(loose - simulate(system, initial, times)).max())
        states = simulate(system, initial, times)
        return states, piecewise_error(system, times, states)

    def trajectories(self, row: DataRow, system: System, count: int) -> tuple[Array, Array, Array] | None:
        """Return some test trajectories of a system that is neither chaotic nor delayed."""
        if system.lyapunov or system.delay or self.settings.transient:
            return None
        times: Array = row.step * np.arange(self.settings.steps + 1, dtype=np.float64)
        initial = system.start(np.random.default_rng([row.seed, 2]), row.test)[:count]
        return times, initial, simulate(system, initial, times)[..., observed(row, system, self.settings.observed)]


def solvers_agree(system: System, states: Array, step: float) -> Array:
    """Return for how many steps another solver stays on trajectories (N, 1 + n, d) from their first states on.

    It is an explicit Runge-Kutta method of order 5 at SciPy's least tolerance. Beyond, which of the two is right
    nobody knows, so that nothing can be said of a forecast either.

    References
    ----------
    Hurley & Shaheen (2025), arXiv 2508.06730, bound valid times so.
    """
    times: Array = step * np.arange(states.shape[1], dtype=np.float64)
    other = simulate(system, states[:, 0], times, rtol=0.0, atol=1e-15, solver="RK45")[:, 1:]
    lost = normalised_error(other[None], states[:, 1:])[0] > THRESHOLD
    return np.asarray(np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1]))


def piecewise_error(system: System, times: Array, states: Array) -> float:
    """Return the largest solver error over pieces of the trajectories, each from its own first state.

    Over a whole trajectory a chaotic system makes any two integrations differ; over a piece they
    must agree, so that the data obey the equation everywhere.
    """
    firsts = range(0, len(times) - 1, PIECE)
    pieces = [slice(first, first + PIECE + 1) for first in firsts]
    return max(solver_error(system, states[:, p.start], times[p] - times[p.start], None, states[:, p]) for p in pieces)
