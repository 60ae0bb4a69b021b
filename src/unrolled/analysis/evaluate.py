"""Everything that is said of one study: scores with their statistics, and the tables of its figures."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from unrolled.analysis import autonomous, gradient_flow, metrics, power_spectrum, statistics, step_matrix, tolerance
from unrolled.data.system import of
from unrolled.training.job import Job, Result, feeds_back

Pairs = dict[str, tuple[Job, Result]]
Array = NDArray[Any]
REFERENCE = "rnn"
INPUTS = {"response": ("F",), "recall": ("u", "m")}
"""Inputs of a task that are drawn, beside its outputs."""
UNITS = {"valid_time": "Lyapunov times", "nrmse": "spread of the truth", "nrmse_alone": "spread of the truth"}
STARTS = 8
"""Starts over which a network's Lyapunov exponent is averaged."""
SIMULATED = 300
"""How many steps of a simulated record are drawn."""
SHOWN = 60
"""How many answers of a recall are drawn."""
EVERY, LARGEST = 4, 1e6
"""How many steps of a forecast's error make a row of its table, and its largest value there."""


def rounded(value: float) -> float | None:
    """Return six digits, or None where the value is not finite (JSON knows no NaN)."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def scores_of(job: Job, result: Result) -> Array:
    """Return the test score of each chosen replica; NaN where it diverged."""
    values = metrics.score(job.study, result.predictions, job.splits["test"])
    return np.where(result.diverged[result.chosen] | ~np.isfinite(values), np.nan, values)


def _row(job: Job, result: Result) -> dict[str, Any]:
    scores = scores_of(job, result)
    finite = scores[np.isfinite(scores)]
    tried = sorted(set(result.rates.tolist()))
    rate, norm, value = job.trials()[int(result.trials[result.chosen[0]])]
    row: dict[str, Any] = {
        "median": rounded(float(np.median(finite))) if len(finite) else None,
        "mean": rounded(float(finite.mean())) if len(finite) else None,
        "ci95": [rounded(bound) for bound in statistics.interval(finite)] if len(finite) else [None, None],
        "replicas": [rounded(score) for score in scores],
        "diverged": int(result.diverged.sum()),
        "trained": len(result.seeds),
        "learning_rate": rate if job.iterative else None,
        "clip": rounded(min(norm, value)),
        "rate_at_edge": job.iterative and len(tried) > 2 and rate in (tried[0], tried[-1]),  # of two both are edges
        "parameters": job.network().parameters,
        "passes": dict(zip(("forward", "backward", "curvature"), map(rounded, result.passes.tolist()), strict=True)),
        "learns": job.method.optimiser != "fixed",
        "feeds_back": feeds_back(job.method),
        "recurrent": job.method.cell != "window" and not job.method.fold,
        "network": f"{job.method.cell} {job.method.activation} {job.method.hidden}",
        "about": job.method.about,
    }
    if "alone" in result.predictions:
        row["one_step"] = rounded(float(np.median(_mse(result, job, "test"))) ** 0.5)
    if power_spectrum.long_enough(job):
        alone = result.predictions["alone"][typical(job, result)]
        row["climate"] = rounded(power_spectrum.distance(alone, job.splits["test"]["alone"], job.study.step))
        row["exponent"] = _exponent(job, result)
    if "outside" in result.predictions:
        beyond = metrics.mse(result.predictions["outside"], job.splits["test"]["outside"])
        row["outside"] = rounded(float(np.median(beyond)) ** 0.5)
    for name, errors in metrics.other_tests(result.predictions, job.splits["test"]).items():
        row[name] = rounded(float(np.median(errors)))
        row[f"{name}_ci95"] = [rounded(bound) for bound in statistics.interval(errors)]
    if job.study.task == "recall":
        row |= _solved(job, result, scores)
    if "train" in result.predictions:
        row["in_sample"] = rounded(float(np.median(_mse(result, job, "train"))))
        row["out_of_sample"] = rounded(float(np.median(_mse(result, job, "test"))))
    return row


def _solved(job: Job, result: Result, scores: Array) -> dict[str, Any]:
    """Return the share of seeds that solve the recall, and after how many updates their median does."""
    below = result.val_loss[:, result.chosen] <= metrics.SOLVED
    batches = -(-len(job.splits["train"]["inputs"]) // job.study.batch)
    needed = (
        np.where(below.any(axis=0), below.argmax(axis=0) + 1, np.inf) * batches if len(below) else np.array([np.inf])
    )
    return {
        "solved": float(np.mean(scores <= metrics.SOLVED)),
        "updates": rounded(float(np.median(needed))),
        "steps": job.study.steps,
    }


def _exponent(job: Job, result: Result) -> float | None:
    """Return the largest Lyapunov exponent of the typical replica left to itself, per unit of time."""
    theta = torch.from_numpy(result.theta[result.chosen[typical(job, result)]])[None]
    starts = torch.from_numpy(job.splits["test"]["inputs"][:STARTS])
    found = autonomous.largest_exponent(job.network(), theta, starts)
    return None if found is None else rounded(found / job.study.step)


def _mse(result: Result, job: Job, split: str) -> Array:
    return metrics.mse(result.predictions[split], job.splits[split]["targets"])


def _rank(rows: dict[str, dict[str, Any]], sign: float) -> None:
    """Rank the methods that learn by median; those that learn nothing, or diverged with every seed, have no rank."""
    learned = [name for name, row in rows.items() if row["learns"] and row["median"] is not None]
    ordered = sorted(learned, key=lambda n: sign * rows[n]["median"])
    for name, row in rows.items():
        row["rank"] = ordered.index(name) + 1 if name in ordered else None


def evaluate(pairs: Pairs) -> dict[str, Any]:
    """Return the study's part of `reports/metrics.json`."""
    job = next(iter(pairs.values()))[0]
    rows = {name: _row(*pair) for name, pair in pairs.items()}
    higher = job.study.score in metrics.HIGHER_IS_BETTER
    _rank(rows, -1.0 if higher else 1.0)
    scores = {name: scores_of(*pair) for name, pair in pairs.items() if rows[name]["learns"]}
    others = (
        {n: statistics.paired_p(s, scores[REFERENCE]) for n, s in scores.items() if n != REFERENCE}
        if REFERENCE in scores
        else {}
    )
    corrected = statistics.holm(others)
    for name, row in rows.items():
        p = corrected.get(name)
        row["p_vs_rnn"] = None if p is None else rounded(p)
    found: dict[str, Any] = {
        "score": job.study.score,
        "unit": unit_of(job) or UNITS.get(job.study.score, "dimensionless"),
        "better": "higher" if higher else "lower",
        "question": job.study.question,
        "task": job.study.task,
        "kind": job.task().kind,
        "lyapunov": metrics.exponent_of(job.study),
        "measured": job.study.series is not None,
        "methods": rows,
    }
    if (unit := unit_of(job)) is not None:
        found["axes"] = ["s", unit]
        found["tests"] = ["median", *metrics.other_tests(next(iter(pairs.values()))[1].predictions, job.splits["test"])]
    loose = tolerance.default_tolerance(job.study)
    if loose is not None:
        found["default_tolerance"] = rounded(loose)
    if job.study.noise is not None:
        found["floor"] = _floor(job)
    linear = [
        pair
        for pair in pairs.values()
        if pair[0].method.activation == "identity" and rows[pair[0].method_name]["learns"]
    ]
    if linear:
        found["dynamics"] = step_matrix.compare(*linear[0])
    return found


def _floor(job: Job) -> dict[str, Any]:
    """Return the variance of uniform noise, (b - a)² / 12, and what it happens to be in each split."""
    assert job.study.noise is not None
    low, high = job.study.noise
    sample = {
        s: rounded(float(metrics.mse(job.splits[s]["clean"][None], job.splits[s]["targets"])[0]))
        for s in ("train", "test")
    }
    return {"theory": rounded((high - low) ** 2 / 12), "in_sample": sample["train"], "out_of_sample": sample["test"]}


def unit_of(job: Job) -> str | None:
    """Return the unit of the outputs of a measured series that is scored in it."""
    series = job.study.series
    return series.units.get(series.outputs[0]) if series and "scale" in job.splits["test"] else None


def outputs_of(job: Job) -> list[str]:
    """Return the names of the outputs: the states observed, or the first of them for one series."""
    system = of(job.study)
    known = list(system.states) if system else job.study.series.outputs if job.study.series else []
    names = job.study.observed or known
    return names[: job.splits["test"]["targets"].shape[-1]]


def typical(job: Job, result: Result) -> int:
    """Return the place, among the chosen replicas, of the one whose score is nearest the median."""
    scores = scores_of(job, result)
    if not np.isfinite(scores).any():
        return 0
    return int(np.nanargmin(np.abs(scores - np.nanmedian(scores))))


def curves(pairs: Pairs) -> pd.DataFrame:
    """Return the losses of the chosen replicas by epoch: median and extremes over the seeds."""
    tables = []
    for name, (_, result) in pairs.items():
        for loss, history in (("train", result.train_loss), ("val", result.val_loss)):
            own = history[:, result.chosen].astype(np.float64)
            if len(own):
                columns = {"low": own.min(axis=1), "median": np.median(own, axis=1), "high": own.max(axis=1)}
                epochs = np.arange(1, len(own) + 1)
                tables.append(pd.DataFrame({"method": name, "loss": loss, "epoch": epochs, **columns}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def forecasts(pairs: Pairs) -> pd.DataFrame:
    """Return truth and each method's typical prediction against time: one series, or the first trajectory."""
    job = next(iter(pairs.values()))[0]
    test = job.splits["test"]
    many = test["targets"].ndim == 3
    which = {"forecast_rmse": "forecast", "valid_time": "alone"}.get(job.study.score, "test")
    shown = test["alone" if which == "alone" else "targets"]
    truth = shown[0] if many else shown
    times = test["times"][-1] + job.study.step * np.arange(len(truth)) if which == "alone" else test["times"]
    lines = {"truth": truth}
    for name, (own, result) in pairs.items():
        predicted = result.predictions[which][typical(own, result)]
        lines[name] = predicted[0] if many else predicted
    outputs = outputs_of(job)
    if job.study.task == "recall":  # one answer a sequence: some are enough to see
        times, lines = times[:SHOWN], {name: line[:SHOWN] for name, line in lines.items()}
    if job.study.task == "simulation":  # the last part of the record, long after the start
        times, lines = times[-SIMULATED:], {name: line[-SIMULATED:] * test["scale"] for name, line in lines.items()}
    tables = [
        pd.DataFrame({"method": name, "output": output, "time": times, "value": line[:, k]})
        for name, line in lines.items()
        for k, output in enumerate(outputs)
    ]
    return pd.concat(tables, ignore_index=True)


def growth(pairs: Pairs) -> pd.DataFrame:
    """Return how the error of each typical replica grows without the truth, over the trajectories.

    Of forecasts run alone against time, in Lyapunov times where the system has an exponent; and of
    trajectories from their first state.
    """
    tables = []
    for name, (job, result) in pairs.items():
        which = "test" if job.study.task == "initial_value" else "alone"
        if which not in result.predictions:
            continue
        one = result.predictions[which][typical(job, result)][None]
        every = EVERY if one.shape[2] >= 200 else 1
        truth = job.splits["test"]["targets" if which == "test" else "alone"]
        error = metrics.normalised_error(one, truth)[0, :, ::every]
        low, median, high = np.minimum(np.quantile(error, [0.25, 0.5, 0.75], axis=0), LARGEST)
        unit = metrics.exponent_of(job.study) or 1.0
        time = (np.arange(error.shape[1]) * every + (which == "test")) * job.study.step * unit
        tables.append(pd.DataFrame({"method": name, "time": time, "low": low, "median": median, "high": high}))
    columns = ["method", "time", "low", "median", "high"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def climates(pairs: Pairs) -> pd.DataFrame:
    """Return where the typical replicas wander when they run on alone in chaos, and with which frequencies."""
    job = next(iter(pairs.values()))[0]
    if not power_spectrum.long_enough(job):
        return power_spectrum.table({}, job.study.step)
    lines = {"truth": job.splits["test"]["alone"]}
    lines |= {name: result.predictions["alone"][typical(own, result)] for name, (own, result) in pairs.items()}
    return power_spectrum.table(lines, job.study.step)


def gradients(pairs: Pairs) -> tuple[pd.DataFrame, dict[str, dict[str, float | None]]]:
    """Return how far back the gradients of each recurrent method reach: the table, and the numbers of each method."""
    tables, numbers = [], {}
    for name, (job, result) in pairs.items():
        if gradient_flow.applies(job):
            table, own = gradient_flow.of_method(job, result)
            tables.append(table.assign(method=name))
            numbers[name] = {key: None if value is None else rounded(value) for key, value in own.items()}
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(gradient_flow.COLUMNS))
    return joined, numbers


def data(job: Job) -> pd.DataFrame:
    """Return what the data look like: the whole series by split, or the first sequence of the training set."""
    train = job.splits["train"]
    if job.study.task == "next_value":
        tables = [
            pd.DataFrame({"split": name, "channel": "x", "time": split["times"], "value": split["targets"][:, 0]})
            for name, split in job.splits.items()
        ]
        return pd.concat(tables, ignore_index=True)
    times, names = train["times"], job.study.series.inputs if job.study.series else INPUTS.get(job.study.task, ())
    if job.study.task == "simulation":  # the first method sees the inputs alone; the first steps have no target
        train = train | {"inputs": train["inputs"][:, -len(times) :]}
    channels = {name: train["inputs"][0, :, k] for k, name in enumerate(names)}
    if train["targets"].ndim == 3:
        channels |= {name: train["targets"][0, :, k] for k, name in enumerate(outputs_of(job))}
    else:
        times = job.study.step * np.arange(train["inputs"].shape[1])
    tables = [
        pd.DataFrame({"split": "train", "channel": name, "time": times, "value": values})
        for name, values in channels.items()
    ]
    return pd.concat(tables, ignore_index=True)
