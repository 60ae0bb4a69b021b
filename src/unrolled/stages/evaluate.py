"""Stage `evaluate`: score every method of a study on its test data."""

from typing import Any

import pandas as pd

from unrolled import errors, paths
from unrolled.analysis import evaluate
from unrolled.data import store
from unrolled.training.jobs import trained

TABLES = ("curves", "forecasts", "data", "growth", "climate", "gradients")


def write(name: str, metrics: dict[str, Any], scores: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    """Write the study's numbers and the tables of its figures."""
    folder = paths.evaluated(name)
    store.write_json(folder / "metrics.json", {name: metrics})
    store.write_json(folder / "scores.json", {name: scores})
    for table, frame in tables.items():
        store.write_atomic(folder / f"{table}.csv", frame.to_csv(index=False, float_format="%.6g").encode())


@errors.one_line
def main(name: str) -> None:
    """Evaluate one study; one that is not run says so."""
    if (reason := store.not_run(name)) is not None:
        empty = pd.DataFrame(columns=["method", "epoch", "median"])
        write(name, {"not_run": reason}, {}, dict.fromkeys(TABLES, empty))
        print(f"{name}: not run: {reason}")
        return
    pairs = trained(name)
    metrics = evaluate.evaluate(pairs)
    job = next(iter(pairs.values()))[0]
    made = [make(pairs) for make in (evaluate.curves, evaluate.forecasts)] + [evaluate.data(job)]
    made += [evaluate.growth(pairs), evaluate.climates(pairs)]
    gradients, flow = evaluate.gradients(pairs)
    for method, numbers in flow.items():
        metrics["methods"][method]["flow"] = numbers
    scores = {m: row["median"] for m, row in metrics["methods"].items()}
    write(name, metrics, scores, dict(zip(TABLES, [*made, gradients], strict=True)))
    ranked = sorted((row["rank"], m) for m, row in metrics["methods"].items() if row["rank"])
    lost = [m for m, score in scores.items() if score is None]
    said = [f"{m} {scores[m]:.3g}" for _, m in ranked] + [f"{m} diverged" for m in lost]
    print(f"{name}: {metrics['score']} {', '.join(said)}")
