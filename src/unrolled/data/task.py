"""The contract of a task: which arrays a network gets, which it must give, and on which test sets."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled import registry
from unrolled.config import DataRow, Precision
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.registry import Item

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

Array = NDArray[Any]
Split = dict[str, Array]
AS_RECORDED, STANDARDISED = "as recorded", "standard deviations of the training data"
"""The unit of a column that has none in the table, and that of errors over outputs of unlike units."""
UNLIKE = 3.0
"""The ratio of standard deviations from which outputs without units are unlike."""
Mode = Literal["teacher_forced", "closed_loop", "simulation"]
Loss = Literal["mean_square", "cross_entropy"]
"""What training minimises; of cross-entropy the targets are one-hot, and the outputs logarithms of probabilities."""


class Size(NamedTuple):
    """How many sequences a split has, and of how many steps."""

    sequences: int
    steps: int
    whole: bool = False
    """Whether the only one is all that the split has, not cut into windows."""


def number_type(precision: Precision) -> type[np.floating[Any]]:
    """Return the type of numbers of a precision."""
    return np.float64 if precision == "double" else np.float32


@dataclass(frozen=True)
class TestSet:
    """Test sequences, and how a network is run on them.

    Attributes
    ----------
    inputs : (N, T, D) array
    targets : (N, T', K) array, or (N, K) where only the last output counts
    times : (T',) array
        Of the targets, in the study's unit of time; of targets (N, K), one a sequence.
    mode : str
        `teacher_forced`: outputs for the given inputs. `closed_loop`: after the inputs a network gets each output
        back as its next input. `simulation`: the inputs are given throughout, but a network that has its last output
        among them gets its own once the washout is over.
    label : str
        What a reader calls it.
    unit : str
        Of the errors.
    scale : (K,) array, optional
        By which errors are multiplied to be in that unit.
    lyapunov : float, optional
        Largest Lyapunov exponent of the system, per unit of time.
    agreed : (N,) array, optional
        For how many steps of each sequence two solvers agree on the truth; beyond, nothing is known of a forecast.
    blank : int, optional
        Which of the classes asks for nothing, where the targets are classes: a step that has it is not counted as
        recalled.
    """

    __test__ = False  # no class of tests

    inputs: Array
    targets: Array
    times: Array
    mode: Mode = "teacher_forced"
    label: str = ""
    unit: str = "dimensionless"
    scale: Array | None = None
    lyapunov: float | None = None
    agreed: Array | None = None
    blank: int | None = None

    @classmethod
    def of(cls, split: Split, mode: Mode = "teacher_forced", **about: Any) -> "TestSet":
        """Return a test set of the arrays of a split."""
        return cls(split["inputs"], split["targets"], split["times"], mode, **about)

    def in_unit(self, values: Array) -> Array:
        """Return errors or differences (..., K) in the test set's unit."""
        return values if self.scale is None else values * self.scale


@dataclass(frozen=True)
class Data:
    """The data of one study: training and validation arrays, the test sets by name (the first is `test`), the facts."""

    train: Split
    val: Split
    tests: dict[str, TestSet]
    facts: dict[str, Any] = field(default_factory=dict)
    example: Array | None = None
    """The inputs of a first test sequence as a user has them, (1, T, D), which `Task.encode` makes the network's."""
    val_tests: dict[str, TestSet] = field(default_factory=dict)
    """Validation sequences like those of a test set, under its name, where the validation split is not like them."""

    @property
    def washout(self) -> int:
        """How many first steps have no target."""
        targets = self.train["targets"]
        return self.train["inputs"].shape[1] - targets.shape[1] if targets.ndim == 3 else 0


class Task(Item, ABC):
    """What is asked of a network. Its settings are keys of a study's `data` section.

    A task needs `kind` (the lecture's name of its shape), `widths` and `datasets`; the rest has defaults.
    """

    kind: ClassVar[str]
    many_to_one: ClassVar[bool] = False
    """Whether only the output of the last step counts."""
    loss: ClassVar[Loss] = "mean_square"
    """What training minimises."""
    sourceless: ClassVar[bool] = False
    """Whether it draws its sequences itself, and so has neither a system nor a record."""
    mode: ClassVar[Mode] = "teacher_forced"
    """How a forecast for a user's own inputs is made."""
    open_ended: ClassVar[bool] = False
    """Whether a forecast may go on for longer than the inputs."""
    window: ClassVar[bool] = False
    """Whether it is cut by the row's `window` itself, and not only some methods see one."""
    delays: ClassVar[bool] = False
    """Whether a system with a delay is integrated as such."""
    one_series: ClassVar[bool] = False
    """Whether all splits come from one trajectory, so that other starts are not needed."""
    of_systems: ClassVar[tuple[str, ...]] = ()
    """Own keys that are about a system, which a record has no use for."""
    error_growth: ClassVar[str | None] = None
    """The test set on which errors grow without the truth to correct them."""

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Return why the task cannot be put to a study, or None."""
        return None

    def lacks(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the capabilities (`config.Capability`) that a study of this task has not, with what is missing."""
        lacking = {"closed_loop": "needs a test in closed loop", "initial_state": "needs the initial state as input"}
        if row.record is None:
            lacking["record"] = "needs a measured record"
        if system is None or not system.forced or system.linear() is None:
            lacking["linear_system"] = "needs a linear driven system"
        return lacking

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return how many sequences of which length each split has, as far as the row alone says."""
        return {split: Size(getattr(row, split), int(self.settings.steps)) for split in SPLITS}

    def span(self, row: DataRow) -> int:
        """Return over how many steps a system is integrated."""
        return int(self.settings.steps)

    @abstractmethod
    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return D and K, how many inputs and outputs a network has, before a method chooses columns."""

    @abstractmethod
    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Make the arrays of a study from its system or its measured series."""

    def columns(self, row: DataRow) -> list[str]:
        """Return names for the columns of the inputs, if a method may choose among them."""
        return []

    def default_inputs(self, row: DataRow) -> list[str]:
        """Return the names of those that a method gets if it does not choose."""
        return self.columns(row)

    def outputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the name of each output and its unit."""
        if row.record is not None:
            return {name: row.record.units.get(name, AS_RECORDED) for name in row.record.outputs}
        return dict.fromkeys(system.states if system else (), "dimensionless")

    def measure(self, row: DataRow, series: Series) -> dict[str, Any]:
        """Return `unit` and `scale` of errors over all outputs of a record: theirs where they share one, else none.

        Outputs without units share one if their standard deviations are alike.
        """
        units, scale = list(self.outputs(row, None).values()), series.output_scale
        alike = units[0] != AS_RECORDED or scale.max() <= UNLIKE * scale.min()
        same = len(set(units)) == 1 and alike
        return {"unit": units[0], "scale": scale} if same else {"unit": STANDARDISED, "scale": None}

    def trajectories(self, row: DataRow, system: System, count: int) -> tuple[Array, Array, Array] | None:
        """Return times, initial states and states of `count` test trajectories, where their tolerance matters."""
        return None

    def describe(self, row: DataRow) -> dict[str, Any]:
        """Return what metrics.json says of a study of this task beside its scores."""
        return {}

    def extras(self, scores: Array, history: "History") -> dict[str, float]:
        """Return further numbers of a method from its scores (S,) and its history."""
        return {}

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> "pd.DataFrame":
        """Return what the data look like: the first training sequence (split, channel, time, value).

        Where only the last output counts and there are no other inputs, the inputs are earlier outputs.
        """
        x, y = data.train["inputs"][0].astype(np.float64), data.train["targets"][0].astype(np.float64)
        times, scaling = data.train["times"], data.facts.get("scaling")
        if y.ndim == 1:
            times, y = data.facts["step"] * np.arange(len(x)), x if not inputs else x[:, :0]
        if scaling is not None and inputs:  # of the columns, the inputs come first
            mean, deviation = (np.array(scaling[key])[: len(inputs)] for key in ("mean", "standard_deviation"))
            x = mean + deviation * x[:, : len(inputs)]
        y = self.decode(y, data.facts) if y.shape[1] else y
        named = {name: x[-len(times) :, k] for k, name in enumerate(inputs)}
        named |= {name: y[:, k] for k, name in enumerate(outputs) if k < y.shape[1]}
        return long(named, times, split="train", key="channel")

    def example(self, lines: dict[str, Array], times: Array, outputs: list[str]) -> "pd.DataFrame":
        """Return truth and predictions (N, [T',] K) by method, as a figure draws them (method, output, time, value)."""
        return drawn({name: line[0] if line.ndim == 3 else line for name, line in lines.items()}, times, outputs)

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the name and the unit of each column of a user's inputs."""
        if row.record is not None:
            return {name: row.record.units.get(name, AS_RECORDED) for name in (*row.record.inputs, *row.record.outputs)}
        return self.outputs(row, system)

    def encode(self, raw: Array, facts: dict[str, Any], system: System | None, steps: int) -> Array:
        """Return what a network gets, (N, T, D), for inputs as a user has them, in their units; for so many steps."""
        scaling = facts.get("scaling")
        if scaling is None:
            return raw
        return np.asarray((raw - np.array(scaling["mean"])) / np.array(scaling["standard_deviation"]))

    def decode(self, outputs: Array, facts: dict[str, Any]) -> Array:
        """Return the outputs of a network, (..., K), in their units."""
        scaling = facts.get("scaling")
        if scaling is None:
            return outputs
        k = outputs.shape[-1]
        mean, deviation = (np.array(scaling[key])[-k:] for key in ("mean", "standard_deviation"))
        return mean + deviation * outputs


@dataclass(frozen=True)
class History:
    """Validation losses (epochs, S) of some replicas, and how many updates an epoch has."""

    val_loss: Array
    updates: int


def long(lines: dict[str, Array], times: Array, split: str, key: str) -> "pd.DataFrame":
    """Return a table with a row a value, of lines (T,) over the same times."""
    import pandas as pd

    parts = [pd.DataFrame({"split": split, key: name, "time": times, "value": line}) for name, line in lines.items()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["split", key, "time", "value"])


def drawn(lines: dict[str, Array], times: Array, outputs: list[str], part: slice = slice(None)) -> "pd.DataFrame":
    """Return a part of lines (T, K) against their times, by method and output."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame({"method": name, "output": output, "time": times[part], "value": line[part, k]})
            for name, line in lines.items()
            for k, output in enumerate(outputs)
        ],
        ignore_index=True,
    )


def observed(row: DataRow, system: System, names: list[str] | None) -> list[int]:
    """Return which states are observed; an unknown name is an error that lists the known ones."""
    known = list(system.states)
    for name in names or ():
        if name not in known:
            raise registry.unknown(f"observed state of system '{row.system}'", name, known)
    return [known.index(name) for name in names or known]
