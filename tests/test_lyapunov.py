"""Lyapunov exponents against known ones: matrices, the logistic map, Lorenz's system and every chaotic system."""

import functools

import numpy as np
import pytest
import torch

from conftest import make_cell
from unrolled.analysis import autonomous, lyapunov
from unrolled.analysis.lyapunov import Array
from unrolled.data.system import make
from unrolled.models.closed_loop import free_run
from unrolled.models.network import Network
from unrolled.registry import names

CHAOTIC = [name for name in names("systems") if make(name, {}).lyapunov is not None]


def test_of_a_linear_map_they_are_the_logarithms_of_the_eigenvalues() -> None:
    basis = np.random.default_rng(0).normal(size=(4, 4))
    values = np.array([1.3, 0.9, -0.5, 0.1])
    matrix = basis @ np.diag(values) @ np.linalg.inv(basis)
    found = lyapunov.of_map(
        lambda s: s, lambda s: np.tile(matrix, (len(s), 1, 1)), np.ones((2, 4)), 4, steps=800, transient=200
    )
    np.testing.assert_allclose(found, np.tile(np.log(abs(values)), (2, 1)), atol=1e-3)
    singular = np.log(np.linalg.svd(matrix)[1])
    assert abs(found[0] - singular).max() > 0.1, "singular values are another thing"


@pytest.mark.parametrize(("r", "expected"), [(4.0, np.log(2)), (3.2, None)])
def test_of_the_logistic_map(r: float, expected: float | None) -> None:
    start = np.random.default_rng(1).uniform(0.1, 0.9, (50, 1))
    found = lyapunov.of_map(lambda s: r * s * (1 - s), lambda s: (r * (1 - 2 * s))[:, :, None], start, 1)
    if expected is None:
        assert (found < -0.5).all(), "a cycle of two attracts"
    else:
        assert found.mean() == pytest.approx(expected, rel=0.01)


@functools.cache
def spectrum(name: str) -> Array:
    """Return the mean exponents of a system over some initial states."""
    system = make(name, {})
    start = system.start(np.random.default_rng(0), 16)
    return np.asarray(lyapunov.of_system(system, start, 60.0).mean(axis=0))


def test_of_lorenz_all_three_are_the_published_ones() -> None:
    """Sprott, Chaos and Time-Series Analysis (2003): 0.9056, 0, -14.5723; their sum is exactly -(σ + 1 + β)."""
    lorenz = spectrum("lorenz63")
    np.testing.assert_allclose(lorenz, [0.9056, 0.0, -14.5723], atol=0.02)
    assert lorenz.sum() == pytest.approx(-(10 + 1 + 8 / 3), rel=1e-5)
    assert abs(lorenz[0] - 1.1 * 0.9056) > 0.02


@pytest.mark.parametrize("name", CHAOTIC)
def test_every_chaotic_system_states_its_largest_exponent(name: str) -> None:
    assert spectrum(name)[0] == pytest.approx(make(name, {}).lyapunov, rel=0.03)


def test_of_a_stable_system_the_largest_is_its_decay() -> None:
    system = make("oscillator", {"eta": 0.2})
    found = lyapunov.of_system(system, np.array([[1.0, 0.0]]), 200.0)
    np.testing.assert_allclose(found, [[-0.1, -0.1]], atol=5e-3)


def network(cell: str, hidden: int = 6, radius: float = 1.0) -> tuple[Network, torch.Tensor]:
    """Return a small network with three inputs and outputs, and one replica's random weights."""
    made = Network(make_cell(cell, 3, hidden=hidden, window=4), 3)
    return made, radius * torch.randn(1, made.parameters, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cell", names("cells"))
def test_a_closed_loop_goes_the_way_of_the_free_run(cell: str) -> None:
    made, theta = network(cell, radius=0.4)
    seen = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1)).double()
    loop = autonomous.ClosedLoop(made, theta)
    state = loop.observe(seen)
    expected = free_run(made, loop.weights, seen[None], 5)[0]
    for step in range(5):
        output = loop.readout(loop.parts(state))[0]
        np.testing.assert_allclose(output, expected[:, step], rtol=1e-9, atol=1e-9)
        state, _ = loop.advance(state, np.zeros((*state.shape, 1)))


@pytest.mark.parametrize("cell", names("cells"))
def test_a_tangent_is_the_derivative_of_the_closed_loop(cell: str) -> None:
    made, theta = network(cell, radius=0.4)
    loop, nudge = autonomous.ClosedLoop(made, theta), 1e-6
    state = loop.observe(torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1)))
    frame = np.random.default_rng(0).normal(size=(*state.shape, 1))
    ahead, behind = (loop.advance(state + sign * nudge * frame[:, :, 0], frame)[0] for sign in (1, -1))
    found = loop.advance(state, frame)[1][:, :, 0]
    rounding = np.finfo(float).eps * abs(ahead).max() / nudge  # states of some cells have no bound
    np.testing.assert_allclose(found, (ahead - behind) / (2 * nudge), atol=1e-7 + 4 * rounding)
    assert abs(found - loop.advance(state, 2 * frame)[1][:, :, 0]).max() > 1e-3


@pytest.mark.parametrize("size", [0.3, 3.0])
def test_the_exponent_of_a_linear_network_is_that_of_its_closed_matrix(size: float) -> None:
    """Also where the loop grows without bound: a tangent does not depend on the size of the state."""
    made = Network(make_cell("elman", 3, hidden=6, activation="identity"), 3)
    theta = size * torch.randn(1, made.parameters, generator=torch.Generator().manual_seed(2))
    w = {name: weight[0].double().numpy() for name, weight in made.unpack(theta).items()}
    closed = w["W"] + w["V0"] @ w["U"]
    expected = np.log(abs(np.linalg.eigvals(closed)).max())
    seen = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1))
    found = autonomous.exponents(made, theta, seen, steps=300, transient=100)[0]
    assert found == pytest.approx(expected, abs=2e-3)
    assert found != pytest.approx(np.log(abs(np.linalg.eigvals(w["W"])).max()), abs=2e-3), "the readout is in the loop"


def test_a_random_network_is_chaotic_where_its_weights_are_large_and_settles_where_they_are_small() -> None:
    seen = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(1))
    large, small = (autonomous.exponents(*network("elman", 60, radius), seen, steps=400) for radius in (0.5, 0.02))
    assert large is not None and small is not None and small[0] < -0.1 < 0.05 < large[0]
