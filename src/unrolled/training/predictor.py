"""The trained model as others use it: a warm-up series in, a forecast out.

MLflow loads it by `_load_pyfunc`, the entry point of its python_function flavour.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled import registry
from unrolled.config import Method
from unrolled.training.job import Job, Result, Trained, feeds_back, network_of


def best_replica(result: Result) -> int:
    """Return the index, among all replicas, of the chosen one with the lowest validation loss."""
    return int(result.chosen[np.argmin(result.best_loss[result.chosen])])


class Forecaster:
    """The best replica of one method on one study, and what it takes to build it again.

    Parameters
    ----------
    about : dict
        The task's name, the method's row, the window and the shapes of the data.
    theta : (1, P) array
        Its weights.
    """

    def __init__(self, about: dict[str, Any], theta: NDArray[np.float32]) -> None:
        self.about, self.theta = about, theta
        self.task = registry.load("tasks", about["task"])()
        method = Method.model_validate(about["method"])
        network = network_of(
            method, about["window"], tuple(about["inputs"]), about["outputs"], about["skips"], about["adds"]
        )
        self.model = Trained(network, torch.from_numpy(theta), self.task.last, feeds_back(method))

    @classmethod
    def of(cls, job: Job, result: Result) -> "Forecaster":
        """Return the forecaster of a job's best replica."""
        train = job.splits["train"]
        about = {"task": job.study.task, "method": job.method.model_dump(), "window": job.study.window}
        about |= {"inputs": list(train["inputs"].shape), "outputs": train["targets"].shape[-1]}
        about |= dict(zip(("skips", "adds"), job.residual(), strict=True))
        return cls(about, result.theta[best_replica(result)][None])

    def save(self, path: Path) -> None:
        """Write it to one file."""
        np.savez(path, theta=self.theta, about=np.array(json.dumps(self.about)))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Forecast `params["steps"]` steps, (B, steps, K), from a warm-up (B, T, D).

        For `next_value` the warm-up is the last values of the series, for `response` the forces with
        the initial state at the first step, for `simulation` a record with its first outputs.
        """
        warm_up = torch.from_numpy(np.asarray(model_input)).float()
        forecast = self.task.forecast(self.model, warm_up, int((params or {}).get("steps", 1)))
        values: NDArray[np.float32] = forecast[0].numpy()
        return values


def _load_pyfunc(path: str) -> Forecaster:
    with np.load(path, allow_pickle=False) as archive:
        return Forecaster(json.loads(str(archive["about"])), archive["theta"])
