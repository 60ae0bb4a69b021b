"""What a method's row may say: its items declare what they use, and a key that changes nothing is refused.

All functions yield problems, one line each.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from unrolled import explain, registry
from unrolled.config import DataRow, Method
from unrolled.data.system import System
from unrolled.data.task import Task
from unrolled.errors import UnrolledError
from unrolled.models.build import autoregressive, initialiser_of, network_of, problem_of, widths
from unrolled.training import vanishing
from unrolled.training.centring import Centring
from unrolled.training.optimiser import TRAINING

ITEMS = (("cells", "cell"), ("initialisers", "initialiser"), ("optimisers", "optimiser"))
ELSEWHERE = {"hidden", "window"}
"""Settings of cells that are keys of their own, of a method and of a study."""


def unused(key: str, who: str, used: tuple[str, ...] | list[str] = ()) -> str:
    """Return the line for a key that changes nothing."""
    others = f", which uses {', '.join(used)}" if used else ""
    return f"{key} changes nothing: it is not used by {who}{others}; take it out"


def of_row(method: Method, place: str) -> Iterator[str]:
    """Check a method's row by itself: the names of its items, their options, and the keys that they use."""
    problems = list(_of_items(method, place))
    yield from problems or _of_keys(method, place)


def _of_items(method: Method, place: str) -> Iterator[str]:
    items = []
    for kind, key in ITEMS:
        try:
            items.append(registry.load(kind, getattr(method, key), f"{place}: "))
        except UnrolledError as error:
            yield str(error)
    if len(items) < len(ITEMS):
        return
    known = {key for item in items for key in item.Settings.model_fields} - ELSEWHERE
    for key in method.options:
        if key not in known:
            yield str(registry.unknown(f"{place}.options:", key, sorted(known)))
    for item in items:
        own = {key: value for key, value in method.options.items() if key in set(item.Settings.model_fields) & known}
        try:
            item.Settings(**own)
        except ValidationError as error:
            yield from explain.lines(error, item.Settings, "params.yaml", f"{place}.options")


def _of_keys(method: Method, place: str) -> Iterator[str]:
    optimiser, cell = registry.load("optimisers", method.optimiser), registry.load("cells", method.cell)
    for key in TRAINING:
        if getattr(method, key) not in (None, False) and key not in optimiser.uses:
            yield unused(f"{place}.{key}", f"the optimiser '{method.optimiser}'", optimiser.uses)
    if not cell.recurrent:
        for key in ("hidden", "truncate", "flatten_window"):
            if getattr(method, key) not in (None, False):
                yield unused(f"{place}.{key}", f"the cell '{method.cell}', which has no recurrence")
    elif method.truncate is not None and method.flatten_window:
        yield unused(f"{place}.truncate", "a network that gets its window as one step")
    yield from _of_tuned(method, place)
    if optimiser.solves and not cell.recurrent and not method.readout and method.initialiser != "uniform":
        yield unused(f"{place}.initialiser", f"a regression, all of whose weights '{method.optimiser}' solves for")


def _of_tuned(method: Method, place: str) -> Iterator[str]:
    """Refuse to tune what is no option of the initialiser, and values that it does not take."""
    initialiser, cell = registry.load("initialisers", method.initialiser), registry.load("cells", method.cell)
    known = sorted({*initialiser.Settings.model_fields} - {*cell.Settings.model_fields})
    for key, values in method.tuned.items():
        if key not in known:
            yield str(registry.unknown(f"{place}.tuned: option of '{method.initialiser}'", key, known or ["none"]))
        else:
            for value in values:
                try:
                    initialiser.Settings(**{key: value})
                except ValidationError as error:
                    yield from explain.lines(error, initialiser.Settings, "params.yaml", f"{place}.tuned")


def of_pair(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> Iterator[str]:
    """Check a method's row against the study that it is in."""
    problems = [*_of_columns(method, task, row, place), *_of_closed_loop(method, task, row, own, place)]
    problems += _of_forcing(method, task, row, own, place)
    problems += [*_of_lengths(method, task, row, place), *_of_centring(method, task, row, own, place)]
    problems += _of_omega(method, place)
    cell = registry.load("cells", method.cell)
    if row.window is None and ("window" in cell.Settings.model_fields or method.flatten_window):
        problems.append(f"{place} sees a window of past inputs: add 'window' to the study's data")
    if method.flatten_window and not (task.window and task.many_to_one):
        problems.append(f"{place}.flatten_window needs a task that gives a window at a time, as 'next_value' does")
    if task.loss not in registry.load("optimisers", method.optimiser).minimises:
        problems.append(f"{place}: '{method.optimiser}' solves for real values, and task '{row.task}' asks for classes")
    yield from problems
    if problems:
        return
    network = network_of(method, row, *widths(method, row, task, own))
    reason = initialiser_of(method).supports(problem_of(network, row, own, steps=2))
    if reason is not None:
        yield f"{place}: initialiser '{method.initialiser}' cannot be used, {reason}: choose another"


def _of_columns(method: Method, task: Task, row: DataRow, place: str) -> Iterator[str]:
    """Refuse columns that the task has not, a residual that a loop would miss, and too short training windows."""
    columns = task.columns(row)
    for each in method.inputs or ():
        if each not in columns:
            known = list(dict.fromkeys(columns))
            yield str(registry.unknown(f"{place}.inputs: column", each, known or ["none, the task has no choice"]))
    chosen = method.inputs or task.default_inputs(row)
    if method.residual == "linear" and ("y_linear" not in chosen or autoregressive(method)):
        yield f"{place}.residual needs 'y_linear' in 'inputs', and 'y_prev' not there"
    if method.residual == "last" and (task.mode != "closed_loop" or task.many_to_one):
        yield f"{place}.residual: last needs a task whose inputs are the outputs of the step before, as 'forecast'"
    longest = row.settings.get("steps", 0) if columns else 0
    if method.steps is not None and not row.washout < method.steps <= longest:
        reason = f"a part of the study's windows, {row.washout + 1} to {longest}" if longest else "not of this task"
        yield f"{place}.steps is {method.steps}: it is {reason}"


def _of_lengths(method: Method, task: Task, row: DataRow, place: str) -> Iterator[str]:
    """Refuse a truncation that cuts nothing."""
    steps = method.steps or task.sizes(row)["train"].steps
    if method.truncate is not None and method.truncate >= steps:
        yield unused(f"{place}.truncate, {method.truncate},", f"sequences of {steps} steps")


def _of_centring(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> Iterator[str]:
    """Refuse to centre what has no place for the means, or what comes back as an input without them."""
    if not method.centred:
        return
    reason = Centring.supports(network_of(method, row, *widths(method, row, task, own)).cell, method.flatten_window)
    if task.loss != "mean_square":
        reason = "the targets are classes, which have no mean"
    if autoregressive(method) or "closed_loop" not in task.lacks(row, own) or method.residual:
        reason = "outputs come back as inputs, whose means are others: standardise the study's data"
    if reason is not None:
        yield f"{place}.centred: {reason}"


def _of_forcing(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> Iterator[str]:
    """Refuse to force where the outputs of a step are not the inputs of the next, and with what it does not go with."""
    forcing = method.forcing
    if forcing is None:
        return
    cell, steps, interval = registry.load("cells", method.cell), task.sizes(row)["train"].steps, forcing.interval or 1
    keys = ("truncate", "residual", "closed_loop", "flatten_window", "centred", "encoder")
    others = ", ".join(key for key in keys if getattr(method, key))
    own_inputs = task.mode == "closed_loop" and not task.many_to_one
    reasons = {
        "it needs a task whose inputs are the outputs of the step before, as 'forecast'": not own_inputs,
        f"it does not go with {others}": bool(others),
        "it needs a linear readout: take 'readout' out": bool(method.readout),
        f"the cell '{method.cell}' has no recurrence": not cell.recurrent,
        f"an interval of {interval} is longer than the sequences of {steps} steps": interval > steps,
    }
    if reason := next((reason for reason, holds in reasons.items() if holds), None):
        yield f"{place}.forcing: {reason}"
        return
    network = network_of(method, row, *widths(method, row, task, own))
    if network.cell.expands:
        yield f"{place}.forcing: it needs a readout of the cell's outputs alone"
    if forcing.rule == "state" and network.cell.features < network.outputs:
        yield f"{place}.forcing: the state has {network.cell.features} units, fewer than the {network.outputs} outputs"


def _of_omega(method: Method, place: str) -> Iterator[str]:
    """Refuse Ω where there is no such thing, or with what it does not go with."""
    keys = ("truncate", "closed_loop", "forcing", "residual", "flatten_window", "encoder")
    others = [key for key in keys if getattr(method, key)]
    reason = vanishing.supports(registry.load("cells", method.cell))
    if others and reason is None:
        reason = f"it does not go with '{others[0]}'"
    if method.omega is not None and reason is not None:
        yield f"{place}.omega: {reason}"


def _of_closed_loop(method: Method, task: Task, row: DataRow, own: System | None, place: str) -> Iterator[str]:
    """Refuse to train in closed loop where there is none, or with what it does not go with."""
    if method.closed_loop is None:
        return
    loop = autoregressive(method) or "closed_loop" not in task.lacks(row, own)
    shorter = (method.steps or row.settings.get("steps", 0)) - row.washout
    reasons = {
        "the task has no closed loop": not loop,
        "the network sees a window that slides, and has no state to go on from": task.many_to_one,
        "it does not go with 'truncate' or 'residual'": bool(method.truncate or method.residual),
        f"the sequences have {shorter} steps with a target": method.closed_loop >= shorter,
    }
    if reason := next((reason for reason, holds in reasons.items() if holds), None):
        yield f"{place}.closed_loop is {method.closed_loop}: {reason}"
