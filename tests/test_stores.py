"""Stores of others and in bad order: who owns what, what moves along, what a failure costs, and that no code is run."""

import hashlib
import http.server
import os
import pickle
import shlex
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from conftest import Refused, experiment_of
from pipeline import ROOT
from unrolled.config import DataRow
from unrolled.data import datasets, store
from unrolled.training import champion, mlflow_faults, mlflow_store, mlflow_ui, results, tracking
from unrolled.training.fit import fit
from unrolled.training.runs import Run
from unrolled.training.tracking import Tracker
from unrolled.training.workers import Done

ROW = DataRow.model_validate(
    {"task": "next_value", "system": "sine", "step": 0.3, "train": 60, "val": 20, "test": 20, "window": 5}
    | {"noise": [-0.1, 0.1]}
)
METHODS: dict[str, dict[str, Any]] = {
    "linear": {"cell": "window", "optimiser": "ridge"},
    "start": {"cell": "elman", "hidden": 4, "optimiser": "fixed"},
}
RUNS = {name: Run(experiment_of(ROW, METHODS), name) for name in METHODS}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Done]]]:
    """Return a folder with a study, its two results and a new store, whose making takes seconds; and the runs."""
    folder, done = tmp_path_factory.mktemp("template"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", "sqlite:///new.db")
        store.save("study", datasets.make(ROW), "as made here")
        for name, run in RUNS.items():
            result = fit(run, store.load("study"))
            results.save(run, result, 1.0)
            done[name] = Done(run, result, 1.7e9, 1.0)
        mlflow_store.connect()
    yield folder, done


@pytest.fixture
def done(template: tuple[Path, dict[str, Done]]) -> dict[str, Done]:
    return template[1]


@pytest.fixture
def here(
    template: tuple[Path, dict[str, Done]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Return a maker of folders like the template, in which one then stands.

    MLflow keeps a database open under its name, so each has a name of its own.
    """

    def made(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(template[0], folder)
        database = folder / f"{tmp_path.name}-{name}.db"
        (folder / "new.db").rename(database)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database.name}")
        return folder

    return made


def content(folder: Path) -> dict[str, str]:
    """Return the hash of each file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def all_runs() -> dict[str, Any]:
    """Return every run of the store, whoever's, as MLflow holds it."""
    client = MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments(ViewType.ALL)]
    return {run.info.run_id: run.to_dictionary() for run in client.search_runs(experiments, run_view_type=ViewType.ALL)}


# --- a folder that moves


def test_a_copied_folder_leaves_the_old_one_alone_and_needs_it_no_more(
    here: Callable[[str], Path], done: dict[str, Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = here("old"), tmp_path / "new"
    assert tracking.connect().complete([RUNS["linear"]])
    shutil.copytree(old, new)
    [database] = new.glob("*.db")
    before = content(old)
    monkeypatch.chdir(new)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///./{database.name}")  # another name for MLflow's memory
    tracker = tracking.connect()
    assert tracker.complete(list(RUNS.values()))
    tracker.log_scores(list(RUNS.values()), {"linear": {"test/score": 1.0}}, {"better": "lower"})
    assert content(old) == before
    shutil.rmtree(old)
    assert champion.load_predictor("study", None, RUNS)[0] == "linear"
    assert champion.load_predictor("study", "linear", RUNS)[0] == "linear"
    with closing(sqlite3.connect(database)) as rows:
        assert str(tmp_path) not in "".join(rows.iterdump())
    assert {path.name for path in (new / "mlartifacts").glob("*/artifacts/*")} == {"linear.npz", "start.npz"}
    assert len(methods()) == 2, "what the old folder had logged came along"


def methods() -> list[Any]:
    return [run for run in all_runs().values() if run["data"]["tags"].get("kind") == "method"]


# --- colleagues


def test_two_owners_on_one_store_never_touch_each_others(
    here: Callable[[str], Path], done: dict[str, Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    here("shared")
    monkeypatch.setenv("UNROLLED_OWNER", "alice")
    alice = tracking.connect()
    assert alice.complete(list(RUNS.values()))
    alice.log_scores(list(RUNS.values()), {"linear": {"test/score": 1.0}}, {"better": "lower"})
    experiment = alice.client.get_experiment_by_name("unrolled/alice/study").experiment_id
    running = alice.client.create_run(experiment, tags={"owner": "alice"}).info.run_id
    hers = all_runs()
    monkeypatch.setenv("UNROLLED_OWNER", "bob")
    bob = tracking.connect()
    assert bob.complete(list(RUNS.values()))
    bob.log_scores(list(RUNS.values()), {"linear": {"test/score": 2.0}}, {"better": "lower"})
    # Even where his runs stand in her experiment, which only someone's own hands bring about.
    alien = bob.client.create_run(experiment, tags={"owner": "bob", "kind": "method"}).info.run_id
    everything = all_runs()
    assert {name: everything[name] for name in hers} == hers and hers[running]["info"]["status"] == "RUNNING"
    assert len(everything) > 2 * len(hers) - 2
    versions = {each.name: each.tags["owner"] for each in bob.client.search_model_versions()}
    assert versions == {"unrolled-alice-study": "alice", "unrolled-bob-study": "bob"}
    monkeypatch.setenv("UNROLLED_OWNER", "alice")
    assert tracking.connect().complete(list(RUNS.values()))
    assert all_runs()[running]["info"]["status"] == "KILLED", "her own, left open by a kill, she closes"
    assert all_runs()[alien] == everything[alien]


def test_the_owner_is_the_user_in_this_folder_or_as_asked(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.delenv("UNROLLED_OWNER", raising=False)
    monkeypatch.setenv("LOGNAME", "Ada L.")
    first = mlflow_store.owner()
    assert first == mlflow_store.owner() and first.startswith("Ada_L.-") and len(first) == len("Ada_L.-") + 8
    mlflow_store.OWNER.unlink()
    assert mlflow_store.owner() != first, "another clone, another owner"
    for bad in ("", "x' or '' = '", "a/b", "a" * 65):
        monkeypatch.setenv("UNROLLED_OWNER", bad)
        with refused("UNROLLED_OWNER is", "give letters, digits"):
            mlflow_store.owner()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_store.model_name("sine") == "unrolled-sine", "the embedded store has one owner"


# --- failures while it goes


class Server:
    """A client that can be stopped and started."""

    def __init__(self, client: MlflowClient, error: Exception) -> None:
        self.client, self.error, self.down, self.asked = client, error, False, 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        if self.down:
            raise self.error
        return getattr(self.client, name)


@pytest.mark.parametrize(
    "error", [MlflowException("Max retries exceeded (Connection refused)"), OSError(28, "No space left on device")]
)
def test_a_server_that_was_away_gets_everything_and_costs_little(
    error: Exception,
    here: Callable[[str], Path],
    done: dict[str, Done],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here("away")
    server = Server(mlflow_store.connect(), error)
    tracker = Tracker(server)  # type: ignore[arg-type]
    server.down = True
    tracker.log(done["linear"])
    asked = server.asked
    for _ in range(5):
        tracker.log(done["linear"])
    assert server.asked == asked, "in a pause nothing is tried"
    monkeypatch.setattr(tracking, "PAUSE", 0.0)
    assert not tracker.complete(list(RUNS.values()))
    [line] = capsys.readouterr().out.splitlines()
    assert "MLflow failed" in line and "unrolled track" in line
    assert (
        "its disk is full): free some space" if isinstance(error, OSError) else "it does not answer): start it"
    ) in line
    server.down, tracker.silent_until = False, 0.0
    tracker.log(done["start"])
    assert "answers again" in capsys.readouterr().out
    assert tracker.complete(list(RUNS.values())) and len(methods()) == 2


def test_what_was_half_written_is_closed_and_written_again(here: Callable[[str], Path], done: dict[str, Done]) -> None:
    here("half")
    server = Server(mlflow_store.connect(), MlflowException("gone"))
    tracker = Tracker(server)  # type: ignore[arg-type]
    server.log_artifact = lambda *given: setattr(server, "down", True) or server.client  # type: ignore[method-assign]
    tracker.log(done["linear"])
    del server.log_artifact
    assert [run["info"]["status"] for run in methods()] == ["RUNNING"]
    server.down = False
    assert tracker.complete(list(RUNS.values()))
    assert sorted(run["info"]["status"] for run in methods()) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_deleted_experiment_is_restored(
    here: Callable[[str], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here("deleted")
    monkeypatch.setenv("UNROLLED_OWNER", "me")
    tracker = tracking.connect()
    assert tracker.complete([RUNS["linear"]])
    tracker.client.delete_experiment(tracker.client.get_experiment_by_name("unrolled/me/study").experiment_id)
    again = tracking.connect()
    again.log_scores([RUNS["linear"]], {}, {"better": "lower"})
    assert again.complete(list(RUNS.values()))
    assert (
        capsys.readouterr().out == "unrolled: the experiment unrolled/me/study was deleted in MLflow; it is restored\n"
    )
    assert {run["data"]["tags"]["method"] for run in methods()} == {"linear", "start"} and len(methods()) == 2


def test_one_of_two_makes_a_new_store(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bare `train` on a new store made its tables at once, and each other's fail."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{in_tmp}/mlflow.db")
    makers, errors = [], []

    class Slow:
        def __init__(self, *given: str) -> None:
            self.uri = (given or (mlflow_store.uri(),))[0]

        def search_experiments(self, max_results: int) -> None:
            path = Path(self.uri.removeprefix("sqlite:///"))
            if not path.exists():
                makers.append(path)
                with sqlite3.connect(path) as made:
                    made.execute("CREATE TABLE experiments (experiment_id, artifact_location)")
                time.sleep(0.2)

    def connect() -> None:
        try:
            mlflow_store.connect()
        except Exception as error:
            errors.append(error)

    monkeypatch.setattr(mlflow_store, "MlflowClient", Slow)
    both = [threading.Thread(target=connect) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert errors == [] and makers == [in_tmp / "mlflow.db.new"]
    assert [path.name for path in in_tmp.glob("*.db*")] == ["mlflow.db"]


# --- stores that cannot be used


def changed(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as database:
            database.execute(sql)

    return change


def folder_of_that_name(path: Path) -> None:
    path.unlink()
    path.mkdir()


FILES: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "older": (
        changed("UPDATE alembic_version SET version_num = 'bd07f7e963c5'"),
        ["an older MLflow made it", "copy it somewhere, then run `mlflow db upgrade sqlite:///"],
    ),
    "newer": (
        changed("UPDATE alembic_version SET version_num = 'feedfeedfeed'"),
        ["a newer MLflow than", "install that one, or move it away"],
    ),
    "text": (lambda path: path.write_text("hello\n" * 999), ["damaged or no SQLite database", "unrolled track"]),
    "cut off": (lambda path: os.truncate(path, 65536), ["damaged or no SQLite database", "move it away"]),
    "a folder": (folder_of_that_name, ["is a folder", "MLFLOW_TRACKING_URI"]),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_in_bad_order_is_one_line_with_the_remedy(
    kind: str, here: Callable[[str], Path], refused: Refused
) -> None:
    [database] = here(kind.replace(" ", "_")).glob("*.db")
    change, said = FILES[kind]
    change(database)
    begun = time.monotonic()
    with refused(
        f"the MLflow store sqlite:///{database.name} cannot be used", "nothing already computed is lost", *said
    ):
        mlflow_store.connect()
    assert time.monotonic() - begun < 60, "MLflow itself tries for minutes"


def test_a_locked_database_is_one_line(here: Callable[[str], Path], refused: Refused) -> None:
    [database] = here("locked").glob("*.db")
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with refused("another program holds it", "end that program"):
        mlflow_store.connect()
    other.close()
    mlflow_store.connect()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything with one code and a page, or not at all."""

    code = 200
    page = b"<html><head><title>Sign in</title></head></html>"

    def do_POST(self) -> None:
        """Answer."""
        if self.code == 0:
            time.sleep(2.5)
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as own:
        own.daemon_threads = True
        thread = threading.Thread(target=own.serve_forever, daemon=True)
        thread.start()
        yield own
        own.shutdown()
        thread.join()


SERVERS = {
    401: ["it does not let us in", "MLFLOW_TRACKING_TOKEN"],
    403: ["it does not let us in", "MLFLOW_TRACKING_USERNAME"],
    404: ["no MLflow server", "correct MLFLOW_TRACKING_URI"],
    302: ["no MLflow server", "correct MLFLOW_TRACKING_URI"],
    200: ["no MLflow server", "correct MLFLOW_TRACKING_URI"],
    500: ["an error of its own", "its log"],
    0: ["it does not answer", "unset MLFLOW_TRACKING_URI"],
}


@pytest.mark.parametrize("code", SERVERS)
def test_a_server_that_refuses_is_one_line_in_seconds(
    code: int, server: Any, monkeypatch: pytest.MonkeyPatch, in_tmp: Path, refused: Refused
) -> None:
    monkeypatch.setattr(Handler, "code", code)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{server.server_port}")
    begun = time.monotonic()
    with refused(
        f"the MLflow store http://***@127.0.0.1:{server.server_port} cannot be used", *SERVERS[code]
    ) as caught:
        mlflow_store.connect()
    assert caught is None and time.monotonic() - begun < 60, "MLflow itself tries for minutes"


def test_nobody_there_is_one_line_and_patience_is_short(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path, refused: Refused
) -> None:
    for name in mlflow_store.PATIENCE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with refused("it does not answer", "start it, or correct or unset MLFLOW_TRACKING_URI"):
        mlflow_store.connect()
    tries, seconds = (int(os.environ[name]) for name in mlflow_store.PATIENCE)
    assert (tries + 1) * seconds <= 30


def test_a_message_shows_no_password() -> None:
    said = mlflow_faults.of(OSError("cannot reach postgresql://me:s3cret@db:5432/x"), "x")[0]
    assert "s3cret" not in said and "//***@db:5432" in said


# --- no code of a store is run


class Evil:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def become_champion(tracker: Tracker, folder: Path, tags: dict[str, str]) -> None:
    """Register what lies in a folder as the champion, as whoever may write to the store can."""
    client, name = tracker.client, mlflow_store.model_name("study")
    run = client.create_run(client.get_experiment_by_name(mlflow_store.experiment_name("study")).experiment_id)
    client.log_artifacts(run.info.run_id, str(folder), "evil")
    version = client.create_model_version(name, f"{run.info.artifact_uri}/evil", run.info.run_id, tags)
    client.set_registered_model_alias(name, "champion", version.version)


@pytest.mark.filterwarnings("ignore")
def test_a_pickle_as_champion_is_not_run_and_is_replaced(
    here: Callable[[str], Path], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    here("evil")
    monkeypatch.setenv("UNROLLED_OWNER", "me")
    tracker = tracking.connect()
    assert tracker.complete(list(RUNS.values()))
    name, ours = champion.load_predictor("study", None, RUNS)
    touched, folder = tmp_path / "PWNED", tmp_path / "model"
    pickle.loads(pickle.dumps(Evil(touched)))
    assert touched.exists(), "or else the test sees nothing"
    touched.unlink()
    (folder / "data").mkdir(parents=True)
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Evil(touched)))
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n"
    )
    tags = {"method": name, "owner": "me", "fingerprint": results.mark(RUNS[name])}
    for content_of in (
        None,
        lambda path: np.savez(path, theta=np.array([Evil(touched)]), about=np.array("{}")),
        lambda path: path.write_bytes(pickle.dumps(Evil(touched))),
    ):
        if content_of:
            content_of(folder / "data" / champion.FILE)
        become_champion(tracker, folder, tags)
        with refused("unrolled-me-study, version", "unrolled"):
            champion.load_predictor("study", None, RUNS)
        assert not touched.exists()
        assert tracker.complete(list(RUNS.values())), "as `unrolled track` does"
        assert champion.load_predictor("study", None, RUNS)[1].about == ours.about


def test_a_champion_of_another_study_is_not_taken(
    here: Callable[[str], Path], tmp_path: Path, refused: Refused, done: dict[str, Done]
) -> None:
    here("other")
    tracker = tracking.connect()
    assert tracker.complete(list(RUNS.values()))
    name, ours = champion.load_predictor("study", None, RUNS)
    ours.about["study"] = "other"
    (tmp_path / "model/data").mkdir(parents=True)
    ours.save(tmp_path / "model/data" / champion.FILE)
    become_champion(tracker, tmp_path / "model", {"method": name})
    with refused("is not of the study 'study'", "`unrolled track` registers ours again"):
        champion.load_predictor("study", None, RUNS)
    ours.about["study"] = "study"
    ours.save(tmp_path / "model/data" / champion.FILE)
    become_champion(tracker, tmp_path / "model", {"method": "../../x"})
    with refused("is not of the study 'study'"):
        champion.load_predictor("study", None, RUNS)


def test_a_champion_of_other_data_is_not_compared_with_these(here: Callable[[str], Path], refused: Refused) -> None:
    here("older")
    assert tracking.connect().complete(list(RUNS.values()))
    other = experiment_of(ROW.model_copy(update={"step": 0.2}), METHODS)
    with refused("was trained on other data than the table now asks for: run `dvc repro`"):
        champion.load_predictor("study", None, {name: Run(other, name) for name in METHODS})


def test_what_mlflow_loads_holds_no_pickle(here: Callable[[str], Path]) -> None:
    folder = here("plain")
    assert tracking.connect().complete(list(RUNS.values()))
    [model] = folder.glob("mlartifacts/models/*/artifacts")
    suffixes = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert suffixes <= {".npz", ".json", ".yaml", ".yml", ".txt", ""} and (model / "data" / champion.FILE).exists()
    loaded = mlflow.pyfunc.load_model(f"models:/{mlflow_store.model_name('study')}@champion")
    assert loaded.predict(np.asarray(store.load("study").example, float), {"steps": 3}).shape == (1, 3, 1)


# --- the pages, and the shell


def test_the_pages_stay_on_this_machine(
    here: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here("pages")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    for name in mlflow_ui.ELSEWHERE:
        monkeypatch.setenv(name, "--host 0.0.0.0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^unrolled: port {port} is taken: `make ui PORT=\d+`, or end"):
            mlflow_ui.main(str(port))
    for bad in ("", "x", "0", "70000", "5000;touch x"):
        with pytest.raises(SystemExit, match="give a number from 1 to 65535"):
            mlflow_ui.main(bad)
    mlflow_ui.main(str(port))
    [command] = started
    assert command[command.index("--host") + 1] == "127.0.0.1" and command.count("--host") == 1
    assert not any(name in os.environ for name in mlflow_ui.ELSEWHERE)
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    with pytest.raises(SystemExit, match=r"has its own pages: open http://mlflow\.example\.org"):
        mlflow_ui.main(str(port))


def test_a_name_reaches_the_shell_as_one_word() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    commands = [stage.get("do", stage)["cmd"] for stage in stages.values()]
    [generate] = [each for each in commands if "${" in each]
    for name in ("x;touch PWNED", "$(touch PWNED)", "`touch PWNED`", "a b", '"', "\n"):
        assert shlex.split(generate.replace("${key}", name))[-1] == name
