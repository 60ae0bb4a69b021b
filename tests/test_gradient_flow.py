"""Gradients against the lag: a linear network's powers, the written-out recursion, Jacobians, and the fitted rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import MakeRun, make_cell
from unrolled.analysis import gradient_flow, jacobians
from unrolled.analysis.driven import Driven, flat
from unrolled.models import bptt
from unrolled.models.network import Network
from unrolled.registry import load, names
from unrolled.training.fit import fit

RECURRENT = [name for name in names("cells") if load("cells", name).recurrent]


def network(cell: str, kind: str = "tanh", hidden: int = 8, replicas: int = 1) -> tuple[Network, torch.Tensor]:
    """Return a small network and the weights of some replicas."""
    made = Network(make_cell(cell, 2, hidden=hidden, activation=kind, window=4), 1)
    return made, 0.4 * torch.randn(replicas, made.parameters, generator=torch.Generator().manual_seed(0))


def sequences(steps: int = 30) -> torch.Tensor:
    """Return five random sequences."""
    return torch.randn(5, steps, 2, generator=torch.Generator().manual_seed(1))


def targets(steps: int = 30) -> torch.Tensor:
    """Return targets for them."""
    return torch.randn(5, steps, 1, generator=torch.Generator().manual_seed(2))


def plain(made: Network, theta: torch.Tensor) -> bptt.Weights:
    """Return the first replica's weights for the written-out network."""
    w = {name: weight[0].double().numpy() for name, weight in made.unpack(theta).items()}
    return bptt.Weights(U=w["U"].T, W=w["W"].T, b=w["b"][0], V=w["V0"].T, c=w["c0"][0])


@pytest.mark.parametrize("cell", RECURRENT)
def test_lag_zero_is_at_least_one_and_every_lag_is_there(cell: str) -> None:
    made, theta = network(cell, replicas=2)
    found = gradient_flow.sizes(made, theta, sequences(), targets(), last=False)
    assert found.state.shape == found.loss.shape == (2, 5, 31)
    assert np.isfinite(found.state).all() and np.isfinite(found.loss).all()
    made_of_the_state = len(made.cell.start(sequences()[None])) > 1  # h is computed from another part of it
    assert (found.state[:, :, 0] >= 1 - 1e-12).all() and (found.state[:, :, 0] < 3).all()
    assert made_of_the_state or found.state[:, :, 0] == pytest.approx(1.0)
    long = gradient_flow.LAGS + 9
    assert gradient_flow.sizes(made, theta, sequences(long), targets(long), False).state.shape[2] == long - 8


def test_it_is_the_product_of_jacobians_written_out() -> None:
    made, theta = network("elman")
    w, x = plain(made, theta), sequences().double().numpy()
    v = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v = (v / v.norm(dim=-1, keepdim=True)).numpy()
    found = gradient_flow.sizes(made, theta, sequences(), targets(), False).state[0]
    for n in range(5):
        states = bptt.forward(w, x[n], np.zeros(8))
        for lag in (1, 4, 20):
            expected = np.linalg.norm(bptt.product_jacobian(w, states, 30, 30 - lag).T @ v[n])
            assert found[n, lag] == pytest.approx(expected, rel=1e-9)
            assert found[n, lag - 1] != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("last", "washout"), [(False, 0), (False, 8), (True, 0)])
def test_the_loss_gradient_is_that_of_back_propagation_written_out(last: bool, washout: int) -> None:
    made, theta = network("elman")
    w, x, y = plain(made, theta), sequences().double().numpy(), targets().double().numpy()
    scored = targets()[:, -1] if last else targets()[:, washout:]
    found = gradient_flow.sizes(made, theta, sequences(), scored, last).loss[0]
    for n in range(5):
        states = bptt.forward(w, x[n], np.zeros(8))
        dy = 2 * (states.y - y[n])
        dy[: 29 if last else washout] = 0
        _, dh = bptt.backward(w, states, dy)
        np.testing.assert_allclose(found[n], np.linalg.norm(dh, axis=1)[::-1], rtol=1e-9)
        _, wrong = bptt.backward(w, states, -dy + 1)
        assert not np.allclose(found[n], np.linalg.norm(wrong, axis=1)[::-1], rtol=1e-3)


@pytest.mark.parametrize("last", [False, True])
def test_the_gradient_of_a_cross_entropy_is_that_of_back_propagation_written_out(last: bool) -> None:
    made = Network(make_cell("elman", 2, hidden=8), 3)
    theta = 0.4 * torch.randn(1, made.parameters, generator=torch.Generator().manual_seed(0))
    classes = torch.randint(0, 3, (5, 30), generator=torch.Generator().manual_seed(2))
    y = torch.nn.functional.one_hot(classes, 3).double()
    found = gradient_flow.sizes(made, theta, sequences(), y[:, -1] if last else y, last, "cross_entropy").loss[0]
    w, x = plain(made, theta), sequences().double().numpy()
    for n in range(5):
        states = bptt.forward(w, x[n], np.zeros(8))
        _, dy = bptt.cross_entropy(states.y, y[n].numpy())
        dy[: 29 if last else 0] = 0
        _, dh = bptt.backward(w, states, dy)
        np.testing.assert_allclose(found[n], np.linalg.norm(dh, axis=1)[::-1], rtol=1e-9)
        _, wrong = bptt.backward(w, states, states.y - y[n].numpy())
        assert not np.allclose(found[n], np.linalg.norm(wrong, axis=1)[::-1], rtol=1e-3)


@pytest.mark.parametrize("scale", [0.8, 1.1])
def test_rate_and_exponent_of_a_linear_network_are_the_logarithm_of_its_radius(scale: float) -> None:
    made, theta = network("elman", "identity")
    w = made.unpack(theta)
    w["W"][:] = scale * torch.linalg.qr(w["W"][0])[0]
    found = gradient_flow.sizes(made, theta, sequences(100), targets(100), False)
    rate = gradient_flow.rate(np.median(found.state[0], axis=0))
    exponent = jacobians.exponent(Driven(made, theta, sequences(100)))
    for each in (rate, exponent):
        assert each == pytest.approx(np.log(scale), abs=1e-6)
        assert each != pytest.approx(np.log(scale + 0.01), abs=1e-3)


@pytest.mark.parametrize("cell", RECURRENT)
def test_the_step_jacobian_is_that_of_automatic_differentiation(cell: str) -> None:
    made, theta = network(cell, hidden=4, replicas=2)
    driven = Driven(made, theta, sequences(12))
    found = jacobians.of_steps(driven, [1, 7])
    for place, at in enumerate((1, 7)):
        state = driven.state_before(12 - at + 1)
        for r in range(2):
            weights = {name: weight[r : r + 1] for name, weight in driven.weights.items()}
            x = driven.inputs[r : r + 1, :1, at - 1]

            def step(*parts: torch.Tensor, w: dict[str, torch.Tensor] = weights, x: torch.Tensor = x) -> torch.Tensor:
                return flat(made.cell.step(w, x, parts))[0, 0]

            parts = tuple(part[r : r + 1, :1] for part in state)
            blocks = torch.autograd.functional.jacobian(step, parts)
            expected = torch.cat([block.flatten(1) for block in blocks], dim=1)
            torch.testing.assert_close(found[r, place], expected, rtol=1e-10, atol=1e-12)
            assert not torch.allclose(found[1 - r, place], expected, rtol=1e-3)


def test_the_spectrum_is_that_of_a_known_matrix() -> None:
    matrix = torch.tensor([[0.0, -2.0], [0.5, 0.0]], dtype=torch.float64)
    found = jacobians.spectrum(matrix[None, None])
    assert found == pytest.approx({"radius": 1.0, "largest": 2.0, "middle": 0.5, "smallest": 0.5})
    assert found["radius"] != pytest.approx(found["largest"]), "a radius of one can hide growth by two"


def test_rate_and_exponent_of_a_trained_network_agree(make_run: MakeRun) -> None:
    run, data = make_run({"cell": "gru", "hidden": 8}, system="oscillator", task="response", steps=150)
    result = fit(run, data)
    table, numbers = gradient_flow.of_method(run, result, data)
    assert list(dict.fromkeys(table["when"])) == ["before", "halfway", "after"]
    assert numbers["after"] == pytest.approx(numbers["exponent"], rel=0.3), "of 100 steps, and of other steps"
    assert numbers["memory"] == pytest.approx(-1 / numbers["after"])
    assert numbers["before"] != pytest.approx(numbers["after"], rel=1e-3)
    assert not np.array_equal(result.halfway, result.theta)
    undone = replace(result, theta=result.halfway)
    assert gradient_flow.of_method(run, undone, data)[1]["after"] == pytest.approx(numbers["halfway"])


def test_halfway_are_the_weights_after_half_the_epochs(make_run: MakeRun) -> None:
    method = {"cell": "elman", "hidden": 6}
    whole, half = (fit(*make_run(method, epochs=epochs)) for epochs in (4, 2))
    newest = half.val_loss.argmin(axis=0) == 1  # there the best weights are the last
    assert newest.any() and np.allclose(whole.halfway[newest], half.theta[newest])
    assert not np.allclose(whole.halfway, whole.theta)


def test_short_sequences_have_no_exponent() -> None:
    made, theta = network("elman")
    assert jacobians.exponent(Driven(made, theta, sequences(10))) is None


def test_the_rate_leaves_out_what_is_gone() -> None:
    median = np.concatenate([0.5 ** np.arange(40.0), np.zeros(60)])
    assert gradient_flow.rate(median) == pytest.approx(np.log(0.5))
    assert gradient_flow.rate(median[::4], np.arange(0, 100, 4)) == pytest.approx(np.log(0.5))
    assert gradient_flow.rate(np.zeros(50)) is None
