"""What a result depends on: the import closure of what computes it, its rows, its data, and the libraries."""

import ast
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_studies
import tiny
from source_copy import PACKAGE, edit, forget
from unrolled import fingerprint, paths, registry
from unrolled.analysis import evaluate as analysis
from unrolled.data import datasets, store
from unrolled.stages import configure, evaluate, train
from unrolled.training import results
from unrolled.training.experiments import resolve
from unrolled.training.fit import fit
from unrolled.training.runs import Run


def closure(*files: Path) -> set[str]:
    """Return what some files import, directly or not, as paths below the package."""
    return {file.relative_to(registry.ROOT).as_posix() for file in registry.sources(*files)}


def test_sources_are_the_import_closure_without_the_plumbing() -> None:
    found = closure(registry.path("optimisers", "nesterov"))
    assert {"training/optimisers/nesterov.py", "training/optimiser.py", "models/network.py", "models/cell.py"} <= found
    assert found & registry.PLUMBING == set() and "report/style.py" not in found
    assert "training/optimisers/adam.py" not in found


def loaded(module: str) -> set[str]:
    """Return which files of the package Python itself loads for a module, beside the plumbing: an independent way."""
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import {module}; " + (
        "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'unrolled'), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    files = {Path(line).relative_to(PACKAGE).as_posix() for line in done.stdout.split()}
    return files - registry.PLUMBING


def test_imports_are_those_of_the_syntax_tree() -> None:
    for file in sorted(registry.ROOT.rglob("*.py")):
        named = set[str]()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None and not node.level, "imports here are absolute"
                named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        paths_of = [registry.ROOT.parent.joinpath(*name.split(".")) for name in named if name.startswith("unrolled")]
        modules = {path.with_suffix(".py") for path in paths_of if path.with_suffix(".py").is_file()}
        assert {each for each in registry.imports(file) if each.name != "__init__.py"} == modules, file


def test_the_closure_is_what_python_loads_and_what_functions_import() -> None:
    assert closure(PACKAGE / "data/datasets.py") == loaded("unrolled.data.datasets") - {"data/__init__.py"} | {
        "data/__init__.py"
    }
    assert "training/fit.py" in closure(PACKAGE / "training/workers.py")


@pytest.mark.parametrize(
    "line", ["from unrolled.training.optimisers.adam import Adam", "from .adam import Adam", "from . import adam"]
)
def test_what_an_item_inherits_belongs_to_it(package: Path, line: str) -> None:
    base = "adam.Adam" if "." in line.split("import")[0] and line.endswith(" adam") else "Adam"
    file = registry.path("optimisers", "adamw")
    edit(file, f"{line}\n\n\nclass AdamW({base}):\n    pass\n")
    assert {"training/optimisers/adam.py", "training/optimiser.py"} <= closure(file)
    before = fingerprint.of({}, (file,))
    edit(registry.path("optimisers", "adam"))
    assert fingerprint.of({}, (file,)) != before


def test_libraries_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    file = registry.path("cells", "gru")
    one = fingerprint.of({}, (file,))
    for name in fingerprint.LIBRARIES:
        forget()
        monkeypatch.setattr(fingerprint, "version", lambda each, name=name: "99" if each == name else "1")
        other = fingerprint.of({}, (file,))
        assert other != one
        assert fingerprint.of({}, (file,), ("numpy",)) != other or name != "numpy"
        one = other
    forget()


def test_rows_matter_in_any_order_of_their_keys() -> None:
    files = (registry.path("cells", "gru"),)
    assert fingerprint.of({"a": 1, "b": [2]}, files) == fingerprint.of({"b": [2], "a": 1}, files)
    assert fingerprint.of({"a": 1, "b": [2]}, files) != fingerprint.of({"a": 1, "b": [3]}, files)


# --- of a run


@pytest.fixture
def runs(in_tmp: Path) -> dict[str, Run]:
    """Return the runs of a tiny study whose data are there."""
    tiny.write(in_tmp, "next_value")
    table = tiny.table("next_value")
    own = resolve(table, "sine")
    configure.write([own], table.methods)
    store.save("sine", datasets.make(own.data), store.mark(own.data))
    return {name: Run(own, name) for name in own.methods}


def with_row(run: Run, **changes: Any) -> Run:
    """Return the run with another row of its method."""
    method = run.method.model_copy(update=changes)
    return Run(run.experiment.model_copy(update={"methods": {run.name: method}}), run.name)


def with_fit(run: Run, **changes: Any) -> Run:
    """Return the run with another fit of its study."""
    return Run(run.experiment.model_copy(update={"fit": run.experiment.fit.model_copy(update=changes)}), run.name)


def test_a_run_depends_on_its_rows_and_seeds_and_not_on_what_only_readers_see(runs: dict[str, Run]) -> None:
    run = runs["rnn"]
    mark = results.mark(run)
    for other in (
        with_row(run, hidden=4),
        with_row(run, options={"activation": "relu"}),
        with_row(run, learning_rates=[0.1]),
        with_row(run, initialiser="orthogonal"),
        with_fit(run, epochs=3),
        with_fit(run, seeds=3),
        with_fit(run, schedule="constant"),
        Run(run.experiment.model_copy(update={"scored_on": "test"}), "rnn"),
        Run(run.experiment.model_copy(update={"seed": 1}), "rnn"),
        Run(run.experiment.model_copy(update={"data": run.experiment.data.model_copy(update={"step": 0.2})}), "rnn"),
    ):
        assert results.mark(other) != mark
    for same in (
        with_row(run, label="other", about="other", requires=["record"], compare_with={"gru": "other"}),
        with_fit(run, parameters=9, learning_rates=[0.5]),  # what they lead to stands in the method's row
        Run(run.experiment.model_copy(update={"label": "other", "question": "other", "score": "mse"}), "rnn"),
    ):
        assert results.mark(same) == mark


def test_tuning_seeds_matter_where_there_is_something_to_tune(runs: dict[str, Run]) -> None:
    run = runs["rnn"]
    other = run.experiment.fit.tuning_seeds % 2 + 1
    assert results.mark(with_fit(run, tuning_seeds=other)) == results.mark(run)
    two = with_row(run, learning_rates=[0.1, 0.2])
    assert results.mark(with_fit(two, tuning_seeds=other)) != results.mark(two)


def test_a_run_depends_on_its_data(runs: dict[str, Run]) -> None:
    mark = results.mark(runs["rnn"])
    data = store.load("sine")
    data.train["inputs"][0, 0, 0] += 1e-6
    store.save("sine", data, "print")
    assert results.mark(runs["rnn"]) != mark


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("models/cells/elman.py", {"rnn"}),
        ("models/cells/leaky.py", {"esn"}),
        ("training/optimisers/ridge.py", {"esn", "linear"}),
        ("models/initialisers/echo_state.py", {"esn"}),
        ("data/systems/sine.py", {"rnn", "linear", "esn"}),
        ("data/tasks/next_value.py", {"rnn", "linear", "esn"}),
        ("training/batches.py", {"rnn", "linear", "esn"}),
        ("models/cells/lstm.py", set()),
        ("training/optimisers/sgd.py", set()),
        ("data/systems/lorenz63.py", set()),
        ("data/tasks/recall.py", set()),
        ("analysis/scores/mse.py", set()),
        ("report/style.py", set()),
        ("training/tracking.py", set()),
        ("api.py", set()),
        ("analysis/score.py", set()),
        ("config.py", set()),
        ("models/cells/new.py", set()),
    ],
)
def test_a_changed_source_makes_stale_what_uses_it_and_nothing_else(
    file: str, stale: set[str], package: Path, runs: dict[str, Run]
) -> None:
    before = {name: results.mark(run) for name, run in runs.items()}
    edit(package / file)
    assert {name for name, run in runs.items() if results.mark(run) != before[name]} == stale


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("data/systems/sine.py", {"sine"}),
        ("data/systems/integrator.py", {"recall_50"}),
        ("data/tasks/recall.py", {"recall_50"}),
        ("data/integrate.py", {"sine", "recall_50"}),
        ("data/datasets.py", {"sine", "recall_50", "silverbox"}),
        ("data/records/csv.py", {"silverbox"}),
        ("data/systems/new.py", set()),
        ("stages/generate.py", set()),
        ("data/store.py", set()),
        ("models/cell.py", set()),
        ("training/fit.py", set()),
    ],
)
def test_data_depend_on_their_own_system_and_task(file: str, stale: set[str], package: Path, in_tmp: Path) -> None:
    small_studies.write_record(in_tmp)
    rows = {name: small_studies.study(name) for name in ("sine", "recall_50", "silverbox")}
    before = {name: store.mark(row) for name, row in rows.items()}
    edit(package / file)
    assert {name for name, row in rows.items() if store.mark(row) != before[name]} == stale


# --- finished results


def finish(run: Run) -> None:
    """Train a run and keep its result."""
    results.save(run, fit(run, store.load(run.study)), 1.5)


def test_a_result_is_read_back_and_knows_its_seconds(runs: dict[str, Run]) -> None:
    run = runs["linear"]
    assert not results.kept(run) and results.seconds(run) is None
    finish(run)
    assert results.kept(run) and results.seconds(run) == 1.5
    found, trained = results.finished(run), fit(run, store.load("sine"))
    np.testing.assert_array_equal(found.theta, trained.theta)
    assert found.predictions.keys() == trained.predictions.keys()
    assert found.loss == trained.loss == np.median(trained.best_loss[trained.chosen])


def test_going_back_to_an_old_row_finds_its_result(runs: dict[str, Run]) -> None:
    old = runs["esn"]
    new = with_row(old, hidden=9)
    finish(old)
    first = results.path_of("sine", "esn").read_bytes()
    finish(new)
    assert results.path_of("sine", "esn").read_bytes() != first
    assert results.read(results.path_of("sine", "esn"))[0] == results.mark(new) != results.mark(old)
    assert results.kept(old) and results.path_of("sine", "esn").read_bytes() == first
    assert results.kept(new) and not results.kept(with_row(old, hidden=10))


@pytest.mark.parametrize("left", [0, 100, -200])
def test_a_damaged_result_is_put_back_or_trained_again(left: int, runs: dict[str, Run], refused: Any) -> None:
    run = runs["linear"]
    finish(run)
    path, kept = results.path_of("sine", "linear"), paths.KEPT / f"{results.mark(run)}.npz"
    whole = path.read_bytes()
    path.unlink()  # the other is the same file
    path.write_bytes(whole[:left])
    with refused("linear.npz is damaged", "run `dvc repro train`"):
        results.read(path)
    assert results.kept(run) and path.read_bytes() == whole
    path.unlink()
    path.write_bytes(whole[:left])
    kept.write_bytes(whole[:left])
    assert not results.kept(run)
    path.unlink()
    with refused("linear.npz is missing", "run `dvc repro train`"):
        results.finished(run)


def test_a_stale_result_is_refused(runs: dict[str, Run], refused: Any) -> None:
    finish(runs["linear"])
    with refused("linear.npz does not belong to the present data, row and source"):
        results.finished(with_row(runs["linear"], hidden=9))


def test_prune_removes_what_is_not_in_the_table_and_what_is_old(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("linear", "esn"):
        finish(runs[name])
    gone = paths.trained("gone") / "rnn.npz"
    gone.parent.mkdir()
    gone.write_bytes(b"")
    (paths.trained("sine") / ".half.tmp").write_bytes(b"")
    results.prune({"sine": ["linear"]})
    assert [path.name for path in paths.TRAINED.rglob("*")] == ["sine", "linear.npz"]
    assert results.kept(runs["esn"]), "it is kept for the day that its row comes back"
    old = time.time() - results.OLDEST - 60
    results.path_of("sine", "esn").unlink()
    os.utime(paths.KEPT / f"{results.mark(runs['esn'])}.npz", (old, old))
    results.prune({"sine": ["linear"]})
    assert not results.kept(runs["esn"]) and results.seconds(runs["esn"]) is None and results.kept(runs["linear"])
    monkeypatch.setattr(results, "LARGEST", 10)
    results.prune({"sine": ["linear"]})
    assert not list(paths.KEPT.glob("*.npz")) and results.kept(runs["linear"]), "what the pipeline uses stays"


def test_an_evaluation_depends_on_results_rows_and_what_evaluates(package: Path, runs: dict[str, Run]) -> None:
    own = runs["linear"].experiment
    for run in runs.values():
        finish(run)
    mark = evaluate.mark(own)
    assert evaluate.mark(own.model_copy(update={"label": "other"})) != mark
    edit(package / "analysis/scores/valid_time.py")
    edit(package / "report/style.py")
    assert evaluate.mark(own) == mark
    for file in ("analysis/scores/forecast_rmse.py", "analysis/statistics.py", "models/cells/elman.py"):
        edit(package / file)
        before, mark = mark, evaluate.mark(own)
        assert mark != before, file
    assert own.score == "forecast_rmse" and analysis.REFERENCE in own.methods
    finish(with_row(runs["esn"], hidden=9))
    assert evaluate.mark(own) != mark


def test_all_runs_are_those_of_studies_with_data(runs: dict[str, Run]) -> None:
    assert [run.name for run in train.all_runs()] == list(runs)
    store.save_not_run("sine", "no network")
    assert train.all_runs() == [] and replace(runs["rnn"]).study == "sine"
