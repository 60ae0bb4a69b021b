"""What a study would cost, from its row alone: memory, integration, training; what no machine gets done is refused.

The estimates are rough and the limits generous; each names the key that is farthest from what is usual.
"""

from collections.abc import Iterator

import numpy as np
import psutil

from unrolled import registry
from unrolled.config import DataRow, FitRow, Method
from unrolled.data.system import System
from unrolled.data.task import Task
from unrolled.models.cell import LIMIT, SAVED
from unrolled.models.network import Network
from unrolled.training.schedule import UNIT, UPDATE

SHARE = 0.8
"""Of the machine's memory that may be used."""
INTEGRATION = 1e6
"""Steps of a solver, or times in which the fastest motion changes: hours."""
SECONDS = 1e6
"""Of training on one core: days; the longest run of the full table takes hours."""
BYTES_OF_DATA, BYTES_OF_WEIGHT, BYTES_OF_NUMBER, BYTES_SOLVED = 16, 40, 4, 16
"""For each number of the arrays while they are made; for each weight of a replica: best, halfway, gradient, moments;
for each feature that a regression sees, of all replicas; and of the one that is solved for, in double precision."""
HANDFUL = 5
"""Test windows below which a score says little."""
USUAL = {
    **{"train": 1e4, "val": 1e3, "test": 1e4, "steps": 1e3, "horizon": 1e3, "transient": 1e3, "step": 1.0},
    **{"window": 1e2, "test_series": 1e2, "hidden": 1e3, "readout": 1e3, "encoder": 1e3},
    **{"units": 1e3, "parameters": 1e5},
    **{"seeds": 1e1, "learning_rates": 1e1, "batch": 1e2, "epochs": 1e3},
}


def of_data(row: DataRow, task: Task, own: System | None, place: str) -> Iterator[str]:
    """Refuse arrays larger than the memory, and integrations without end."""
    sizes, numbers = task.sizes(row), sum(task.widths(row, own))
    longest = 0 if own is None or task.one_series else task.span(row)
    need = sum(size.sequences * max(size.steps, longest) for size in sizes.values()) * numbers * BYTES_OF_DATA
    if row.record is not None and task.window:
        need += row.train * (row.window or 1) * numbers * BYTES_OF_DATA  # the linear model's regression
    if need > memory():
        keys = {key: getattr(row, key) for key in ("train", "val", "test", "window") if getattr(row, key)} | _own(row)
        yield f"{place}.{farthest(keys)}: the arrays would take about {_size(need)}, {_have()}: lower it"
    if own is not None:
        yield from _of_integration(row, task, own, place)


def _own(row: DataRow) -> dict[str, float]:
    return {key: row.settings[key] for key in ("steps", "horizon", "transient", "test_series") if row.settings.get(key)}


def _of_integration(row: DataRow, task: Task, own: System, place: str) -> Iterator[str]:
    steps = task.span(row)
    changes = (row.step * steps + row.settings.get("transient", 0.0)) * fastest(own)
    work = max(float(steps), changes)
    if not work <= INTEGRATION:
        keys = _own(row) | {"step": row.step, "train": row.train, "val": row.val, "test": row.test}
        defaults = {key: getattr(type(own), key) for key in row.parameters}
        ratios = {
            f"parameters.{key}": max(abs(value / defaults[key]), abs(defaults[key] / value)) if value else 1.0
            for key, value in row.parameters.items()
        }
        key = farthest(
            {key: keys[key] for key in keys if key in row.settings or task.one_series or key == "step"}, ratios
        )
        yield (
            f"{place}.{key}: the integration would take about {work:.0e} steps, the time scale of the fastest motion "
            f"each; {INTEGRATION:.0e} are allowed: nearer to what is usual"
        )


def fastest(own: System) -> float:
    """Return how often a system's fastest motion changes per unit of time, from states that it starts in.

    It is the largest size of an eigenvalue of the Jacobian; of a stiff system, whose solver steps over what has faded,
    1; of a delay equation at least one a delay.
    """
    if own.stiff:
        return 1.0
    states = own.start(np.random.default_rng(0), 8).T
    try:
        with np.errstate(all="ignore"):
            matrices = np.moveaxis(np.asarray(own.jacobian(0.0, states, None), float), -1, 0)
    except OverflowError:  # of plain numbers
        return np.inf
    if not np.isfinite(matrices).all():
        return np.inf
    largest = float(np.abs(np.linalg.eigvals(matrices)).max())
    return max(largest, 1 / own.delay) if own.delay else largest


def of_run(
    method: Method, row: DataRow, fit: FitRow, task: Task, network: Network, place: str, fit_place: str
) -> Iterator[str]:
    """Refuse a population larger than the memory, and a training without end."""
    optimiser, sizes = registry.load("optimisers", method.optimiser), task.sizes(row)
    train = sizes["train"]
    tried = len(method.learning_rates or [0]) * len(method.clip_norm or [0]) * len(method.clip_value or [0])
    tried *= len(method.omega or [0])
    replicas = max(tried * (fit.tuning_seeds if tried > 1 else fit.seeds), fit.seeds)
    batch, epochs = min(method.batch or fit.batch, train.sequences), method.epochs or fit.epochs
    features = max(network.cell.features, *method.readout, *method.encoder, network.outputs)
    need = replicas * network.parameters * BYTES_OF_WEIGHT
    need += max(min(LIMIT, replicas * batch * train.steps * features * 4 * SAVED), replicas * batch * features * 4)
    seconds = 0.0
    if optimiser.solves:
        seen = train.sequences * (1 if task.many_to_one else train.steps) + features
        need += seen * features * (replicas * BYTES_OF_NUMBER + BYTES_SOLVED)
    elif "epochs" in optimiser.uses:
        gradient = train.sequences * train.steps * UNIT * network.parameters / max(1, network.cell.features)
        seconds = float(replicas) * epochs * (-(-train.sequences // batch) * UPDATE + gradient)
    keys = {f"{place}.{key}": max(getattr(method, key), default=0) for key in ("readout", "encoder")}
    keys |= {f"{place}.units": method.options.get("units", 0)}
    keys |= {f"{fit_place}.seeds": fit.seeds, f"{place}.learning_rates": tried}
    keys |= {f"{place}.batch" if method.batch else f"{fit_place}.batch": batch}
    keys |= {f"{place}.hidden": method.hidden or 0, f"{fit_place}.parameters": fit.parameters or 0}
    keys |= {f"{fit_place.removesuffix('.fit')}.data.window": row.window or 0}
    if need > memory():
        yield f"{farthest(keys)}: training {place} would take about {_size(need)}, {_have()}: lower it"
    if seconds > SECONDS:
        keys |= {f"{place}.epochs" if method.epochs else f"{fit_place}.epochs": epochs}
        yield (
            f"{farthest(keys)}: training {place} would take about {seconds / 86400:.0f} days on one core; "
            f"{SECONDS / 86400:.0f} are allowed: lower it"
        )


def few(task: Task, row: DataRow, place: str) -> Iterator[str]:
    """Yield a warning where a score would stand on fewer than a handful of test windows."""
    test = task.sizes(row)["test"]
    if test.sequences < HANDFUL and not test.whole:
        windows = f"{test.sequences} test window{'s' * (test.sequences > 1)}"
        yield f"{place}.test, {row.test}, makes {windows} of {test.steps} steps: a score of so few says little"


def memory() -> float:
    """Return how many bytes may be used."""
    return SHARE * float(psutil.virtual_memory().total)


def farthest(keys: dict[str, float], ratios: dict[str, float] | None = None) -> str:
    """Return the key whose value is the largest beside what is usual; `ratios` are such already."""
    all_ratios = {key: float(value) / USUAL[key.rpartition(".")[2]] for key, value in keys.items()} | (ratios or {})
    return max(all_ratios, key=lambda key: all_ratios[key])


def _size(number: float) -> str:
    return f"{number / 2**30:.3g} GiB"


def _have() -> str:
    return f"this machine has {memory() / 2**30:.3g} GiB to use"
