"""A trained model as others use it: inputs in their own units in, a forecast in its units out.

MLflow loads it by `_load_pyfunc`, the entry point of its python_function flavour.
"""

import json
import textwrap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import FiniteFloat, NonNegativeInt, PositiveFloat

from unrolled import registry
from unrolled.config import DataRow, Method
from unrolled.data import system
from unrolled.data.task import Data, Task
from unrolled.errors import UnrolledError
from unrolled.models.build import autoregressive, network_of, widths
from unrolled.models.ensemble import Ensemble
from unrolled.registry import Settings
from unrolled.training.runs import Result, Run, precision_of

Array = NDArray[Any]


class Scaling(Settings):
    """Of the inputs' columns, in their units."""

    mean: list[FiniteFloat]
    standard_deviation: list[PositiveFloat]


class Facts(Settings):
    """Of the data's facts: step, names and units, scaling, and what makes the columns of a simulation."""

    step: FiniteFloat
    time_unit: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    scaling: Scaling | None = None
    washout: NonNegativeInt = 0
    linear_model: list[tuple[list[FiniteFloat], list[list[FiniteFloat]], FiniteFloat]] | None = None

    def fit(self, inputs: dict[str, str], outputs: dict[str, str]) -> bool:
        """Return whether names, units and numbers of columns are those of a task."""
        scaling = self.scaling.model_dump() if self.scaling else {}
        linear = self.linear_model or []
        return (
            (self.inputs, self.outputs) == (inputs, outputs)
            and all(len(values) == len(inputs) for values in scaling.values())
            and len(linear) == (0 if self.linear_model is None else len(outputs))
            and all(len(b) == len(a) + 1 for a, b, _ in linear)
            and all(len(row) == len(inputs) - len(outputs) for _, b, _ in linear for row in b)
        )


class Predictor:
    """The best replica of one run, and what it takes to build it again.

    Parameters
    ----------
    about : dict
        The rows of data and method, the scale of a residual, and names, units, step and scaling of the data.
    theta : (1, P) array
        Its weights.

    Raises
    ------
    UnrolledError
        If the parts do not fit together.
    """

    def __init__(self, about: dict[str, Any], theta: NDArray[Any]) -> None:
        self.about, self.theta, self.facts = about, theta, about["facts"]
        row, method = DataRow.model_validate(about["row"]), Method.model_validate(about["method"])
        self.row, self.system = row, system.of(row)
        self.task: Task = registry.load("tasks", row.task)(**row.settings)
        network = network_of(method, row, *widths(method, row, self.task, self.system), about["residual"])
        number = np.dtype(precision_of(method))
        if theta.dtype != number or theta.shape != (1, network.parameters) or not np.isfinite(theta).all():
            raise UnrolledError(f"weights are not (1, {network.parameters}) finite values of {number}")
        if not isinstance(about["residual"], float | None):
            raise UnrolledError("the scale of a residual is no number")
        known = Facts.model_validate_json(json.dumps(self.facts))
        if not known.fit(self.task.inputs(row, self.system), self.task.outputs(row, self.system)):
            raise UnrolledError(f"columns and scaling are not those of the task '{row.task}'")
        columns, chosen = self.task.columns(row), method.inputs or self.task.default_inputs(row)
        self.columns = [number for number, column in enumerate(columns) if column in chosen]
        about_outputs = self.task.many_to_one, autoregressive(method), self.task.loss
        self.ensemble = Ensemble(network, torch.from_numpy(theta), *about_outputs)

    @classmethod
    def of(cls, run: Run, result: Result, data: Data, replica: int | None = None) -> "Predictor":
        """Return the predictor of a run's best replica by validation loss, or of the one at a place."""
        facts = {key: data.facts[key] for key in Facts.model_fields if key in data.facts}
        residual = run.network(run.select(data)).residual
        row, method = run.experiment.data.model_dump(), run.method.model_dump()
        about = {"study": run.study, "row": row, "method": method, "residual": residual, "facts": facts}
        return cls(about, result.theta[result.best if replica is None else replica][None])

    @property
    def names(self) -> dict[str, str]:
        """Names and units of the inputs' columns."""
        return dict(self.facts["inputs"])

    def save(self, path: Path | BinaryIO) -> None:
        """Write it to one file, or into one that is open."""
        np.savez(path, theta=self.theta, about=np.array(json.dumps(self.about)))

    @classmethod
    def load(cls, path: Path | BinaryIO) -> "Predictor":
        """Read it: arrays and JSON only, of which no code is run.

        Raises
        ------
        UnrolledError
            If it is anything else, whatever that is: the file may be another's.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                return cls(json.loads(str(archive["about"])), archive["theta"])
        except Exception as error:
            said = textwrap.shorten(" ".join(str(error).split()), 160)
            raise UnrolledError(f"is no model that unrolled wrote ({said}); nothing in it was run") from None

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """Forecast `params["steps"]` steps, (B, steps, K), from inputs (B, T, D), all in their units.

        The columns of the inputs are `names`. Of tasks next_value and forecast they are the last values observed; of
        response force and state before the first step; of simulation a record with its first outputs; of initial_value
        the state (B, 1, d); of recall values and marks, and the forecast is one answer; of symbols one column each,
        and the forecast is the probability of each class.

        Raises
        ------
        UnrolledError
            If there are too many or too few columns.
        """
        raw = np.asarray(model_input, dtype=np.float64)
        if raw.ndim != 3 or raw.shape[-1] != len(self.names):
            columns = ", ".join(f"{name} ({unit})" for name, unit in self.names.items())
            raise UnrolledError(f"the model takes inputs (B, T, {len(self.names)}), {columns}; not {raw.shape}")
        steps = int((params or {}).get("steps", 1))
        encoded = self.task.encode(raw, self.facts, self.system, steps)
        inputs = torch.from_numpy(encoded.astype(self.theta.dtype))
        return self.forecast(inputs, steps)

    def forecast(self, inputs: torch.Tensor, steps: int) -> NDArray[np.float64]:
        """Forecast from inputs as the networks get them, before a method's choice of columns."""
        x = inputs[..., self.columns] if self.columns else inputs
        if self.task.mode == "closed_loop":
            found = self.ensemble.closed_loop(x, steps)
        else:
            found = self.ensemble.predicted(self.ensemble.simulate(x))
            found = found[:, :, None] if self.task.many_to_one else found[:, :, :steps]
        values: NDArray[np.float64] = self.task.decode(found[0].numpy().astype(np.float64), self.facts)
        return values


def _load_pyfunc(path: str) -> Predictor:
    return Predictor.load(Path(path))
