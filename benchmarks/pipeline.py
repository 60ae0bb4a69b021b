"""The pipeline: what MLflow costs beside training, and what `dvc repro` costs when nothing is to do."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from mlflow.tracking import MlflowClient

from benchmarks._measure import Row, alternating, row, seconds
from tests import pipeline as clones

ROOT = Path(__file__).parents[1]
LOGGED = "noisy_sine"
"""The study with the most methods and the shortest training: MLflow's worst case."""


def restore(folder: Path) -> None:
    """Give one study its full size and budget again."""
    tiny, full = (yaml.safe_load((place / "params.yaml").read_text()) for place in (folder, ROOT))
    tiny["studies"][LOGGED], tiny["training"] = full["studies"][LOGGED], full["training"]
    (folder / "params.yaml").write_text(yaml.safe_dump(tiny, sort_keys=False))


def training_seconds(store: Path) -> float:
    """Return the seconds that all methods of the study trained, as the workers measured them."""
    client = MlflowClient(f"sqlite:///{store}")
    experiment = client.get_experiment_by_name(LOGGED)
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'method'")
    return sum(run.data.metrics["training_seconds"] for run in runs)


def rows() -> Iterator[Row]:
    """Yield the share of logging (peer: training), and a second `dvc repro` (peer: the first)."""
    with tempfile.TemporaryDirectory() as name:
        folder = clones.clone(Path(name))
        restore(folder)
        printed: list[str] = []
        first = seconds(lambda: printed.append(clones.run(folder, "dvc", "repro").stdout))
        logging = float(re.findall(rf"^{LOGGED}: .*MLflow took ([\d.]+) s", printed[0], re.MULTILINE)[0])
        yield row(
            f"MLflow logging, {LOGGED}", "training, the same study", logging, training_seconds(folder / "mlflow.db")
        )
        (nothing,) = alternating(3, lambda: seconds(lambda: clones.run(folder, "dvc", "repro")))
        yield row("dvc repro, nothing to do", "dvc repro, tiny parameters, from scratch", nothing, first)
