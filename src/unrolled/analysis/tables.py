"""The tables behind a study's figures: learning curves, predictions, growth of errors, power spectra, the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unrolled import registry
from unrolled.analysis import power_spectrum
from unrolled.data.lost import normalised_error

if TYPE_CHECKING:
    from unrolled.analysis.evaluate import Evaluated
    from unrolled.data.task import Data
    from unrolled.training.runs import Run

EVERY, LARGEST = 4, 1e6
"""How many steps of a long forecast's error make a row of its table, and its largest value there."""
ENDLESS = 1e300
"""What stands for an infinite error, between which quantiles cannot be taken."""
DRAWN = 2000
"""Steps of a prediction that a figure draws at most."""
LONG = 200
"""Steps from which a forecast counts as long."""
NAMES = ("curves", "forecasts", "data", "growth", "power_spectrum", "gradients")
"""Of all tables of a study."""


def of_study(runs: list[Evaluated], data: Data) -> dict[str, pd.DataFrame]:
    """Return the tables by name; `gradients` comes from `evaluate`."""
    row, task = runs[0].run.experiment.data, runs[0].run.task
    outputs, inputs = list(task.outputs(row, runs[0].run.system)), list(inputs_of(runs[0].run))
    return {
        "curves": curves(runs),
        "forecasts": forecasts(runs, data, outputs),
        "data": task.channels(data, inputs, outputs),
        "growth": growth(runs, data),
        "power_spectrum": spectra(runs, data),
    }


def inputs_of(run: Run) -> dict[str, str]:
    """Return name and unit of each input that is no output of an earlier step."""
    row = run.experiment.data
    outputs = run.task.outputs(row, run.system)
    states = run.system.states if run.system else ()
    return {n: unit for n, unit in run.task.inputs(row, run.system).items() if n not in (*outputs, *states)}


def empty() -> dict[str, pd.DataFrame]:
    """Return the tables of a study that is not run."""
    return dict.fromkeys(NAMES, pd.DataFrame(columns=["method", "epoch", "median"]))


def curves(runs: list[Evaluated]) -> pd.DataFrame:
    """Return the losses of the chosen replicas by epoch: median and extremes over the seeds."""
    parts = []
    for each in runs:
        for loss, history in (("train", each.result.train_loss), ("val", each.result.val_loss)):
            own = history[:, each.result.chosen].astype(np.float64)
            if len(own):
                columns = {"low": own.min(axis=1), "median": np.median(own, axis=1), "high": own.max(axis=1)}
                epochs = np.arange(1, len(own) + 1)
                parts.append(pd.DataFrame({"method": each.run.name, "loss": loss, "epoch": epochs, **columns}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["method", "loss", "epoch", "median"])


def forecasts(runs: list[Evaluated], data: Data, outputs: list[str]) -> pd.DataFrame:
    """Return truth and each method's typical prediction on the test set that is scored, in the units of the data."""
    which, task = registry.load("scores", runs[0].run.experiment.score).test, runs[0].run.task
    lines = {"truth": data.tests[which].targets}
    lines |= {each.run.name: each.result.predictions[which][each.typical] for each in runs}
    times = data.tests[which].times
    if data.tests[which].targets.ndim == 3:
        lines, times = {name: line[:, :DRAWN] for name, line in lines.items()}, times[:DRAWN]
    decoded = {name: task.decode(line.astype(np.float64), data.facts) for name, line in lines.items()}
    return task.example(decoded, times, outputs)


def growth(runs: list[Evaluated], data: Data) -> pd.DataFrame:
    """Return how the error of each typical replica grows without the truth: quartiles over the trajectories.

    Against time, in Lyapunov times where the system has an exponent.
    """
    which = runs[0].run.task.error_growth
    columns = ["method", "time", "low", "median", "high"]
    if which not in data.tests:
        return pd.DataFrame(columns=columns)
    test, parts = data.tests[which], []
    origin = test.times[0] if test.mode == "closed_loop" else 0.0
    for each in runs:
        one = each.result.predictions[which][each.typical][None]
        every = EVERY if one.shape[2] >= LONG else 1
        error = np.nan_to_num(normalised_error(one, test.targets)[0, :, ::every], posinf=ENDLESS)
        low, median, high = np.minimum(np.quantile(error, [0.25, 0.5, 0.75], axis=0), LARGEST)
        time = (test.times[::every] - origin) * (test.lyapunov or 1.0)
        parts.append(pd.DataFrame(dict(zip(columns, (each.run.name, time, low, median, high), strict=True))))
    return pd.concat(parts, ignore_index=True)


def spectra(runs: list[Evaluated], data: Data) -> pd.DataFrame:
    """Return where the typical replicas wander in closed loop in chaos, and with which frequencies."""
    step = runs[0].run.experiment.data.step
    if not power_spectrum.applies(data):
        return power_spectrum.table({}, step)
    lines = {"truth": data.tests["closed_loop"].targets}
    lines |= {each.run.name: each.result.predictions["closed_loop"][each.typical] for each in runs}
    return power_spectrum.table(lines, step)
