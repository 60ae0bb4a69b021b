"""The echo state network against reservoirpy with the same matrices: states, readout, forecast."""

import warnings

import numpy as np
import pytest
import torch

from conftest import make_cell
from unrolled.data.system import make
from unrolled.models.closed_loop import free_run
from unrolled.models.initialiser import Problem
from unrolled.models.initialisers.echo_state import EchoState
from unrolled.models.network import Network
from unrolled.training.optimisers.ridge import GRID, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from reservoirpy.nodes import Reservoir, Ridge

UNITS, STEPS, WASHOUT, LEAK, NUMBER = 60, 300, 50, 0.3, 4


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    times = 0.1 * np.arange(STEPS + 1)
    return (np.sin(times) + np.sin(0.7 * times))[:, None]


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(make_cell("leaky", 1, hidden=UNITS, leak_rate=LEAK), 1)


@pytest.fixture(scope="module")
def arrays(network: Network) -> dict[str, np.ndarray]:
    initialiser = EchoState(spectral_radius=0.9, connections=6, input_scale=0.5, bias_scale=0.2)
    return initialiser.initialise(Problem(network.weights(), make("sine", {}), 0.1), np.random.default_rng(0))


def peer(arrays: dict[str, np.ndarray], leak: float = LEAK) -> Reservoir:
    return Reservoir(
        units=UNITS, lr=leak, W=arrays["W"].T.copy(), Win=arrays["U"].T.copy(), bias=arrays["b"][0], dtype=np.float64
    )


def states(network: Network, arrays: dict[str, np.ndarray], series: np.ndarray) -> torch.Tensor:
    theta = network.pack({name: torch.from_numpy(array) for name, array in arrays.items()})[None]
    return network.hidden(network.unpack(theta), torch.from_numpy(series[:-1])[None, None], last=False)[0][0, 0]


def test_states_are_those_of_reservoirpy(network: Network, arrays: dict[str, np.ndarray], series: np.ndarray) -> None:
    found = states(network, arrays, series).numpy()
    np.testing.assert_allclose(found, peer(arrays).run(series[:-1]), rtol=0, atol=1e-12)


def test_readout_and_forecast_are_those_of_reservoirpy(
    network: Network, arrays: dict[str, np.ndarray], series: np.ndarray
) -> None:
    h = states(network, arrays, series)[WASHOUT:]
    slopes, offsets = solve(h, torch.from_numpy(series[1:][WASHOUT:]))
    reservoir = peer(arrays)
    run = reservoir.run(series[:-1])
    readout = Ridge(ridge=GRID[NUMBER] * len(h)).fit(run[WASHOUT:], series[1:][WASHOUT:])
    ours = (h @ slopes[NUMBER] + offsets[NUMBER]).numpy()
    np.testing.assert_allclose(ours, readout.run(run[WASHOUT:]), rtol=0, atol=1e-8)
    np.testing.assert_allclose(slopes[NUMBER].numpy().ravel(), np.ravel(readout.Wout), rtol=0, atol=1e-6)
    other = abs(slopes[NUMBER + 1].numpy().ravel() - np.ravel(readout.Wout)).max()
    assert other > 1e-4
    fitted = arrays | {"V0": slopes[NUMBER].numpy(), "c0": offsets[NUMBER].numpy()}
    theta = network.pack({name: torch.from_numpy(array) for name, array in fitted.items()})[None]
    warm_up = torch.from_numpy(series[:-1])[None, None]
    found = free_run(network, network.unpack(theta), warm_up, 30)[0, 0].numpy()
    y, expected = readout.run(run[-1:])[0], []
    for _ in range(30):
        expected.append(y)
        y = readout.step(reservoir.step(y))
    np.testing.assert_allclose(found, np.array(expected), rtol=0, atol=1e-6)
