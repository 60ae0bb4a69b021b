"""From a method's row to its network: cell, readout, and what its initialiser may know."""

import bisect

from unrolled import registry
from unrolled.config import DataRow, Method
from unrolled.data.system import System
from unrolled.data.task import Task
from unrolled.models.encoded import Encoded
from unrolled.models.initialiser import Initialiser, Problem
from unrolled.models.network import Network

LARGEST = 1 << 16
"""No network has so many units."""


def autoregressive(method: Method) -> bool:
    """Return whether a method has its own output of the step before among its inputs."""
    return "y_prev" in (method.inputs or ())


def family(method: Method) -> str:
    """Return the family of architectures that a method belongs to."""
    if not registry.load("optimisers", method.optimiser).trains:
        return "reference"
    return "regression" if method.flatten_window else str(registry.load("cells", method.cell).family)


def widths(method: Method, row: DataRow, task: Task, own: System | None) -> tuple[int, int]:
    """Return how many inputs and outputs the method's network has."""
    inputs, outputs = task.widths(row, own)
    if columns := task.columns(row):
        chosen = method.inputs or task.default_inputs(row)
        inputs = sum(column in chosen for column in columns)
    return (inputs * (row.window or 1) if method.flatten_window else inputs), outputs


def network_of(method: Method, row: DataRow, inputs: int, outputs: int, residual: float | None = None) -> Network:
    """Build the network of a method's row; `residual` as in `Network`."""
    given = method.options | {"hidden": method.hidden or 0, "window": row.window or 1}
    inputs = 0 if method.forcing is not None and method.forcing.rule == "state" else inputs
    entering = method.encoder[-1] if method.encoder else inputs
    cell = registry.load("cells", method.cell)(entering, **registry.settings_of("cells", method.cell, given))
    if method.encoder:
        cell = Encoded(cell, inputs, tuple(method.encoder))
    readout, flat = tuple(method.readout), method.flatten_window
    loop, forcing = method.closed_loop or 0, method.forcing
    return Network(cell, outputs, readout, flat, method.truncate, row.washout, residual, loop, forcing)


def initialiser_of(method: Method, tuned: dict[str, float] | None = None) -> Initialiser:
    """Return the method's initialiser with its settings, and with values of those that are tuned."""
    found: Initialiser = registry.make("initialisers", method.initialiser, method.options | (tuned or {}))
    return found


def problem_of(network: Network, row: DataRow, own: System | None, steps: int) -> Problem:
    """Return what an initialiser may know of a network and its study."""
    cell = network.cell
    return Problem(network.weights(), own, row.step, steps, cell.forget_gate, cell.input_gate, cell.hidden)


def sized(method: Method, parameters: int, row: DataRow, task: Task, own: System | None) -> int:
    """Return the hidden size whose number of weights is nearest to `parameters`, the smaller of two as near."""

    def count(hidden: int) -> int:
        given = method.model_copy(update={"hidden": hidden})
        return network_of(given, row, *widths(given, row, task, own)).parameters

    above = bisect.bisect_left(range(1, LARGEST), parameters, key=count) + 1  # the first that has so many, or more
    return min((size for size in (above - 1, above) if size), key=lambda size: abs(count(size) - parameters))
