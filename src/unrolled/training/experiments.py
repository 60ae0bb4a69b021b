"""From the table to experiments: every default filled in, every contradiction found before anything runs."""

from collections.abc import Iterator

from pydantic import ValidationError

from unrolled import explain, registry
from unrolled.config import DataRow, Experiment, FitRow, Method, RecordRow, Study, Table
from unrolled.data import system
from unrolled.data.system import System
from unrolled.data.task import Task
from unrolled.errors import Problems, UnrolledError
from unrolled.models.build import network_of, sized, widths
from unrolled.training import contracts, estimates

OF_METHODS = ("initialiser", "optimiser")
"""The keys of `defaults` that are of every method; the others are of every study's `fit`."""


def resolve(table: Table, name: str) -> Experiment:
    """Return one study's experiment.

    Raises
    ------
    UnrolledError
        If a name, a key or a pair of item and study does not fit; each message, one line a problem, names the key and
        what fits.
    """
    study, place, problems = table.study(name), f"studies.{name}", Problems()
    seed = table.data_seed if study.data_seed is None else study.data_seed
    row = study.data.model_copy(update={"seed": seed})
    with problems.gathering():
        fit = _fit(table, study, place)
    with problems.gathering():
        task, own = _task(row, f"{place}.data")
    with problems.gathering():
        changes = _listed(table, study, place)
    with problems.gathering():
        score = registry.load("scores", study.score, f"{place}.score: ")
    problems.stop()
    problems.add(*estimates.of_data(row, task, own, f"{place}.data"))
    problems.stop()  # or else the methods' networks would be as large
    lacks, sizes = task.lacks(row, own), task.sizes(row)
    if score.of_classes != (task.loss == "cross_entropy"):
        asked = "classes" if score.of_classes else "real values"
        problems.add(f"{place}.score: '{study.score}' is of {asked}, which task '{row.task}' has not: choose another")
    elif score.test in lacks:
        problems.add(f"{place}.score: '{study.score}' {lacks[score.test]}: choose another, or change the study")
    elif (found := sizes["test"].sequences * (1 if task.many_to_one else sizes["test"].steps)) < score.least:
        problems.add(f"{place}.score: '{study.score}' needs {score.least} values, and 'test' leaves {found}: raise it")
    absent, methods, unsized = dict[str, str](), dict[str, Method](), list[str]()
    for key, method in table.methods.items():
        missing = [lacks[each] for each in method.requires if each in lacks]
        if key not in changes:
            absent[key] = missing[0] if missing else "not in this study's list"
        elif missing:
            problems.add(f"{place}.methods: '{key}' {missing[0]}: take it out, or change the study")
        else:
            with problems.gathering():
                changed = _changed(table, key, changes[key], f"{place}.methods.{key}")
                recurrent = registry.load("cells", changed.cell).recurrent
                if recurrent and not changed.hidden and (changed.hidden == 0 or fit.parameters is None):
                    unsized.append(key)
                else:
                    methods[key] = _method(changed, key, fit, row, task, own, place)
    if unsized:
        problems.add(f"{place}.methods: {', '.join(unsized)}: needs 'hidden' units, or 'parameters' in the study's fit")
    problems.stop()
    return Experiment(
        name=name,
        label=study.label,
        question=study.question,
        group=study.group,
        seed=table.seed,
        data=row,
        fit=fit,
        score=study.score,
        scored_on=score.test,
        methods=methods,
        absent=absent,
    )


def _fit(table: Table, study: Study, place: str) -> FitRow:
    """Return how a study is trained: its own keys over the defaults."""
    shared = {key: value for key, value in table.defaults.items() if key not in OF_METHODS}
    found: FitRow = explain.validated(FitRow, shared | study.fit, "params.yaml", f"{place}.fit")
    return found


def _task(row: DataRow, place: str) -> tuple[Task, System | None]:
    """Return the study's task and system, which fit each other."""
    item, problems = registry.load("tasks", row.task, f"{place}: "), Problems()
    try:
        task: Task = item(**row.settings)
    except ValidationError as error:
        known = sorted({*DataRow.model_fields, *item.Settings.model_fields} - {"settings", "seed"})
        for problem in error.errors():
            if problem["type"] == "extra_forbidden":
                problems.add(str(registry.unknown("key", f"{place}.{problem['loc'][0]}", known)))
        problems.add(*explain.lines(error, item.Settings, "params.yaml", place)[len(problems.lines) :])
        problems.stop()
    if row.record is not None:
        problems.add(*_of_record(row.record, row, task, place))
    own: System | None = None
    try:
        if row.system is not None:
            registry.load("systems", row.system, f"{place}: ")
        own = system.of(row)
        reason = task.refuses(row, own) or _misfit(task, own, row)
        if reason is None and not problems.lines:
            task.widths(row, own)
            task.sizes(row)
    except UnrolledError as error:
        problems.add(f"{place}: {str(error).removeprefix(f'{place}: ')}")
        reason = None
    if reason is not None:
        problems.add(f"{place}: task '{row.task}' {reason}: change the study's row in params.yaml")
    problems.stop()
    return task, own


def _misfit(task: Task, own: System | None, row: DataRow) -> str | None:
    """Return why a task, whatever it refuses itself, is not made for a system or a row, or None."""
    if task.window and row.window is None:
        return "needs a 'window'"
    if own is not None and own.delay and not task.delays:
        return f"knows no delay, which '{row.system}' has"
    if own is not None and own.one_start and not own.forced and not task.one_series:
        return f"needs trajectories that differ, and all of '{row.system}' start in the same state"
    return None


def _of_record(row: RecordRow, data: DataRow, task: Task, place: str) -> Iterator[str]:
    """Check a record's columns, and what its source and the task make of its keys."""
    try:
        item = registry.load("records", row.source, f"{place}.record.source: ")()
    except UnrolledError as error:
        yield str(error)
        return
    if (reason := item.refuses(row)) is not None:
        yield f"{place}.record: '{row.source}' {reason}"
    for key in task.of_systems:
        if key in data.settings:
            others = [name for name in type(task).Settings.model_fields if name not in task.of_systems]
            yield contracts.unused(f"{place}.{key}", f"task '{data.task}' on a record", others)


def _listed(table: Table, study: Study, place: str) -> dict[str, dict[str, object]]:
    """Return the methods that a study lists, with what differs in their rows; groups stand for their members."""
    found: dict[str, dict[str, object]] = {}
    named, problems = set[str](), Problems()
    for entry in study.methods:
        pairs = {entry: {}} if isinstance(entry, str) else entry
        for name, changes in pairs.items():
            if name in named:
                problems.add(f"{place}.methods: '{name}' stands twice: take one out")
            named.add(name)
            if name in table.groups and not changes:
                found |= {member: {} for member in table.groups[name] if member not in found}
            elif name in table.groups:
                problems.add(f"{place}.methods: '{name}' is a group, whose members change one by one: name them")
            elif name in table.methods:
                found[name] = changes
            else:
                known = [*table.methods, *table.groups]
                problems.add(str(registry.unknown(f"{place}.methods: method or group", name, known)))
    if not found and not problems.lines:
        problems.add(f"{place}.methods: no method is left: list one")
    problems.stop()
    return found


def _changed(table: Table, name: str, changes: dict[str, object], place: str) -> Method:
    """Return the method's row with a study's changes."""
    problems, method = Problems(), table.methods[name]
    problems.add(*contracts.of_row(method, f"methods.{name}"))
    problems.stop()
    if changes:
        try:
            method = method.changed(changes)
        except ValidationError as error:
            raise UnrolledError("\n".join(explain.lines(error, Method, "params.yaml", place))) from None
        problems.add(*contracts.of_row(method, place))
        problems.stop()
    return method


def _method(method: Method, name: str, fit: FitRow, row: DataRow, task: Task, own: System | None, study: str) -> Method:
    """Return the row with its learning rates and its hidden size, if it fits the study."""
    problems, place = Problems(), f"{study}.methods.{name}"
    if method.learning_rates is None and "learning_rates" in registry.load("optimisers", method.optimiser).uses:
        method = method.model_copy(update={"learning_rates": fit.learning_rates})
    if registry.load("cells", method.cell).recurrent and method.hidden is None and fit.parameters is not None:
        method = method.model_copy(update={"hidden": sized(method, fit.parameters, row, task, own)})
    problems.add(*contracts.of_pair(method, task, row, own, place))
    problems.stop()
    network = network_of(method, row, *widths(method, row, task, own))
    problems.add(*estimates.of_run(method, row, fit, task, network, place, f"{study}.fit"))
    problems.stop()
    return method
