"""The command `unrolled`: check the table, try a study, draw a figure, forecast, compare runs, log them again."""

import argparse
import sys
from pathlib import Path
from typing import Any

from unrolled import __version__, config, errors, lifetime, paths, registry
from unrolled.errors import UnrolledError

EPILOG = """\
examples:
  unrolled check                                     all that is wrong with params.yaml, in seconds
  unrolled run sine --methods rnn,gru --epochs 5     one study by itself, its page in runs/sine/reports/index.html
  unrolled list                                      the studies, and what validation chooses on each
  unrolled show oscillator                           the scores of one study
  unrolled figure learning_curves sine               one figure of an evaluated study, in seconds
  unrolled figures sine --format pdf                 the figures of a study, or of all, for papers and slides
  unrolled forecast sine --steps 400                 forecast 400 steps with the champion
  unrolled forecast oscillator --method lstm
  unrolled forecast lorenz --published               the same with a model of the published study, without training
  unrolled compare . ../other                        verdicts, winners and scores of two runs that differ
  unrolled track                                     log everything in data/trained again
  unrolled track sine --models                       and a model of each method, to be loaded with MLflow

The pipeline itself is `dvc repro` (or `make repro`); its table is params.yaml.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    main = argparse.ArgumentParser(
        prog="unrolled",
        description="Which recurrent network, trained how, has a memory long enough for the task?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=f"unrolled {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="say all that is wrong with the table, before anything runs")
    check.add_argument("--file", type=Path, default=paths.PARAMS, help="another table than params.yaml")
    run = commands.add_parser("run", help="data, training, evaluation and page of one study, without DVC and MLflow")
    run.add_argument("study", help="a study of params.yaml")
    run.add_argument("--methods", help="only these, separated by commas")
    run.add_argument("--epochs", type=_count, help="in place of those of params.yaml")
    run.add_argument("--seeds", type=_count, help="in place of those of params.yaml")
    known = commands.add_parser("list", help="the studies that are evaluated, and which method validation chooses")
    show = commands.add_parser("show", help="the scores of one evaluated study")
    show.add_argument("study", help="a study of params.yaml, or a published one")
    figure = commands.add_parser("figure", help="draw one figure from what is evaluated")
    figure.add_argument("name", help="a file of src/unrolled/report/figures")
    figure.add_argument("study", nargs="?", help="a study, for a figure of one")
    figure.add_argument("--out", type=Path, help="where to (default: its place in reports/figures)")
    figures = commands.add_parser(
        "figures",
        help="draw the report's figures as PNG, PDF or SVG, for papers and slides",
        epilog="example: unrolled figures sine lorenz --format pdf --to paper/figures",
    )
    figures.add_argument("study", nargs="*", help="only the figures of these studies (default: all figures)")
    figures.add_argument("--format", choices=("png", "pdf", "svg"), default="png", help="of the files (default: png)")
    figures.add_argument("--dpi", type=_count, default=200, help="pixels per inch of a PNG (default: 200)")
    figures.add_argument("--to", type=Path, default=paths.EXPORTED, help="their folder (default: figures)")
    forecast = commands.add_parser("forecast", help="forecast with the best model of a study, or a named method")
    forecast.add_argument("study", help="a study of params.yaml")
    forecast.add_argument("--method", help="a method of params.yaml (default: the study's champion)")
    forecast.add_argument("--steps", type=_count, help="how many steps (default: as many as the test data have)")
    forecast.add_argument("--out", type=Path, help="where to draw it (default: forecasts/STUDY-METHOD.png)")
    for command in (known, show, forecast):
        command.add_argument("--published", action="store_true", help="of the published study in reports/full")
    compare = commands.add_parser("compare", help="which verdicts, winners and scores of two runs agree")
    for name in ("first", "second"):
        compare.add_argument(name, type=Path, help="a run's folder with metrics.json and claims.json, or the former")
    track = commands.add_parser(
        "track",
        help="log all trained methods in MLflow again, and a model of each if asked",
        epilog="example: unrolled track sine oscillator --models",
    )
    track.add_argument("study", nargs="*", help="only these studies (default: all)")
    track.add_argument(
        "--models",
        action="store_true",
        help="log a model of each method too, with signature and example, not of the champion only",
    )
    track.add_argument("--published", action="store_true", help="log the records of the published study, with models")
    return main


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def check(file: Path) -> None:
    """Print all that is wrong with a table, or how much it asks for."""
    from unrolled.training import table

    found = table.check(file)
    print("\n".join([*found.problems, *(f"warning: {line}" for line in found.warnings), found.said(file)]))
    if found.problems:
        raise SystemExit(1)


def run(study: str, methods: str | None, **changes: int | None) -> None:
    """Make the page of one study."""
    from unrolled import run_study
    from unrolled.training import workers

    workers.preload()
    wanted = [name.strip() for name in methods.split(",")] if methods else []
    page = run_study.run(study, wanted, **{key: value for key, value in changes.items() if value is not None})
    print(f"report: {page}")


def list_studies(published: bool) -> None:
    """Print the studies."""
    from unrolled.report import results, terminal

    found = results.of_published() if published else results.read(config.studies())
    print("\n".join(terminal.studies(found)))


def show(study: str, published: bool) -> None:
    """Print the scores of one study."""
    from unrolled.report import results, terminal

    if published:
        known = {each.name: each for each in results.of_published().studies}
        if study not in known:
            raise registry.unknown("published study", study, list(known))
        print("\n".join(terminal.scores(known[study])))
        return
    config.experiment(study)
    found = results.read([study])
    if study in found.not_run:
        raise UnrolledError(f"study '{study}' is not run: {found.not_run[study]}")
    print("\n".join(terminal.scores(found.studies[0])))


def figure(name: str, study: str | None, out: Path | None) -> None:
    """Draw one figure."""
    from unrolled.report import gallery

    if study is not None:
        config.experiment(study)
    studies = [study] if study else config.studies()
    print(gallery.draw_one(name, studies, out, families=config.index()["methods"]))


def figures(study: list[str], format: str, dpi: int, to: Path) -> None:
    """Draw the figures of what is evaluated into a folder."""
    from unrolled.progress import Line
    from unrolled.report import export, results

    for name in study:
        config.experiment(name)
    found, line = results.read(study or config.studies(), families=config.index()["methods"]), Line()
    try:
        files = export.export(
            found, study, format, dpi, to, lambda done, count, stem: line.show(f"figures {done} of {count} · {stem}")
        )
    finally:
        line.clear()
    print(f"{len(files)} figure{'s' * (len(files) > 1)}: {to}/*.{format}")


def forecast(study: str, method: str | None, steps: int | None, out: Path | None, published: bool) -> None:
    """Load a model, forecast the first test sequence, draw it and print the error, in the study's units."""
    from unrolled.report.forecast import draw
    from unrolled.report.forecast import of as series_of

    name, label, predictor, data = (_published if published else _champion)(study, method)
    series = series_of(predictor, data, steps)
    path = out or Path("forecasts") / f"{study}-{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(study, label, series, path)
    print(f"{study}: {name}, {len(series.predicted)} steps, {series.said()}; {path}")


def _champion(study: str, method: str | None) -> tuple[str, str, Any, Any]:
    """Return name, label, model and data of a method, or of the champion, from MLflow."""
    from unrolled.data import store
    from unrolled.training import champion
    from unrolled.training.runs import Run

    own = config.experiment(study)
    name, predictor = champion.load_predictor(study, method, {each: Run(own, each) for each in own.methods})
    return name, own.methods[name].label if name in own.methods else name, predictor, store.load(study)


def _published(study: str, method: str | None) -> tuple[str, str, Any, Any]:
    """Return the same of the published study; the data are made here and now."""
    from unrolled.analysis import record
    from unrolled.data import datasets

    found = record.published(study, method)
    predictor = found.predictor()
    return found.method, str(found.row["label"]), predictor, datasets.make(predictor.row)


def compare(first: Path, second: Path) -> None:
    """Print which verdicts, winners and scores of two runs agree, and by how much the others differ."""
    from unrolled.analysis import replication
    from unrolled.report import terminal

    found = replication.replication(replication.read(first), replication.read(second))
    print("\n".join(terminal.replicated(found)))


def track(study: list[str], models: bool, published: bool) -> None:
    """Log every trained method that the store does not have, of some studies or of all, and their models if asked."""
    if published:
        return _track_published(study)
    from unrolled.progress import Line
    from unrolled.stages.train import all_runs
    from unrolled.training import mlflow_store, tracking

    for name in study:
        config.experiment(name)
    runs = [run for run in all_runs() if not study or run.study in study]
    tracker, line = tracking.connect(), Line()
    whole = tracker.complete(runs) and (not models or tracker.models(runs, line.show))
    line.clear()
    if not whole:
        raise UnrolledError("not everything is in MLflow: run `unrolled track` when it works again")
    what = "methods and their models" if models else "methods"
    for name in dict.fromkeys(run.study for run in runs):
        print(f"{name}: {sum(run.study == name for run in runs)} {what} are in {mlflow_store.named()}")


def _track_published(study: list[str]) -> None:
    """Log the records of the published study, each with its model."""
    from unrolled.full.track import track
    from unrolled.progress import Line
    from unrolled.training import mlflow_store

    line = Line()
    try:
        found = track(study, line.show)
    finally:
        line.clear()
    for name, count in found.items():
        print(f"{name}: {count} published methods are in {mlflow_store.named()}")


COMMANDS: dict[str, Any] = {
    "check": check,
    "run": run,
    "list": list_studies,
    "show": show,
    "figure": figure,
    "figures": figures,
    "forecast": forecast,
    "compare": compare,
    "track": track,
}


@errors.one_line
def main(arguments: list[str] | None = None) -> None:
    """Run one command, with the code of the folder one stands in."""
    if arguments is None:
        lifetime.begin("unrolled.cli")
    chosen = vars(parser().parse_args(arguments))
    if chosen["command"] not in ("check", "compare") and not paths.PARAMS.exists():
        raise UnrolledError(f"{paths.PARAMS} is missing: run this in the project's root folder")
    COMMANDS[chosen.pop("command")](**chosen)
    if arguments is None:
        sys.stdout.flush()  # or a closed pipe would go unseen
        lifetime.leave(0)


if __name__ == "__main__":
    main()
