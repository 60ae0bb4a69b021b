"""`params.yaml` as frozen, validated objects: the experiment table."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from unrolled import paths, registry
from unrolled.errors import UnrolledError

Positive = Annotated[FiniteFloat, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Bounds = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
Positives = Annotated[list[Positive], Field(min_length=1)]


class _Row(BaseModel):
    """A row of the table: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Series(_Row):
    """A measured series: where it comes from, and which of its columns are inputs and outputs.

    `source` is an item of `series/`; `file` is for those that read one; `units` say what the
    columns are measured in.
    """

    source: str = "csv"
    file: str | None = None
    inputs: list[str] = []
    outputs: Annotated[list[str], Field(min_length=1)]
    units: dict[str, str] = {}


class Study(_Row):
    """One question: a system or a measured series, a task, sizes and a score.

    With a `series` in place of the `system`, `train`, `val` and `test` count its values, in order.
    `observed` names the states the network sees (all by default), after a `transient` of the
    system, in units of their spread in the training data if `standardise` is set; `horizon` is how
    many steps it then runs on alone. The force of a driven system has `amplitudes` between two
    bounds, and in a second test set, if any, between those of `outside`. With the `schedule` cosine
    the learning rate falls to zero over the epochs. `seeds` and
    `learning_rates` stand in place of those of `training`. `methods` lists those that fit the
    budget, each with what differs from its row.
    """

    question: str
    system: str | None = None
    series: Series | None = None
    parameters: dict[str, FiniteFloat] = {}
    task: str
    step: Positive
    steps: Count | None = None
    horizon: Count | None = None
    observed: list[str] | None = None
    transient: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    standardise: bool = False
    train: Count
    val: Count
    test: Count
    window: Count
    noise: Bounds | None = None
    amplitudes: Bounds = [0.2, 1.0]
    outside: Bounds | None = None
    score: Literal["forecast_rmse", "mse", "rmse", "nrmse", "nrmse_alone", "valid_time"]
    epochs: Count
    batch: Count
    schedule: Literal["constant", "cosine"] = "constant"
    seed: Annotated[int, Field(ge=0)] = 0
    seeds: Count | None = None
    learning_rates: Positives | None = None
    methods: dict[str, dict[str, Any]] | None = None

    @field_validator("noise", "amplitudes", "outside")
    @classmethod
    def _in_order(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds is not None and bounds[0] > bounds[1]:
            raise ValueError("the lower bound comes first")
        return bounds


class Training(_Row):
    """What every method shares: the budget rule and the defaults of a method's row."""

    seeds: Count
    learning_rates: Positives
    initialiser: str
    optimiser: str
    clip_norm: Positives | None = None
    tuning_seeds: Count | None = None
    """Seeds that choose among the trials; the other seeds learn with the chosen one alone."""


class Method(_Row):
    """One way of learning: cell, initialiser, optimiser and what else differs.

    `initialiser`, `optimiser`, `learning_rates` and `clip_norm` default to the `training` section;
    of several thresholds of `clip_norm` or `clip_value` one is chosen on validation data, as of the
    learning rates.
    `only` restricts the row to some studies, and `why` says in a few words why; `fold` gives a
    recurrent cell its whole window as one step; `readout` lists the ReLU layers between the cell
    and the linear output; `truncate` cuts back-propagation every so many steps; `input_noise` is the
    standard deviation of the noise that every training batch gets on its inputs; `sees` names the
    columns that it is shown, where a task lets it choose; `adds: linear` makes it learn what the linear
    model lacks, whose output it must see; `steps` learns from only so many first steps of each window;
    `options` are settings of the cell, initialiser or optimiser.
    """

    about: str
    cell: str
    hidden: Annotated[int, Field(ge=0)] = 0
    activation: Literal["tanh", "relu", "identity"] = "tanh"
    readout: list[Count] = []
    fold: bool = False
    only: list[str] | None = None
    why: str | None = None
    initialiser: str | None = None
    optimiser: str | None = None
    learning_rates: Positives | None = None
    clip_norm: Positives | None = None
    clip_value: Positives | None = None
    input_noise: Positive | None = None
    truncate: Count | None = None
    sees: Annotated[list[str], Field(min_length=1)] | None = None
    adds: Literal["linear"] | None = None
    steps: Count | None = None
    options: dict[str, FiniteFloat] = {}

    def resolved(self, training: Training) -> "Method":
        """Return the row with every default filled in."""
        shared = ("initialiser", "optimiser", "learning_rates", "clip_norm")
        gaps = {key: getattr(training, key) for key in shared if getattr(self, key) is None}
        return self.model_copy(update=gaps)


class Theory(_Row):
    """What is asked of networks that learn nothing: the chapter "Why they forget".

    The map: `points` gains between the bounds `gains`, `seeds` networks of `hidden` units each,
    gradients over `lengths` steps, under normal inputs of each deviation in `inputs` at every unit;
    a gradient beyond 10^±`lost` counts as gone; `clip` is the threshold of clipping; `initialisers`
    gives the activation that each is measured with. Alone: `points` gains between the bounds
    `alone`, `settle` steps to the attractor, all exponents at the gains `spectra`. Hessian-free:
    `newton_updates` steps of networks with `newton_hidden` units.
    """

    hidden: Count
    seeds: Count
    seed: Annotated[int, Field(ge=0)] = 0
    points: Annotated[int, Field(ge=4)]
    gains: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    lengths: Annotated[list[Count], Field(min_length=3)]
    inputs: Positives
    lost: Positive
    clip: Positive
    initialisers: Annotated[dict[str, Literal["tanh", "relu"]], Field(min_length=1)]
    alone: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    settle: Annotated[int, Field(ge=40)]
    spectra: Positives
    newton_hidden: Count
    newton_updates: Annotated[int, Field(ge=2)]

    @field_validator("gains", "alone", "lengths", "inputs", "spectra")
    @classmethod
    def _ascending(cls, values: list[Any]) -> list[Any]:
        if values != sorted(set(values)):
            raise ValueError("the values ascend")
        return values


class Params(_Row):
    """The whole table."""

    studies: dict[str, Study]
    training: Training
    methods: dict[str, Method]
    theory: Theory

    def study(self, name: str) -> Study:
        """Return one study's row; an unknown name is an error that lists the known ones."""
        if name not in self.studies:
            raise registry.unknown("study", name, list(self.studies))
        return self.studies[name]

    def methods_of(self, study: str) -> dict[str, Method]:
        """Return the methods that apply to a study, resolved, in the order of the table."""
        row = self.study(study)
        training = self.training
        if row.learning_rates:
            training = training.model_copy(update={"learning_rates": row.learning_rates})
        chosen = {n: m for n, m in self.methods.items() if m.only is None or study in m.only}
        if row.methods is not None:
            chosen = {n: _changed(m, row.methods[n]) for n, m in chosen.items() if n in row.methods}
        return {name: method.resolved(training) for name, method in chosen.items()}

    def seeds_of(self, study: str) -> int:
        """Return how many seeds stand behind a study's scores."""
        return self.study(study).seeds or self.training.seeds


def _changed(method: Method, differs: dict[str, Any]) -> Method:
    """Return a method's row with what a study changes in it; options are changed one by one."""
    row = method.model_dump() | differs
    row["options"] = method.options | differs.get("options", {})
    return Method.model_validate(row)


def _allowed(location: tuple[Any, ...]) -> list[str]:
    model: Any = Params
    for part in location[:-1]:
        if model is Params:
            sections: dict[Any, Any] = {"studies": dict[str, Study], "methods": dict[str, Method]}
            model = (sections | {"training": Training, "theory": Theory}).get(part)
        else:
            model = {dict[str, Study]: Study, dict[str, Method]: Method}.get(model)
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _explain(error: ValidationError) -> str:
    """Say one problem in one line: the key, what is wrong, what is allowed; an unknown key first.

    A misspelt key is often also a missing one.
    """
    problems = error.errors()
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    location = first["loc"]
    if not location:
        return f"{paths.PARAMS} must hold the sections {', '.join(Params.model_fields)}"
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        return str(registry.unknown("key", key, _allowed(location) or list(Params.model_fields)))
    value = first.get("input")
    if first["type"] == "missing":
        return f"key '{key}' is missing: add it to {paths.PARAMS}"
    text = isinstance(value, str) and re.fullmatch(r"[+-]?[\d.]+e[+-]?\d+", value)
    hint = " (YAML reads 1e-3 as text: write 1.0e-3)" if text else ""
    return f"{paths.PARAMS}: {key} is {value!r}: {first['msg'].lower()}{hint}"


def _check_names(params: Params) -> None:
    known = registry.names("initialisers")
    if unknown := [name for name in params.theory.initialisers if name not in known]:
        raise registry.unknown("theory.initialisers: initialiser", unknown[0], known)
    _check_studies(params)
    for name, method in params.methods.items():
        row = method.resolved(params.training)
        for kind, used in (("cells", row.cell), ("initialisers", row.initialiser), ("optimisers", row.optimiser)):
            if used not in registry.names(kind):
                raise registry.unknown(f"methods.{name}: {kind[:-1]}", str(used), registry.names(kind))
        for study_name in method.only or ():
            if study_name not in params.studies:
                raise registry.unknown(f"methods.{name}.only: study", study_name, list(params.studies))


def _check_studies(params: Params) -> None:
    """Check the names of each study's system, series, task and methods."""
    for name, study in params.studies.items():
        if (study.system is None) == (study.series is None):
            raise UnrolledError(f"{paths.PARAMS}: studies.{name} needs either a 'system' or a 'series'")
        source = study.series.source if study.series else None
        for kind, item in (("systems", study.system), ("records", source), ("tasks", study.task)):
            if item is not None and item not in registry.names(kind):
                raise registry.unknown(f"studies.{name}: {kind[:-1]}", item, registry.names(kind))
        _check_changes(params, name, study.methods or {})


def _check_changes(params: Params, study: str, methods: dict[str, dict[str, Any]]) -> None:
    """Check what a study changes in the rows of its methods."""
    for name, differs in methods.items():
        place = f"studies.{study}.methods"
        if name not in params.methods:
            raise registry.unknown(f"{place}: method", name, list(params.methods))
        try:
            _changed(params.methods[name], differs)
        except ValidationError as error:
            first = error.errors()[0]
            key = f"{place}.{name}.{'.'.join(map(str, first['loc']))}"
            if first["type"] == "extra_forbidden":
                raise registry.unknown("key", key, sorted(Method.model_fields)) from None
            raise UnrolledError(f"{paths.PARAMS}: {key} is {first.get('input')!r}: {first['msg'].lower()}") from None


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate the table.

    Raises
    ------
    UnrolledError
        If the file is missing or not YAML, or a key, value or name is not allowed.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: run this in the project's root folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnrolledError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        raise UnrolledError(_explain(error)) from None
    _check_names(params)
    return params
