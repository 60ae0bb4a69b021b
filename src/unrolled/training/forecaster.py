"""The trained model as others use it: a warm-up series in, a forecast out."""

import warnings
from typing import Any

import mlflow
import numpy as np
import torch
from numpy.typing import NDArray

from unrolled import discover
from unrolled.training.learn import Job, Result, Trained


def best_replica(result: Result) -> int:
    """Return the index, among all replicas, of the chosen one with the lowest validation loss."""
    return int(result.chosen[np.argmin(result.best_loss[result.chosen])])


class Forecaster:
    """The best replica of one method on one study.

    Parameters
    ----------
    job : Job
    result : Result
    """

    def __init__(self, job: Job, result: Result) -> None:
        self.study, self.method = job.study_name, job.method_name
        self.task_name, self.network = job.study.task, job.network()
        self.theta = result.theta[best_replica(result)][None]

    def forecast(self, warm_up: NDArray[Any], steps: int) -> NDArray[np.float32]:
        """Return (B, steps, K) from `warm_up` (B, T, D).

        For `next_value` the last values of the series, for `response` the forces with the initial
        state at the first step.
        """
        task = discover.load("tasks", self.task_name)()
        model = Trained(self.network, torch.from_numpy(self.theta), task.last)
        values: NDArray[np.float32] = task.forecast(model, torch.from_numpy(warm_up).float(), steps)[0].numpy()
        return values


with warnings.catch_warnings():
    # MLflow would read type hints of `predict` as a schema, and warns where there are none.
    warnings.simplefilter("ignore", UserWarning)

    class ForecasterModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """The MLflow flavour of a `Forecaster`: `predict(warm_up, params={"steps": n})`."""

        def __init__(self, forecaster: Forecaster) -> None:
            self.forecaster = forecaster

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            """Forecast from `model_input` (B, T, D)."""
            return self.forecaster.forecast(np.asarray(model_input), int((params or {}).get("steps", 1)))
