"""How time and memory grow with the length of the sequence and with the number of replicas."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks._measure import Row, row, seconds
from unrolled.models import cell as contract
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.report.style import new, style, svg, title

HERE = Path(__file__).parent
CELLS = ("elman", "gru", "lstm")
LENGTHS = [250, 500, 1000, 2000, 5000, 10000, 20000]
REPLICAS = [1, 2, 5, 10, 20, 50]
BATCH, HIDDEN, USUAL = 32, 64, 200
LABELS = {"elman": ("Elman", "#332288", "o"), "gru": ("GRU", "#CC6677", "s"), "lstm": ("LSTM", "#44AA99", "^")}
NEVER = 2**60


def peak() -> float:
    """Return the largest memory of this process so far, GiB."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def measure(cell: str, steps: int, replicas: int, limit: int = contract.LIMIT) -> dict[str, Any]:
    """Return the seconds of a forward and backward pass, and the memory it adds to the process, GiB."""
    contract.LIMIT = limit
    network = Network(load("cells", cell)(1, hidden=HIDDEN), 1)
    theta = (torch.randn(replicas, network.parameters) / HIDDEN**0.5).requires_grad_()

    def once(length: int) -> None:
        x = torch.randn(1, BATCH, length, 1).expand(replicas, -1, -1, -1)
        network(network.unpack(theta), x).square().mean().backward()

    once(10)
    before = peak()
    times = sorted(seconds(lambda: once(steps)) for _ in range(3))
    return {"cell": cell, "T": steps, "S": replicas, "seconds": times[1], "GiB": peak() - before}


def in_own_process(cell: str, steps: int, replicas: int, limit: int = contract.LIMIT) -> dict[str, Any]:
    """Measure in a process of its own, since a process's peak never falls."""
    command = [sys.executable, "-m", "benchmarks.growth", cell, str(steps), str(replicas), str(limit)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows() -> Iterator[Row]:
    """Measure all, draw the figure, and yield what checkpointing in time costs at the greatest length."""
    points = [in_own_process(cell, steps, 1) for cell in CELLS for steps in LENGTHS]
    points += [in_own_process(cell, USUAL, replicas) for cell in CELLS for replicas in REPLICAS]
    (HERE / "growth.json").write_text(json.dumps(points, indent=1) + "\n")
    draw(points, HERE / "growth.svg")
    for cell in CELLS:
        kept, cut = in_own_process(cell, LENGTHS[-1], 1, NEVER), in_own_process(cell, LENGTHS[-1], 1)
        name = f"{cell} T{LENGTHS[-1]} B{BATCH} H{HIDDEN} S1, {cut['GiB']:.2f} GiB"
        yield row(name, f"all states kept, {kept['GiB']:.2f} GiB", cut["seconds"], kept["seconds"])


def draw(points: list[dict[str, Any]], path: Path) -> None:
    """Draw time and memory, by T and by S."""
    long = [point for point in points if point["T"] != USUAL]
    many = [point for point in points if point["T"] == USUAL]
    panels = ((long, "T", "steps T (one network)"), (many, "S", f"replicas S ({USUAL} steps)"))
    with style():
        figure, axes = new(8, 5.4, 2, 2, sharex="col")
        for column, (chosen, key, label) in enumerate(panels):
            for line, (what, unit) in enumerate((("seconds", "time [s]"), ("GiB", "memory [GiB]"))):
                panel(axes[line, column], chosen, key, what)
                axes[line, column].set_ylabel(unit)
            axes[1, column].set_xlabel(label)
        axes[0, 0].legend()
        most = max(point["GiB"] for point in long)
        bound = f"memory stays below {most + 0.05:.1f} GiB up to T = {LENGTHS[-1]:,}"
        title(figure, f"Time grows in proportion to T and S; {bound}")
        path.write_text(svg(figure), encoding="utf-8")


def panel(ax: Any, points: list[dict[str, Any]], key: str, what: str) -> None:
    """Draw one line a cell."""
    for cell in CELLS:
        name, colour, marker = LABELS[cell]
        own = [point for point in points if point["cell"] == cell]
        ax.plot([p[key] for p in own], [p[what] for p in own], color=colour, marker=marker, ms=4, label=name)
    ax.set(xscale="log", yscale="log" if what == "seconds" else "linear")


if __name__ == "__main__":
    cell, steps, replicas, limit = sys.argv[1:]
    torch.set_num_threads(1)
    print(json.dumps(measure(cell, int(steps), int(replicas), int(limit))))
