"""What `unrolled forecast` shows: warm-up, forecast, and the truth where it is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.analysis.evaluate import outputs_of
from unrolled.errors import UnrolledError
from unrolled.report.style import HUES, TRUTH, new, style
from unrolled.training.job import Job

Array = NDArray[Any]


@dataclass(frozen=True)
class Series:
    """A forecast (steps, K), the truth (n, K) as far as it is known, first time, step, names of the outputs."""

    predicted: Array
    truth: Array
    start: float
    step: float
    names: list[str]

    def rmse(self) -> float:
        """Return the root mean square error over the steps whose truth is known."""
        known = min(len(self.truth), len(self.predicted))
        return float(np.sqrt(np.square(self.predicted[:known] - self.truth[:known]).mean()))


def forecast(job: Job, predict: Callable[[Array, int], Array], steps: int | None) -> Series:
    """Forecast the study's test data from their first window, or the first force and initial state."""
    test = job.splits["test"]
    truth, start = test["targets"] if test["targets"].ndim == 2 else test["targets"][0], float(test["times"][0])
    limit = len(truth) if job.study.task == "response" else None
    if job.study.task == "forecast":  # it goes on where the observed steps end
        truth, start = test["alone"][0] if "alone" in test else truth[-1:], float(test["times"][-1])
    if steps is not None and limit is not None and steps > limit:
        raise UnrolledError(f"--steps is {steps}: the force of '{job.study_name}' is known for {limit} steps only")
    predicted = np.asarray(predict(test["inputs"][:1], steps or len(truth)))[0]
    return Series(predicted, truth, start, job.study.step, outputs_of(job))


def draw(study: str, method: str, series: Series, path: Path) -> None:
    """Draw each output against time and write the figure to `path`."""
    with style():
        figure, axes = new(9, 1.4 + 1.6 * series.predicted.shape[1], rows=series.predicted.shape[1], sharex=True)
        for k, axis in enumerate(axes[:, 0]):
            for line, colour, label in ((series.truth, TRUTH, "truth"), (series.predicted, HUES[2], method)):
                axis.plot(series.start + series.step * np.arange(len(line)), line[:, k], color=colour, label=label)
            axis.set_ylabel(f"{series.names[k]} (dimensionless)")
        axes[0, 0].legend(loc="best")
        axes[-1, 0].set_xlabel("time (dimensionless)")
        figure.suptitle(f"{study}: {method} runs on alone, RMSE {series.rmse():.2g}", x=0.01, ha="left")
        figure.savefig(path, dpi=130)
