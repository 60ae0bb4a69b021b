"""Simulation of a measured record: autoregression, residuals of a linear model, and which columns a method gets."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline import silverbox as write_silverbox
from unrolled import registry
from unrolled.config import DataRow, Experiment, FitRow, Method
from unrolled.data import datasets, official
from unrolled.data.records import silverbox
from unrolled.data.task import Data
from unrolled.models.ensemble import Ensemble
from unrolled.training.fit import fit
from unrolled.training.runs import Run, initial_weights

WASHOUT = 50
MakeBox = Callable[..., tuple[Run, Data]]
SIZES: dict[str, Any] = {"train": 2000, "val": 1000, "test": 1088, "steps": 80, "window": 2, "washout": WASHOUT}


def box(**change: Any) -> DataRow:
    """Return the data of a study of the Silverbox; its seconds are samples."""
    record = {"source": "silverbox", "inputs": ["V1"], "outputs": ["V2"], "units": {"V1": "mV", "V2": "mV"}}
    return DataRow.model_validate({"task": "simulation", "step": 1.0, "record": record} | SIZES | change)


def run_of(row: DataRow, method: dict[str, Any]) -> Run:
    """Return the run of a method."""
    made = Method(**{"label": "?", "learning_rates": [1e-2]} | method)
    fit_row = FitRow(epochs=1, batch=8, seeds=1)
    about: dict[str, Any] = {"name": "box", "label": "?", "question": "?", "seed": 0, "score": "rmse"}
    return Run(Experiment(**about, data=row, fit=fit_row, methods={"m": made}), "m")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Return the data of a made-up Silverbox, in which NARX with the cube can be exact."""
    folder = tmp_path_factory.mktemp("measured")
    write_silverbox(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(official.FOLDER, str(folder))
        return datasets.make(box())


def plain_loop(x: NDArray[Any], theta: NDArray[Any], powers: int) -> NDArray[Any]:
    """Return the simulation of a regression from columns y_prev and V1 (T, 2), written out from the definition."""
    y, made = [float(x[t + 1, 0]) for t in range(WASHOUT)], []
    for t in range(WASHOUT, len(x)):
        window = [value for k in (t - 1, t) for value in (y[k - 1], x[k, 1])]
        features = [*window, *(y[t - 1] ** p for p in range(2, powers + 1))]
        y.append(float(np.dot(features, theta[: len(features)]) + theta[-1]))
        made.append(y[-1])
    return np.array(made)


def test_regressions_run_on_their_own_output_and_the_cube_makes_narx_exact(data: Data) -> None:
    errors, score = {}, registry.make("scores", "rmse")
    for name, powers in (("arx", 1), ("narx", 3)):
        method = {"cell": "window", "optimiser": "ridge", "inputs": ["y_prev", "V1"], "options": {"powers": powers}}
        run = run_of(box(), method)
        result, own = fit(run, data), run.select(data)
        errors[name] = score(result.predictions["test"], data.tests["test"])[0]
        loop = plain_loop(own.tests["test"].inputs[0].astype(float), result.theta[0].astype(float), powers)
        np.testing.assert_allclose(result.predictions["test"][0, 0, :, 0], loop, rtol=0, atol=1e-5)
        assert abs(result.predictions["test"][0, 0, 1:, 0] - loop[:-1]).max() > 0.01
    test = data.tests["test"]
    assert test.scale is not None
    deviation = float(test.targets.std() * test.scale[0])
    assert errors["narx"] < 1e-3 * deviation and errors["arx"] > 0.02 * deviation


def test_a_residual_is_added_to_the_linear_model_in_its_standard_deviations(data: Data) -> None:
    method = {"cell": "elman", "hidden": 3, "inputs": ["V1", "y_linear"], "residual": "linear"}
    run = run_of(box(), method)
    own = run.select(data)
    network, x, y = run.network(own), own.train["inputs"], own.train["targets"]
    assert x.shape[-1] == 2 and network.residual == pytest.approx((y - x[:, WASHOUT:, 1:]).std(), rel=1e-5)
    theta = initial_weights(run, network, own, [(0, 0)])
    w, inputs = network.unpack(theta), torch.from_numpy(x)
    read_out = network.readout(w, network.cell.run(w, inputs[None])[0])
    expected = inputs[None, :, WASHOUT:, 1:] + network.residual * read_out[:, :, WASHOUT:]
    torch.testing.assert_close(Ensemble(network, theta, many_to_one=False)(inputs), expected)
    plain = run_of(box(), method | {"residual": None}).network(own)
    assert not torch.allclose(Ensemble(plain, theta, many_to_one=False)(inputs), expected)


def test_a_network_that_gets_its_output_gets_its_own_after_the_washout(data: Data) -> None:
    run = run_of(box(), {"cell": "gru", "hidden": 3, "inputs": ["y_prev", "V1"]})
    own = run.select(data)
    network = run.network(own)
    theta = initial_weights(run, network, own, [(0, 0)])
    w, x = network.unpack(theta), torch.from_numpy(own.val["inputs"][:, :120])
    found = run.ensemble(network, theta.numpy()).simulate(x)
    state, outputs = network.cell.start(x[None]), []
    for t in range(120):
        fed = torch.cat([outputs[-1] if t > WASHOUT else x[None, :, t, :1], x[None, :, t, 1:]], dim=-1)
        state = network.cell.step(w, fed, state)
        outputs.append(network.readout(w, state[0]))
    torch.testing.assert_close(found, torch.stack(outputs[WASHOUT:], dim=2), rtol=0, atol=1e-5)
    assert not torch.allclose(found, Ensemble(network, theta, many_to_one=False)(x), atol=1e-3)


def test_a_method_gets_the_columns_it_names_and_by_default_the_inputs(data: Data) -> None:
    columns = ["y_prev", "V1", "y_init", "y_init", "y_linear"]
    for inputs in (["V1"], ["V1", "y_init"], ["y_prev", "y_linear"]):
        own = run_of(box(), {"cell": "elman", "hidden": 2, "inputs": inputs}).select(data)
        chosen = [k for k, column in enumerate(columns) if column in inputs]
        for whole, part in ((data.train, own.train), (data.val, own.val)):
            np.testing.assert_array_equal(part["inputs"], whole["inputs"][..., chosen])
            assert part["targets"] is whole["targets"]
        assert all(own.tests[n].inputs.shape[-1] == len(chosen) for n in data.tests)
    assert run_of(box(), {"cell": "elman", "hidden": 2}).select(data).train["inputs"].shape[-1] == 1


def test_short_windows_are_the_first_part_of_the_long_ones(data: Data) -> None:
    whole = run_of(box(), {"cell": "elman", "hidden": 2}).select(data)
    short = run_of(box(), {"cell": "elman", "hidden": 2, "steps": 64}).select(data)
    np.testing.assert_array_equal(short.train["inputs"], whole.train["inputs"][:, :64])
    np.testing.assert_array_equal(short.train["targets"], whole.train["targets"][:, :14])
    assert short.val["inputs"].shape == whole.val["inputs"].shape and short.washout == whole.washout == WASHOUT


if (Path(os.environ.get(official.FOLDER, "nowhere")) / silverbox.FILE).is_file():

    def test_regressions_on_the_measured_data_have_the_known_errors() -> None:
        """Of ARX(20) measured independently, with the official washout; of NARX with five lags ours."""
        score = registry.make("scores", "rmse")
        for window, powers, expected in ((20, 1, (6.94, 14.29, 6.57)), (5, 3, (0.50, 0.65, 0.49))):  # mV
            row = box(train=55062, val=10000, test=21688, steps=512, window=window)
            method = {"cell": "window", "optimiser": "ridge", "inputs": ["y_prev", "V1"], "options": {"powers": powers}}
            data = datasets.make(row)
            result = fit(run_of(row, method), data)
            found = [score(result.predictions[name], test)[0] for name, test in data.tests.items()]
            np.testing.assert_allclose(found, expected, rtol=0.01)
