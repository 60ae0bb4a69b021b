"""Compile the kernels of cells and of training, side by side, so that no test and no process of a test waits for them.

Numba keeps them beside the source. `python tests/compiled.py` compiles on all cores what is not there.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from unrolled import fingerprint

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/unrolled"
SHARED = PACKAGE / "models/kernels.py"
STUDIES = (
    {"system": "sine", "task": "next_value", "step": 0.3, "train": 20, "val": 8, "test": 8, "window": 3},
    {"system": "oscillator", "task": "response", "step": 0.3, "steps": 6, "train": 4, "val": 2, "test": 2, "window": 3},
)


def missing() -> list[Path]:
    """Return the sources with a kernel that is not in the cache, or was compiled from other sources."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != SHARED and not _kept(path)]


def _kept(source: Path) -> bool:
    kernels = re.findall(r"^@compiled\ndef (\w+)", source.read_text(), re.MULTILINE)
    found = {name: list((source.parent / "__pycache__").glob(f"{source.stem}.{name}-*.nbi")) for name in kernels}
    stamp = fingerprint.of_content(source).encode() if kernels else b""
    return all(any(stamp in index.read_bytes() for index in indices) for indices in found.values())


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


def compile_training(optimiser: str) -> None:
    """Train a small network with one output, and one with an output at every step."""
    from unrolled import registry
    from unrolled.config import DataRow, Experiment, FitRow, Method
    from unrolled.data import datasets
    from unrolled.training.fit import fit
    from unrolled.training.runs import Run

    row = {"label": "?", "cell": "elman", "hidden": 2, "readout": [2], "optimiser": optimiser, "learning_rates": [0.01]}
    row |= {"omega": [1.0]} if "omega" in registry.load("optimisers", optimiser).uses else {}
    budget = FitRow(epochs=1, batch=4, seeds=1)
    for each in STUDIES:
        data = DataRow.model_validate(each)
        for clip in ({"clip_norm": [1.0]}, {"clip_value": [1.0]}):
            about = {"name": "?", "label": "?", "question": "?", "seed": 0, "score": "mse", "data": data, "fit": budget}
            methods = {"method": Method.model_validate(row | clip)}
            fit(Run(Experiment(**about, methods=methods), "method"), datasets.make(data))


def main() -> None:
    """Compile what is not there, in as many processes as there are cores."""
    sources = missing()
    if not sources:
        return
    import unrolled.training.fit  # noqa: F401 (what every process needs, once)

    cells = [path.stem for path in sources if path.parent.name == "cells"]
    optimisers = [path.stem for path in sources if path.parent.name == "optimisers"]
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        done = [pool.submit(compile_cell, name) for name in cells]
        done += [pool.submit(compile_training, name) for name in optimisers or ["adam"]]
        for each in done:
            each.exception()  # an item that fails is for its own tests to name


def ensure() -> None:
    """Do so in a process of its own."""
    if missing():
        environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, __file__], env=environment, check=False)


if __name__ == "__main__":
    main()
