"""`kill -9` at random moments: of a worker, of a stage, of the whole `dvc repro`."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow.tracking import MlflowClient

from pipeline import STUDIES, environment, outputs, run
from unrolled.data.store import write_atomic

pytestmark = pytest.mark.pipeline
KILLS = 3
"""Most kills before the run that nobody disturbs."""


@pytest.fixture
def fresh(repro: Path, tmp_path: Path) -> Path:
    """Return the clone as before its first run; the compiled cells are there."""
    folder = tmp_path / "fresh"
    left_out = shutil.ignore_patterns("data", "cache", "mlflow.db*", "mlartifacts", "dvc.lock", "reports")
    shutil.copytree(repro, folder, ignore=left_out)
    shutil.copytree(repro / "data/measured", folder / "data/measured")
    (folder / "reports").mkdir()
    return folder


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own; its output goes to `log`."""
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment(), text=True, stdout=log, stderr=log, start_new_session=True
        )


def mend(folder: Path) -> None:
    """Do as `make repro` does first: DVC cannot start on a `dvc.lock` in whose writing it was killed."""
    run(folder, "python", "-m", "unrolled.repair_lock")


def family(process: subprocess.Popen[str]) -> dict[str, list[psutil.Process]]:
    """Return the living descendants: the stage, and the workers forked for it."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        lines = {child: " ".join(child.cmdline()) for child in children}
    except psutil.NoSuchProcess:
        return {"stage": [], "worker": []}
    stages = [child for child, line in lines.items() if "unrolled.stages" in line]
    servers = [child for child, line in lines.items() if "multiprocessing.forkserver" in line]
    workers = [child for child in servers if child.parent() in servers]
    return {"stage": stages, "worker": workers}


def whole(folder: Path) -> dict[str, set[str]]:
    """Return the finished methods of each study."""
    return {study: {path.stem for path in (folder / "data/trained" / study).glob("*.npz")} for study in STUDIES}


def kept(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield (study, methods kept) as the last run has said."""
    for study, number in re.findall(r"(\w+): \d+ methods trained, (\d+) kept", (folder / "log").read_text()):
        yield study, int(number)


def finished_runs(folder: Path) -> Counter[tuple[str, str]]:
    """Count the finished MLflow runs of each method; none may be left running."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    counted: Counter[tuple[str, str]] = Counter()
    for study in STUDIES:
        experiment = client.get_experiment_by_name(study)
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        assert [r.info.run_name for r in runs if r.info.status not in ("FINISHED", "KILLED")] == []
        counted.update(
            (study, r.data.tags["method"])
            for r in runs
            if r.data.tags.get("kind") == "method" and r.info.status == "FINISHED"
        )
    return counted


def same(one: Path, other: Path) -> list[str]:
    """Return the names of the files that differ."""
    ours, theirs = outputs(one), outputs(other)
    return [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]


@pytest.mark.parametrize("victim", ["run", "stage"])
def test_killed_again_and_again_it_ends_the_same(repro: Path, fresh: Path, victim: str) -> None:
    seed = int(os.environ.get("UNROLLED_KILL_SEED", time.time_ns() % 2**32))
    print(f"UNROLLED_KILL_SEED={seed} repeats this test")
    random, killed = np.random.default_rng(seed), 0
    for _ in range(KILLS):
        mend(fresh)
        process = start(fresh, "dvc", "repro")
        until = time.monotonic() + random.uniform(1.0, 15.0)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if victim == "run":
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
        else:
            stages = family(process)["stage"]
            while not stages and process.poll() is None:  # between two stages there is none
                time.sleep(0.01)
                stages = family(process)["stage"]
            if not stages:
                break
            for stage in stages:
                stage.kill()
        process.wait(timeout=120)
        killed += 1
    assert killed >= 2, (fresh / "log").read_text()[-3000:]
    before = whole(fresh)
    (fresh / "log").write_text("")
    run_to_the_end(fresh)
    assert [(study, number) for study, number in kept(fresh) if number < len(before[study])] == []
    assert same(repro, fresh) == []
    assert set(finished_runs(fresh).values()) == {1}
    assert list(fresh.rglob(".*.tmp")) == []


def run_to_the_end(folder: Path) -> None:
    """Run the pipeline undisturbed."""
    mend(folder)
    process = start(folder, "dvc", "repro")
    assert process.wait(timeout=600) == 0, (folder / "log").read_text()[-3000:]


def test_a_killed_worker_costs_nothing(repro: Path, fresh: Path) -> None:
    process, killed = start(fresh, "dvc", "repro"), 0
    random = np.random.default_rng(0)
    while process.poll() is None:
        workers = family(process)["worker"]
        if workers and killed < 3:
            time.sleep(random.uniform(0.0, 1.0))
            for worker in workers[:1]:
                worker.kill()
                killed += 1
        time.sleep(0.05)
    assert killed == 3 and process.returncode == 0, (fresh / "log").read_text()[-3000:]
    assert same(repro, fresh) == []
    assert set(finished_runs(fresh).values()) == {1}


def test_no_process_outlives_a_killed_run(fresh: Path) -> None:
    process = start(fresh, "dvc", "repro", "train@sine")
    while not (workers := family(process)["worker"]):
        assert process.poll() is None, (fresh / "log").read_text()
        time.sleep(0.05)
    family(process)["stage"][0].kill()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    process.wait(timeout=60)
    assert gone and not alive


def test_the_comparison_sees_one_changed_byte(repro: Path, tmp_path: Path) -> None:
    for name, content in outputs(repro).items():
        write_atomic(tmp_path / name, content)
    assert same(repro, tmp_path) == []
    path = tmp_path / "reports/metrics.json"
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert same(repro, tmp_path) == ["reports/metrics.json"]
