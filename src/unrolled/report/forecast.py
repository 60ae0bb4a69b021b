"""What `unrolled forecast` draws: the forecast, and the truth where it is known."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.task import AS_RECORDED, Data
from unrolled.errors import UnrolledError
from unrolled.report.style import HUES, TRUTH, new, style, title
from unrolled.training.predictor import Predictor

Array = NDArray[Any]


@dataclass(frozen=True)
class Series:
    """A forecast (steps, K) and the truth (n, K) as far as it is known, in the units of the study.

    `start` is the time of the first step and `step` the time between two, in `time_unit`; `outputs` gives each output's
    unit by its name.
    """

    predicted: Array
    truth: Array
    start: float
    step: float
    outputs: dict[str, str]
    time_unit: str

    def said(self) -> str:
        """Return the error in words: of all outputs together where they share a unit, else of each in its own."""
        return f"RMSE {self.error()} where the truth is known"

    def error(self) -> str:
        """Return the root mean square error with its unit, or those of the outputs with theirs."""
        units = set(self.outputs.values())
        if len(units) == 1 and (units != {AS_RECORDED} or len(self.outputs) == 1):
            return f"{self.rmse():.3g} {units.pop()}"
        alone = [
            replace(self, predicted=self.predicted[:, [k]], truth=self.truth[:, [k]]) for k in range(len(self.outputs))
        ]
        pairs = zip(self.outputs.items(), alone, strict=True)
        return ", ".join(f"{each.rmse():.3g} {unit} ({name})" for (name, unit), each in pairs)

    def rmse(self) -> float:
        """Return the root mean square error over the steps whose truth is known."""
        known = min(len(self.truth), len(self.predicted))
        return float(np.sqrt(np.square(self.predicted[:known] - self.truth[:known]).mean()))


def of(predictor: Predictor, data: Data, steps: int | None) -> Series:
    """Return the forecast for the first test sequence, beside the truth, in the units of the study.

    Raises
    ------
    UnrolledError
        If more steps are asked for than there are inputs.
    """
    closed = predictor.task.mode == "closed_loop"
    test = data.tests["closed_loop" if closed and "closed_loop" in data.tests else "test"]
    truth, inputs = (test.targets if test.targets.ndim == 2 else test.targets[0]), test.inputs[:1]
    if predictor.task.many_to_one and not closed:
        truth = truth[:1]  # one answer a sequence
    elif closed and test.mode != "closed_loop":
        truth = truth[-1:]  # the forecast goes on where the observed steps end
    longer = steps is not None and steps > len(truth) and not closed
    if longer and not (predictor.task.open_ended and data.example is not None):
        raise UnrolledError(
            f"--steps is {steps}: the inputs of '{predictor.about['study']}' are known for {len(truth)} steps"
        )
    if longer:
        found = predictor.predict(data.example, {"steps": steps})[0]
    else:
        found = predictor.forecast(torch.from_numpy(inputs), steps or len(truth))[0]
    known, facts = predictor.task.decode(truth.astype(np.float64), predictor.facts), predictor.facts
    start = float(test.times[-len(truth)] if closed else test.times[0])
    return Series(found, known, start, facts["step"], facts["outputs"], facts["time_unit"])


def draw(study: str, label: str, series: Series, path: Path) -> None:
    """Draw each output against time, as a file whose name says its format."""
    count = len(series.outputs)
    with style():
        figure, axes = new(9, 1.4 + 1.6 * count, rows=count, sharex=True)
        for k, (axis, (name, unit)) in enumerate(zip(axes[:, 0], series.outputs.items(), strict=True)):
            for values, colour, who in ((series.predicted, HUES[1], label), (series.truth, TRUTH, "truth")):
                time = series.start + series.step * np.arange(len(values))
                axis.plot(time, values[:, k], color=colour, lw=1.2, label=who)
            axis.set_ylabel(f"{name} ({unit})")
        axes[0, 0].legend(loc="best")
        axes[-1, 0].set_xlabel(f"time ({series.time_unit})")
        title(figure, f"{study}: forecast of {label}, RMSE {series.error()}")
        figure.savefig(path, dpi=130)
