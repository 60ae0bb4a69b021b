"""How much memory a run takes at its most, before it starts; and how many runs at once this machine has memory for."""

from math import prod
from typing import NamedTuple

from unrolled import environment, processes
from unrolled.data.task import Data
from unrolled.errors import UnrolledError
from unrolled.models.cell import LIMIT, SAVED
from unrolled.training.optimiser import GradientDescent
from unrolled.training.runs import Array, Run
from unrolled.training.workers import ADDRESS

FLOAT, DOUBLE = 4, 8
BASE = 250e6
"""Bytes of a worker before its first run: PyTorch, Lightning, Numba; what its siblings share with it is not counted."""
COPIES, HELD = 3, 2
"""How often a worker has the data that it trains on; and the predictions, of which it sends a copy."""
VECTORS, CONJUGATE = 8, 26
"""Arrays like θ that training holds: weights, the best, the halfway ones, gradients, two moments; and those of CG."""
TEXTBOOK = 3
"""How much more autograd saves of a textbook step than a kernel does."""
GIB = 2**30


class Shape(NamedTuple):
    """Of a set of sequences as a method gets them: N, T, D, the steps with a target, K, and whether it is fed back.

    A closed loop of a network with a state has as many steps as there are targets; its inputs are the warm-up.
    """

    sequences: int
    steps: int
    inputs: int
    targets: int
    outputs: int
    closed_loop: bool = False

    @classmethod
    def of(cls, inputs: Array, targets: Array, mode: str = "") -> "Shape":
        """Return that of a set."""
        scored = targets.shape[1] if targets.ndim == 3 else 1
        count, steps, columns = inputs.shape
        return cls(count, steps, columns, scored, targets.shape[-1], mode == "closed_loop")

    @property
    def values(self) -> int:
        """How many numbers it has."""
        return self.sequences * (self.steps * self.inputs + self.targets * self.outputs)


class Shapes(NamedTuple):
    """Of a study's data: the training set, what validation measures, and the test sets."""

    train: Shape
    val: Shape
    tests: list[Shape]

    @classmethod
    def of(cls, run: Run, data: Data) -> "Shapes":
        """Return those of data that are there."""
        data = run.select(data)
        sets = (run.validation(data), *data.tests.values())
        val, *tests = (Shape.of(each.inputs, each.targets, each.mode) for each in sets)
        return cls(Shape.of(data.train["inputs"], data.train["targets"]), val, tests)


def parts(run: Run, shapes: Shapes) -> dict[str, float]:
    """Return the bytes that a run takes at its most, by the keys of the table that they depend on.

    Of S replicas with P weights and H features at batch size B: data; θ and what is like it; what the gradient needs of
    a batch, of one replica at a time where kernels train them; the states of whole sets of sequences, where a method
    regresses on them, takes the curvature over them, or feeds its outputs back; predictions. Needs no PyTorch.
    """
    network, replicas = run.network(), max(len(run.tuning_replicas()), len(run.final_replicas(0)))
    cell, train, tests = network.cell, shapes.train, (shapes.val, *shapes.tests)
    length = 1 if network.flatten_window else train.steps
    width = cell.features + train.inputs * train.steps // length + 1
    descends, kernels = issubclass(run.optimiser, GradientDescent), cell.compiled or not cell.weights()
    shape = 1, length, 1, width - cell.features
    step = sum(map(prod, cell.buffers(*shape))) if cell.compiled else TEXTBOOK * SAVED * cell.features * length
    saved = FLOAT * (step + length * (width + 2 * train.outputs))  # with what comes in, and what comes back
    size = min(run.fit.batch, train.sequences)
    found: dict[str, float] = {
        "train, val, test": FLOAT * COPIES * sum(each.values for each in (train, *tests)),
        "hidden, seeds": FLOAT * replicas * network.parameters * (VECTORS if descends else CONJUGATE),
    }
    if descends and kernels:
        found["batch, steps, hidden"] = 2 * max(size * saved, 2**20)
    elif run.optimiser.iterative:
        batch = size if descends else train.sequences
        keys = "batch, steps, hidden, seeds" if descends else "train, steps, hidden, seeds"
        found[keys] = min(replicas * batch * saved, TEXTBOOK * LIMIT)
    else:
        rows = train.sequences * (1 if run.task.many_to_one else length)
        found["train, steps, hidden, seeds"] = FLOAT * replicas * rows * width
        found["train, steps, hidden"] = rows * cell.features * (FLOAT + 2 * DOUBLE) + 6 * DOUBLE * cell.features**2
    own = FLOAT * replicas * width
    loops = [own * each.sequences * each.targets for each in tests if each.closed_loop and not run.task.many_to_one]
    given = [own * each.sequences * min(each.steps, length) for each in tests]
    segment = LIMIT / SAVED * width / max(cell.features, 1)
    found["test, horizon, hidden, seeds"] = max(*loops, *(min(each, segment) for each in given))
    found["test, seeds"] = FLOAT * HELD * replicas * sum(each.sequences * each.targets * each.outputs for each in tests)
    return found


def peak(run: Run, shapes: Shapes) -> float:
    """Return the bytes that a worker takes at its most for a run; measured, within a factor of two."""
    return BASE + sum(parts(run, shapes).values())


def available() -> float:
    """Return the bytes that can be had here: those free, or what limits this process if that is less."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    return float(min(psutil.virtual_memory().available, MEMORY_LIMIT))


def fitting(runs: list[Run], data: dict[str, Data]) -> int:
    """Return how many runs this machine trains at once: one a worker, or as many as memory holds, which is said.

    Raises
    ------
    UnrolledError
        If a run alone needs more memory than there is; it names the keys that most of it depends on.
    """
    if environment.value(ADDRESS):
        return len(runs)
    room, needs = available(), [peak(run, Shapes.of(run, data[run.study])) for run in runs]
    order = sorted(range(len(runs)), key=lambda number: -needs[number])
    run, most = runs[order[0]], needs[order[0]]
    place = f"studies.{run.study}: method '{run.name}' needs about {most / GIB:.1f} GiB"
    if most > room:
        share = parts(run, Shapes.of(run, data[run.study]))
        keys = max(share, key=lambda each: share[each])
        raise UnrolledError(f"{place}, of {room / GIB:.1f} GiB that are free; most of it by {keys}: make these smaller")
    wanted = min(processes.count(), len(runs))
    fit, taken = 0, 0.0
    while fit < wanted and taken + needs[order[fit]] <= room:
        taken += needs[order[fit]]
        fit += 1
    if fit < wanted:
        print(f"{place}, of {room / GIB:.1f} GiB that are free: {fit} of {wanted} workers train at once", flush=True)
    return fit
