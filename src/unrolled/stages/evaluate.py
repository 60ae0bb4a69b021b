"""Stage `evaluate`: score every method of a study on its test data."""

from unrolled import errors, paths
from unrolled.datasets import files
from unrolled.evaluation import study
from unrolled.training.jobs import trained


@errors.one_line
def main(name: str) -> None:
    """Write the study's metrics and the tables of its figures."""
    pairs = trained(name)
    folder = paths.evaluated(name)
    metrics = study.evaluate(pairs)
    files.write_json(folder / "metrics.json", {name: metrics})
    files.write_json(folder / "scores.json", {name: {m: row["median"] for m, row in metrics["methods"].items()}})
    job = next(iter(pairs.values()))[0]
    tables = {"curves": study.curves(pairs), "forecasts": study.forecasts(pairs), "data": study.data(job)}
    tables |= {"growth": study.growth(pairs), "climate": study.climates(pairs)}
    for table, frame in tables.items():
        files.write_atomic(folder / f"{table}.csv", frame.to_csv(index=False, float_format="%.6g").encode())
    ranked = sorted((row["rank"], m) for m, row in metrics["methods"].items() if row["rank"])
    print(f"{name}: {metrics['score']} " + ", ".join(f"{m} {metrics['methods'][m]['median']:.3g}" for _, m in ranked))
