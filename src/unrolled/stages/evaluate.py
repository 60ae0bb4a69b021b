"""Stage `evaluate`: score every method of every study on its test data."""

import time
from typing import TYPE_CHECKING, Any

from unrolled import config, errors, files, fingerprint, paths, progress, registry
from unrolled.analysis import table_file, tables
from unrolled.config import Experiment
from unrolled.data import store
from unrolled.processes import count, side_by_side
from unrolled.progress import Stage
from unrolled.training import results
from unrolled.training.runs import Run

if TYPE_CHECKING:
    import pandas as pd

AGAIN = "To try again: `dvc repro --force evaluate`; with UNROLLED_STRICT=1 it says where it fails"
NOT_RUN, FAILED = "not run", "failed"
"""In place of a fingerprint: what has no data here, and what is to be evaluated anew the next time."""


def write(name: str, metrics: dict[str, Any], found: "dict[str, pd.DataFrame]", own: str) -> None:
    """Write the study's numbers, the tables of its figures, and the fingerprint of what made them."""
    folder = paths.evaluated(name)
    places = {t: paths.CURVES / f"{name}.csv" if t == "curves" else folder / f"{t}.csv" for t in found}
    for table, frame in found.items():
        files.write_atomic(places[table], table_file.csv(frame))
    files.write_json(folder / "metrics.json", {name: metrics})
    fingerprint.write(folder, own, [*places.values(), folder / "metrics.json"])


def mark(experiment: Experiment) -> str:
    """Return the fingerprint of a study's evaluation: its results, its rows, and the source that evaluates them."""
    runs = [Run(experiment, method) for method in experiment.methods]
    trained = [results.known(results.path_of(run.study, run.name)) for run in runs]
    sources = [registry.ROOT / "analysis/evaluate.py", registry.path("scores", experiment.score)]
    sources += [file for run in runs for file in results.sources(run)]
    row = experiment.model_dump(exclude={"absent"})
    return fingerprint.of([row, trained], tuple(sorted(set(sources))))


def study(name: str) -> str:
    """Evaluate one study; return what is said of it.

    Raises
    ------
    UnrolledError
        If its data or results are not to be trusted; of all results at once.
    """
    from unrolled.analysis.evaluate import evaluate, scored  # where it is computed, not where it is handed out

    if (reason := store.not_run(name)) is not None:
        write(name, {"not_run": reason}, tables.empty(), NOT_RUN)
        return f"{name}: not run: {reason}"
    experiment = config.experiment(name)
    data = store.load(name, experiment.data)
    runs = [Run(experiment, method) for method in experiment.methods]
    trained = results.all_finished(runs)
    done = zip(runs, trained, strict=True)
    found = errors.attempt(lambda: evaluate([scored(*each, data) for each in done], data))
    if isinstance(found, errors.Fault):
        write(name, {"not_run": f"its evaluation failed, {found}"}, tables.empty(), FAILED)
        return f"{name}: not evaluated: {found}. {AGAIN}"
    metrics, frames = found
    faults = {method: row["fault"] for method, row in metrics["methods"].items() if "fault" in row}
    write(name, metrics, frames, FAILED if faults else mark(experiment))
    said = [f"; {method} not evaluated: {fault}. {AGAIN}" for method, fault in faults.items()]
    return summary(name, metrics) + "".join(said)


def summary(name: str, metrics: dict[str, Any]) -> str:
    """Return one line: the score, and each method's, in the order of test scores."""
    rows = metrics["methods"]
    ranked = sorted((row["rank"], method) for method, row in rows.items() if row["rank"])
    said = [f"{method} {rows[method]['score']:.3g}" for _, method in ranked]
    said += [f"{method} {row['state'] or 'diverged'}" for method, row in rows.items() if row["score"] is None]
    return f"{name}: {metrics['score']} {', '.join(said)}"


def _by_itself(name: str) -> tuple[str | errors.Fault, float, float]:
    """Evaluate one study in a process of its own, or say why not; return also its seconds, and those of compiling."""
    from numba.core import event

    begun, compiled = time.perf_counter(), list[float]()
    with event.install_timer("numba:compile", compiled.append):
        said = errors.attempt(lambda: study(name))
    return said, time.perf_counter() - begun - sum(compiled), sum(compiled)


@errors.one_line
def main() -> None:
    """Evaluate what has changed, side by side, and forget studies that are no longer in the table."""
    names = config.studies()
    _prune(names)
    stale = [name for name in names if _stale(name)]
    if stale:
        _evaluate_all(sorted(stale, key=_size, reverse=True))
    print(f"evaluate: {len(stale)} studies evaluated, {len(names) - len(stale)} kept")


def _evaluate_all(names: list[str]) -> None:
    """Evaluate studies in processes of their own, and show how far it is; what cannot be trusted is said at the end."""
    stage, cores, record = Stage("evaluate"), min(count(), len(names)), progress.read()
    left = {name: progress.usual(record, f"evaluate {name}") for name in names}
    whole, wrong = sum(left.values()), list[str]()
    stage.plan(record.planned, cores)
    stage.show("starting", whole / cores, 0.0)
    for name, (said, seconds, compiling) in zip(names, side_by_side(_by_itself, names), strict=True):
        del left[name]
        stage.evaluated(name, seconds, compiling)
        (wrong.append if isinstance(said, errors.Fault) else stage.tell)(said)
        stage.show(name, sum(left.values()) / cores, 1 - sum(left.values()) / whole)
    stage.line.clear()
    if wrong:
        raise errors.UnrolledError(f"{'; '.join(wrong)}; all other studies are evaluated")


def _prune(names: list[str]) -> None:
    """Delete what belongs to no study of the table, and files of a study that this stage does not write."""
    own = {"metrics.json", fingerprint.FILE, *(f"{table}.csv" for table in tables.NAMES if table != "curves")}
    for path in paths.STUDIES.glob("*/*"):
        if path.parent.name not in names or path.name not in own:
            path.unlink()
    for folder in paths.STUDIES.glob("*"):
        if folder.is_dir() and folder.name not in names:
            folder.rmdir()
    for path in paths.CURVES.glob("*.csv"):
        if path.stem not in names:
            path.unlink()


def _stale(name: str) -> bool:
    """Return whether a study is to be evaluated: its numbers are not there, or of another fingerprint."""
    folder = paths.evaluated(name)
    own = NOT_RUN if store.not_run(name) is not None else mark(config.experiment(name))
    return not fingerprint.kept(folder, own)


def _size(name: str) -> int:
    """Return how large a study's data are: the largest are evaluated first."""
    return sum(path.stat().st_size for path in paths.dataset(name).glob("*.npz"))
