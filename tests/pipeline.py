"""A temporary clone of the working tree with tiny parameters, on which the real `dvc repro` runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.io import savemat

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TINY: dict[str, Any] = {"epochs": 2, "batch": 8}
SIZES: dict[str, dict[str, Any]] = {
    "sine": {"train": 60, "val": 30, "test": 20, "step": 0.1},
    "noisy_sine": {"train": 60, "val": 30, "test": 20},
    "oscillator": {"steps": 30, "train": 8, "val": 4, "test": 4, "window": 10},
    "duffing": {"steps": 30, "train": 8, "val": 4, "test": 4, "window": 10},
    "fitzhugh_nagumo": {"steps": 30, "train": 8, "val": 4, "test": 4},
    "lorenz": {"steps": 30, "horizon": 60, "train": 8, "val": 4, "test": 4},
    "recall_50": {"steps": 20, "train": 16, "val": 8, "test": 8},
    "recall_200": {"steps": 40, "train": 16, "val": 8, "test": 8},
    "recall_1000": {"steps": 60, "train": 16, "val": 8, "test": 8},
    "mackey_glass": {"steps": 60, "horizon": 10, "transient": 20.0, "train": 4, "val": 2, "test": 4},
    "mackey_glass_30": {"steps": 60, "horizon": 10, "transient": 20.0, "train": 4, "val": 2, "test": 4},
    "initial_value": {"steps": 20, "train": 4, "val": 2, "test": 3, "parameters": {"least": 0.5, "most": 2.0}},
    "santa_fe": {"steps": 60, "horizon": 10, "train": 300, "val": 100, "test": 200},
    "silverbox": {"steps": 80, "train": 2000, "val": 1000, "test": 1088},
}
STUDIES = tuple(SIZES)
THEORY: dict[str, Any] = {
    "hidden": 12,
    "seeds": 3,
    "points": 5,
    "lengths": [5, 10, 20],
    "settle": 200,
    "spectra": [0.8, 2.0],
    "newton_hidden": 3,
    "newton_updates": 2,
}


def outputs(folder: Path) -> dict[str, bytes]:
    """Return every file that two runs must agree on, byte for byte: all but the page with this machine's times."""
    files = [folder / "dvc.lock", *sorted((folder / "reports").rglob("*"))]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file() and p.name != "local.html"}


def environment(**more: str) -> dict[str, str]:
    """Return this environment's commands and none of the user's settings."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DASK_", "UNROLLED_"))}
    return (
        plain
        | {"PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1", "UNROLLED_MEASURED": "data/measured"}
        | more
    )


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment in `folder`; fail with its output."""
    done = subprocess.run(command, cwd=folder, env=environment(**env), text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def shrink(folder: Path) -> None:
    """Make the table tiny: two epochs, three seeds, two rates, short series, small random networks."""
    path = folder / "params.yaml"
    table = yaml.safe_load(path.read_text())
    for name, study in table["studies"].items():
        study |= TINY | SIZES.get(name, {})
        study.pop("learning_rates", None)
        study.pop("seeds", None)
    table["theory"] |= THEORY
    table["training"] |= {"seeds": 3, "tuning_seeds": 2, "learning_rates": [1.0e-3, 1.0e-2]}
    path.write_text(yaml.safe_dump(table, sort_keys=False))


def silverbox(folder: Path, count: int = 45000) -> tuple[Any, Any]:
    """Write a made-up Silverbox of 45000 samples in the official form; return its input and output [V].

    y_t = 1.5 y_{t-1} - 0.9 y_{t-2} + 0.5 u_t - 4 y_{t-1}³, so that NARX can be exact.
    """
    u = 0.02 * np.random.default_rng(0).standard_normal(count)
    y = [0.0, 0.0]
    for force in u[2:].tolist():
        y.append(1.5 * y[-1] - 0.9 * y[-2] + 0.5 * force - 4 * y[-1] ** 3)
    place = folder / "Silverbox" / "SilverboxFiles"
    place.mkdir(parents=True)
    place.with_suffix(".zip").touch()
    savemat(place / "SNLS80mV.mat", {"V1": u[None], "V2": np.array(y)[None]})
    return u, np.array(y)


def clone(folder: Path) -> Path:
    """Copy what git tracks, and what it would, to `folder`, and commit it with tiny parameters."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("reports/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shrink(folder)
    silverbox(folder / "data" / "measured")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "tiny"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder
