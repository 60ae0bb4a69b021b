"""All that is wrong with a table, said at once before anything runs; and what is doubtful in it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unrolled import explain, paths, registry, yaml_file
from unrolled.config import DataRow, Experiment, FitRow, Method, RandomNetworks, Table
from unrolled.data.task import Task
from unrolled.errors import Problems, UnrolledError
from unrolled.models.initialiser import Problem
from unrolled.training import contracts, estimates
from unrolled.training.experiments import OF_METHODS, resolve


@dataclass(frozen=True)
class Checked:
    """What a table comes to: its experiments, or what is wrong with it; and what is doubtful. One line each."""

    experiments: list[Experiment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    table: Table | None = None

    def said(self, path: Path) -> str:
        """Return it in one line."""
        if self.problems or self.table is None:
            return f"{path}: {len(self.problems)} problem{'s' * (len(self.problems) > 1)}"
        runs = sum(len(each.methods) for each in self.experiments)
        return (
            f"{path}: {len(self.experiments)} studies, {len(self.table.methods)} methods, {runs} runs: no problem found"
        )


def check(path: Path = paths.PARAMS) -> Checked:
    """Find all that is wrong with a table, in its order; where rows cannot be read, all others are checked still."""
    try:
        raw = yaml_file.read(path)
    except UnrolledError as error:
        return Checked(problems=str(error).splitlines())
    return check_rows(raw, str(path))


def check_rows(raw: Any, where: str) -> Checked:
    """Check a table as it is read, as `check` does."""
    problems = Problems()
    table, broken = _sound(raw, where)
    problems.add(*broken)
    if table is None:
        return Checked(problems=problems.lines)
    experiments: list[Experiment] = []
    with problems.gathering():
        experiments = resolve_all(table)
    if problems.lines:
        return Checked(problems=_in_order(problems.lines, raw))
    return Checked(experiments, warnings=list(_doubtful(table, experiments)), table=table)


def resolve_all(table: Table) -> list[Experiment]:
    """Return the experiment of every study, in the order of the table; errors as in `resolve`, anywhere in it."""
    problems, found = Problems(), []
    problems.add(*_of_groups(table), *_of_defaults(table))
    problems.stop()  # or else every study and method would say it again
    for name in table.studies:
        with problems.gathering():
            experiment = resolve(table, name)
            found.append(experiment)
            problems.add(*_seeds(experiment))
    for key, method in table.methods.items():
        problems.add(*contracts.of_row(method, f"methods.{key}"))
    problems.add(*_of_random_networks(table))
    problems.stop()
    return found


def _sound(raw: Any, where: str) -> tuple[Table | None, list[str]]:
    """Return the table without what cannot be read of it and nothing else depends on, if that is all, and why not."""
    try:
        return Table.model_validate(raw), []
    except ValidationError as error:
        located = list(explain.located(error, Table, where))
    lines = list(dict.fromkeys(line for _, line in located))
    places = {place[:2] for place, _ in located}
    rows = {place for place in places if len(place) == 2 and place[0] in ("studies", "methods")}
    sections = {place[0] for place in places - rows if place}
    if not isinstance(raw, dict) or sections & {"studies", "methods", "groups", "defaults"}:
        return None, lines
    gone = {name for section, name in rows if section == "methods"}

    def listed(entries: list[Any]) -> list[Any]:
        kept = [
            {k: v for k, v in each.items() if k not in gone} if isinstance(each, dict) else each for each in entries
        ]
        return [each for each in kept if each and not (isinstance(each, str) and each in gone)]

    table = {key: value for key, value in raw.items() if key not in sections}
    if "random_networks" in sections:
        table["random_networks"] = RandomNetworks.model_construct(initialisers={})
    table |= {"methods": {name: row for name, row in raw["methods"].items() if name not in gone}}
    table["groups"] = {name: listed(members) for name, members in (raw.get("groups") or {}).items()}
    table["studies"] = {
        name: {**row, "methods": listed(row["methods"])}
        for name, row in raw["studies"].items()
        if ("studies", name) not in rows and listed(row["methods"])
    }
    try:
        return Table.model_validate(table), lines
    except ValidationError:
        return None, lines


def _in_order(lines: list[str], raw: dict[str, Any]) -> list[str]:
    """Return lines in the order in which the rows that they name stand in the table; first those that name none."""
    rows = [(key, row) for key, section in raw.items() for row in ("", *(section if isinstance(section, dict) else ()))]
    order = {place: number for number, place in enumerate(rows)}

    def place(line: str) -> int:
        found = ((match[1], match[2]) for match in re.finditer(r"([a-z_]+)\.([\w-]+)", line))
        return next((order.get(pair, order[pair[0], ""]) for pair in found if (pair[0], "") in order), -1)

    return sorted(lines, key=place)


def _of_groups(table: Table) -> Iterator[str]:
    names = {name.lower(): name for name in table.methods}
    for group, members in table.groups.items():
        if group.lower() in names:
            yield f"params.yaml: 'groups.{group}' has the name of a method: rename one"
        for member in members:
            if member not in table.methods:
                yield str(registry.unknown(f"groups.{group}: method", member, list(table.methods)))


def _of_defaults(table: Table) -> Iterator[str]:
    own = {key: value for key, value in table.defaults.items() if key not in OF_METHODS}
    for key in own:
        if key not in FitRow.model_fields:
            yield str(registry.unknown("key", f"defaults.{key}", [*FitRow.model_fields, *OF_METHODS]))
    try:
        explain.validated(FitRow, {"epochs": 1, "batch": 1} | own, "params.yaml", "defaults")
    except UnrolledError as error:
        yield from str(error).splitlines()
    for key in OF_METHODS:
        try:
            registry.load(f"{key}s", str(table.defaults.get(key, Method.model_fields[key].default)), "defaults: ")
        except UnrolledError as error:
            yield str(error)


def _of_random_networks(table: Table) -> Iterator[str]:
    row = table.random_networks
    for name in row.initialisers:
        place = f"random_networks.initialisers.{name}"
        try:
            initialiser = registry.load("initialisers", name, "random_networks.initialisers: ")()
        except UnrolledError as error:
            yield str(error)
            continue
        reason = initialiser.supports(Problem(registry.load("cells", "elman")(1, hidden=row.hidden).weights()))
        if reason is not None:
            yield f"{place}: it cannot be used, {reason}: choose another"


def _seeds(experiment: Experiment) -> Iterator[str]:
    """Refuse to tune with more seeds than there are, where anything is tuned."""
    fit, used = experiment.fit, _used(experiment.data, experiment.methods.values())
    if "tuning_seeds" in used and fit.tuning_seeds > fit.seeds:
        place = f"studies.{experiment.name}.fit.tuning_seeds"
        yield f"{place} is {fit.tuning_seeds}: it is a part of the {fit.seeds} 'seeds'"


def _used(row: DataRow, methods: Iterable[Method]) -> set[str]:
    """Return those keys of a study's row that not every method uses and one of these does."""
    task, used = registry.load("tasks", row.task), set[str]()
    for method in methods:
        cell, optimiser = registry.load("cells", method.cell), registry.load("optimisers", method.optimiser)
        used |= {"learning_rates", "schedule"} & {*optimiser.uses}
        if cell.recurrent:
            used.add("parameters")
        if task.window or method.flatten_window or "window" in cell.Settings.model_fields:
            used.add("window")
        if "learning_rates" in optimiser.uses:
            tried = [method.learning_rates or [0], method.clip_norm or [0], method.clip_value or [0]]
            tried += [method.omega or [0]]
            used |= {"tuning_seeds"} if max(map(len, tried)) > 1 else set()
    return used


def _idle(table: Table, experiment: Experiment) -> Iterator[str]:
    """Find the keys of a study's row that none of its methods uses, as after a method was taken out."""
    study, place = table.study(experiment.name), f"studies.{experiment.name}"
    used = _used(study.data, experiment.methods.values())
    idle = [f"fit.{key}" for key in ("learning_rates", "schedule", "parameters", "tuning_seeds") if key in study.fit]
    idle += ["data.window"] if study.data.window is not None else []
    for key in idle:
        if key.partition(".")[2] not in used:
            yield f"{place}.{key} changes nothing: it is not used by any of the study's methods"


def _doubtful(table: Table, experiments: list[Experiment]) -> Iterator[str]:
    """Yield what is allowed but perhaps not meant."""
    for each in experiments:
        task: Task = registry.load("tasks", each.data.task)(**each.data.settings)
        yield from estimates.few(task, each.data, f"studies.{each.name}.data")
        yield from _idle(table, each)
        if not any(registry.load("optimisers", method.optimiser).iterative for method in each.methods.values()):
            yield f"studies.{each.name}.fit: no method there is trained in epochs"
    for name, method in table.methods.items():
        for other in method.compare_with:
            if other not in table.methods:
                yield f"methods.{name}.compare_with: there is no method '{other}'"
