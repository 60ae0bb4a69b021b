"""A temporary clone of the working tree with a small table, on which the real `dvc repro` runs."""

import os
import re
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml
from scipy.io import savemat

import covering
from unrolled import registry
from unrolled.analysis.power_spectrum import SEGMENT
from unrolled.config import RecordRow
from unrolled.errors import NotRunError
from unrolled.full import project as full
from unrolled.paths import RECORDS

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
STEPS = 30
"""Most steps of a sequence of the first study; each has one more, so that no two are the same."""
TABLES = ("params", "full", "beyond")
HIDDEN = 30
"""Most units of a method that says how many."""
TINY: dict[str, Any] = {"epochs": 2, "batch": 8}
DEFAULTS: dict[str, Any] = {"seeds": 3, "tuning_seeds": 2, "learning_rates": [1.0e-3, 1.0e-2]}
MOST = {"window": 10, "washout": 10, "transient": 20.0, "free_run": 400, "shortest": 12}
"""Largest values of a study's keys."""
RANDOM_NETWORKS: dict[str, Any] = {
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
    files = [path for path in files if folder / RECORDS not in path.parents]  # those of `make full`, perhaps under way
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file() and p.name != "local.html"}


def environment(**more: str) -> dict[str, str]:
    """Return this environment's commands and none of the user's settings."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DASK_", "UNROLLED_"))}
    return (
        plain
        | {"PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1", "UNROLLED_MEASURED": "data/measured"}
        | {"UNROLLED_STRICT": "1"}
        | more
    )


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment in `folder`; fail with its output."""
    done = subprocess.run(command, cwd=folder, env=environment(**env), text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def shrink(folder: Path, exhaustive: bool = False) -> None:
    """Make the table tiny, by rule: a few short sequences, two epochs, three seeds, two rates.

    Of studies and methods only those of the covering table stay, or all of them.
    """
    path = folder / "params.yaml"
    table = reduce(full.merged, [yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in TABLES])
    table["studies"] = {name: row for name, row in table["studies"].items() if not name.endswith(full.AGAIN)}
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    kept = covering.pairs_of(covering.experiments(path)) if exhaustive else covering.covering(path)
    studies = {}
    for number, name in enumerate(dict.fromkeys(name for name, _ in kept)):
        study = table["studies"][name]
        changes = {k: v for entry in study["methods"] if isinstance(entry, dict) for k, v in entry.items()}
        methods = [method for own, method in kept if own == name]
        studies[name] = study | {
            "data": small(study["data"], STEPS + number, folder / "data" / "measured"),
            "fit": {k: v for k, v in study["fit"].items() if k not in DEFAULTS} | TINY,
            "methods": [{method: changes[method]} if method in changes else method for method in methods],
        }
    for study in studies.values():
        names = [name for each in study["methods"] for name in ([each] if isinstance(each, str) else each)]
        seen = any(table["methods"][name]["cell"] == "window" for name in names)
        if not seen and not registry.load("tasks", study["data"]["task"]).window:
            study["data"].pop("window", None)  # no method is left that sees one
    for method in table["methods"].values():
        if "steps" in method:
            method["steps"] = STEPS // 2
        if "truncate" in method:
            method["truncate"] = MOST["window"] // 2
        if "interval" in method.get("forcing", {}):
            method["forcing"]["interval"] = min(method["forcing"]["interval"], STEPS // 2)
    changes = [each for study in studies.values() for each in study["methods"] if isinstance(each, dict)]
    for row in (row for rows in (table["methods"], *changes) for row in rows.values()):
        row |= {key: value for key, value in TINY.items() if key in row}
        if row.get("hidden"):
            row["hidden"] = min(row["hidden"], HIDDEN)  # of a reservoir of 1000 units the spectrum alone takes seconds
    table["random_networks"] |= RANDOM_NETWORKS
    table |= {"studies": studies, "defaults": table["defaults"] | DEFAULTS}
    path.write_text(yaml.safe_dump(table, sort_keys=False))


def small(row: dict[str, Any], steps: int, measured: Path) -> dict[str, Any]:
    """Return a study's data with few, short sequences; of chaos, just long enough for a power spectrum."""
    most = MOST | {"steps": steps}
    row = {key: min(value, most[key]) if key in most else value for key, value in row.items()}
    if "horizon" in row:
        chaos = "system" in row and registry.load("systems", row["system"]).lyapunov
        row["horizon"] = min(row["horizon"], SEGMENT if chaos else 10)
    if "val_horizon" in row:
        row["val_horizon"] = min(row["val_horizon"], row["horizon"])
    length = steps + 1 + row.get("horizon", 0)
    if "record" in row:
        return row | {"train": 10 * length, "val": 4 * length, "test": official_test(row, measured) or 4 * length}
    by_sequence = "steps" in registry.load("tasks", row["task"]).Settings.model_fields
    return row | dict(zip(("train", "val", "test"), (8, 4, 4) if by_sequence else (60, 30, 20), strict=True))


def official_test(row: dict[str, Any], measured: Path) -> int | None:
    """Return how many values the first official test of a record has, where it has some."""
    record = RecordRow.model_validate(row["record"])
    with mock.patch.dict(os.environ, UNROLLED_MEASURED=str(measured)):
        try:
            tests = registry.make("records", record.source).tests(record)
        except NotRunError:
            return int(row["test"])
    return len(next(iter(tests.values()))) if tests else None


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
    path = place / "SNLS80mV.mat"
    savemat(path, {"V1": u[None], "V2": np.array(y)[None]})
    path.write_bytes(b"made up".ljust(116) + path.read_bytes()[116:])  # in place of the time of writing
    return u, np.array(y)


def copy_of_tree(folder: Path) -> None:
    """Copy what git tracks, and what it would, and the compiled kernels, which Numba knows by their source's time."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.splitlines()
    kernels = (str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("__pycache__/*.nb?"))
    for name in (*listed, *kernels):
        if (ROOT / name).is_file() and name != "dvc.lock" and not re.match(r"reports/(?!full/|literature/)", name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def commit(folder: Path) -> None:
    """Commit everything in a folder, as its first commit."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "tiny"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def clone(folder: Path, exhaustive: bool = False) -> Path:
    """Make a clone with a small table, of the covering pairs or of all."""
    copy_of_tree(folder)
    silverbox(folder / "data" / "measured")
    shrink(folder, exhaustive)
    commit(folder)
    return folder
