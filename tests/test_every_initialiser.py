"""Every initialiser: the property it promises, and replicas that do not depend on each other.

Initialisers are found by their place; each is tried on every cell, and must fill what it supports.
"""

from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from conftest import make_cell
from unrolled.data.system import Array, System, make
from unrolled.errors import UnrolledError
from unrolled.models.initialiser import Arrays, Initialiser, Problem
from unrolled.models.network import Network
from unrolled.registry import load, names

INITIALISERS, CELLS = names("initialisers"), names("cells")
GATED = ["elman", "gru", "lstm"]
STEP, STEPS, ETA = 0.1, 20, 0.3


def problem_of(network: Network, steps: int = STEPS) -> Problem:
    """Return the problem of a driven oscillator, which is linear."""
    gates = network.cell.forget_gate, network.cell.input_gate
    return Problem(network.weights(), make("oscillator", {}), STEP, steps, *gates, network.cell.hidden)


def supported(name: str) -> dict[str, tuple[Initialiser, Problem]]:
    """Return the initialiser and a problem for each cell that it supports: two units, three inputs, two outputs."""
    initialiser = load("initialisers", name)()
    problems = {cell: problem_of(Network(make_cell(cell, 3, hidden=2, window=3), 2)) for cell in CELLS}
    return {cell: (initialiser, problem) for cell, problem in problems.items() if initialiser.supports(problem) is None}


@pytest.mark.parametrize("name", INITIALISERS)
def test_supports_some_cell_and_says_why_not_the_others(name: str) -> None:
    assert supported(name)
    for cell in set(CELLS) - set(supported(name)):
        reason = load("initialisers", name)().supports(problem_of(Network(make_cell(cell, 3, hidden=2, window=3), 2)))
        assert reason and "\n" not in reason


@pytest.mark.parametrize("name", INITIALISERS)
def test_fills_every_weight_with_finite_numbers(name: str) -> None:
    for initialiser, problem in supported(name).values():
        arrays = initialiser.initialise(problem, np.random.default_rng(0))
        assert {key: array.shape for key, array in arrays.items()} == {k: w.shape for k, w in problem.weights.items()}
        assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("name", INITIALISERS)
def test_a_seed_gives_the_same_weights_and_another_seed_others_if_any_are_drawn(name: str) -> None:
    for initialiser, problem in supported(name).values():
        first, again, *others = (
            np.concatenate([a.ravel() for a in initialiser.initialise(problem, np.random.default_rng(seed)).values()])
            for seed in (0, 0, 1, 2)
        )
        assert np.array_equal(first, again)
        assert len({each.tobytes() for each in (first, *others)}) in (1, 3)


@pytest.mark.parametrize(
    ("name", "cell", "reason"),
    [
        ("chrono", "elman", "no gate"),
        ("forget_one", "cornn", "no gate"),
        ("orthogonal", "lru", "no recurrent weights"),
        ("identity", "window", "no recurrent weights"),
        ("echo_state", "lru", "no recurrent weights"),
        ("keras", "lru", "no rule for the weight nu"),
        ("ring", "elman", "not a linear recurrent unit"),
        ("euler", "lstm", "needs an Elman network with 2 units, 3 inputs"),
        ("persistence", "gru", "needs an Elman network"),
    ],
)
def test_says_why_not(name: str, cell: str, reason: str) -> None:
    found = load("initialisers", name)().supports(problem_of(Network(make_cell(cell, 3, hidden=2, window=3), 2)))
    assert found is not None and reason in found


def test_a_measured_series_has_no_equation_and_a_nonlinear_system_no_matrices() -> None:
    weights, curved = Network(make_cell("elman", 3, hidden=2), 2).weights(), cast(System, Mock(linear=lambda: None))
    for name in ("euler", "exact"):
        assert "no equation" in str(load("initialisers", name)().supports(Problem(weights)))
        assert "not linear" in str(load("initialisers", name)().supports(Problem(weights, curved)))


def drawn(
    initialiser: str, cell: str, hidden: int = 5, seed: int = 0, steps: int = 1, **settings: Any
) -> tuple[Arrays, dict[str, tuple[int, int]]]:
    """Return the weights for a network with one ReLU layer, and their shapes."""
    problem = problem_of(Network(make_cell(cell, 2, hidden=hidden, window=3), 2, (4,)), steps)
    arrays = load("initialisers", initialiser)(**settings).initialise(problem, np.random.default_rng(seed))
    return arrays, {name: weight.shape for name, weight in problem.weights.items()}


def is_uniform(array: Array, bound: float) -> bool:
    """Return whether the values fill ±bound evenly: all inside, variance bound²/3 to 10 %, mean 0."""
    inside = abs(array).max() <= bound and abs(array).max() > 0.98 * bound
    return bool(inside and abs(array.var() / (bound**2 / 3) - 1) < 0.1 and abs(array.mean()) < 0.1 * bound)


@pytest.mark.parametrize("cell", [*GATED, "window"])
def test_uniform_has_the_bounds_of_torch(cell: str) -> None:
    draws = [drawn("uniform", cell, seed=seed)[0] for seed in range(300)]
    hidden, features = 5, 6 if cell == "window" else 5
    bounds = {"V0": features**-0.5, "c0": features**-0.5, "V1": 0.5, "c1": 0.5}
    for key in draws[0]:
        values, bound = np.stack([draw[key] for draw in draws]), bounds.get(key, hidden**-0.5)
        assert is_uniform(values, bound), key
        assert not is_uniform(values, 1.1 * bound), key
        assert not is_uniform(values, 0.9 * bound), key


def test_the_bounds_are_those_torch_draws_from() -> None:
    torch.manual_seed(0)
    peers = [torch.nn.RNN(2, 5), torch.nn.LSTM(2, 5), torch.nn.GRU(2, 5)]
    for peer in peers:
        assert 0.8 * 5**-0.5 < max(float(p.detach().abs().max()) for p in peer.parameters()) <= 5**-0.5


def orthogonal(matrix: Array) -> bool:
    return bool(np.allclose(matrix.T @ matrix, np.eye(len(matrix)), rtol=0, atol=1e-12))


def blocks(array: Array) -> list[Array]:
    """Return the square blocks of a recurrent weight."""
    return np.split(array, array.shape[1] // len(array), axis=1)


@pytest.mark.parametrize("hidden", [1, 2, 7])
@pytest.mark.parametrize("cell", [*GATED, "cornn", "lem"])
def test_keras_is_orthogonal_in_every_block_with_zero_biases(cell: str, hidden: int) -> None:
    arrays, _ = drawn("keras", cell, hidden)
    found = [block for key in ("W", "Z") if key in arrays for block in blocks(arrays[key])]
    assert all(orthogonal(block) for block in found)
    assert len({block.tobytes() for block in found}) == len(found) or hidden == 1
    assert all((array == 0).all() for key, array in arrays.items() if key[0] in "bcd")


def test_keras_leaves_no_matrix_of_a_state_space_model_zero() -> None:
    arrays, shapes = drawn("keras", "state_space", 4)
    for key in "UFCE":
        assert 0 < abs(arrays[key]).max() <= (6 / sum(shapes[key])) ** 0.5


@pytest.mark.parametrize("key", ["U", "V0", "V1"])
def test_keras_draws_inputs_as_glorot(key: str) -> None:
    draws = [drawn("keras", "lstm", seed=seed) for seed in range(200)]
    bound = (6 / sum(draws[0][1][key])) ** 0.5
    values = np.stack([arrays[key] for arrays, _ in draws])
    assert is_uniform(values, bound) and not is_uniform(values, 1.1 * bound)


@pytest.mark.parametrize("cell", GATED)
def test_identity_keeps_the_state(cell: str) -> None:
    arrays, _ = drawn("identity", cell)
    for gate in blocks(arrays["W"]):
        np.testing.assert_array_equal(gate, np.eye(5))
    assert all((arrays[key] == 0).all() for key in "bd" if key in arrays)
    uniform, _ = drawn("uniform", cell)
    assert all((arrays[key] == uniform[key]).all() for key in ("U", "V0", "c0", "V1", "c1"))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_chrono_spreads_memories_up_to_the_length(cell: str) -> None:
    hidden, steps = 400, 100
    arrays, _ = drawn("chrono", cell, hidden, steps=steps)
    forget_gate, input_gate = load("cells", cell).forget_gate, load("cells", cell).input_gate
    gates = np.split(arrays["b"][0], arrays["b"].shape[1] // hidden)
    lengths = np.exp(gates[forget_gate])
    assert lengths.min() >= 1 and 0.97 * steps < lengths.max() <= steps - 1
    assert abs(lengths.mean() - steps / 2) < 0.1 * steps / 2
    # with its input off, a unit that keeps sigmoid(b) of itself a step has fallen to 1/e after about exp(b) steps
    falls = -1 / np.log(1 / (1 + np.exp(-gates[forget_gate])))
    np.testing.assert_allclose(falls, lengths + 0.5, atol=0.1 * steps**0.5)
    for number, gate in enumerate(gates):
        if number == input_gate:
            np.testing.assert_array_equal(gate, -gates[forget_gate])
        elif number != forget_gate:
            assert (gate == 0).all()
    if "d" in arrays:
        assert (arrays["d"] == 0).all()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_forget_one_opens_one_gate(cell: str) -> None:
    (arrays, _), (uniform, _) = drawn("forget_one", cell), drawn("uniform", cell)
    own = slice(5 * load("cells", cell).forget_gate, 5 * load("cells", cell).forget_gate + 5)
    assert (arrays["b"][:, own] == 1).all() and (uniform["b"][:, own] != 1).all()
    arrays["b"][:, own] = uniform["b"][:, own]
    assert all((arrays[key] == uniform[key]).all() for key in uniform)


@pytest.mark.parametrize("hidden", [1, 2, 7])
@pytest.mark.parametrize("cell", GATED)
def test_orthogonal_is(cell: str, hidden: int) -> None:
    (arrays, _), (uniform, _) = drawn("orthogonal", cell, hidden), drawn("uniform", cell, hidden)
    gates = blocks(arrays["W"])
    assert all(orthogonal(gate) for gate in gates) and not orthogonal(1.0001 * gates[0])
    assert all((arrays[key] == 0).all() for key in "bd" if key in arrays)
    assert (arrays["U"] == uniform["U"]).all() and (arrays["V1"] == uniform["V1"]).all()


@pytest.mark.parametrize(
    ("hidden", "connections", "radius"), [(100, 15, 1.1), (60, 6, 0.9), (8, 15, 1.1), (20, 1, 0.5)]
)
def test_echo_state_has_its_radius_and_connections(hidden: int, connections: int, radius: float) -> None:
    arrays, _ = drawn("echo_state", "elman", hidden, connections=connections, spectral_radius=radius, input_scale=2.0)
    incoming = (arrays["W"] != 0).sum(axis=0)
    assert (incoming == min(hidden, connections)).all()
    assert abs(abs(np.linalg.eigvals(arrays["W"])).max() - radius) < 1e-5
    assert (arrays["b"] == 0).all()


def test_echo_state_scales_inputs_and_biases() -> None:
    arrays, _ = drawn("echo_state", "elman", 400, input_scale=0.5, bias_scale=0.2, connections=1)
    assert abs(arrays["U"].std() - 0.5) < 0.06 and abs(arrays["b"].std() - 0.2) < 0.04


def test_ring_draws_eigenvalues_evenly_on_the_ring() -> None:
    arrays, _ = drawn("ring", "lru", 4000, r_min=0.5, r_max=0.9, max_phase=0.3)
    size, phase = np.exp(-np.exp(arrays["nu"])), np.exp(arrays["phi"])
    assert 0.5 <= size.min() < 0.51 and 0.89 < size.max() <= 0.9 and phase.min() > 0 and 0.29 < phase.max() <= 0.3
    share = ((size**2 - 0.25) / (0.81 - 0.25)).ravel()  # uniform in area, not in radius
    assert abs(share.mean() - 0.5) < 0.02 and abs(share.var() - 1 / 12) < 0.01
    np.testing.assert_allclose(np.exp(arrays["gamma"]) ** 2 + size**2, 1, rtol=1e-12)
    assert abs(arrays["U"].var() - 1 / 4) < 0.02  # 1 / (2 D) with D = 2


def test_fan_in_counts_all_that_enters_a_unit() -> None:
    draws = [drawn("fan_in", "cornn", seed=seed)[0] for seed in range(300)]
    for key, bound in {"U": 12**-0.5, "W": 12**-0.5, "Z": 12**-0.5, "b": 12**-0.5, "V0": 5**-0.5, "V1": 0.5}.items():
        values = np.stack([draw[key] for draw in draws])
        assert is_uniform(values, bound) and not is_uniform(values, 1.1 * bound), key


def linear(name: str, x: Array) -> Array:
    """Return the outputs (N, T, K) of the linear RNN that an initialiser gives for the oscillator; x is (N, T, D)."""
    hidden = min(x.shape[2], 2)
    network = Network(make_cell("elman", x.shape[2], hidden=hidden, activation="identity"), hidden)
    problem = Problem(network.weights(), make("oscillator", {"eta": ETA}), STEP, x.shape[1])
    arrays = load("initialisers", name)().initialise(problem, np.random.default_rng(0))
    theta = network.pack({key: torch.from_numpy(array) for key, array in arrays.items()})[None]
    return network(network.unpack(theta), torch.from_numpy(x)[None])[0].numpy()


def driven() -> Array:
    """Return forces (6, T, 1), with x and v at the first step."""
    x = np.random.default_rng(1).normal(size=(6, STEPS, 3))
    x[:, 1:, 1:] = 0
    return x


def euler_states(inputs: Array) -> Array:
    """Return x_{i+1} = x_i + Δt v_i and v_{i+1} = v_i + Δt (F_i - η v_i - x_i), one number at a time."""
    states = np.empty((len(inputs), inputs.shape[1], 2))
    for n, series in enumerate(inputs):
        x, v = series[0, 1:]
        for i, force in enumerate(series[:, 0]):
            x, v = x + STEP * v, v + STEP * (force - ETA * v - x)
            states[n, i] = x, v
    return states


def test_euler_is_the_euler_step_and_nothing_else() -> None:
    expected = euler_states(driven())
    np.testing.assert_allclose(linear("euler", driven()), expected, rtol=0, atol=1e-13)
    assert abs(linear("exact", driven()) - expected).max() > 1e-3


def test_exact_is_the_exact_solution() -> None:
    system: System = make("oscillator", {"eta": ETA})
    truth = system.exact(STEP * np.arange(STEPS + 1), driven()[:, 0, 1:], driven()[:, :, 0])
    assert truth is not None
    np.testing.assert_allclose(linear("exact", driven()), truth[:, 1:], rtol=0, atol=1e-12)


def test_persistence_keeps_the_initial_state_of_a_driven_system() -> None:
    start = driven()[:, :1, 1:]
    np.testing.assert_array_equal(linear("persistence", driven()), np.broadcast_to(start, (6, STEPS, 2)))


def test_persistence_repeats_each_value_of_a_series() -> None:
    series = driven()[..., :1]
    np.testing.assert_array_equal(linear("persistence", series), series)


def test_an_unknown_initialiser_lists_the_known() -> None:
    with pytest.raises(UnrolledError, match=r"initialiser 'unifrm' is not known.*'uniform'.*euler.*uniform"):
        load("initialisers", "unifrm")
