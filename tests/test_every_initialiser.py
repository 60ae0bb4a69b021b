"""Every initialiser: the property it promises, and replicas that do not depend on each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from conftest import MakeJob
from unrolled.data.system import Array, System, make
from unrolled.errors import UnrolledError
from unrolled.models.initialiser import Arrays, Setting
from unrolled.models.network import Network
from unrolled.registry import load, names
from unrolled.training.job import Trained
from unrolled.training.learn import initial_weights, setting_of

INITIALISERS = names("initialisers")
LINEAR = ["euler", "exact", "persistence"]  # written for the linear RNN of a linear system
GATED = ["elman", "gru", "lstm"]
OF = {"ring": "lru", "fan_in": "cornn"}  # written for one cell; all others for any with gates
STEP, STEPS, ETA = 0.1, 20, 0.3


def linear_job(make_job: MakeJob, initialiser: str, seeds: int = 2) -> Any:
    method = {"cell": "elman", "activation": "identity", "hidden": 2, "initialiser": initialiser, "optimiser": "fixed"}
    sizes = {"train": 4, "val": 2, "test": 6, "steps": STEPS, "noise": None, "parameters": {"eta": ETA}}
    return make_job(method, seeds, system="oscillator", task="response", step=STEP, score="rmse", **sizes)


def any_job(make_job: MakeJob, initialiser: str, seeds: int) -> Any:
    if initialiser in LINEAR:
        return linear_job(make_job, initialiser, seeds)
    return make_job(
        {"cell": OF.get(initialiser, "gru"), "hidden": 3, "readout": [4], "initialiser": initialiser}, seeds
    )


def drawn(
    initialiser: str, cell: str, hidden: int = 5, seed: int = 0, steps: int = 1, **options: float
) -> tuple[Arrays, dict[str, tuple[int, int]]]:
    """Return the weights for a network with one ReLU layer, and their shapes."""
    network = Network(load("cells", cell)(2, hidden, window=3), 2, (4,))
    gates = {"keeps": network.cell.keeps, "writes": network.cell.writes}
    setting = Setting(network.shapes, make("oscillator", {}), STEP, steps, **gates, options=options)
    return load("initialisers", initialiser).initialise(setting, np.random.default_rng(seed)), network.shapes


@pytest.mark.parametrize("name", INITIALISERS)
def test_fills_every_shape_with_finite_numbers(name: str, make_job: MakeJob) -> None:
    job = any_job(make_job, name, 2)
    setting = setting_of(job, job.network())
    arrays = load("initialisers", name).initialise(setting, np.random.default_rng(0))
    assert {key: array.shape for key, array in arrays.items()} == setting.shapes
    assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("name", INITIALISERS)
def test_a_replica_is_the_same_in_any_population(name: str, make_job: MakeJob) -> None:
    small, large = (any_job(make_job, name, seeds) for seeds in (2, 5))
    two, five = (
        initial_weights(small, small.network(), small.first()),
        initial_weights(large, large.network(), large.first()),
    )
    assert len(two) == 2 and len(five) == 5
    assert torch.equal(two, five[:2])


@pytest.mark.parametrize("name", [n for n in INITIALISERS if n not in LINEAR])
def test_replicas_differ(name: str, make_job: MakeJob) -> None:
    job = any_job(make_job, name, 3)
    theta = initial_weights(job, job.network(), job.first())
    assert not any(torch.equal(theta[i], theta[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


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


@pytest.mark.parametrize("hidden", [1, 2, 7])
@pytest.mark.parametrize("cell", GATED)
def test_keras_is_orthogonal_in_every_gate_with_zero_biases(cell: str, hidden: int) -> None:
    arrays, shapes = drawn("keras", cell, hidden)
    gates = np.split(arrays["W"], shapes["W"][1] // hidden, axis=1)
    assert all(orthogonal(gate) for gate in gates)
    assert not orthogonal(1.0001 * gates[0])
    assert len({gate.tobytes() for gate in gates}) == len(gates) or hidden == 1
    assert all((array == 0).all() for key, array in arrays.items() if key[0] in "bcd")


@pytest.mark.parametrize("key", ["U", "V0", "V1"])
def test_keras_draws_inputs_as_glorot(key: str) -> None:
    draws = [drawn("keras", "lstm", seed=seed) for seed in range(200)]
    bound = (6 / sum(draws[0][1][key])) ** 0.5
    values = np.stack([arrays[key] for arrays, _ in draws])
    assert is_uniform(values, bound) and not is_uniform(values, 1.1 * bound)


@pytest.mark.parametrize("cell", GATED)
def test_identity_keeps_the_state(cell: str) -> None:
    arrays, shapes = drawn("identity", cell)
    for gate in np.split(arrays["W"], shapes["W"][1] // 5, axis=1):
        np.testing.assert_array_equal(gate, np.eye(5))
    assert all((arrays[key] == 0).all() for key in "bd" if key in arrays)
    uniform, _ = drawn("uniform", cell)
    assert all((arrays[key] == uniform[key]).all() for key in ("U", "V0", "c0", "V1", "c1"))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_chrono_spreads_memories_up_to_the_length(cell: str) -> None:
    hidden, steps = 400, 100
    arrays, _ = drawn("chrono", cell, hidden, steps=steps)
    keeps, writes = load("cells", cell).keeps, load("cells", cell).writes
    gates = np.split(arrays["b"][0], arrays["b"].shape[1] // hidden)
    lengths = np.exp(gates[keeps])
    assert lengths.min() >= 1 and 0.97 * steps < lengths.max() <= steps - 1
    assert abs(lengths.mean() - steps / 2) < 0.1 * steps / 2 and not abs(lengths.mean() - steps) < 0.1 * steps / 2
    # with its input off, a unit that keeps sigmoid(b) of itself a step has fallen to 1/e after about exp(b) steps
    kept = 1 / (1 + np.exp(-gates[keeps]))
    falls = -1 / np.log(kept)
    np.testing.assert_allclose(falls, lengths + 0.5, atol=0.1 * steps**0.5)
    for number, gate in enumerate(gates):
        if number == writes:
            np.testing.assert_array_equal(gate, -gates[keeps])
        elif number != keeps:
            assert (gate == 0).all()
    if "d" in arrays:
        assert (arrays["d"] == 0).all()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_forget_one_opens_one_gate(cell: str) -> None:
    (arrays, _), (uniform, _) = drawn("forget_one", cell), drawn("uniform", cell)
    own = slice(5 * load("cells", cell).keeps, 5 * load("cells", cell).keeps + 5)
    assert (arrays["b"][:, own] == 1).all() and (uniform["b"][:, own] != 1).all()
    arrays["b"][:, own] = uniform["b"][:, own]
    assert all((arrays[key] == uniform[key]).all() for key in uniform)


@pytest.mark.parametrize("name", ["chrono", "forget_one"])
def test_a_cell_without_gates_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no gate that keeps"):
        drawn(name, "elman")


@pytest.mark.parametrize("hidden", [1, 2, 7])
@pytest.mark.parametrize("cell", GATED)
def test_orthogonal_is(cell: str, hidden: int) -> None:
    (arrays, shapes), (uniform, _) = drawn("orthogonal", cell, hidden), drawn("uniform", cell, hidden)
    gates = np.split(arrays["W"], shapes["W"][1] // hidden, axis=1)
    assert all(orthogonal(gate) for gate in gates) and not orthogonal(1.0001 * gates[0])
    assert all((arrays[key] == 0).all() for key in "bd" if key in arrays)
    assert (arrays["U"] == uniform["U"]).all() and (arrays["V1"] == uniform["V1"]).all()


@pytest.mark.parametrize(
    ("hidden", "connections", "radius"), [(100, 15, 1.1), (60, 6, 0.9), (8, 15, 1.1), (20, 1, 0.5)]
)
def test_echo_state_has_its_radius_and_connections(hidden: int, connections: int, radius: float) -> None:
    arrays, _ = drawn("echo_state", "elman", hidden, connections=connections, radius=radius, input_scale=2.0)
    incoming = (arrays["W"] != 0).sum(axis=0)
    assert (incoming == min(hidden, connections)).all()
    found = abs(np.linalg.eigvals(arrays["W"])).max()
    assert abs(found - radius) < 1e-5 and not abs(1.0001 * found - radius) < 1e-5
    assert (arrays["b"] == 0).all()


def test_echo_state_scales_inputs_and_biases() -> None:
    arrays, _ = drawn("echo_state", "elman", 2000, input_scale=0.5, bias_scale=0.2, connections=1)
    assert abs(arrays["U"].std() - 0.5) < 0.03 and abs(arrays["b"].std() - 0.2) < 0.02


def test_ring_draws_eigenvalues_evenly_on_the_ring() -> None:
    arrays, _ = drawn("ring", "lru", 4000, r_min=0.5, r_max=0.9, max_phase=0.3)
    size, phase = np.exp(-np.exp(arrays["nu"])), np.exp(arrays["phi"])
    assert 0.5 <= size.min() < 0.51 and 0.89 < size.max() <= 0.9 and phase.min() > 0 and 0.29 < phase.max() <= 0.3
    share = ((size**2 - 0.25) / (0.81 - 0.25)).ravel()  # uniform in area
    assert abs(share.mean() - 0.5) < 0.02 and abs(share.var() - 1 / 12) < 0.01
    flat = ((size - 0.5) / 0.4).ravel()  # uniform in radius would be another density
    assert not abs(flat.mean() - 0.5) < 0.02
    np.testing.assert_allclose(np.exp(arrays["gamma"]) ** 2 + size**2, 1, rtol=1e-12)
    assert abs(arrays["U"].var() - 1 / 4) < 0.02  # 1 / (2 D) with D = 2


def test_fan_in_counts_all_that_enters_a_unit() -> None:
    draws = [drawn("fan_in", "cornn", seed=seed)[0] for seed in range(300)]
    for key, bound in {"U": 12**-0.5, "W": 12**-0.5, "Z": 12**-0.5, "b": 12**-0.5, "V0": 5**-0.5, "V1": 0.5}.items():
        values = np.stack([draw[key] for draw in draws])
        assert is_uniform(values, bound) and not is_uniform(values, 1.1 * bound), key


ROUNDING = 3 * STEPS * 6e-8  # θ is kept in float32, so Δt and η are rounded to 6e-8; the steps add up


def respond(job: Any, weights: Callable[[torch.Tensor], torch.Tensor] = lambda theta: theta) -> Array:
    """Return the states (N, T, 2) that the untrained linear network gives for the test forces."""
    network = job.network()
    theta = weights(initial_weights(job, network, job.first()).double())
    model = Trained(network, theta, last=False)
    return model(torch.from_numpy(job.splits["test"]["inputs"]).double())[0].numpy()


def euler_states(job: Any) -> Array:
    """Return x_{i+1} = x_i + Δt v_i and v_{i+1} = v_i + Δt (F_i - η v_i - x_i), one number at a time."""
    inputs = job.splits["test"]["inputs"].astype(float)
    states = np.empty((len(inputs), inputs.shape[1], 2))
    for n, series in enumerate(inputs):
        x, v = series[0, 1:]
        for i, force in enumerate(series[:, 0]):
            x, v = x + STEP * v, v + STEP * (force - ETA * v - x)
            states[n, i] = x, v
    return states


def test_euler_is_the_euler_step_and_nothing_else(make_job: MakeJob) -> None:
    job = linear_job(make_job, "euler")
    expected = euler_states(job)
    assert abs(respond(job) - expected).max() < ROUNDING
    assert abs(respond(job, lambda theta: theta * (1 + 1e-4)) - expected).max() > ROUNDING
    assert abs(respond(linear_job(make_job, "exact")) - expected).max() > 1e-3


def test_exact_is_the_exact_solution(make_job: MakeJob) -> None:
    job = linear_job(make_job, "exact")
    inputs = job.splits["test"]["inputs"].astype(float)
    system: System = make("oscillator", {"eta": ETA})
    truth = system.exact(STEP * np.arange(STEPS + 1), inputs[:, 0, 1:], inputs[:, :, 0])
    assert truth is not None
    assert abs(respond(job) - truth[:, 1:]).max() < ROUNDING
    assert abs(respond(linear_job(make_job, "euler")) - truth[:, 1:]).max() > 1e-3


def test_persistence_keeps_the_initial_state_of_a_driven_system(make_job: MakeJob) -> None:
    job = linear_job(make_job, "persistence")
    start = job.splits["test"]["inputs"][:, :1, 1:]
    np.testing.assert_array_equal(respond(job), np.broadcast_to(start, (6, STEPS, 2)))


def test_persistence_repeats_the_last_value_of_a_series(make_job: MakeJob) -> None:
    method = {"cell": "elman", "activation": "identity", "hidden": 1, "initialiser": "persistence"}
    job = make_job(method | {"optimiser": "fixed"})
    model = Trained(job.network(), initial_weights(job, job.network(), job.first()), last=True)
    inputs = torch.from_numpy(job.splits["test"]["inputs"])
    assert torch.equal(model(inputs)[0], inputs[:, -1])
    assert not torch.equal(model(inputs)[0], inputs[:, -2])


def test_an_unknown_initialiser_lists_the_known() -> None:
    with pytest.raises(UnrolledError, match=r"initialiser 'unifrm' is not known.*'uniform'.*euler.*uniform"):
        load("initialisers", "unifrm")
