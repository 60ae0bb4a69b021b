"""What the train stage does when a method fails or a store breaks: the rest is kept."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.exceptions import MlflowException

from conftest import MakeJob, Refused
from pipeline import ROOT, THEORY
from unrolled import config
from unrolled.errors import UnrolledError
from unrolled.report import page
from unrolled.stages import evaluate, generate, random_networks
from unrolled.stages import train as stage
from unrolled.training import fan_out, results
from unrolled.training.job import Job
from unrolled.training.jobs import make_jobs
from unrolled.training.learn import learn
from unrolled.training.tracking import Tracker


class Recorder:
    """Stand in for a tracker; note what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda job, *rest: self.told.append(f"{name} {job.method_name}")


@pytest.fixture
def jobs(make_job: MakeJob, in_tmp: Path) -> list[Job]:
    """Return two jobs, of which the second fails."""
    good = make_job({"cell": "window", "optimiser": "ridge"})
    fields = {name: getattr(good, name) for name in ("study_name", "study", "method", "seeds", "splits")}
    return [Job(method_name="good", **fields), Job(method_name="bad", **fields)]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run jobs in this process, without a cluster."""

    @contextmanager
    def connect(jobs: int) -> Iterator[None]:
        yield None

    def run(client: None, jobs: list[Job]) -> Iterator[fan_out.Done | fan_out.Failed]:
        for job in jobs:
            yield fan_out.Failed(job, "no luck") if job.method_name == "bad" else fan_out.Done(job, learn(job), 1.0)

    monkeypatch.setattr(fan_out, "connect", connect)
    monkeypatch.setattr(fan_out, "run", run)


def test_a_failed_method_is_named_and_the_others_are_kept(jobs: list[Job]) -> None:
    recorder: Any = Recorder()
    with pytest.raises(UnrolledError, match=r"bad \(no luck\); the other methods are kept"):
        stage.train("study", jobs, recorder)
    assert results.kept(jobs[0]) is not None and results.kept(jobs[1]) is None
    assert {"finish good", "fail bad"} <= set(recorder.told)


def test_a_changed_job_is_not_taken_for_the_kept_one(jobs: list[Job]) -> None:
    stage.train("study", jobs[:1], Recorder())  # type: ignore[arg-type]
    fields = {name: getattr(jobs[0], name) for name in ("study_name", "method_name", "study", "method", "splits")}
    assert results.kept(Job(seeds=jobs[0].seeds + 1, **fields)) is None


def test_a_half_written_result_is_trained_again(jobs: list[Job]) -> None:
    stage.train("study", jobs[:1], Recorder())  # type: ignore[arg-type]
    path = results.path_of("study", "good")
    path.write_bytes(path.read_bytes()[:-200])
    assert results.kept(jobs[0]) is None
    with pytest.raises(UnrolledError, match="is damaged: delete it and run `dvc repro train@study`"):
        results.read(path)


def test_prune_removes_rows_that_are_gone(jobs: list[Job]) -> None:
    stage.train("study", jobs[:1], Recorder())  # type: ignore[arg-type]
    assert results.prune("study", ["good"]) == []
    assert results.prune("study", ["other"]) == ["good"]
    assert not results.path_of("study", "good").exists()


def test_a_store_that_breaks_later_costs_one_line_and_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise MlflowException("disk full")

    tracker = Tracker("study", Broken())  # type: ignore[arg-type]
    tracker.open("?")
    tracker.flush()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and "disk full" in said[0] and "unrolled track" in said[0]


def test_a_study_whose_data_cannot_be_had_is_not_run_and_says_why(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    monkeypatch.setattr("unrolled.data.records.santa_fe.find_spec", lambda name: None)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    for item in (generate, stage, evaluate):
        item.main("santa_fe")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and all("santa_fe: not run: its series comes with the package reservoirpy" in s for s in said)
    assert "dvc repro --force generate@santa_fe" in said[0]
    assert Path("data/trained/santa_fe").is_dir() and not list(Path("data/trained/santa_fe").iterdir())
    reason = json.loads(Path("reports/studies/santa_fe/metrics.json").read_text())["santa_fe"]["not_run"]
    assert "pip install reservoirpy" in reason
    table = config.load()
    only = table.model_copy(update={"studies": {"santa_fe": table.study("santa_fe")}})
    assert page.read(only) == [] and page.not_run(only) == {"santa_fe": reason}
    with refused("study 'santa_fe' is not run", "pip install reservoirpy"):
        make_jobs("santa_fe")


def test_a_report_without_its_theory_says_what_to_run(in_tmp: Path, refused: Refused) -> None:
    with refused("reports/theory is missing or damaged", "dvc repro theory"):
        page.read_theory()


def test_the_theory_stage_writes_what_the_report_reads(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = yaml.safe_load((ROOT / "params.yaml").read_text())
    table["theory"] |= THEORY
    Path("params.yaml").write_text(yaml.safe_dump(table))
    random_networks.main()
    found = page.read_theory()
    assert capsys.readouterr().out.startswith("theory: map ")
    assert set(found.numbers) >= {"map", "clipping", "alone", "newton", "euler", "linearity"}
    assert found.tables["map"]["length"].max() == max(THEORY["lengths"])
    assert found.numbers["lost"] == table["theory"]["lost"]
