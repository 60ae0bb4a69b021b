"""Gradients against the lag: a linear network's powers, the written-out product of Jacobians, and the fitted rate."""

import numpy as np
import pytest
import torch

from unrolled.discover import load, names
from unrolled.evaluation import gradient_flow
from unrolled.gradients import bptt
from unrolled.training.network import Network

RECURRENT = [name for name in names("cells") if name != "window"]


def network(cell: str, kind: str = "tanh", hidden: int = 8) -> tuple[Network, torch.Tensor]:
    """Return a small network and one replica's weights."""
    made = Network(load("cells", cell)(2, hidden, kind, 4), 1)
    return made, 0.4 * torch.randn(1, made.parameters, generator=torch.Generator().manual_seed(0))


def sequences(steps: int = 30) -> torch.Tensor:
    """Return five random sequences."""
    return torch.randn(5, steps, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", RECURRENT)
def test_lag_zero_is_at_least_one_and_every_lag_is_there(cell: str) -> None:
    found = gradient_flow.norms(*network(cell), sequences())
    assert found.shape == (5, 31) and np.isfinite(found).all()
    made_of_the_state = {"lstm", "lem", "cornn"}  # h is computed from another part of the same state
    assert (found[:, 0] >= 1 - 1e-12).all() and (found[:, 0] < 3).all()
    assert cell in made_of_the_state or found[:, 0] == pytest.approx(1.0)
    assert len(gradient_flow.norms(*network(cell), sequences(gradient_flow.LAGS + 9))[0]) == gradient_flow.LAGS + 1


def test_it_is_the_product_of_jacobians_written_out() -> None:
    made, theta = network("elman")
    w = {name: weight[0].double().numpy() for name, weight in made.unpack(theta).items()}
    plain = bptt.Weights(U=w["U"].T, W=w["W"].T, b=w["b"][0], V=w["V0"].T, c=w["c0"][0])
    x = sequences().double().numpy()
    v = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v = (v / v.norm(dim=-1, keepdim=True))[0].numpy()
    found = gradient_flow.norms(made, theta, sequences())
    for n in range(5):
        states = bptt.forward(plain, x[n], np.zeros(8))
        for lag in (1, 4, 20):
            expected = np.linalg.norm(bptt.product_jacobian(plain, states, 30, 30 - lag).T @ v[n])
            assert found[n, lag] == pytest.approx(expected, rel=1e-9)
            assert found[n, lag - 1] != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("scale", [0.8, 1.1])
def test_the_rate_of_a_linear_network_is_the_logarithm_of_its_radius(scale: float) -> None:
    made, theta = network("elman", "identity")
    w = made.unpack(theta)
    w["W"][:] = scale * torch.linalg.qr(w["W"][0])[0]
    median = np.median(gradient_flow.norms(made, theta, sequences(100)), axis=0)
    assert gradient_flow.rate(median) == pytest.approx(np.log(scale), abs=1e-6)
    assert gradient_flow.rate(median) != pytest.approx(np.log(scale + 0.01), abs=1e-3)


def test_the_rate_leaves_out_what_is_gone() -> None:
    median = np.concatenate([0.5 ** np.arange(40.0), np.zeros(60)])
    assert gradient_flow.rate(median) == pytest.approx(np.log(0.5))
    assert gradient_flow.rate(np.zeros(50)) is None
