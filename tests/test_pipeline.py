"""The whole of it: `dvc repro` on a small table in a temporary clone."""

import json
import re
import shutil
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.pipeline import fit_seconds
from pipeline import outputs, run
from unrolled import config
from unrolled.analysis.claim import UNTESTED, VERDICTS
from unrolled.registry import names
from unrolled.training import results
from unrolled.training.experiments import resolve

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]
STUDY = {
    "score", "score_label", "unit", "better", "question", "label", "task", "kind", "lyapunov", "measured", "step",
    "steps", "time_unit", "outputs", "closed_loop", "example_axis", "tests", "methods",
}  # fmt: skip
METHOD = {
    "label", "about", "family", "cell", "initialiser", "optimiser", "hidden", "score", "interval", "logs", "seeds",
    "diverged", "trained", "learning_rate", "clip", "at_edge", "parameters", "passes", "trains", "autoregressive",
    "recurrent", "network", "rank", "chosen_by_validation", "updates", "best_epoch",
}  # fmt: skip


def table_of(folder: Path) -> dict[str, Any]:
    """Return the table as it stands in the file."""
    table: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    return table


def write(folder: Path, table: dict[str, Any]) -> None:
    """Write the table."""
    (folder / "params.yaml").write_text(yaml.safe_dump(table, sort_keys=False))


def pairs(folder: Path) -> dict[tuple[str, str], config.Method]:
    """Return the resolved row of each method of each study."""
    table = config.load(folder / "params.yaml")
    studies = {name: resolve(table, name) for name in table.studies}
    return {(name, method): row for name, own in studies.items() for method, row in own.methods.items()}


def trained(folder: Path) -> dict[tuple[str, str], bytes]:
    """Return the results by study and method."""
    return {(path.parent.name, path.stem): path.read_bytes() for path in (folder / "data/trained").rglob("*.npz")}


def metrics_of(folder: Path) -> dict[str, Any]:
    """Return what metrics.json holds."""
    found: dict[str, Any] = json.loads((folder / "reports/metrics.json").read_text())
    return found


def test_report_and_metrics_are_there(repro: Path) -> None:
    metrics, rows = metrics_of(repro), pairs(repro)
    assert {(study, method) for study, found in metrics.items() for method in found["methods"]} == set(rows)
    for study, found in metrics.items():
        assert found.keys() >= STUDY, study
        for row in found["methods"].values():
            assert row.keys() >= METHOD, study
            assert len(row["seeds"]) == 3
            assert row["interval"]["n"] < 2 or row["interval"]["low"] <= row["score"] <= row["interval"]["high"]
    assert any("power_spectrum_error" in row for study in metrics.values() for row in study["methods"].values())
    page = (repro / "reports/index.html").read_text()
    assert all(found["label"] in page for found in metrics.values())


def test_every_claim_has_a_verdict(repro: Path) -> None:
    claims = json.loads((repro / "reports/claims.json").read_text())
    assert [claim["number"] for claim in claims] == list(range(1, len(names("claims")) + 1))
    assert {claim["verdict"] for claim in claims} <= set(VERDICTS)
    untested = [claim["number"] for claim in claims if claim["verdict"] == UNTESTED]
    assert untested == [9, 15], "in the small table updates are too few, and no forced network is clipped"
    assert all(claim["words"] for claim in claims)


def test_the_exact_recurrence_is_exact_and_euler_is_not(repro: Path) -> None:
    rows = metrics_of(repro)["oscillator"]["methods"]
    assert rows["exact"]["score"] < 1e-5 < rows["euler"]["score"] < rows["persistence"]["score"]


def test_a_second_run_does_nothing(repro: Path) -> None:
    before = outputs(repro)
    assert "up to date" in run(repro, "dvc", "repro").stdout
    assert outputs(repro) == before


def told(content: bytes, folder: Path) -> list[str]:
    """Return what a file tells of this machine: its name, a folder, the day."""
    words = {socket.gethostname(), str(folder), str(Path.home()), datetime.now(UTC).date().isoformat()}
    return [word for word in words if re.search(rb"(?<!\w)" + re.escape(word).encode() + rb"(?![\w-])", content)]


def test_times_and_places_are_in_no_output(repro: Path) -> None:
    records = (repro / "reports/literature").glob("*.json")  # which say when they were made
    dates = {date for each in records for date in re.findall(rb"\d{4}-\d\d-\d\d", each.read_bytes())}
    published = "reports/literature/", "reports/full/"  # they are not of this run
    made = {name: each for name, each in outputs(repro).items() if not name.startswith(published)}
    made = {name: re.sub(b"|".join(dates) or b"$^", b"", each) for name, each in made.items()}
    assert {name: found for name, content in made.items() if (found := told(content, repro))} == {}
    assert told(f"made in {repro}".encode(), repro) == [str(repro)], "or else nothing could be found"


def test_a_copy_of_the_store_would_write_to_no_other_folder(repro: Path) -> None:
    places = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
    with closing(sqlite3.connect(repro / "mlflow.db")) as database:
        for table, column in (places | {"model_versions": "storage_location"}).items():
            found = [row[0] for row in database.execute(f"SELECT {column} FROM {table}")]
            assert found and {each.split("/")[0] for each in found} <= {"mlartifacts", "mlruns"}, table


def test_metrics_and_plots_are_shown(repro: Path, tmp_path: Path) -> None:
    said = run(repro, "dvc", "metrics", "show").stdout
    assert "converged" in said and "gain.memory" in said and max(map(len, said.splitlines())) <= 120
    run(repro, "dvc", "plots", "show", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text()
    assert all(f"reports/curves/{study}.csv" in page.replace("\\", "/") for study in metrics_of(repro))
    assert '"method": "lstm"' in page


def test_a_changed_row_retrains_that_row_only_and_going_back_nothing(copy: Path) -> None:
    before, rows, old = trained(copy), pairs(copy), table_of(copy)
    said = run(copy, "dvc", "exp", "run", "-S", "+methods.lstm.hidden=5", "train").stdout
    changed = {pair for pair, row in pairs(copy).items() if row != rows[pair]}
    assert changed
    assert f"train: {len(changed)} runs trained, {len(rows) - len(changed)} kept" in said
    after = trained(copy)
    assert {pair for pair in after if before[pair] != after[pair]} == changed
    write(copy, old)
    assert f"train: 0 runs trained, {len(rows)} kept" in run(copy, "dvc", "repro", "train").stdout
    assert trained(copy) == before


def test_the_store_has_experiments_runs_and_champions(repro: Path, store) -> None:  # type: ignore[no-untyped-def]
    rows = pairs(repro)
    for study in metrics_of(repro):
        experiment = store.get_experiment_by_name(f"unrolled/{study}")
        runs = store.search_runs([experiment.experiment_id], max_results=1000)
        parents = {r.data.tags["method"]: r for r in runs if r.data.tags.get("kind") == "method"}
        assert set(parents) == {method for name, method in rows if name == study}
        for own in parents.values():
            nested = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == own.info.run_id]
            assert sum(r.data.tags["chosen"] == "true" for r in nested) == 3
            assert own.data.metrics["cost/seconds"] > 0
            score = metrics_of(repro)[study]["methods"][own.data.tags["method"]]["score"]
            assert own.data.metrics.get("test/score") == (None if score is None else pytest.approx(score))
            assert own.inputs.dataset_inputs[0].dataset.name == study
            if store.get_metric_history(own.info.run_id, "train/loss"):
                assert all(len(store.get_metric_history(r.info.run_id, "val/loss")) == 2 for r in nested)
        assert {r.info.status for r in runs} == {"FINISHED"}
        assert store.get_model_version_by_alias(f"unrolled-{study}", "champion").tags["method"] in parents
    assert fit_seconds(repro / "mlflow.db") > 0, "what the benchmark reads is there"
    names = {name for r in runs for name in r.data.metrics}
    assert len(names) <= 20 and all(name in ("diverged", "converged") or "/" in name for name in names)


def test_the_champion_forecasts_as_it_was_evaluated(repro: Path) -> None:
    said = run(repro, "unrolled", "forecast", "sine").stdout
    (method, rmse) = re.findall(r"^sine: (\w+), 20 steps, RMSE (\S+) dimensionless", said)[0]
    found = results.read(repro / results.path_of("sine", method))[1]
    score = metrics_of(repro)["sine"]["methods"][method]["seeds"][list(found.chosen).index(found.best)]
    assert float(rmse) == pytest.approx(score, rel=1e-2)


def test_track_rebuilds_a_lost_store(copy: Path) -> None:
    for path in (copy / "mlflow.db", copy / "mlartifacts"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lost = run(copy, "unrolled", "forecast", "sine", check=False)
    assert lost.returncode == 1 and lost.stderr.count("\n") == 1
    assert lost.stderr.strip().endswith("if it was trained elsewhere")
    count = sum(study == "sine" for study, _ in trained(copy))
    assert f"sine: {count} methods are in sqlite" in run(copy, "unrolled", "track", "sine").stdout
    assert "20 steps" in run(copy, "unrolled", "forecast", "sine").stdout


def test_local_report_has_the_training_times(repro: Path) -> None:
    assert "Training times (seconds)" in (repro / "reports/local.html").read_text()
    assert "Training times (seconds)" not in (repro / "reports/index.html").read_text()


def test_a_stage_ends_with_one_line_on_stderr(repro: Path) -> None:
    done = run(repro, "python", "-m", "unrolled.stages", "generate", "sinus", check=False)
    assert done.returncode == 1
    known = ", ".join(table_of(repro)["studies"])
    assert done.stderr == f"unrolled: study 'sinus' is not known; did you mean 'sine'? Known: {known}\n"
