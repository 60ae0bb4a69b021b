"""The command `unrolled`: forecast with a trained model, rebuild the MLflow store."""

import argparse
from pathlib import Path

from unrolled import __version__, config, errors, paths
from unrolled.errors import UnrolledError

EPILOG = """\
examples:
  unrolled forecast sine --steps 400        the champion runs on alone for 400 steps
  unrolled forecast oscillator --method lstm
  unrolled track                            log everything in data/trained again

The pipeline itself is `dvc repro` (or `make repro`); its table is config.yaml.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    main = argparse.ArgumentParser(
        prog="unrolled",
        description="Which recurrent network, learned in which way, remembers long enough?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=f"unrolled {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    forecast = commands.add_parser("forecast", help="forecast with the best model of a study, or a named method")
    forecast.add_argument("study", help="a study of config.yaml")
    forecast.add_argument("--method", help="a method of config.yaml (default: the study's champion)")
    forecast.add_argument("--steps", type=int, help="how many steps (default: as many as the test data have)")
    forecast.add_argument("--out", type=Path, help="where to draw it (default: forecasts/STUDY-METHOD.png)")
    track = commands.add_parser("track", help="log all trained methods in MLflow again")
    track.add_argument("study", nargs="*", help="only these studies (default: all)")
    report = commands.add_parser("report", help="write reports/local.html: the report with this machine's times")
    report.set_defaults()
    return main


def forecast(study: str, method: str | None, steps: int | None, out: Path | None) -> None:
    """Load a model from MLflow, forecast beyond its warm-up, draw it and print the error."""
    from unrolled.report import forecast
    from unrolled.training import tracking
    from unrolled.training.jobs import make_jobs

    jobs = {job.method_name: job for job in make_jobs(study)}
    if steps is not None and steps < 1:
        raise UnrolledError(f"--steps is {steps}: give a number of steps of at least 1")
    tracking.connect()
    name, predict = tracking.load_model(study, method, jobs)
    job = jobs.get(name) or next(iter(jobs.values()))
    series = forecast.forecast(job, predict, steps)
    path = out or Path("forecasts") / f"{study}-{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    forecast.draw(study, name, series, path)
    print(f"{study}: {name}, {len(series.predicted)} steps, RMSE {series.rmse():.3g} where the truth is known; {path}")


def track(studies: list[str]) -> None:
    """Log every trained method that the store does not have."""
    from unrolled.training import tracking
    from unrolled.training.jobs import trained

    table = config.load()
    client = tracking.connect()
    for study in studies or table.studies:
        tracker = tracking.Tracker(study, client)
        tracker.open(table.study(study).question)
        pairs = trained(study)
        for job, result in pairs.values():
            if not tracker.has(job):
                tracker.log_finished(job, result)
        tracker.crown(pairs)
        print(f"{study}: {len(pairs)} methods are in {tracking.uri()}")


def local_report() -> None:
    """Write the report with the training times that MLflow recorded."""
    from unrolled.report import page, verdicts
    from unrolled.report.style import style
    from unrolled.training import tracking

    table = config.load()
    evaluations, theory = page.read(table), page.read_theory()
    tracking.connect()
    seconds = tracking.training_seconds(list(table.studies))
    with style():
        drawn, claims = page.draw(evaluations, theory), verdicts.of_all(evaluations, theory)
        text = page.page(table, evaluations, drawn, claims, seconds)
    paths.LOCAL.write_text(text, encoding="utf-8")
    print(f"report with training times: {paths.LOCAL}")


@errors.one_line
def main(arguments: list[str] | None = None) -> None:
    """Run one command."""
    chosen = parser().parse_args(arguments)
    if chosen.command == "forecast":
        forecast(chosen.study, chosen.method, chosen.steps, chosen.out)
    elif chosen.command == "track":
        track(chosen.study)
    else:
        local_report()


if __name__ == "__main__":
    main()
