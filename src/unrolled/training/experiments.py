"""From the table to experiments: every default filled in, every contradiction found before anything runs."""

from pydantic import ValidationError

from unrolled import config, registry
from unrolled.config import DataRow, Experiment, FitRow, Method, Study, Table
from unrolled.data import system
from unrolled.data.system import System
from unrolled.data.task import Task
from unrolled.errors import UnrolledError
from unrolled.models.build import autoregressive, initialiser_of, network_of, problem_of, sized, widths
from unrolled.training.centring import Centring

ITEMS = (("cells", "cell"), ("initialisers", "initialiser"), ("optimisers", "optimiser"))


def resolve(table: Table, name: str) -> Experiment:
    """Return one study's experiment.

    Raises
    ------
    UnrolledError
        If a name, a key or a pair of item and study does not fit; the message names the key and what fits.
    """
    study, place = table.study(name), f"studies.{name}"
    fit = _fit(table, study, place)
    row = study.data.model_copy(update={"seed": table.data_seed})
    task, own = _task(row, f"{place}.data")
    score = registry.load("scores", study.score, f"{place}.score: ")
    changes = _listed(table, study, place)
    lacks = task.lacks(row, own)
    if score.test in lacks:
        raise UnrolledError(f"{place}.score: '{study.score}' {lacks[score.test]}: choose another, or change the study")
    absent, methods = {}, {}
    for key, method in table.methods.items():
        _check_items(method, f"methods.{key}")
        missing = [lacks[each] for each in method.requires if each in lacks]
        if key in changes:
            if missing:
                raise UnrolledError(f"{place}.methods: '{key}' {missing[0]}: take it out, or change the study")
            methods[key] = _method(table, key, changes[key], fit, row, task, own, place)
        else:
            absent[key] = missing[0] if missing else "not in this study's list"
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


def resolve_all(table: Table) -> list[Experiment]:
    """Return the experiment of every study, in the order of the table; errors as in `resolve`, anywhere in it."""
    for group, members in table.groups.items():
        if group in table.methods:
            raise UnrolledError(f"params.yaml: 'groups.{group}' has the name of a method: rename one")
        for member in members:
            if member not in table.methods:
                raise registry.unknown(f"groups.{group}: method", member, list(table.methods))
    for initialiser in table.random_networks.initialisers:
        registry.load("initialisers", initialiser, "random_networks.initialisers: ")
    return [resolve(table, name) for name in table.studies]


def _fit(table: Table, study: Study, place: str) -> FitRow:
    """Return how a study is trained: its own keys over the defaults."""
    shared = {key: value for key, value in table.defaults.items() if key not in ("initialiser", "optimiser")}
    for key in shared:
        if key not in FitRow.model_fields:
            raise registry.unknown("key", f"defaults.{key}", [*FitRow.model_fields, "initialiser", "optimiser"])
    found: FitRow = config.validated(FitRow, shared | study.fit, "params.yaml", f"{place}.fit")
    return found


def _task(row: DataRow, place: str) -> tuple[Task, System | None]:
    """Return the study's task and system, which fit each other."""
    item = registry.load("tasks", row.task, f"{place}: ")
    try:
        task: Task = item(**row.settings)
    except ValidationError as error:
        known = [*DataRow.model_fields, *item.Settings.model_fields]
        for extra in (problem["loc"][0] for problem in error.errors() if problem["type"] == "extra_forbidden"):
            allowed = sorted(key for key in known if key not in ("settings", "seed"))
            raise registry.unknown("key", f"{place}.{extra}", allowed) from None
        raise UnrolledError(config.explain(error, item.Settings, "params.yaml", place)) from None
    if row.record is not None:
        record = registry.load("records", row.record.source, f"{place}.record.source: ")()
        if (reason := record.refuses(row.record)) is not None:
            raise UnrolledError(f"{place}.record: '{row.record.source}' {reason}")
    elif row.system is not None:
        registry.load("systems", row.system, f"{place}: ")
    try:
        own = system.of(row)
        reason = task.refuses(row, own)
        if reason is None:
            task.widths(row, own)
    except UnrolledError as error:
        raise UnrolledError(f"{place}: {error}") from None
    if reason is not None:
        raise UnrolledError(f"{place}: task '{row.task}' {reason}: change the study's row in params.yaml")
    return task, own


def _listed(table: Table, study: Study, place: str) -> dict[str, dict[str, object]]:
    """Return the methods that a study lists, with what differs in their rows; groups stand for their members."""
    found: dict[str, dict[str, object]] = {}
    for entry in study.methods:
        pairs = {entry: {}} if isinstance(entry, str) else entry
        for name, changes in pairs.items():
            if name in table.groups and not changes:
                found |= {member: {} for member in table.groups[name] if member not in found}
            elif name in table.groups:
                raise UnrolledError(f"{place}.methods: '{name}' is a group, whose members change one by one: name them")
            elif name in table.methods:
                found[name] = changes
            else:
                raise registry.unknown(f"{place}.methods: method or group", name, [*table.methods, *table.groups])
    return found


def _check_items(method: Method, place: str) -> None:
    """Check the names of a method's items, and its options against their settings."""
    declared: dict[str, type] = {}
    for kind, key in ITEMS:
        item = registry.load(kind, getattr(method, key), f"{place}: ")
        declared |= dict.fromkeys(item.Settings.model_fields, item.Settings)
    for key, value in method.options.items():
        if key not in declared or key in ("hidden", "window"):
            raise registry.unknown(f"{place}.options:", key, sorted(set(declared) - {"hidden", "window"}))
        try:
            declared[key](**{key: value})
        except ValidationError as error:
            raise UnrolledError(config.explain(error, declared[key], "params.yaml", f"{place}.options")) from None


def _method(
    table: Table,
    name: str,
    changes: dict[str, object],
    fit: FitRow,
    row: DataRow,
    task: Task,
    own: System | None,
    place: str,
) -> Method:
    """Return the method's row as this study has it: with its changes, its learning rates and its hidden size."""
    place = f"{place}.methods.{name}"
    try:
        method = table.methods[name].changed(changes)
    except ValidationError as error:
        raise UnrolledError(config.explain(error, Method, "params.yaml", place)) from None
    _check_items(method, place)
    _check_columns(method, task, row, place)
    _check_closed_loop(method, task, row, own, place)
    _check_centred(method, task, row, own, place)
    if method.learning_rates is None:
        method = method.model_copy(update={"learning_rates": fit.learning_rates})
    if registry.load("cells", method.cell).recurrent:
        if fit.parameters is not None and method.hidden is None:
            method = method.model_copy(update={"hidden": sized(method, fit.parameters, row, task, own)})
        if not method.hidden:
            raise UnrolledError(f"{place}: cell '{method.cell}' needs 'hidden', or the study's fit 'parameters'")
    network = network_of(method, row, *widths(method, row, task, own))
    reason = initialiser_of(method).supports(problem_of(network, row, own, steps=2))
    if reason is not None:
        raise UnrolledError(f"{place}: initialiser '{method.initialiser}' cannot be used, {reason}: choose another")
    return method


def _check_closed_loop(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> None:
    """Refuse to train in closed loop where there is none, or with what it does not go with."""
    if method.closed_loop is None:
        return
    loop = autoregressive(method) or "closed_loop" not in task.lacks(row, own)
    shorter = (method.steps or row.settings.get("steps", 0)) - row.washout
    reasons = {
        "the task has no closed loop": not loop,
        "the network sees a window that slides, and has no state to go on from": task.many_to_one,
        "it does not go with 'truncate' or 'residual'": bool(method.truncate or method.residual),
        f"the optimiser '{method.optimiser}' does not train so": not registry.load(
            "optimisers", method.optimiser
        ).closed_loop,
        f"the sequences have {shorter} steps with a target": method.closed_loop >= shorter,
    }
    if reason := next((reason for reason, holds in reasons.items() if holds), None):
        raise UnrolledError(f"{place}.closed_loop is {method.closed_loop}: {reason}")


def _check_centred(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> None:
    """Refuse to centre what has no place for the means, or what comes back as an input without them."""
    if not method.centred:
        return
    reason = Centring.supports(network_of(method, row, *widths(method, row, task, own)).cell, method.flatten_window)
    if autoregressive(method) or "closed_loop" not in task.lacks(row, own) or method.residual:
        reason = "outputs come back as inputs, whose means are others: standardise the study's data"
    if reason is not None:
        raise UnrolledError(f"{place}.centred: {reason}")


def _check_columns(method: Method, task: Task, row: DataRow, place: str) -> None:
    """Refuse columns that the task has not, a residual that a loop would miss, and too short training windows."""
    columns = task.columns(row)
    for each in method.inputs or ():
        if each not in columns:
            raise registry.unknown(f"{place}.inputs: column", each, list(dict.fromkeys(columns)))
    chosen = method.inputs or task.default_inputs(row)
    if method.residual and (f"y_{method.residual}" not in chosen or autoregressive(method)):
        raise UnrolledError(f"{place}.residual needs 'y_{method.residual}' in 'inputs', and 'y_prev' not there")
    longest = row.settings.get("steps", 0) if columns else 0
    if method.steps is not None and not row.washout < method.steps <= longest:
        reason = f"a part of the study's windows, {row.washout + 1} to {longest}" if longest else "not of this task"
        raise UnrolledError(f"{place}.steps is {method.steps}: it is {reason}")
