"""Cells from the literature against what their papers say, computed without PyTorch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from conftest import make_cell
from unrolled.models.cell import Cell, Weights

B, T, D, H = 2, 12, 2, 4
Numbers = dict[str, np.ndarray]


def weights(name: str, scale: float = 0.5, **settings: float) -> tuple[Cell, Weights, Numbers]:
    """Return a cell, its weights for one replica, and the same as arrays."""
    cell = make_cell(name, D, hidden=H, **settings)
    random = torch.Generator().manual_seed(4)
    w = {
        key: scale * torch.randn(1, *weight.shape, generator=random, dtype=torch.float64)
        for key, weight in cell.weights().items()
    }
    return cell, w, {key: value[0].numpy() for key, value in w.items()}


def sequence() -> tuple[torch.Tensor, np.ndarray]:
    x = torch.randn(1, B, T, D, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return x, x[0].numpy()


def oscillators(dt: float) -> float:
    """Return the largest error of coRNN at t = 1 against SciPy's solution of its differential equation."""
    steps = round(1 / dt)
    cell, w, a = weights("cornn", dt=dt, gamma=2.0, epsilon=0.5)
    x = torch.tensor([[[[0.3, -0.7]]]], dtype=torch.float64).expand(1, 1, steps, D)  # a constant input

    def rhs(t: float, s: np.ndarray) -> np.ndarray:
        y, z = s[:H], s[H:]
        force = np.tanh(y @ a["W"] + z @ a["Z"] + x[0, 0, 0].numpy() @ a["U"] + a["b"][0])
        return np.concatenate([z, force - 2.0 * y - 0.5 * z])

    exact = solve_ivp(rhs, (0, 1), np.zeros(2 * H), rtol=1e-10, atol=1e-12).y[:, -1]
    _, (y, z) = cell.run(w, x)
    return float(abs(np.concatenate([y[0, 0], z[0, 0]]) - exact).max())


def test_cornn_is_its_differential_equation_to_first_order() -> None:
    errors = [oscillators(dt) for dt in (0.02, 0.01, 0.005)]
    assert errors[0] < 0.02
    for coarse, fine in pairwise(errors):
        assert 1.8 < coarse / fine < 2.2


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def lem_of_the_paper(a: Numbers, x: np.ndarray, dt: float) -> np.ndarray:
    """Return y_1 ... y_T by equation 3 of the paper, each gate's matrices taken out by name."""
    u, b = np.split(a["U"], 4, axis=1), np.split(a["b"], 4, axis=1)
    w1, w2, wz = np.split(a["W"], 3, axis=1)
    y, z, outputs = np.zeros((B, H)), np.zeros((B, H)), []
    for t in range(T):
        first = dt * sigmoid(y @ w1 + x[:, t] @ u[0] + b[0])
        second = dt * sigmoid(y @ w2 + x[:, t] @ u[1] + b[1])
        z = (1 - first) * z + first * np.tanh(y @ wz + x[:, t] @ u[2] + b[2])
        y = (1 - second) * y + second * np.tanh(z @ a["Z"] + x[:, t] @ u[3] + b[3])
        outputs.append(y)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_lem_is_equation_3(dt: float) -> None:
    (cell, w, a), (x, values) = weights("lem", dt=dt), sequence()
    outputs, _ = cell.run(w, x)
    np.testing.assert_allclose(outputs[0].numpy(), lem_of_the_paper(a, values, dt), rtol=0, atol=1e-13)


def test_lru_is_the_convolution_with_powers_of_its_eigenvalues() -> None:
    (cell, w, a), (x, values) = weights("lru"), sequence()
    eigenvalues = np.exp(-np.exp(a["nu"][0]) + 1j * np.exp(a["phi"][0]))
    driven = np.exp(a["gamma"][0]) * (values @ (a["U"][:, :H] + 1j * a["U"][:, H:]))
    states = np.stack([sum(eigenvalues ** (t - i) * driven[:, i] for i in range(t + 1)) for t in range(T)], axis=1)
    outputs, _ = cell.run(w, x)
    np.testing.assert_allclose(outputs[0, ..., :H].numpy(), states.real, rtol=0, atol=1e-13)
    np.testing.assert_allclose(outputs[0, ..., H:].numpy(), states.imag, rtol=0, atol=1e-13)
    assert (abs(eigenvalues) < 1).all()


@pytest.mark.parametrize("leak_rate", [1.0, 0.3])
def test_leaky_units_are_elman_units_at_a_leak_rate_of_one(leak_rate: float) -> None:
    (cell, w, _), (x, _) = weights("leaky", leak_rate=leak_rate), sequence()
    outputs, same = cell.run(w, x)[0], make_cell("elman", D, hidden=H).run(w, x)[0]
    assert torch.allclose(outputs, same, rtol=0, atol=1e-13) == (leak_rate == 1.0)
