"""The stages in process, on a few tiny studies: what each writes, keeps and makes anew; and one study by itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mlflow.exceptions import MlflowException

import real_table
import small_studies
import tiny
from conftest import Refused
from source_copy import edit
from unrolled import config, explain, files, fingerprint, paths, processes, registry, run_study
from unrolled.analysis import tables
from unrolled.analysis.random_networks import experiments
from unrolled.config import Experiment, RandomNetworks
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.report import results as evaluations
from unrolled.stages import configure, evaluate, generate, random_networks, report, train
from unrolled.training import results, tracking, workers
from unrolled.training.fit import fit
from unrolled.training.runs import Run
from unrolled.training.tracking import Tracker

STUDIES = [small_studies.studies_of(task)[0] for task in ("next_value", "recall")]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train in this process, without a cluster, and return the names of what was trained; a run called `bad` fails."""
    trained: list[str] = []

    @contextmanager
    def connect(runs: int) -> Iterator[Any]:
        yield SimpleNamespace(nthreads=lambda: {"here": 1})

    def work(client: Any, runs: list[Run], data: Any, mark: Any = None) -> Iterator[Any]:
        for run in runs:
            trained.append(f"{run.study} {run.name}")
            yield workers.Passed(run, 1)
            if run.name == "bad":
                yield workers.Failed(run, "no luck")
            else:
                yield workers.Done(run, fit(run, data[run.study]), 0.0, 1.0)

    monkeypatch.setattr(workers, "connect", connect)
    monkeypatch.setattr(workers, "train", work)
    monkeypatch.setattr(processes, "ProcessPoolExecutor", InProcess)
    return trained


class InProcess:
    """Stand in for a pool of processes."""

    def __init__(self, *given: Any) -> None: ...

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *given: object) -> None: ...

    def map(self, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        """Return what comes of each."""
        return [work(item) for item in items]


class Recorder:
    """Stand in for a tracker; note what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.spent = 0.0

    def log(self, done: workers.Done) -> None:
        """Note a finished run."""
        self.told.append(f"log {done.run.name}")

    def complete(self, runs: list[Run]) -> bool:
        """Note how many runs there are in all."""
        self.told.append(f"complete {len(runs)}")
        return True

    def log_scores(self, runs: list[Run], numbers: dict[str, Any], tags: dict[str, str]) -> None:
        """Note whose scores."""
        self.told.append(f"scores {runs[0].study}")


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(tracking, "connect", lambda: recorder)
    return recorder


@pytest.fixture
def project(in_tmp: Path) -> Path:
    """Return a folder with a tiny table of two studies, configured."""
    tiny.write(in_tmp, "next_value", "recall")
    configure.main()
    return in_tmp


def change(**rows: Any) -> None:
    """Change the table: `sine__fit__epochs=3`; then configure."""
    table = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    for key, value in rows.items():
        *parents, last = key.split("__")
        row = table["studies"]
        for parent in parents:
            row = row[parent]
        row[last] = value
    paths.PARAMS.write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")
    configure.main()


def written(folder: Path) -> dict[str, bytes]:
    """Return the content of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- configure


def test_configure_writes_each_studys_experiment_its_data_and_an_index(project: Path) -> None:
    assert {path.name for path in paths.EXPERIMENTS.iterdir()} == {"index.json", "random_networks.json"} | {
        f"{n}{end}" for n in STUDIES for end in (".json", ".data.json")
    }
    assert config.studies() == STUDIES
    table, index = config.load(), config.index()
    assert list(index["methods"]) == list(table.methods) and index["methods"]["esn"] == "reservoir"
    own = config.experiment("sine")
    assert isinstance(own, Experiment) and config.data_row("sine") == own.data
    assert explain.validated(RandomNetworks, files.read_sealed(paths.RANDOM, ""), "x").seed == table.seed


def test_configure_removes_what_is_no_longer_in_the_table_and_touches_nothing_else(project: Path) -> None:
    before = written(paths.EXPERIMENTS)
    table = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    del table["studies"]["recall_50"]
    paths.PARAMS.write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")
    configure.main()
    after = written(paths.EXPERIMENTS)
    assert before.keys() - after.keys() == {"recall_50.json", "recall_50.data.json"}
    assert {name for name in after if after[name] != before[name]} == {"index.json"}


def test_a_row_of_the_fit_leaves_the_data_file_as_it_is(project: Path) -> None:
    before = written(paths.EXPERIMENTS)
    change(sine__fit__epochs=3)
    after = written(paths.EXPERIMENTS)
    assert {name for name in after if after[name] != before[name]} == {"sine.json"}


def test_a_table_that_contradicts_itself_is_one_line_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(paths.EXPERIMENTS)
    with pytest.raises(SystemExit, match=r"^unrolled: .*'rn' is not known; did you mean 'rnn'\?"):
        change(sine__methods=["rn"])
    assert written(paths.EXPERIMENTS) == before


def test_an_unknown_study_lists_those_that_are_configured(project: Path, refused: Refused) -> None:
    with refused("study 'sin' is not known; did you mean 'sine'?", "recall_50"):
        config.experiment("sin")


# --- generate


def said(capsys: pytest.CaptureFixture[str], call: Callable[[], None]) -> str:
    """Return what a stage prints."""
    capsys.readouterr()
    call()
    return capsys.readouterr().out


def test_generate_keeps_whole_data_and_makes_damaged_ones_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = lambda: generate.main("sine")  # noqa: E731
    first = said(capsys, stage)
    assert "solver error at most" in first and "sequences" in first
    whole = written(paths.dataset("sine"))
    assert said(capsys, stage) == "sine: kept\n"
    for name in whole:
        path = paths.dataset("sine") / name
        for content in (None, whole[name][:50]):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            assert "kept" not in said(capsys, stage) and written(paths.dataset("sine")) == whole


def test_generate_makes_data_again_when_their_row_changes_and_not_for_the_fit(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate.main("sine")
    change(sine__fit__epochs=3, sine__label="other")
    assert said(capsys, lambda: generate.main("sine")) == "sine: kept\n"
    for row in ({"sine__data__test": 7}, {"sine__data__noise": [0.0, 1.0]}):
        change(**row)
        assert "kept" not in said(capsys, lambda: generate.main("sine"))
    assert store.load("sine").tests["test"].inputs.shape[0] == 7


def test_generate_makes_data_again_when_the_source_of_their_system_changes(
    project: Path, capsys: pytest.CaptureFixture[str], package: Path
) -> None:
    generate.main("sine")
    edit(package / "data/systems/lorenz63.py")
    assert said(capsys, lambda: generate.main("sine")) == "sine: kept\n"
    edit(package / "data/systems/sine.py")
    assert "kept" not in said(capsys, lambda: generate.main("sine"))


# --- train


@pytest.fixture
def generated(project: Path) -> Path:
    for name in STUDIES:
        generate.main(name)
    return project


def test_train_trains_what_is_missing_logs_it_and_prunes_the_rest(
    generated: Path, here: list[str], tracker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main()
    everything = [f"{study} {method}" for study in STUDIES for method in config.experiment(study).methods]
    logged = [*(f"log {each.split()[1]}" for each in everything), "complete 6"]
    assert sorted(here) == sorted(everything) and sorted(tracker.told) == sorted(logged)
    assert tracker.told[-1] == "complete 6"
    assert "6 runs trained, 0 kept" in capsys.readouterr().out
    before = written(paths.TRAINED)
    here.clear()
    train.main()
    assert here == [] and written(paths.TRAINED) == before
    change(sine__methods=["linear", {"rnn": {"hidden": 2}}])
    train.main()
    after = written(paths.TRAINED)
    assert here == ["sine rnn"] and before.keys() - after.keys() == {"sine/esn.npz"}
    assert {name for name in after if after[name] != before[name]} == {"sine/rnn.npz"}
    here.clear()
    change(sine__methods=["linear", "rnn", "esn"])
    train.main()
    assert here == [] and written(paths.TRAINED) == before, "an old row finds its old results"


def test_a_failed_run_is_named_and_the_others_are_kept(generated: Path) -> None:
    own = config.experiment("sine")
    rows = {"good": own.methods["linear"], "bad": own.methods["rnn"]}
    runs = [Run(own.model_copy(update={"methods": rows}), name) for name in rows]
    recorder = Recorder()
    with pytest.raises(UnrolledError, match=r"sine: bad \(no luck\); all other runs are kept"):
        train.train(runs, recorder.log)
    assert recorder.told == ["log good"] and [results.kept(run) for run in runs] == [True, False]
    train.train([])


def test_a_store_that_breaks_later_costs_one_line_and_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def full_disk() -> None:
        raise MlflowException("disk full")

    store_of = Tracker(None)
    for _ in range(3):
        assert store_of.guarded(full_disk) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "disk full" in lines[0] and "unrolled track" in lines[0] and store_of.broken


# --- evaluate and report


@pytest.fixture
def trained(generated: Path, tracker: Recorder) -> Path:
    train.main()
    return generated


def evaluated() -> set[str]:
    """Return which studies the stage evaluates when it runs now."""
    marks = {path.parent.name: path.stat().st_mtime_ns for path in paths.STUDIES.glob("*/metrics.json")}
    evaluate.main()
    return {
        p.parent.name for p in paths.STUDIES.glob("*/metrics.json") if p.stat().st_mtime_ns != marks.get(p.parent.name)
    }


def test_evaluate_writes_numbers_and_tables_and_keeps_what_has_not_changed(
    trained: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated() == set(STUDIES)
    assert "2 studies evaluated, 0 kept" in capsys.readouterr().out
    found = evaluations.read(STUDIES)
    assert all(row["score"] > 0 for study in found.studies for row in study.methods.values())
    for name in STUDIES:
        assert {path.stem for path in paths.evaluated(name).glob("*.csv")} | {"curves"} == set(tables.NAMES)
        assert (paths.CURVES / f"{name}.csv").is_file()
    assert evaluated() == set()
    change(sine__label="other")
    assert evaluated() == {"sine"}
    results.path_of("recall_50", "esn").write_bytes(b"")
    train.main()
    assert evaluated() == set(), "a result that is put back is the same"
    (paths.evaluated("recall_50") / "metrics.json").unlink()
    assert evaluated() == {"recall_50"}


@pytest.mark.parametrize("asked", ["0", "many"])
def test_evaluate_refuses_a_number_of_workers_that_is_none(
    asked: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLLED_WORKERS", asked)
    with pytest.raises(SystemExit, match=f"^unrolled: UNROLLED_WORKERS is '{asked}': .* at least 1"):
        evaluate.main()


def test_evaluate_forgets_studies_that_are_gone(trained: Path) -> None:
    evaluate.main()
    table = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    del table["studies"]["recall_50"]
    paths.PARAMS.write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")
    configure.main()
    old = paths.evaluated("sine") / "climate.csv"  # of an older version
    old.touch()
    assert evaluated() == set() and not old.exists()
    assert [path.name for path in paths.STUDIES.iterdir()] == ["sine"]
    assert [path.name for path in paths.CURVES.iterdir()] == ["sine.csv"]


def test_report_writes_the_page_its_figures_and_all_numbers(
    trained: Path, tracker: Recorder, random_networks: tuple[experiments.Numbers, dict[str, Any]]
) -> None:
    evaluate.main()
    numbers, found = random_networks
    for name, table in found.items():
        files.write_atomic(paths.RANDOM_NETWORKS / f"{name}.csv", table.to_csv(index=False).encode())
    files.write_json(paths.RANDOM_NETWORKS / "numbers.json", numbers)
    fingerprint.write(paths.RANDOM_NETWORKS, "?", paths.RANDOM_NETWORKS.iterdir())
    report.main()
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    assert list(metrics) == STUDIES and "rnn" in metrics["sine"]["methods"]
    page = paths.INDEX.read_text(encoding="utf-8")
    assert "<code>sine</code>" in page and (paths.FIGURES / "sine-learning_curves.svg").is_file()
    assert len(json.loads(paths.CLAIMS.read_text(encoding="utf-8"))) == len(registry.names("claims"))
    assert "Training times (seconds)" in paths.LOCAL.read_text(encoding="utf-8")
    assert [each for each in tracker.told if each.startswith("scores")] == [f"scores {name}" for name in STUDIES]


def test_a_study_whose_data_cannot_be_had_is_not_run_and_says_why(
    in_tmp: Path,
    monkeypatch: pytest.MonkeyPatch,
    tracker: Recorder,
    capsys: pytest.CaptureFixture[str],
    refused: Refused,
) -> None:
    monkeypatch.setattr("unrolled.data.records.santa_fe.find_spec", lambda name: None)
    table = real_table.ALL | {"studies": {"santa_fe": real_table.ALL["studies"]["santa_fe"]}}
    paths.PARAMS.write_text(yaml.safe_dump(table), encoding="utf-8")
    configure.main()
    for _ in range(2):  # it is asked again each time
        generate.main("santa_fe")
        train.main()
        evaluate.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "left of the whole run" not in line]
    reason = "its series comes with the package reservoirpy: pip install reservoirpy"
    assert lines[1] == f"santa_fe: not run: {reason}. Then run `dvc repro --force generate@santa_fe`"
    assert "0 runs trained, 0 kept" in lines[2] and lines[3] == f"santa_fe: not run: {reason}"
    assert paths.TRAINED.is_dir() and not list(paths.TRAINED.iterdir())
    found = evaluations.read(["santa_fe"])
    assert found.studies == [] and found.not_run == {"santa_fe": reason}
    with refused("study 'santa_fe' is not run", "pip install reservoirpy"):
        store.load("santa_fe")


def test_the_stage_of_random_networks_writes_what_the_report_reads(
    project: Path, monkeypatch: pytest.MonkeyPatch, random_networks: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[RandomNetworks] = []
    monkeypatch.setattr(experiments, "run", lambda row: asked.append(row) or random_networks)
    random_networks_stage()
    assert asked == [config.load().random_networks]
    found = evaluations.random_networks(paths.RANDOM_NETWORKS)
    assert (
        found.numbers == json.loads(json.dumps(random_networks[0])) and found.tables.keys() == random_networks[1].keys()
    )
    assert capsys.readouterr().out.splitlines()[-1].startswith("random networks: ")


def random_networks_stage() -> None:
    """Run the stage."""
    random_networks.main()


@pytest.mark.parametrize("name", ["numbers.json", "map.csv"])
def test_damaged_random_networks_say_what_to_run(name: str, in_tmp: Path, refused: Refused) -> None:
    assert evaluations.read([]).random_networks.numbers == {}
    written = [paths.RANDOM_NETWORKS / "numbers.json", paths.RANDOM_NETWORKS / "map.csv"]
    for path in written:
        files.write_atomic(path, b"{}")
    fingerprint.write(paths.RANDOM_NETWORKS, "?", written)
    files.write_atomic(paths.RANDOM_NETWORKS / name, b"")
    with refused(f"reports/random_networks/{name} is damaged or was changed", "dvc repro random_networks"):
        evaluations.read([])


# --- one study by itself


@pytest.fixture
def table_only(in_tmp: Path) -> Path:
    """Return a folder that holds a table and nothing else of the project, with a record beside it."""
    tiny.write(in_tmp)
    return in_tmp


def test_one_study_by_itself_has_its_page_and_leaves_the_projects_reports_alone(
    table_only: Path, here: list[str]
) -> None:
    paths.REPORTS.mkdir()
    page = run_study.run("sine")
    assert page == table_only / "runs/sine/reports/index.html" and Path.cwd() == table_only
    text = page.read_text(encoding="utf-8")
    assert "one study" in text and (page.parent / "figures/sine-learning_curves.svg").is_file()
    assert sorted(here) == ["sine esn", "sine linear", "sine rnn"]
    assert not list(paths.REPORTS.iterdir()) and not paths.DATA.exists()
    before = written(page.parents[1] / "data")
    here.clear()
    run_study.run("sine")
    assert here == [] and written(page.parents[1] / "data") == before, "what has not changed is kept"


def test_one_study_with_some_methods_epochs_and_seeds(table_only: Path, here: list[str]) -> None:
    run_study.run("sine", ["esn", "rnn"], epochs=1, seeds=3)
    assert sorted(here) == ["sine esn", "sine rnn"]
    metrics = json.loads(Path("runs/sine/reports/studies/sine/metrics.json").read_text(encoding="utf-8"))["sine"]
    assert list(metrics["methods"]) == ["rnn", "esn"] and len(metrics["methods"]["esn"]["seeds"]) == 3
    here.clear()
    run_study.run("sine", ["esn"], epochs=1, seeds=3)
    assert here == []
    assert [p.name for p in Path("runs/sine/data/trained/sine").iterdir()] == ["esn.npz"]


def test_the_projects_finished_results_are_at_hand(table_only: Path, here: list[str], tracker: Recorder) -> None:
    configure.main()
    generate.main("recall_50")
    for name in config.studies():
        if name != "recall_50":
            store.save_not_run(name, "not asked here")
    train.main()
    assert sorted(here) == ["recall_50 esn", "recall_50 linear", "recall_50 rnn"]
    here.clear()
    run_study.run("recall_50")
    assert here == []


def test_a_record_by_a_relative_path_is_found(table_only: Path, here: list[str]) -> None:
    assert not Path(str(config.load().study("silverbox").data.record.file)).is_absolute()  # type: ignore[union-attr]
    page = run_study.run("silverbox", ["linear", "gru_autoregressive"])
    assert sorted(here) == ["silverbox gru_autoregressive", "silverbox linear"]
    assert "V2" in page.read_text(encoding="utf-8")


def test_a_study_that_cannot_be_had_has_a_page_that_says_so(
    table_only: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    table["studies"]["silverbox"]["data"]["record"] = {"source": "silverbox", "inputs": ["V1"], "outputs": ["V2"]}
    paths.PARAMS.write_text(yaml.safe_dump(table), encoding="utf-8")
    monkeypatch.setenv("UNROLLED_MEASURED", "nowhere")
    page = run_study.run("silverbox", ["linear"])
    assert here == [] and "was not run" in page.read_text(encoding="utf-8")


def test_what_is_wrong_is_said_before_anything_is_made(table_only: Path, refused: Refused) -> None:
    with refused("study 'sin' is not known; did you mean 'sine'?"):
        run_study.run("sin")
    with refused("method 'rn' is not known; did you mean 'rnn'?"):
        run_study.run("sine", ["rn"])
    assert not paths.RUNS.exists()


def test_the_folder_that_one_stands_in_is_left_as_it_was_after_an_error(
    table_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        raise UnrolledError("no luck")

    monkeypatch.setattr(generate, "main", broken)
    with pytest.raises(UnrolledError, match="no luck"):
        run_study.run("sine")
    assert Path.cwd() == table_only
