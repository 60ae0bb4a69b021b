"""The experiment table `params.yaml`, and the resolved experiment of one study, as frozen, validated objects."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from unrolled import paths, registry, yaml_file
from unrolled.explain import SHORT, near, validated
from unrolled.files import read_sealed


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("two of the values are equal")
    return values


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it is one line, without control characters")
    return text


MOST = 10**9
"""Of anything that is counted: beyond it no computer gets."""
Positive = Annotated[FiniteFloat, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Rate = Annotated[FiniteFloat, Field(ge=1e-12, le=1e30)]
Rates = Annotated[list[Rate], Field(min_length=1), AfterValidator(_distinct)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Names = Annotated[list[Line], AfterValidator(_distinct)]
CONFIGURE = "run `dvc repro configure`, which makes it from params.yaml"
LONGEST_NAME = 64
RESERVED = {
    *("data", "experiments", "measured", "studies", "trained", "reports", "curves", "figures", "scores", "metrics"),
    *("claims", "index", "random_networks", "dataset", "truth", "con", "prn", "aux", "nul"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}
"""Names of folders, files and lines of our own, and those that are no file's name on Windows."""
Group = Literal["memory", "driven", "chaos", "autonomous", "measured"]
"""What kind of task a study is, for people: the page is in this order."""
Capability = Literal["closed_loop", "linear_system", "record", "initial_state"]
"""What a method may require of a study: a test in closed loop, a linear driven system, a measured record, the initial
state among the inputs."""


class Row(BaseModel):
    """A row of the table: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RecordRow(Row):
    """A measured record: an item of `data/records` as its source, for some a file, and its columns with their units.

    How a file is written is detected where that is certain, and else said here: `delimiter` between columns, `decimal`
    sign, `encoding`, and the `comment` sign that lines to be skipped begin with. `time` names the column with the
    clock, which must fit `step` (`false`: no column is one). Up to `fill_gaps` lost samples in a row are put in, on a
    straight line between their neighbours. `limits` say which values a column can have: what lies beyond counts as
    lost, what lies within is never taken for an error of the logger.
    """

    source: str = "csv"
    file: str | None = None
    inputs: Names = []
    outputs: Annotated[Names, Field(min_length=1)]
    units: dict[str, Line] = {}
    delimiter: Literal[",", ";", "\t", "|", " "] | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    comment: Annotated[str, Field(min_length=1)] | None = None
    time: str | Literal[False] | None = None
    fill_gaps: Natural = 0
    limits: dict[str, Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]] = {}

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        named = [*self.inputs, *self.outputs]
        for name in named:
            if named.count(name) > 1:
                raise ValueError(f"column '{name}' is listed twice among inputs and outputs: take one out")
        for key in ("units", "limits"):
            for name in getattr(self, key):
                if name not in named:
                    raise ValueError(f"'{key}' names '{name}', which is neither input nor output: correct it")
        for name, (low, high) in self.limits.items():
            if low >= high:
                raise ValueError(f"'limits' of '{name}': put the lower one first")
        return self


class DataRow(Row):
    """What the sequences of a study are: all that the stage `generate` reads.

    A `system` with its `parameters`, or a `record`, or neither where the task draws symbols; the `task`, whose own keys
    stand beside these; the `step` between two points; how many sequences (of a record: samples, in order) are for
    training, validation and test; how many past inputs (`window`) the baselines without recurrence see, where there are
    some; how many first steps (`washout`) are not scored, neither in training nor in validation nor in a test, because
    the state forms there; and the `seed` of all that is drawn.
    """

    task: str
    system: str | None = None
    parameters: dict[str, Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)]] = {}
    record: RecordRow | None = None
    step: Annotated[FiniteFloat, Field(ge=1e-12, le=1e12)]
    time_unit: Line | None = None
    train: Count
    val: Count
    test: Count
    window: Count | None = None
    washout: Natural = 0
    seed: Natural = 0
    settings: dict[str, Any] = {}
    """The task's own keys."""

    @model_validator(mode="before")
    @classmethod
    def _set_apart(cls, row: Any) -> Any:
        if not isinstance(row, dict) or "settings" in row:
            return row
        own = {key: value for key, value in row.items() if key not in cls.model_fields}
        return {key: value for key, value in row.items() if key not in own} | {"settings": own}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        neither = self.system is None and self.record is None
        if neither and self.task in registry.names("tasks") and registry.load("tasks", self.task).sourceless:
            return self
        if (self.system is None) == (self.record is None):
            close = near("system", self.settings) or near("record", self.settings)
            hint = f"; is '{close}' one of them, misspelt?" if close else ""
            raise ValueError(f"needs either a 'system' or a 'record'{hint}")
        if self.record is not None and self.parameters:
            raise ValueError("a record has no 'parameters'")
        return self

    @property
    def unit_of_time(self) -> str:
        """The unit of `step`."""
        return self.time_unit or ("dimensionless" if self.record is None else "samples")


Schedule = Literal["constant", "cosine"]
Precision = Literal["single", "double"]
"""Of floating-point numbers: 32 bits, or 64."""


class ForcingRow(Row):
    """How a method is forced onto the truth in training, in closed loop in between.

    With the `rule` input the network sees the truth where forced, else its own output; with `state` it sees nothing,
    and its state is set to read out the truth. Forced is every `interval`-th step, or each with a `strength`: a share
    between 0 and 1, `annealed` from 1 to 0 in training, or `adaptive`, as large as the network's Jacobians ask for.
    """

    rule: Literal["input", "state"]
    interval: Count | None = None
    strength: Annotated[FiniteFloat, Field(ge=0, le=1)] | Literal["annealed", "adaptive"] | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.interval is None) == (self.strength is None):
            raise ValueError("needs either an 'interval' or a 'strength'")
        if self.strength == "adaptive" and self.rule == "input":
            raise ValueError("an adaptive 'strength' is of the rule 'state'")
        return self


class FitRow(Row):
    """How long every method of a study is trained, and how hyperparameters are chosen.

    The first `tuning_seeds` of the `seeds` try every hyperparameter; the others train with the chosen ones alone. With
    the schedule `cosine` the learning rate stays for half of the epochs, then falls along half a cosine to a hundredth,
    at which the last fifth is trained. `parameters` sets the hidden size of every recurrent method that names none: the
    size whose number of weights is nearest.
    """

    epochs: Count
    batch: Count
    schedule: Schedule = "constant"
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    tuning_seeds: Count = 1
    learning_rates: Rates = [3.0e-3, 1.0e-2]
    parameters: Count | None = None


class Method(Row):
    """One way of training one network: cell, initialiser, optimiser and what else differs.

    `options` are settings of the cell, the initialiser or the optimiser. `readout` lists the ReLU layers between
    the cell and the linear output, `encoder` those between the inputs and the cell; `flatten_window` gives the cell
    its whole window as one step; `truncate` cuts back-propagation every so many steps; of several thresholds in
    `clip_norm` or `clip_value` one is chosen on validation data, as of the learning rates, and so is the weight
    `omega` of the regulariser that keeps gradients from vanishing (`training/vanishing.py`); `epochs`, `batch` and
    `schedule` are in place of the study's, where an epoch costs more than those of others, or a protocol is
    published; `input_noise` is the standard deviation of the noise on the inputs in training; `centred` takes their
    means off inputs and targets; with `closed_loop` n the last n inputs of each training sequence are the network's
    own outputs, and `forcing` feeds the truth in now and then (`ForcingRow`). Where a task has columns to choose
    from, `inputs` names them, and `steps` trains on that many first steps of each window. `residual: linear` trains
    on what a linear model lacks, `residual: last` on the difference to the last value. With `precision: double`
    weights, inputs and states are float64 (a study's data have a `precision` of their own). `tuned` lists values of
    options of the initialiser, in place of one in `options`; which is chosen on validation data. `requires` says
    where the method applies; `compare_with` names a method that differs in one choice, and the choice;
    `tuned_by_hand` says which settings were, and on which data.
    """

    label: Line
    about: str = ""
    cell: str
    hidden: Natural | None = None
    initialiser: str = "uniform"
    optimiser: str = "adam"
    options: dict[str, Any] = {}
    readout: list[Count] = []
    encoder: list[Count] = []
    flatten_window: bool = False
    truncate: Count | None = None
    learning_rates: Rates | None = None
    clip_norm: Rates | None = None
    clip_value: Rates | None = None
    omega: Rates | None = None
    epochs: Count | None = None
    batch: Count | None = None
    schedule: Schedule | None = None
    input_noise: Rate | None = None
    centred: bool = False
    closed_loop: Count | None = None
    forcing: ForcingRow | None = None
    inputs: Annotated[Names, Field(min_length=1)] | None = None
    residual: Literal["linear", "last"] | None = None
    precision: Precision = "single"
    tuned: dict[str, Annotated[list[FiniteFloat], Field(min_length=2), AfterValidator(_distinct)]] = {}
    steps: Count | None = None
    requires: list[Capability] = []
    compare_with: dict[str, str] = {}
    tuned_by_hand: str = ""

    def changed(self, changes: dict[str, Any]) -> "Method":
        """Return the row with what a study changes in it; options are changed one by one."""
        row, options = self.model_dump() | changes, changes.get("options")
        return Method.model_validate(row | ({"options": self.options | options} if isinstance(options, dict) else {}))


class Study(Row):
    """One question: its label, group and data, how methods are trained on it, the score that ranks them, the methods.

    `methods` lists groups and methods; an entry `{name: {...}}` says what differs in a method's row here.
    """

    label: Line
    question: str
    group: Group = "autonomous"
    data_seed: Natural | None = None
    """In place of the table's."""
    data: DataRow
    fit: dict[str, Any]
    """As in `FitRow`, over the defaults."""
    score: str
    methods: Annotated[list[str | dict[str, dict[str, Any]]], Field(min_length=1)]

    @field_validator("data", mode="before")
    @classmethod
    def _only_its_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and "seed" in data:
            raise ValueError("'seed' is no key here: it is 'data_seed' at the top, or of the study")
        if isinstance(data, dict) and "settings" in data:
            raise ValueError("'settings' is no key here: the task's own keys stand beside the others")
        return data

    @field_validator("methods", mode="before")
    @classmethod
    def _names_or_changes(cls, entries: Any) -> Any:
        for entry in entries if isinstance(entries, list) else ():
            rows = list(entry.values()) if isinstance(entry, dict) else []
            if not entry or not isinstance(entry, str | dict) or not all(isinstance(row, dict) for row in rows):
                raise ValueError(f"{SHORT.repr(entry)} is neither a name nor {{name: {{key: value}}}}")
        return entries


Gain = Annotated[FiniteFloat, Field(gt=0, le=100)]


class RandomNetworks(Row):
    """Experiments on random networks: the chapter "Why they forget".

    The map: `points` gains between the bounds `gains`, `seeds` networks of `hidden` units each, gradients over
    `lengths` steps, under normal inputs of each standard deviation in `inputs` at every unit; a gradient beyond
    10^±`vanished` counts as vanished or exploded; `clip` is the threshold of clipping; `initialisers` gives the
    activation that each is measured with. Autonomous networks: `points` gains between the bounds `autonomous`, `settle`
    steps to the attractor, all exponents at the gains `spectra`. Hessian-free: `newton_updates` steps of networks with
    `newton_hidden` units.
    """

    hidden: Annotated[int, Field(ge=1, le=2048)]
    seeds: Annotated[int, Field(ge=1, le=1000)]
    seed: Natural = 0
    points: Annotated[int, Field(ge=4, le=1000)]
    gains: Annotated[list[Gain], Field(min_length=2, max_length=2)]
    lengths: Annotated[list[Annotated[int, Field(ge=1, le=10**5)]], Field(min_length=3, max_length=100)]
    inputs: Annotated[list[Annotated[FiniteFloat, Field(gt=0, le=1e6)]], Field(min_length=1, max_length=100)]
    vanished: Annotated[FiniteFloat, Field(gt=0, le=300)]
    clip: Positive
    initialisers: Annotated[dict[str, Literal["tanh", "relu"]], Field(min_length=1)]
    autonomous: Annotated[list[Gain], Field(min_length=2, max_length=2)]
    settle: Annotated[int, Field(ge=40, le=10**6)]
    spectra: Annotated[list[Gain], Field(min_length=1, max_length=100)]
    newton_hidden: Annotated[int, Field(ge=1, le=256)]
    newton_updates: Annotated[int, Field(ge=2, le=1000)]

    @field_validator("gains", "autonomous", "lengths", "inputs", "spectra")
    @classmethod
    def _ascending(cls, values: list[Any]) -> list[Any]:
        if values != sorted(set(values)):
            raise ValueError("the values ascend")
        return values


class Table(Row):
    """The whole of `params.yaml`: two seeds, defaults, groups of methods, studies, methods, random networks."""

    seed: Natural = 0
    """Of weights, reservoirs and the order of batches."""
    data_seed: Natural = 0
    """Of sequences and noise."""
    defaults: dict[str, Any] = {}
    """Of every study's `fit`, and `initialiser` and `optimiser` of every method."""
    groups: dict[str, list[str]] = {}
    shared: dict[str, Any] = {}
    """What rows build on by YAML's anchors; read nowhere else."""
    studies: Annotated[dict[str, Study], Field(min_length=1)]
    methods: Annotated[dict[str, Method], Field(min_length=1)]
    random_networks: RandomNetworks

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, table: Any) -> Any:
        """Give every method the default initialiser and optimiser."""
        if not isinstance(table, dict) or not isinstance(table.get("methods"), dict):
            return table
        defaults = table.get("defaults")
        defaults = defaults if isinstance(defaults, dict) else {}
        shared = {k: v for k, v in defaults.items() if k in ("initialiser", "optimiser")}
        rows = {name: shared | row if isinstance(row, dict) else row for name, row in table["methods"].items()}
        return table | {"methods": rows}

    @field_validator("studies", "methods", "groups")
    @classmethod
    def _file_names(cls, rows: dict[str, Any]) -> dict[str, Any]:
        names: dict[str, str] = {}
        for name in rows:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or len(name) > LONGEST_NAME:
                raise ValueError(
                    f"{SHORT.repr(name)} cannot be a name: files are called after it (letters a to z, digits, '_' and "
                    f"'-', at most {LONGEST_NAME}, a letter first)"
                )
            if name.lower() in RESERVED:
                raise ValueError(f"'{name}' cannot be a name: a file or folder of the project is called so")
            if other := names.get(name.lower()):
                raise ValueError(f"'{other}' and '{name}' are one name where files' letters have no case: rename one")
            names[name.lower()] = name
        return rows

    @field_validator("random_networks", mode="before")
    @classmethod
    def _no_seed(cls, row: Any) -> Any:
        if isinstance(row, dict) and "seed" in row:
            raise ValueError("'seed' is no key here: it is the one at the top")
        return row

    def study(self, name: str) -> Study:
        """Return one study's row; an unknown name is an error that lists the known ones."""
        if name not in self.studies:
            raise registry.unknown("study", name, list(self.studies))
        return self.studies[name]


class Experiment(Row):
    """One study with everything resolved: the only configuration that training and evaluation read."""

    name: str
    label: str
    question: str
    group: Group = "autonomous"
    seed: Natural
    data: DataRow
    fit: FitRow
    score: str
    scored_on: str = "test"
    """The test set that the score is taken on."""
    methods: dict[str, Method]
    absent: dict[str, str] = {}
    """Why each other method of the table is not here."""

    @property
    def seeds(self) -> list[int]:
        """The seed of each replica: consecutive, and others for every `seed` of the table."""
        return [1000 * self.seed + number for number in range(self.fit.seeds)]


def index() -> dict[str, Any]:
    """Return what the stage `configure` says of the whole table: `studies`, and the family of each of `methods`."""
    return read_sealed(paths.EXPERIMENTS / "index.json", CONFIGURE)


def studies() -> list[str]:
    """Return the names of the studies that the stage `configure` has resolved, in the order of the table."""
    return list(index()["studies"])


def experiment(study: str) -> Experiment:
    """Return the resolved experiment of a study.

    Raises
    ------
    UnrolledError
        If there is none of that name, or its file is damaged.
    """
    found: Experiment = _resolved(Experiment, paths.experiment(study), study)
    return found


def data_row(study: str) -> DataRow:
    """Return what a study's data are: the part of its experiment that the stage `generate` reads."""
    row: DataRow = _resolved(DataRow, paths.data_row(study), study)
    return row


def _resolved(model: type[Any], path: Path, study: str) -> Any:
    """Read what the stage `configure` wrote for a study; an unknown study is an error that lists the known ones."""
    if not path.exists() and (paths.EXPERIMENTS / "index.json").exists():
        raise registry.unknown("study", study, studies())
    return validated(model, read_sealed(path, CONFIGURE), str(path))


def load(path: Path = paths.PARAMS) -> Table:
    """Read and validate the table; `training.table.check` also finds what contradicts itself.

    Raises
    ------
    UnrolledError
        If the file is missing or not YAML, or keys or values are not allowed: one line each.
    """
    table: Table = validated(Table, yaml_file.read(path), str(path))
    return table
