"""What a stage does not need it does not import, which would take longer than its work: a small real run of each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

HEAVY = ("torch", "pytorch_lightning", "lightning", "mlflow")
SRC = Path(__file__).parents[1] / "src"


ITEMS = "systems", "records", "tasks", "cells", "initialisers", "optimisers", "scores"
"""What a table names, and `configure` therefore loads."""


def imported(folder: Path, stage: str, call: str) -> set[str]:
    """Run a call of a stage in a fresh process; return which heavy packages it has imported."""
    return of_code(folder, f"from unrolled.stages import {stage}; {stage}.{call}")


def of_code(folder: Path, code: str) -> set[str]:
    """Return which heavy packages some code imports."""
    code = f"import sys; {code}; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SRC), "UNROLLED_WORKERS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()) & set(HEAVY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """Return a folder in which all up to training has run, and what each stage imported."""
    folder = tmp_path_factory.mktemp("light")
    tiny.write(folder, "next_value")
    calls = {"configure": "main()", "generate": "main('sine')", "train": "main()"}
    return folder, {stage: imported(folder, stage, call) for stage, call in calls.items()}


def test_tables_are_resolved_and_data_made_without_pytorch(trained: tuple[Path, dict[str, set[str]]]) -> None:
    folder, found = trained
    assert (folder / "data/experiments/sine.json").exists() and (folder / "data/studies/sine/train.npz").exists()
    assert found["configure"] == found["generate"] == set()
    assert found["train"] >= {"torch", "mlflow"}, "or else the test sees nothing"


def test_no_item_needs_pytorch_to_be_declared(tmp_path: Path) -> None:
    every = f"[registry.load(kind, name) for kind in {ITEMS} for name in registry.names(kind)]"
    assert of_code(tmp_path, f"from unrolled import registry; {every}") == set()
    assert of_code(tmp_path, "from unrolled.models.pytorch import torch; torch.zeros(1)") == {"torch"}


def test_evaluation_needs_no_lightning_and_hands_out_its_work_without_pytorch(
    trained: tuple[Path, dict[str, set[str]]],
) -> None:
    folder, _ = trained
    assert imported(folder, "evaluate", "main()") == set()
    assert (folder / "reports/studies/sine/metrics.json").exists()
    assert imported(folder, "evaluate", "study('sine')") == {"torch"}, "as its processes do"


def test_a_forecast_needs_no_lightning(trained: tuple[Path, dict[str, set[str]]]) -> None:
    folder, _ = trained
    assert of_code(folder, "from unrolled import cli; cli.main(['forecast', 'sine'])") == {"torch", "mlflow"}
    assert list((folder / "forecasts").glob("sine-*.png"))


def test_the_report_needs_no_pytorch(trained: tuple[Path, dict[str, set[str]]]) -> None:
    folder, _ = trained
    code = "from unrolled.stages import report; from unrolled.training import tracking; tracking.connect()"
    assert of_code(folder, code) == {"mlflow"}
