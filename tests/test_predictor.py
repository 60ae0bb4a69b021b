"""A trained model as others use it: raw values in, raw values out, the same as the run's own predictions."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import small_studies
from conftest import Refused, experiment_of
from unrolled.data import datasets
from unrolled.data.task import Data
from unrolled.training.fit import fit
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Result, Run

pytestmark = pytest.mark.usefixtures("made_up_record")
Array = NDArray[Any]
STUDIES = list(small_studies.TABLE.studies)
METHOD = {"cell": "elman", "hidden": 5}


@functools.cache
def trained(study: str, inputs: tuple[str, ...] = (), residual: str | None = None) -> tuple[Run, Result, Data]:
    row = small_studies.study(study)
    method = METHOD | {"inputs": list(inputs) or None, "residual": residual}
    run, data = Run(experiment_of(row, {"rnn": method}, epochs=1), "rnn"), datasets.make(row)
    return run, fit(run, data), data


def own_forecast(run: Run, result: Result, data: Data) -> Array:
    """Return the run's prediction of the first test sequence, (T, K), by its best replica, in the data's units.

    Where no closed loop was tested, a forecast begins with the last output for given inputs.
    """
    looped = run.task.mode == "closed_loop"
    name = "closed_loop" if looped and "closed_loop" in data.tests else "test"
    place = int(np.argmin(result.best_loss[result.chosen]))
    values = result.predictions[name][place].astype(np.float64)
    values = values[:1] if run.task.many_to_one and name == "test" else values[0]
    values = values[-1:] if looped and name == "test" else values
    scaling = data.facts.get("scaling")
    if scaling is None:
        return values
    k = values.shape[-1]
    return scaling["mean"][-k:] + np.array(scaling["standard_deviation"])[-k:] * values


@pytest.mark.parametrize("study", STUDIES)
def test_the_example_gives_the_first_prediction_in_the_units_of_the_data(study: str) -> None:
    run, result, data = trained(study)
    expected = own_forecast(run, result, data)
    predictor = Predictor.of(run, result, data)
    example = data.example
    assert example is not None and example.shape[-1] == len(predictor.names)
    steps = len(expected) + (data.washout if run.task.mode == "teacher_forced" else 0)
    found = predictor.predict(example, {"steps": steps})[0]
    assert found.dtype == np.float64 and found.shape[-1] == len(data.facts["outputs"])
    shared = min(len(found), len(expected))  # the example of a record is its beginning
    assert shared > 0
    size = abs(expected).max()
    np.testing.assert_allclose(found[:shared], expected[:shared], rtol=0, atol=1e-4 * size)
    if (example[:, :1] != 0).any():
        other = predictor.predict(1.05 * example, {"steps": steps})[0]
        assert abs(other[:shared] - expected[:shared]).max() > 1e-4 * size


@pytest.mark.parametrize("inputs", [("y_prev", "V1"), ("V1", "y_init"), ("V1", "y_init", "y_linear")])
def test_a_method_s_own_columns_are_made_from_the_record(inputs: tuple[str, ...]) -> None:
    study = next(name for name in small_studies.studies_of("simulation"))
    run, result, data = trained(study, inputs, "linear" if "y_linear" in inputs else None)
    expected = own_forecast(run, result, data)
    found = Predictor.of(run, result, data).predict(data.example, {"steps": len(expected)})[0]
    shared = min(len(found), len(expected))
    np.testing.assert_allclose(found[:shared], expected[:shared], rtol=0, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("study", STUDIES)
def test_saved_and_loaded_it_is_the_same(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any code in the file, and also where its data are not."""
    run, result, data = trained(study)
    predictor = Predictor.of(run, result, data)
    predictor.save(tmp_path / "predictor.npz")
    with np.load(tmp_path / "predictor.npz", allow_pickle=False) as archive:
        assert {name: archive[name].dtype.kind for name in archive.files} == {"theta": "f", "about": "U"}
    monkeypatch.chdir(tmp_path)
    again = Predictor.load(tmp_path / "predictor.npz")
    expected = predictor.predict(data.example, {"steps": 3})
    assert again.predict(data.example, {"steps": 3}).tobytes() == expected.tobytes()
    assert again.names == predictor.names == data.facts["inputs"]


def damaged(path: Path, **changes: Any) -> Path:
    """Write a model of the sine with some entries changed, by their path through the JSON, or the weights."""
    predictor = Predictor.of(*trained("sine"))
    about = json.loads(json.dumps(predictor.about))
    theta = changes.pop("theta", predictor.theta)
    for place, value in changes.items():
        *folders, last = place.split("__")
        functools.reduce(dict.__getitem__, folders, about)[last] = value
    np.savez(path, theta=theta, about=np.array(json.dumps(about)))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"theta": np.array([{}])},
        {"theta": np.zeros((1, 3), np.float32)},
        {"theta": np.full((1, 41), np.nan, np.float32)},
        {"row__task": "../../evil"},
        {"row__system": "os"},
        {"method__cell": "os"},
        {"method__hidden": 10**9},
        {"method__unknown": 1},
        {"facts__inputs": {"y": "V"}},
        {"facts__step": "1"},
        {"facts__scaling": {"mean": [0.0, 1.0], "standard_deviation": [1.0, 1.0]}},
        {"facts__scaling": {"mean": [0.0], "standard_deviation": [0.0]}},
        {"facts": None},
        {"residual": "x"},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused_in_one_line(
    changes: dict[str, Any], tmp_path: Path, refused: Refused
) -> None:
    with refused("no model that unrolled wrote", "nothing in it was run"):
        Predictor.load(damaged(tmp_path / "predictor.npz", **changes))


@pytest.mark.parametrize("shape", [(1, 5), (1, 5, 3), (5,)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...], refused: Refused) -> None:
    predictor = Predictor.of(*trained("sine"))
    name, unit = next(iter(predictor.names.items()))
    with refused("(B, T, 1)", f"{name} ({unit})", str(shape)):
        predictor.predict(np.zeros(shape))
