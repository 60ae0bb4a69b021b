"""The whole of it: `dvc repro` on tiny parameters in a temporary clone."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import STUDIES, outputs, run
from unrolled.analysis.claim import VERDICTS
from unrolled.config import Params

pytestmark = pytest.mark.pipeline


def test_report_and_metrics_are_there(repro: Path) -> None:
    metrics = json.loads((repro / "reports/metrics.json").read_text())
    table = Params.model_validate(yaml.safe_load((repro / "params.yaml").read_text()))
    assert set(metrics) == set(STUDIES)
    for study, found in metrics.items():
        assert set(found["methods"]) == set(table.methods_of(study))
        assert {"score", "unit", "better"} <= set(found)
        for row in found["methods"].values():
            assert {"median", "mean", "ci95", "diverged", "learning_rate", "parameters", "p_vs_rnn"} <= set(row)
            assert len(row["replicas"]) == 3
            assert row["ci95"][0] <= row["median"] <= row["ci95"][1]


def test_every_claim_has_a_verdict(repro: Path) -> None:
    claims = json.loads((repro / "reports/claims.json").read_text())
    assert [claim["number"] for claim in claims] == list(range(1, 14))
    assert {claim["verdict"] for claim in claims} <= set(VERDICTS) and all(claim["words"] for claim in claims)
    assert "not tested here" not in [claim["verdict"] for claim in claims]


def test_the_exact_recurrence_is_exact_and_euler_is_not(repro: Path) -> None:
    rows = json.loads((repro / "reports/metrics.json").read_text())["oscillator"]["methods"]
    assert rows["exact"]["median"] < 1e-5 < rows["euler"]["median"] < rows["persistence"]["median"]


def test_a_second_run_does_nothing(repro: Path) -> None:
    before = outputs(repro)
    assert "up to date" in run(repro, "dvc", "repro").stdout
    assert outputs(repro) == before


def test_times_and_places_are_in_no_output(repro: Path) -> None:
    host = subprocess.run(["hostname"], text=True, capture_output=True, check=True).stdout.strip()
    for name, content in outputs(repro).items():
        assert str(repro).encode() not in content, name
        assert host.encode() not in content or len(host) < 4, name


def test_from_scratch_gives_the_same_bytes_with_one_worker(repro: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(
        repro, again, ignore=shutil.ignore_patterns("data", "cache", "mlflow.db", "mlartifacts", "dvc.lock")
    )
    shutil.copytree(repro / "data/measured", again / "data/measured")
    run(again, "dvc", "repro", UNROLLED_WORKERS="1")
    ours, theirs = outputs(repro), outputs(again)
    assert [name for name in ours if ours[name] != theirs.get(name)] == []


def test_metrics_and_plots_are_shown(repro: Path) -> None:
    assert "linear_rnn" in run(repro, "dvc", "metrics", "show", "--md").stdout
    shown = run(repro, "dvc", "plots", "show", "--out", "plots").stdout
    page = Path(shown.strip().removeprefix("file://")).read_text()
    assert all(f"reports/studies/{study}/curves.csv" in page.replace("\\", "/") for study in STUDIES)
    assert '"method": "lstm"' in page


def test_a_changed_row_retrains_that_row_only(repro: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(repro, changed)
    path = changed / "data/trained/sine"
    before = {file.name: file.read_bytes() for file in path.glob("*.npz")}
    done = run(changed, "dvc", "exp", "run", "-S", "methods.lstm.hidden=5", "train@sine")
    assert f"sine: 1 methods trained, {len(before) - 1} kept" in done.stdout
    after = {file.name: file.read_bytes() for file in path.glob("*.npz")}
    assert {name for name in after if before[name] != after[name]} == {"lstm.npz"}


def test_a_removed_row_disappears(repro: Path, tmp_path: Path) -> None:
    changed = tmp_path / "removed"
    shutil.copytree(repro, changed)
    table = yaml.safe_load((changed / "params.yaml").read_text())
    del table["methods"]["gru"]
    for study in table["studies"].values():
        study.get("methods", {}).pop("gru", None)
    (changed / "params.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
    run(changed, "dvc", "repro")
    assert not list((changed / "data/trained").rglob("gru.npz"))
    assert "gru" not in json.loads((changed / "reports/metrics.json").read_text())["sine"]["methods"]


def test_the_store_has_experiments_runs_and_champions(repro: Path, store) -> None:  # type: ignore[no-untyped-def]
    for study in STUDIES:
        experiment = store.get_experiment_by_name(study)
        runs = store.search_runs([experiment.experiment_id], max_results=1000)
        parents = {r.data.tags["method"]: r for r in runs if r.data.tags.get("kind") == "method"}
        own = parents["rnn" if "rnn" in parents else "gru_chrono"]
        nested = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == own.info.run_id]
        assert len(nested) == 3
        assert all(len(store.get_metric_history(r.info.run_id, "val_loss")) == 2 for r in nested)
        assert own.data.metrics["training_seconds"] > 0
        assert own.inputs.dataset_inputs[0].dataset.name == study
        assert store.get_metric_history(own.info.run_id, "val_loss rate 0.001")
        assert {r.info.status for r in runs} == {"FINISHED"}
        assert store.get_model_version_by_alias(f"unrolled-{study}", "champion").tags["method"] in parents
        [comparison] = [r for r in runs if r.data.tags.get("kind") == "comparison"]
        assert store.list_artifacts(comparison.info.run_id, "figures")


@pytest.mark.parametrize("extra", [[], ["--method", "gru"], ["--method", "linear", "--steps", "7"]])
def test_forecast_loads_and_draws(repro: Path, extra: list[str]) -> None:
    said = run(repro, "unrolled", "forecast", "sine", *extra).stdout
    path = repro / said.strip().split("; ")[-1]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"{extra[-1] if '--steps' in extra else 20} steps" in said


@pytest.mark.parametrize(("study", "steps"), [("lorenz", 61), ("fitzhugh_nagumo", 1), ("duffing", 30)])
def test_forecast_goes_on_from_what_was_observed(repro: Path, study: str, steps: int) -> None:
    assert f"{study}: gru, {steps} steps" in run(repro, "unrolled", "forecast", study, "--method", "gru").stdout


def test_champion_forecasts_as_evaluated(repro: Path) -> None:
    said = run(repro, "unrolled", "forecast", "sine", "--method", "linear").stdout
    scored = json.loads((repro / "reports/metrics.json").read_text())["sine"]["methods"]["linear"]["median"]
    assert float(said.split("RMSE ")[1].split()[0]) == pytest.approx(scored, rel=1e-2)


def test_track_rebuilds_a_lost_store(repro: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(repro, lost, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts", "cache"))
    assert one_line(run(lost, "unrolled", "forecast", "sine", check=False)).endswith("if it was trained elsewhere")
    count = len(list((lost / "data/trained/sine").glob("*.npz")))
    assert f"sine: {count} methods are in sqlite" in run(lost, "unrolled", "track", "sine").stdout
    assert "20 steps" in run(lost, "unrolled", "forecast", "sine").stdout


def test_local_report_has_the_training_times(repro: Path) -> None:
    run(repro, "unrolled", "report")
    assert "Training time" in (repro / "reports/local.html").read_text()
    assert "Training time</h3>" not in (repro / "reports/index.html").read_text()


def broken(repro: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    folder = tmp_path / "broken"
    shutil.copytree(repro, folder, ignore=shutil.ignore_patterns("cache", "mlartifacts"))
    return folder


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Check the exit code and return the one line."""
    assert done.returncode != 0
    [line] = [text for text in done.stderr.splitlines() if text.strip()]
    return line


def test_truncated_data_is_one_line(repro: Path, tmp_path: Path) -> None:
    folder = broken(repro, tmp_path)
    path = folder / "data/sine/train.npz"
    content = path.read_bytes()
    path.unlink()  # a DVC link may point into the cache
    path.write_bytes(content[:300])
    line = one_line(run(folder, "python", "-m", "unrolled.stages", "train", "sine", check=False))
    assert "data/sine/train.npz is damaged" in line and "dvc repro" in line


def test_nan_in_the_data_is_one_line(repro: Path, tmp_path: Path) -> None:
    folder = broken(repro, tmp_path)
    path = folder / "data/sine/test.npz"
    arrays = dict(np.load(path))
    arrays["inputs"][3, 2, 0] = np.nan
    path.unlink()
    np.savez(path, **arrays)
    line = one_line(run(folder, "python", "-m", "unrolled.stages", "train", "sine", check=False))
    assert "data/sine/test.npz" in line and "nan" in line and "(3, 2, 0)" in line


@pytest.mark.parametrize("uri", ["sqlite:////proc/none/mlflow.db", "http://127.0.0.1:9"])
def test_a_store_that_cannot_be_used_is_one_line_before_any_training(repro: Path, tmp_path: Path, uri: str) -> None:
    folder = broken(repro, tmp_path)
    done = run(folder, "python", "-m", "unrolled.stages", "train", "sine", check=False, MLFLOW_TRACKING_URI=uri)
    line = one_line(done)
    assert uri in line and "MLFLOW_TRACKING_URI" in line


def test_an_unreachable_scheduler_is_one_line(repro: Path, tmp_path: Path) -> None:
    folder = broken(repro, tmp_path)
    shutil.rmtree(folder / "data/trained/sine")
    done = run(
        folder,
        "python",
        "-m",
        "unrolled.stages",
        "train",
        "sine",
        check=False,
        DASK_SCHEDULER_ADDRESS="tcp://127.0.0.1:9",
    )
    assert done.returncode != 0
    assert "no Dask scheduler answers at DASK_SCHEDULER_ADDRESS=tcp://127.0.0.1:9" in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["python", "-m", "unrolled.stages", "generate", "sinus"], "study 'sinus' is not known; did you mean 'sine'?"),
        (["unrolled", "forecast", "sine", "--method", "lstn"], "did you mean 'lstm'?"),
        (["unrolled", "forecast", "sine", "--steps", "-3"], "--steps is -3"),
        (["unrolled", "forecast", "oscillator", "--steps", "31"], "known for 30 steps only"),
    ],
)
def test_bad_arguments_are_one_line(repro: Path, command: list[str], said: str) -> None:
    assert said in one_line(run(repro, *command, check=False))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("studies.sine.windw", 20, "did you mean 'window'?"),
        ("studies.sine.step", -0.1, "studies.sine.step is -0.1"),
        ("methods.rnn.cell", "elmann", "did you mean 'elman'?"),
        ("training.learning_rates", ["1e-3"], "write 1.0e-3"),
    ],
)
def test_bad_tables_are_one_line(repro: Path, tmp_path: Path, key: str, value: object, said: str) -> None:
    table = yaml.safe_load((repro / "params.yaml").read_text())
    *path, last = key.split(".")
    row = table
    for part in path:
        row = row[part]
    row[last] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
    assert said in one_line(run(tmp_path, "python", "-m", "unrolled.stages", "generate", "sine", check=False))
