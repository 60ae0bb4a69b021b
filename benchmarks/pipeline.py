"""The pipeline as it is: what MLflow costs beside training, and what `dvc repro` costs when nothing is to do."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlflow.tracking import MlflowClient

from benchmarks._measure import Row, alternating, row, seconds

ROOT = Path(__file__).parents[1]


def fit_seconds(store: Path) -> float:
    """Return the seconds of all fits, summed; neither waiting in the queue nor compiling of kernels is among them."""
    client = MlflowClient(f"sqlite:///{store}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.kind = 'method' and status = 'FINISHED'", max_results=1000)
    return sum(run.data.metrics["cost/seconds"] for run in runs)


def repro(folder: Path) -> str:
    """Return what `dvc repro` prints; its progress goes to the terminal."""
    return subprocess.run(["dvc", "repro"], cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


def rows() -> Iterator[Row]:
    """Yield the share of logging (peer: the fits), and a second `dvc repro` (peer: the first)."""
    with tempfile.TemporaryDirectory() as name:
        folder, printed = Path(name) / "clone", []
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        (folder / "dvc.lock").unlink(missing_ok=True)
        first = seconds(lambda: printed.append(repro(folder)))
        logging = sum(float(each) for each in re.findall(r"MLflow took ([\d.]+) s", printed[0]))
        fits = fit_seconds(folder / "mlflow.db")
        yield row("MLflow logging, all studies", "fits of all studies, core-seconds", logging, fits)
        (nothing,) = alternating(3, lambda: seconds(lambda: repro(folder)))
        yield row("dvc repro, nothing to do", "dvc repro, from scratch", nothing, first)
