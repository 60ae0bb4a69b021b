"""Compile the kernels of all cells, side by side, so that no test and no process of a test waits for them.

Numba keeps them beside the source. `python tests/compiled.py` takes a core for each cell in turn; with all in its cache
it ends at once.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
CELLS = ROOT / "src/unrolled/models/cells"


def missing() -> list[str]:
    """Return the cells with a kernel that is not in the cache, or was compiled from an older source."""
    shared = (CELLS.parent / "kernels.py").stat().st_mtime
    return [path.stem for path in sorted(CELLS.glob("*.py")) if not _kept(path, max(path.stat().st_mtime, shared))]


def _kept(cell: Path, changed: float) -> bool:
    kernels = re.findall(r"^@compiled\ndef (\w+)", cell.read_text(), re.MULTILINE)
    found = {name: list((cell.parent / "__pycache__").glob(f"{cell.stem}.{name}-*.nbi")) for name in kernels}
    return all(any(index.stat().st_mtime >= changed for index in indices) for indices in found.values())


def compile_cell(name: str) -> None:
    """Run a cell forward and backward, along a direction and in closed loop, in both types."""
    import torch

    from unrolled import registry

    item = registry.load("cells", name)
    for dtype in (torch.float32, torch.float64):
        cell = item(1, **registry.settings_of("cells", name, {"hidden": 2, "window": 2}))
        w = {key: torch.full((1, *each.shape), 0.1, dtype=dtype) for key, each in cell.weights().items()}
        x = torch.ones(1, 2, 3, 1, dtype=dtype)
        outputs, state = cell.run(w, x)
        cell.tangent(w, w, x, outputs)
        v, c = torch.ones(1, cell.features, 1, dtype=dtype), torch.ones(1, 1, 1, dtype=dtype)
        cell.regress(v, c, x[:, :, 0], state, x[..., :0])
        inputs = x.requires_grad_()
        outputs, _ = cell.run({key: each.requires_grad_() for key, each in w.items()}, inputs)
        outputs.sum().backward()


def main() -> None:
    """Compile what is not there, in as many processes as there are cores."""
    if cells := missing():
        import unrolled.models.network  # noqa: F401 (what every process needs, once)

        with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
            list(pool.map(compile_cell, cells))


def ensure() -> None:
    """Do so in a process of its own."""
    if missing():
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, __file__], env=environment, check=True)


if __name__ == "__main__":
    main()
