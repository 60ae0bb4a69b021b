"""Everything that is said of one study in numbers: scores with their statistics, row by row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from unrolled import registry
from unrolled.analysis import (
    autonomous,
    decay_rate,
    error_growth,
    gradient_flow,
    power_spectrum,
    statistics,
    step_matrix,
    tables,
    tolerance,
)
from unrolled.analysis.score import THRESHOLD, Score, rmse, squares
from unrolled.data.task import Data, History
from unrolled.models.build import autoregressive, family
from unrolled.training.runs import Result, Run

Array = NDArray[Any]
REFERENCE = "rnn"
STARTS = 8
"""Starts over which a network's Lyapunov exponent is averaged."""


@dataclass(frozen=True)
class Evaluated:
    """A run with its result, the data that its method gets, and its score (S,), NaN where a replica diverged."""

    run: Run
    result: Result
    data: Data
    scores: Array

    @property
    def typical(self) -> int:
        """The place, among the chosen replicas, of the one whose score is nearest the median."""
        if not np.isfinite(self.scores).any():
            return 0
        return int(np.nanargmin(np.abs(self.scores - np.nanmedian(self.scores))))


def rounded(value: float | None) -> float | None:
    """Return six digits, or None where the value is not finite (JSON knows no NaN)."""
    return float(f"{value:.6g}") if value is not None and np.isfinite(value) else None


def median(scores: Array) -> float | None:
    """Return the median of the finite scores, None if there are none."""
    finite = scores[np.isfinite(scores)]
    return rounded(float(np.median(finite))) if len(finite) else None


def scored(run: Run, result: Result, data: Data) -> Evaluated:
    """Return a run with the test score of each chosen replica."""
    score: Score = registry.make("scores", run.experiment.score)
    values = score(result.predictions[score.test], data.tests[score.test])
    values = np.where(result.diverged[result.chosen] | ~np.isfinite(values), np.nan, values)
    return Evaluated(run, result, run.select(data), values)


def evaluate(runs: list[Evaluated], data: Data) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return a study's part of `reports/metrics.json`, and the tables of its figures."""
    rows = {each.run.name: _row(each) for each in runs}
    score: Score = registry.make("scores", runs[0].run.experiment.score)
    _rank(rows, -1.0 if score.higher_is_better else 1.0)
    _compare(rows, runs)
    gradients, flow = _gradients(runs)
    for name, numbers in flow.items():
        rows[name]["flow"] = numbers
    found = tables.of_study(runs, data) | {"gradients": gradients}
    for name, rate in error_growth.growth_rates(found["growth"]).items():
        rows[name]["growth_rate"] = rounded(rate)
    return _study(runs, data, score, gradients) | {"methods": rows}, found


def _study(runs: list[Evaluated], data: Data, score: Score, gradients: pd.DataFrame) -> dict[str, Any]:
    """Return what is said of the study as a whole."""
    run, test = runs[0].run, data.tests[score.test]
    row = run.experiment.data
    found: dict[str, Any] = {
        "score": run.experiment.score,
        "score_label": score.label,
        "unit": score.unit(test),
        "better": "higher" if score.higher_is_better else "lower",
        "label": run.experiment.label,
        "question": run.experiment.question,
        "task": row.task,
        "kind": run.task.kind,
        "measured": row.record is not None,
        "step": row.step,
        "steps": row.settings.get("steps"),
        "time_unit": row.unit_of_time,
        "outputs": run.task.outputs(row, run.system),
        "inputs": tables.inputs_of(run),
        "reference": REFERENCE if REFERENCE in run.experiment.methods else None,
        "closed_loop": "closed_loop" in data.tests,
        "example_axis": "time",
        "lyapunov": test.lyapunov,
        "tests": {name: {"label": data.tests[name].label, "unit": data.tests[name].unit} for name in _further(data)},
        "test_label": test.label,
    }
    if run.task.error_growth in data.tests:
        found["lost_above"] = THRESHOLD
    found |= run.task.describe(row)
    if (loose := tolerance.default_tolerance(run)) is not None:
        found["default_tolerance"] = rounded(loose)
    if "floor" in data.facts:
        found["floor"] = {key: rounded(value) for key, value in data.facts["floor"].items()}
    linear = [e for e in runs if step_matrix.applies(e.run)]
    if linear:
        found["dynamics"] = step_matrix.compare(linear[0].run, linear[0].result, linear[0].data)
        found["dynamics"]["decay_rates"] = decay_rate.decay_rates(found["dynamics"], gradients)
    return found


def _further(data: Data) -> list[str]:
    """Return the test sets that are scored by RMSE beside the main ones."""
    return [name for name in data.tests if name not in ("test", "closed_loop", "in_sample")]


def _row(each: Evaluated) -> dict[str, Any]:
    """Return the numbers of one method."""
    run, result, data, scores = each.run, each.result, each.data, each.scores
    finite = scores[np.isfinite(scores)]
    tried = sorted(set(result.learning_rates.tolist()))
    rate, norm, value = run.hyperparameters[int(result.tried[result.chosen[0]])]
    network, method = run.network(), run.method
    row: dict[str, Any] = {
        "label": method.label,
        "about": method.about,
        "family": family(method),
        "cell": method.cell,
        "initialiser": method.initialiser,
        "optimiser": method.optimiser,
        "hidden": method.hidden,
        "median": median(scores),
        "mean": rounded(float(finite.mean())) if len(finite) else None,
        "interval": statistics.interval(finite),
        "replicas": [rounded(score) for score in scores],
        "diverged": int(result.diverged.sum()),
        "trained": len(result.seeds),
        "learning_rate": rate if run.optimiser.iterative else None,
        "clip": rounded(min(norm, value)),
        "rate_at_edge": run.optimiser.iterative and len(tried) > 2 and rate in (tried[0], tried[-1]),
        "parameters": network.parameters,
        "passes": dict(zip(("forward", "backward", "curvature"), map(rounded, result.passes.tolist()), strict=True)),
        "trains": run.optimiser.trains,
        "autoregressive": autoregressive(method),
        "recurrent": recurrent(run),
        "network": f"{method.cell} {network.cell.settings.model_dump()}",
        "compare_with": method.compare_with,
    }
    predictions, tests = result.predictions, data.tests
    if "closed_loop" in tests:
        row["one_step"] = rounded(float(np.median(rmse(predictions["test"], tests["test"]))))
    if power_spectrum.applies(data):
        loop, step = tests["closed_loop"], run.experiment.data.step
        own = power_spectrum.power_spectrum_error(predictions["closed_loop"][each.typical], loop.targets, step)
        row["power_spectrum_error"] = rounded(own)
        row["exponent"] = _exponent(each)
    if further := _further(data):
        errors = {name: rmse(predictions[name], tests[name]) for name in further}
        row["tests"] = {n: {"median": median(e), "interval": statistics.interval(e)} for n, e in errors.items()}
    if "in_sample" in tests:
        for name, key in (("in_sample", "in_sample"), ("test", "out_of_sample")):
            row[key] = rounded(float(np.median(squares(predictions[name], tests[name]).mean(axis=1))))
    updates = -(-len(data.train["inputs"]) // run.experiment.fit.batch)
    extras = run.task.extras(scores, History(result.val_loss[:, result.chosen], updates))
    return row | {key: rounded(value) for key, value in extras.items()}


def recurrent(run: Run) -> bool:
    """Return whether a method has a recurrence."""
    cell: Any = registry.load("cells", run.method.cell)
    return bool(cell.recurrent) and not run.method.flatten_window


def _exponent(each: Evaluated) -> float | None:
    """Return the largest Lyapunov exponent of the typical replica in closed loop, per unit of time."""
    result = each.result
    theta = torch.from_numpy(result.theta[result.chosen[each.typical]])[None]
    starts = torch.from_numpy(each.data.tests["closed_loop"].inputs[:STARTS])
    found = autonomous.largest_exponent(each.run.network(each.data), theta, starts)
    return None if found is None else rounded(found / each.run.experiment.data.step)


def _rank(rows: dict[str, dict[str, Any]], sign: float) -> None:
    """Rank the trained methods by median; references, and methods that diverged with every seed, have no rank."""
    trained = [name for name, row in rows.items() if row["trains"] and row["median"] is not None]
    ordered = sorted(trained, key=lambda n: sign * rows[n]["median"])
    for name, row in rows.items():
        row["rank"] = ordered.index(name) + 1 if name in ordered else None


def _compare(rows: dict[str, dict[str, Any]], runs: list[Evaluated]) -> None:
    """Test each trained method with several values against the simple RNN; Holm corrects for their number."""
    scores = {each.run.name: each.scores for each in runs if rows[each.run.name]["trains"]}
    varied = {n: s for n, s in scores.items() if len(np.unique(s[np.isfinite(s)])) > 1}
    found = {}
    if REFERENCE in scores:
        found = {n: statistics.paired_p(s, scores[REFERENCE]) for n, s in varied.items() if n != REFERENCE}
    corrected = statistics.holm(found)
    for name, row in rows.items():
        row["p_vs_rnn"] = rounded(corrected.get(name))


def _gradients(runs: list[Evaluated]) -> tuple[pd.DataFrame, dict[str, dict[str, float | None]]]:
    """Return how far back the gradients of each recurrent method reach: the table, and the numbers of each method."""
    parts, numbers = [], {}
    for each in runs:
        if recurrent(each.run):
            table, own = gradient_flow.of_method(each.run, each.result, each.data)
            parts.append(table.assign(method=each.run.name))
            numbers[each.run.name] = {key: rounded(value) for key, value in own.items()}
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(gradient_flow.COLUMNS))
    return joined, numbers
