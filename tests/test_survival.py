"""`kill -9` of a worker, of a stage, of the run, three times or ten: with one worker, it ends with the same bytes."""

import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

import pipeline
from pipeline import environment, outputs, run

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("survival")]
GONE = 60.0
"""Seconds within which all processes of a killed run must be gone."""


def start(folder: Path) -> subprocess.Popen[str]:
    """Do as `make repro` does, with one worker, in a session of its own; the output goes to `log`."""
    run(folder, "python", "-m", "unrolled.repair_lock")
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            ["dvc", "repro"],
            cwd=folder,
            env=environment(UNROLLED_WORKERS="1"),
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def descendants(process: subprocess.Popen[str], what: str) -> list[psutil.Process]:
    """Return the living ones whose command holds some words: a stage, or Python's server of forks with its workers."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if what in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that train: forks of the server, not the server itself."""
    servers = descendants(process, "multiprocessing.forkserver")
    return [each for each in servers if each.is_running() and each.parent() in servers]


def wait_for(event: Callable[[], bool], process: subprocess.Popen[str], folder: Path) -> None:
    """Wait for an event of a run, which must come before its end."""
    while not event():
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.005)


def trained(folder: Path) -> list[Path]:
    """Return the finished results."""
    return list((folder / "data/trained").rglob("*.npz"))


def lock_names(folder: Path, stage: str) -> bool:
    """Return whether `dvc.lock` has a stage, perhaps cut off."""
    lock = folder / "dvc.lock"
    return lock.exists() and re.search(rf"^  {stage}", lock.read_text(), re.MULTILINE) is not None


def kill_run(process: subprocess.Popen[str]) -> None:
    """Kill DVC alone: all that it started ends with it."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait(timeout=GONE)
    assert psutil.wait_procs(family, timeout=GONE)[1] == []


def finished_runs(folder: Path) -> Counter[tuple[str, str]]:
    """Count the finished runs in MLflow of each study and fingerprint; none may be left running."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=10_000)
    assert {each.info.status for each in runs} <= {"FINISHED", "KILLED"}
    finished = [each for each in runs if each.info.status == "FINISHED" and each.data.tags.get("kind") == "method"]
    return Counter((each.data.tags["study"], each.data.tags["fingerprint"]) for each in finished)


def test_killed_again_and_again_it_ends_the_same(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = pipeline.clone(tmp_path / "again", request.getfixturevalue("exhaustive"))

    process = start(folder)  # the whole run is killed when the first data are there
    wait_for(lambda: lock_names(folder, "generate@"), process, folder)
    kill_run(process)

    process = start(folder)  # a worker, when the first result is there; the stage, two results later
    wait_for(lambda: bool(trained(folder)), process, folder)
    wait_for(lambda: bool(workers(process)), process, folder)
    workers(process)[0].kill()
    count = len(trained(folder))
    wait_for(lambda: len(trained(folder)) >= count + 2, process, folder)
    stage, family = descendants(process, "unrolled.stages train"), psutil.Process(process.pid).children(recursive=True)
    assert stage
    for each in stage:
        each.kill()
    assert psutil.wait_procs(family, timeout=GONE)[1] == []
    assert process.wait(timeout=60) != 0
    count = len(trained(folder))

    process = start(folder)  # the whole run, when training is over
    wait_for(lambda: lock_names(folder, "train"), process, folder)
    kill_run(process)
    (kept,) = re.findall(r"train: \d+ runs trained, (\d+) kept", (folder / "log").read_text())
    assert count <= int(kept)

    for seconds in random.Random(0).sample(range(1, 30), 7 if request.getfixturevalue("exhaustive") else 0):
        process = start(folder)
        time.sleep(seconds)
        kill_run(process)

    process = start(folder)
    assert process.wait(timeout=600) == 0, (folder / "log").read_text()[-3000:]
    assert list(folder.rglob("*.tmp")) == []
    assert set(finished_runs(folder).values()) == {1} and len(finished_runs(folder)) == len(trained(folder))
    ours, theirs = outputs(folder), outputs(request.getfixturevalue("repro"))
    assert [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)] == []
