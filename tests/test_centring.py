"""Training on centred data: the weights that come of it are those for the data as they are."""

import numpy as np
import pytest
import torch

from conftest import MakeRun
from unrolled.models.network import Network
from unrolled.training.centring import Centring
from unrolled.training.fit import fit

RECALL = {"task": "recall", "system": "integrator", "steps": 12, "train": 40, "val": 10, "test": 8, "step": 1.0}
RNN = {"cell": "elman", "hidden": 5, "initialiser": "echo_state"}


def outputs(network: Network, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    weights = network.unpack(torch.from_numpy(theta).double())
    return network(weights, torch.from_numpy(x).double().expand(len(theta), -1, -1, -1), last=True).numpy()


@pytest.mark.parametrize("readout", [[], [4]])
def test_weights_of_centred_data_do_the_same_on_the_data_as_they_are(make_run: MakeRun, readout: list[int]) -> None:
    run, data = make_run(RNN | {"readout": readout}, **RECALL)
    network, centring = run.network(data), Centring(data)
    theta = np.random.default_rng(0).normal(size=(3, network.parameters))
    x, there = data.tests["test"].inputs, centring.apply(data).tests["test"]
    wanted = outputs(network, theta, there.inputs.astype(np.float64)) + centring.outputs
    np.testing.assert_allclose(outputs(network, centring.undo(network, theta), x), wanted, atol=1e-6)
    assert abs(outputs(network, theta, x) - wanted).max() > 0.1, "the means matter"
    # the marks are one in each half of 12 steps, the values uniform, so that their sum is one in the mean
    np.testing.assert_allclose(centring.inputs, [0.5, 2 / 12], atol=0.05)
    np.testing.assert_allclose(centring.outputs, [1.0], atol=0.15)
    assert abs(centring.apply(data).train["targets"].mean()) < 1e-6


def test_a_run_is_trained_so_and_predicts_the_data_as_they_are(make_run: MakeRun) -> None:
    results = {}
    for centred in (False, True):
        run, data = make_run(RNN | {"centred": centred}, seeds=2, epochs=3, **RECALL)
        result = results[centred] = fit(run, data)
        test = data.tests["test"]
        again = outputs(run.network(data), result.theta[result.chosen], test.inputs)
        np.testing.assert_allclose(result.predictions["test"], again, atol=1e-5)
    assert results[True].best_loss.max() < results[False].best_loss.min(), "the mean need not be found first"
    assert abs(results[True].predictions["test"].mean() - 1.0) < 0.2
