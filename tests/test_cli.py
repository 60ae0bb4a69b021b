"""The command `unrolled`: what it takes, its one-line errors, and a forecast, a figure and a log of a tiny project."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import mlflow
import numpy as np
import pytest
import yaml

import tiny
from unrolled import __version__, cli, config, paths, run_study
from unrolled.data import store
from unrolled.report import style
from unrolled.report.forecast import of as series_of
from unrolled.stages import configure, evaluate, generate
from unrolled.training import champion, mlflow_store, results, tracking, workers
from unrolled.training.fit import fit
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run

STUDIES = ("sine", "silverbox")
SRC = str(Path(__file__).parents[1] / "src")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a tiny project whose methods are trained and evaluated, with an MLflow store of its own."""
    folder = tmp_path_factory.mktemp("project")
    tiny.write(folder, "next_value", "simulation")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")  # absolute: MLflow keeps it open
        configure.main()
        for name in STUDIES:
            generate.main(name)
            own = config.experiment(name)
            for method in own.methods:
                run = Run(own, method)
                results.save(run, fit(run, store.load(name)), 1.0)
            evaluate.study(name)
        cli.main(["track"])
        yield folder


@pytest.fixture
def project(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in that project."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made}/mlflow.db")
    return made


def refuses(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a call ends with."""
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    line = str(caught.value.code)
    assert line.startswith("unrolled: ") and "\n" not in line, line
    return line


def test_help_names_every_command_and_its_examples_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in cli.COMMANDS) and "learn" not in text.replace("learning", "")
    examples = [line.strip().split("   ")[0] for line in cli.EPILOG.splitlines() if line.startswith("  unrolled")]
    assert {cli.parser().parse_args(each.split()[1:]).command for each in examples} == set(cli.COMMANDS)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"unrolled {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lern"],
        ["run"],
        ["run", "sine", "--epochs", "0"],
        ["run", "sine", "--epochs", "1.5"],
        ["run", "sine", "--seeds", "-1"],
        ["forecast", "sine", "--steps", "many"],
        ["forecast"],
        ["figure"],
        ["figures", "--format", "gif"],
        ["figures", "--dpi", "0"],
    ],
)
def test_what_cannot_be_parsed_ends_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert capsys.readouterr().err.startswith("usage: unrolled")


@pytest.mark.parametrize("command", [["run", "sine"], ["figures"], ["forecast", "sine"], ["track"]])
def test_outside_a_project_every_command_says_where_to_go(
    command: list[str], in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "params.yaml is missing: run this in the project's root folder" in refuses(capsys, *command)


@pytest.mark.parametrize("command", [["figure", "headline"], ["figures"], ["forecast", "sine"], ["track"]])
def test_before_anything_is_configured_every_command_says_what_to_run(
    command: list[str], in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write(in_tmp, "next_value")
    assert "is missing: run `dvc repro configure`" in refuses(capsys, *command)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["run", "sin"], "study 'sin' is not known; did you mean 'sine'?"),
        (["run", "sine", "--methods", "rn"], "method 'rn' is not known; did you mean 'rnn'?"),
        (["run", "sine", "--methods", "gru_autoregressive"], "'gru_autoregressive' needs a measured record"),
        (["figure", "headlin"], "figure 'headlin' is not known; did you mean 'headline'?"),
        (["figure", "headline", "sin"], "study 'sin' is not known; did you mean 'sine'?"),
        (["figure", "learning_curves"], "'learning_curves' is a figure of one study: give the name of one"),
        (["figure", "equations"], "'equations' has nothing to show"),
        (["figures", "sin"], "study 'sin' is not known; did you mean 'sine'?"),
        (["forecast", "sin"], "study 'sin' is not known; did you mean 'sine'?"),
        (["forecast", "sine", "--method", "rn"], "method of study 'sine' 'rn' is not known; did you mean 'rnn'?"),
        (["forecast", "silverbox", "--steps", "9999"], "--steps is 9999: the inputs of 'silverbox' are known for 113"),
        (["track", "sin"], "study 'sin' is not known; did you mean 'sine'?"),
    ],
)
def test_what_is_wrong_is_one_line(
    command: list[str], said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refuses(capsys, *command)
    assert not paths.RUNS.exists()


def test_run_passes_on_what_is_asked(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(workers, "preload", lambda: None)
    monkeypatch.setattr(run_study, "run", lambda *given, **changes: asked.append((given, changes)) or Path("page.html"))
    cli.main(["run", "sine", "--methods", "rnn, esn", "--epochs", "3"])
    cli.main(["run", "sine", "--seeds", "4"])
    assert asked == [(("sine", ["rnn", "esn"]), {"epochs": 3}), (("sine", []), {"seeds": 4})]
    assert capsys.readouterr().out == "report: page.html\n" * 2


def test_studies_are_listed_and_one_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["list"])
    head, _, *lines = capsys.readouterr().out.splitlines()
    metrics = {name: json.loads((paths.evaluated(name) / "metrics.json").read_text())[name] for name in STUDIES}
    assert head.split()[:2] == ["study", "methods"] and [line.split()[0] for line in lines] == list(STUDIES)
    for name, line in zip(STUDIES, lines, strict=True):
        rows = metrics[name]["methods"]
        [chosen] = [method for method, row in rows.items() if row["chosen_by_validation"]]
        assert line.split()[1:3] == [str(len(rows)), chosen] and max(map(len, lines)) <= 120
        cli.main(["show", name])
        said = capsys.readouterr().out
        assert metrics[name]["question"] in said and all(f" {method} " in said for method in rows)
        assert [text.split()[1] for text in said.splitlines() if text.startswith("◆  ")] == [chosen]
    assert "study 'sin' is not known; did you mean 'sine'?" in refuses(capsys, "show", "sin")


def test_a_figure_is_drawn_in_its_place_or_where_one_wants_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["figure", "learning_curves", "sine"])
    assert capsys.readouterr().out.strip() == "reports/figures/sine-learning_curves.svg"
    cli.main(["figure", "learning_curves", "silverbox", "--out", "own/mine.svg"])
    assert Path("own/mine.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert [path.name for path in paths.FIGURES.glob("*.svg")] == ["sine-learning_curves.svg"]


BEGINS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
"""Of the files of each format."""


def test_a_figure_is_saved_in_every_format_with_the_same_bytes() -> None:
    assert tuple(BEGINS) == style.FORMATS
    for form, begin in BEGINS.items():
        made = set()
        for _ in range(2):
            with style.style():
                drawn, axes = style.new(2, 1)
                axes[0, 0].plot([1, 2])
                style.title(drawn, "a title")
                made.add(style.saved(drawn, form, 50))
        [one] = made
        assert one.startswith(begin)
    assert b"a title" in one


def test_the_figures_of_results_become_files_for_papers(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["figures", "--to", str(tmp_path / "all"), "--dpi", "30"])
    every = {path.stem for path in (tmp_path / "all").glob("*.png")}
    assert every > {"headline", "silverbox-forecast", "sine-forecast", "sine-learning_curves"}
    assert f"{len(every)} figures: {tmp_path}/all/*.png\n" in capsys.readouterr().out
    cli.main(["figures", "sine", "--to", str(tmp_path / "one"), "--dpi", "60"])
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {each for each in every if each.startswith("sine-")}
    sizes = [matplotlib.image.imread(tmp_path / each / "sine-forecast.png").shape for each in ("all", "one")]
    assert sizes[1][:2] == pytest.approx([2 * each for each in sizes[0][:2]], abs=2)


def test_without_results_there_are_no_figures(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write(in_tmp, "next_value")
    configure.main()
    assert "is missing: run `dvc repro evaluate`" in refuses(capsys, "figures")
    assert not paths.EXPORTED.exists()


@pytest.mark.parametrize("study", STUDIES)
def test_the_champion_forecasts_as_its_run_predicts(
    study: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = config.experiment(study)
    losses = {name: results.finished(Run(own, name)).loss for name in own.methods}
    best = min(losses, key=lambda name: losses[name])
    cli.main(["forecast", study])
    run = Run(own, best)
    data, result = store.load(study), results.finished(run)
    which = "closed_loop" if "closed_loop" in data.tests else "test"
    replica = result.chosen.tolist().index(result.best)
    both = (result.predictions[which][replica], data.tests[which].targets)
    values = [run.task.decode(each[0].astype(float), data.facts) for each in both]
    rmse = float(np.sqrt(np.square(values[0] - values[1]).mean()))
    unit = next(iter(data.facts["outputs"].values()))
    path = Path("forecasts") / f"{study}-{best}.png"
    said = f"{study}: {best}, {len(values[1])} steps, RMSE {rmse:.3g} {unit} where the truth is known; {path}\n"
    assert capsys.readouterr().out == said
    assert matplotlib.image.imread(path).shape[1] > 500


@pytest.mark.parametrize("study", STUDIES)
def test_the_champion_is_the_method_that_the_metrics_call_chosen(study: str, project: Path) -> None:
    [chosen] = [name for name, row in metrics_of(study)["methods"].items() if row["chosen_by_validation"]]
    own = config.experiment(study)
    assert champion.load_predictor(study, None, {each: Run(own, each) for each in own.methods})[0] == chosen


def metrics_of(study: str) -> dict[str, Any]:
    """Return a study's part of metrics.json."""
    found: dict[str, Any] = json.loads((paths.evaluated(study) / "metrics.json").read_text(encoding="utf-8"))[study]
    return found


def test_two_runs_are_compared_from_anywhere(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {study: metrics_of(study) for study in STUDIES}
    for name, factor in (("one", 1.0), ("other", 2.0)):
        (tmp_path / name / "reports").mkdir(parents=True)
        metrics["sine"]["methods"]["rnn"]["score"] *= factor
        for file, content in (("metrics", metrics), ("claims", [])):
            (tmp_path / name / "reports" / f"{file}.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    cli.main(["compare", "one", "other/reports/metrics.json"])
    said = capsys.readouterr().out
    assert "score  sine: rnn" in said and "  2\n" in said and "winners: 2 of 2 agree" in said
    assert "none/reports/metrics.json is missing: give a folder" in refuses(capsys, "compare", "one", "none")


@pytest.mark.parametrize("method", ["rnn", "gru_autoregressive"])
def test_a_named_method_forecasts_some_steps(
    method: str, project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cli.main(["forecast", "silverbox", "--method", method, "--steps", "20", "--out", str(tmp_path / "f.svg")])
    run = Run(config.experiment("silverbox"), method)
    data = store.load("silverbox")
    series = series_of(Predictor.of(run, results.finished(run), data), data, 20)
    assert f"silverbox: {method}, 20 steps, {series.said()};" in capsys.readouterr().out
    assert series.predicted.shape == (20, 1) and (tmp_path / "f.svg").is_file()


def test_a_closed_loop_goes_on_beyond_what_is_known(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["forecast", "sine", "--method", "linear", "--steps", "40"])
    assert "sine: linear, 40 steps, RMSE" in capsys.readouterr().out


def test_a_method_that_is_not_in_the_store_says_what_to_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "mark", lambda run: "of another time")
    assert "has no model of 'sine' by rnn: run `dvc repro train`" in refuses(
        capsys, "forecast", "sine", "--method", "rnn"
    )


def test_logging_again_adds_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = tracking.connect().client

    def count() -> int:
        ids = [each.experiment_id for each in client.search_experiments()]
        return len(client.search_runs(ids, max_results=1000))

    before = count()
    cli.main(["track", "sine"])
    assert count() == before > 6 and f"sine: 3 methods are in sqlite:///{project}/mlflow.db" in capsys.readouterr().out


def test_a_model_of_every_method_is_logged_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = tracking.connect().client
    own = client.get_experiment_by_name(mlflow_store.experiment_name("sine")).experiment_id

    def there() -> dict[str, str]:
        runs = {each.info.run_id: each for each in client.search_runs([own], "tags.kind = 'method'")}
        models = client.search_logged_models([own])
        assert len({each.source_run_id for each in models}) == len(models), "one a run"
        return {runs[each.source_run_id].data.tags["method"]: each.model_id for each in models}

    methods, data = config.experiment("sine").methods, store.load("sine")
    assert len(there()) == 1, "of the champion"
    for _ in range(2):
        cli.main(["track", "sine", "--models"])
        assert f"sine: {len(methods)} methods and their models are in sqlite" in capsys.readouterr().out
        found = there()
        assert found.keys() == methods.keys()
    model = mlflow.pyfunc.load_model(f"models:/{found['esn']}")
    run = Run(config.experiment("sine"), "esn")
    expected, given = Predictor.of(run, results.finished(run), data), np.asarray(data.example, dtype=float)
    np.testing.assert_array_equal(model.predict(given, {"steps": 3}), expected.predict(given, {"steps": 3}))
    assert model.metadata.signature.inputs is not None and model.metadata.saved_input_example_info is not None
    logged = client.search_runs([own], "tags.kind = 'method'")
    assert all(each.info.end_time - each.info.start_time == 1000 for each in logged), "as long as the training took"
    client.delete_logged_model(found["esn"])
    assert "esn" not in there()
    cli.main(["track", "sine", "--models"])
    assert there()["esn"] != found["esn"]


def test_what_diverged_has_no_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = results.finished

    def diverged(run: Run) -> Any:
        found = real(run)
        return replace(found, theta=np.nan * found.theta) if run.name == "rnn" else found

    client = tracking.connect().client
    own = client.get_experiment_by_name(mlflow_store.experiment_name("silverbox")).experiment_id
    monkeypatch.setattr(results, "finished", diverged)
    cli.main(["track", "silverbox", "--models"])
    runs = {each.info.run_id: each.data.tags["method"] for each in client.search_runs([own], "tags.kind = 'method'")}
    named = {runs[each.source_run_id] for each in client.search_logged_models([own])}
    assert named == config.experiment("silverbox").methods.keys() - {"rnn"}


def test_a_store_that_cannot_be_used_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := f"sqlite:///{project}/params.yaml/mlflow.db")
    assert f"the MLflow store {uri} cannot be used" in refuses(capsys, "track")


def test_a_damaged_table_is_one_line(project: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8")) | {"seeed": 1}
    paths.PARAMS.write_text(yaml.safe_dump(table), encoding="utf-8")
    assert "'seeed' is not known; did you mean 'seed'?" in refuses(capsys, "run", "sine")


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    program = f"import sys; sys.path.insert(0, {SRC!r}); from unrolled import cli; cli.main(['show', 'sine'])"
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as listing:
        assert listing.stdout is not None and listing.stderr is not None
        listing.stdout.close()
        assert (listing.wait(60), listing.stderr.read()) == (128 + signal.SIGPIPE, b"")
