"""`make full`, second step: train every method on every study, and leave a record of each as soon as it is there.

It runs in `full/`; the records lie in `reports/full/records` of the checkout that holds that folder. What has a record
of the same rows is not trained again, on whatever machine it was trained, by whatever code.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from unrolled import config, errors, fingerprint, lifetime, paths, provenance, registry
from unrolled.analysis import record
from unrolled.analysis.evaluate import scored
from unrolled.config import Experiment
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.full.project import COMMIT
from unrolled.progress import FILE, Record, read
from unrolled.stages import configure, generate, train
from unrolled.training import results, workers
from unrolled.training.runs import Result, Run
from unrolled.training.schedule import Schedule, key_of

RECORDS = Path("..") / paths.RECORDS
EVERY = 1800.0
"""Seconds between two commits of records."""


def asked_for(wanted: list[str]) -> list[Experiment]:
    """Return the experiments of the studies that are named, in that order, or of all.

    A name is a study's, or `study/method`: of that study only the methods that are named.
    """
    configure.main()
    known, methods = config.studies(), dict[str, list[str]]()
    for entry in wanted:
        name, _, method = entry.partition("/")
        if name not in known:
            raise registry.unknown("study of the full table", name, known)
        methods.setdefault(name, []).extend([method] if method else [])
    return [_only(config.experiment(name), methods.get(name, [])) for name in methods or known]


def _only(own: Experiment, methods: list[str]) -> Experiment:
    for name in methods:
        if name not in own.methods:
            raise registry.unknown(f"method of study '{own.name}'", name, list(own.methods))
    return own.model_copy(update={"methods": {n: row for n, row in own.methods.items() if n in methods or not methods}})


def missing(experiments: list[Experiment]) -> list[Run]:
    """Make the data, and return the runs that have no record yet."""
    runs = []
    for own in experiments:
        generate.main(own.name)
        if store.not_run(own.name) is None:
            runs += [Run(own, method) for method in own.methods]
    found = [run for run in runs if not record.kept(run, RECORDS)]
    print(f"full: {len(runs) - len(found)} of {len(runs)} methods on {len(experiments)} studies have a record")
    return found


def budget(runs: list[Run]) -> None:
    """Print about how many core-minutes each method would take on each study, as far as one can tell."""
    data = {name: store.load(name) for name in dict.fromkeys(run.study for run in runs)}
    schedule = Schedule(runs, data, _known(), 1)
    for study in data:
        own = {run.name: schedule.seconds[key_of(run)] / 60 for run in runs if run.study == study}
        said = ", ".join(f"{name} {minutes:.1f}" for name, minutes in own.items())
        print(f"{study}: {sum(own.values()):.0f} core-minutes: {said}")
    print(f"all: {sum(schedule.seconds.values()) / 3600:.1f} core-hours")


def _known() -> dict[str, tuple[float, float]]:
    """Return seconds and cost of fits here, and of those in the default run of the checkout."""
    try:
        there = Record.model_validate_json((Path("..") / FILE).read_bytes()).trained
    except (OSError, ValueError):
        there = {}
    return there | read().trained


def keep(run: Run, result: Result, seconds: float | None) -> None:
    """Evaluate a finished run and write its record."""
    data = store.load(run.study, run.experiment.data)
    about = provenance.about(COMMIT.read_text(encoding="utf-8") if COMMIT.exists() else "")
    about |= {"code": fingerprint.of(None, results.sources(run)), "seconds": seconds}
    path = record.write(RECORDS, scored(run, result, data), data, about)
    print(f"full: {run.study} {run.name}: {path.stat().st_size / 1000:.0f} kB")


class Commits:
    """Commits of the records in the checkout, every half hour, if they are asked for."""

    def __init__(self, wanted: bool) -> None:
        self.wanted, self.last = wanted, time.monotonic()

    def due(self) -> None:
        """Commit, if it is time."""
        if time.monotonic() - self.last > EVERY:
            self.now()

    def now(self) -> None:
        """Commit what is new; that it fails is said, and costs nothing."""
        self.last = time.monotonic()
        if not self.wanted:
            return
        subject = "Records of the published study, as they come"
        for words in (["add", "--", "."], ["commit", "-q", "-m", subject, "-m", "Results: unchanged", "--", "."]):
            done = subprocess.run(["git", *words], cwd=RECORDS, capture_output=True, text=True, check=False)
            if done.returncode and "nothing to commit" not in done.stdout:
                print(f"full: the records are not committed: {(done.stderr or done.stdout).strip()[:300]}")


@errors.one_line
@lifetime.alone(paths.TRAINING, "the training")
def main(*arguments: str) -> None:
    """Train what has no record, of some studies or all; with `--budget` only say what it would cost."""
    lifetime.begin("unrolled.full.train")
    experiments = asked_for([each for each in arguments if each != "--budget"])
    runs = missing(experiments)
    if "--budget" in arguments:
        return budget(runs)
    workers.preload()
    RECORDS.mkdir(parents=True, exist_ok=True)
    commits, wrong = Commits(os.environ.get("COMMIT") == "1"), list[str]()

    def kept(run: Run, result: Result, seconds: float | None) -> None:
        found = errors.attempt(lambda: keep(run, result, seconds))
        if isinstance(found, errors.Fault):
            wrong.append(f"{run.study} {run.name}: {found}")
        commits.due()

    for run in [each for each in runs if results.kept(each)]:
        kept(run, results.finished(run), results.seconds(run))
        runs.remove(run)
    try:
        train.train(runs, lambda done: kept(done.run, done.result, done.seconds))
    finally:
        commits.now()
    if wrong:
        raise UnrolledError(f"{'; '.join(wrong)}: no record; all other records are written")
    print(f"full: {len(experiments)} studies have all their records; `make publish` makes the page of them")


if __name__ == "__main__":
    main(*sys.argv[1:])
