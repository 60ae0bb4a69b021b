"""A whole update at the sizes of the studies: against the kernels of its recurrence alone, torch and JAX.

Beside the kernels the ratio is at best 1.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from benchmarks._lightning import PEERS, WARM
from benchmarks._measure import Row, Timed, alternating, row, seconds
from benchmarks.training import ROUNDS, against, epoch, prepared, sides
from unrolled.training.update import CompiledUpdate

Sizes = tuple[tuple[int, int, int], ...]
SIZES: Sizes = ((20, 32, 33), (50, 10, 33), (200, 10, 33), (400, 8, 32), (400, 8, 64), (1000, 2, 34), (1000, 10, 16))
"""T, B and H."""


def kernels_of(update: CompiledUpdate, index: Tensor) -> Callable[[], None]:
    """Return what runs forward and adjoint of all replicas as an update does, and nothing else."""
    update.differentiate(index.contiguous().numpy())  # which fills the arrays
    (segment,), parts = update.segments, update.parts[index.shape[1]]
    weights, gradients = segment.arrangement.weights, segment.arrangement.gradients
    forward, adjoint = update.population.network.cell.kernels()

    def run() -> None:
        for part, (work,) in parts:
            w, dw = [each[part] for each in weights], [each[part] for each in gradients]
            for each in (*work.state, *work.d_state):
                each.fill(0)
            forward(work.x, *w, *work.state, *work.buffers, *work.constants)
            adjoint(work.g, work.x, *w, *work.buffers, *work.d_state, *dw, work.dx, *work.constants)

    return run


def kernels(cell: str, steps: int, batch: int, hidden: int) -> Timed:
    """Return what measures the kernels alone, as often as `ours` updates."""
    run, count = kernels_of(*prepared(cell, steps, batch, hidden)), epoch(steps)

    def repeat(times: int) -> None:
        for _ in range(times):
            run()

    def timed() -> float:
        repeat(WARM)
        return seconds(lambda: repeat(count)) / count

    return timed


def rows(cells: tuple[str, ...] = tuple(PEERS), rounds: int = ROUNDS, sizes: Sizes = SIZES) -> Iterator[Row]:
    """Yield three rows for each cell and size: against the kernels, torch, and JAX."""
    for cell in cells:
        for steps, batch, hidden in sizes:
            size = cell, steps, batch, hidden
            mine, torchs, jaxs, alone = alternating(rounds, *sides(*size), kernels(*size))
            name = f"update {cell} T{steps} B{batch} H{hidden}"
            yield row(name, "kernels alone", mine, alone)
            yield from against(name, cell, mine, torchs, jaxs)
