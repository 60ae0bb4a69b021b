"""Experiments on random networks against exact numbers: matrix powers, Jacobians, known maps, other libraries."""

import json
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from conftest import SMALL_NETWORKS, Experiments
from unrolled.analysis import lyapunov
from unrolled.analysis.random_networks import (
    autonomous,
    clipping,
    equations,
    experiments,
    gradient_map,
    newton,
    sensitivity,
)
from unrolled.analysis.random_networks.autonomous import Array, Step
from unrolled.data.systems.oscillator import Oscillator
from unrolled.models import bptt
from unrolled.models.bptt import Weights
from unrolled.models.initialiser import Problem
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.training.optimisers.hessian_free import HessianFree


def network(hidden: int = 6, gain: float = 1.0, count: int = 2) -> Array:
    return gradient_map.random_weights(hidden, gain, count, np.random.default_rng(0))


def drawn(n: int, hidden: int) -> tuple[Array, Array]:
    """Return the first state and the unit vector that `log_norms` draws from generator 7."""
    random = np.random.default_rng(7)
    h, v = 0.1 * random.normal(size=(n, hidden)), random.normal(size=(n, hidden))
    return h, v / np.linalg.norm(v, axis=1, keepdims=True)


def logs(w: Array, drive: Array, kind: str, lags: list[int]) -> Array:
    return gradient_map.log_norms(w, drive, kind, lags, np.random.default_rng(7))


def test_of_a_linear_network_the_gradient_is_a_power_of_the_transposed_matrix() -> None:
    w, lags = network(), [1, 7, 40]
    found, (_, v) = logs(w, np.zeros((2, 40, 6)), "linear", lags), drawn(2, 6)
    for i in range(2):
        powers = [np.linalg.matrix_power(w[i].T, k) @ v[i] for k in lags]
        np.testing.assert_allclose(found[i], np.log(np.linalg.norm(powers, axis=1)), rtol=1e-10)
        wrong = [np.linalg.matrix_power(w[i], k) @ v[i] for k in lags]
        assert not np.allclose(found[i], np.log(np.linalg.norm(wrong, axis=1)), atol=1e-3), "Wᵀ, not W"


def test_its_rate_is_the_logarithm_of_the_spectral_radius_and_not_of_the_norm() -> None:
    w, lags = network(20, 0.7), [500, 2000]
    found = logs(w, np.zeros((2, 2000, 20)), "linear", lags)
    rate = (found[:, 1] - found[:, 0]) / 1500
    np.testing.assert_allclose(rate, np.log([abs(np.linalg.eigvals(each)).max() for each in w]), atol=2e-3)
    assert (abs(rate - np.log(np.linalg.norm(w, 2, axis=(1, 2)))) > 0.1).all()


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_of_a_driven_network_it_is_the_product_of_the_jacobians(kind: str) -> None:
    w, lags = network(), [1, 5, 12]
    drive = np.random.default_rng(1).normal(size=(2, 20, 6))
    found, (h0, v) = logs(w, drive, kind, lags), drawn(2, 6)
    for i in range(2):
        weights = Weights(U=np.eye(6), W=w[i], b=np.zeros(6), V=np.zeros((1, 6)), c=np.zeros(1))
        states = bptt.forward(weights, drive[i], h0[i], kind)
        vectors = [bptt.product_jacobian(weights, states, 20, 20 - k).T @ v[i] for k in lags]
        expected = np.log(np.linalg.norm(vectors, axis=1))
        np.testing.assert_allclose(found[i], expected, rtol=1e-9)
        assert abs(found[i] - expected[::-1]).max() > 0.1


def test_no_number_is_too_small_for_the_logarithm() -> None:
    w = network(6, 0.01, 1)
    found = logs(w, np.zeros((1, 1000, 6)), "linear", [1000])
    assert np.linalg.norm(np.linalg.matrix_power(w[0].T, 1000)) == 0, "float64 itself underflows"
    assert found[0, 0] / 1000 == pytest.approx(np.log(abs(np.linalg.eigvals(w[0])).max()), abs=0.01)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_mean_field_theory_predicts_the_rate_of_a_wide_network(gain: float) -> None:
    w = network(400, gain, 1)
    drive = np.random.default_rng(1).normal(size=(1, 250, 400))
    rate = float(logs(w, drive, "tanh", [150])[0, 0]) / 150
    assert rate == pytest.approx(gradient_map.mean_field_rate(gain, 1.0), abs=0.03)
    assert abs(rate - np.log(gain)) > 0.3, "the units' slope is felt"


def test_mean_field_theory_without_noise_is_that_of_the_linear_network_below_one() -> None:
    assert gradient_map.mean_field_rate(0.6, 0.0) == pytest.approx(np.log(0.6), abs=1e-9)
    assert gradient_map.mean_field_rate(2.0, 0.0) < np.log(2.0) - 0.1


def test_orthogonal_weights_keep_a_linear_gradient_and_uniform_ones_lose_it() -> None:
    problem = Problem(Network(load("cells", "elman")(2, hidden=12), 1).weights())
    for name, kept in (("orthogonal", True), ("uniform", False)):
        made = load("initialisers", name)().initialise(problem, np.random.default_rng(0))
        found = logs(made["W"].T[None], np.zeros((1, 300, 12)), "linear", [100, 300])
        assert bool(abs(found).max() < 1e-10) is kept


def test_the_critical_gain_lies_where_the_rate_changes_sign() -> None:
    x = np.linspace(-1, 1, 7)
    assert gradient_map.critical_gain(x, x - 0.2) == pytest.approx(np.exp(0.2))
    assert gradient_map.critical_gain(x, -x) is None and gradient_map.critical_gain(x, x - 5) is None


def test_clipping_is_that_of_torch_and_leaves_a_small_gradient_as_it_is() -> None:
    w, states, dy = clipping.problem(SMALL_NETWORKS, 3.0, 0)
    gradients, _ = bptt.backward(w, states, dy)
    leaves = [torch.zeros(part.shape, dtype=torch.float64, requires_grad=True) for part in astuple(gradients)]
    for leaf, part in zip(leaves, astuple(gradients), strict=True):
        leaf.grad = torch.from_numpy(part.copy())
    size = float(torch.nn.utils.clip_grad_norm_(leaves, 0.1))
    assert size == pytest.approx(clipping.norm(gradients)) and size > 0.1
    for leaf, part in zip(leaves, astuple(clipping.clip(gradients, 0.1)), strict=True):
        np.testing.assert_allclose(part, leaf.grad, rtol=1e-4)
    untouched = clipping.clip(gradients, 2 * size)
    assert all(np.array_equal(a, b) for a, b in zip(astuple(untouched), astuple(gradients), strict=True))


def test_clipping_bounds_the_norm_and_leaves_the_early_share(random_networks: Experiments) -> None:
    table = random_networks[1]["clipping"]
    assert table["norm"].max() > 2 and table["clipped"].max() <= 1 + 1e-12
    np.testing.assert_allclose(table["early"], table["early_clipped"], rtol=1e-12)
    middle = table.groupby("gain")["early"].median()
    assert middle.iloc[0] < 1e-20 < 1e-3 < middle.iloc[-1], "it does depend on the gain"


def test_the_early_share_is_that_of_autograd() -> None:
    w, states, dy = clipping.problem(SMALL_NETWORKS, 1.2, 1)
    x = torch.tensor(states.x, requires_grad=True)
    h = torch.zeros(len(w.b), dtype=torch.float64)
    for x_t in x:
        h = torch.tanh(torch.tensor(w.U) @ x_t + torch.tensor(w.W) @ h)
    ((torch.tensor(w.V) @ h - 1.0).square().sum() / 2).backward()
    assert x.grad is not None
    half, whole = x.grad[:50].norm() / x.grad[50:].norm(), x.grad[:51].norm() / x.grad[51:].norm()
    assert clipping.early_share(w, states, dy) == pytest.approx(float(half), rel=1e-10)
    assert clipping.early_share(w, states, dy) != pytest.approx(float(whole), rel=1e-4)


def kind_of(step: Step, jacobian: Step, start: Array) -> str:
    state = autonomous.attractor(step, start, 500)
    largest = lyapunov.of_map(step, jacobian, state, 1, steps=500, transient=50)[:, 0]
    [found] = autonomous.classify(step, state, largest)
    return found


def turn(angle: float, gain: float) -> Array:
    return gain * np.array([[[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]])


@pytest.mark.parametrize(
    ("w", "expected"),
    [
        (0.5 * np.eye(2)[None], "settles"),
        (1.5 * np.eye(2)[None], "settles"),  # two units, each at ±0.86
        (-1.5 * np.eye(2)[None], "oscillates"),  # a cycle of two
        (turn(1.0, 1.5), "oscillates"),
        (turn(1.0, 0.9), "settles"),
    ],
)
def test_known_networks_are_called_by_their_kind(w: Array, expected: str) -> None:
    assert kind_of(*autonomous.network(w), np.array([[0.3, -0.2]])) == expected


@pytest.mark.parametrize(("r", "expected"), [(2.8, "settles"), (3.2, "oscillates"), (4.0, "chaotic")])
def test_the_logistic_map_is_called_by_its_kind(r: float, expected: str) -> None:
    assert kind_of(lambda s: r * s * (1 - s), lambda s: (r * (1 - 2 * s))[:, :, None], np.array([[0.3]])) == expected


def test_the_jacobian_of_a_network_is_its_derivative() -> None:
    w, h, nudge = network(), np.random.default_rng(2).normal(size=(2, 6)), 1e-6
    step, jacobian = autonomous.network(w)
    for j, e in enumerate(nudge * np.eye(6)):
        column = (step(h + e) - step(h - e)) / (2 * nudge)
        np.testing.assert_allclose(jacobian(h)[:, :, j], column, atol=1e-8)
        assert abs(w[:, :, j] - column).max() > 1e-3, "the slope of tanh is part of it"


def test_all_exponents_add_up_to_the_change_of_volume() -> None:
    w, state = network(8, 2.0, 1), np.full((1, 8), 0.1)
    step, jacobian = autonomous.network(w)
    found = lyapunov.of_map(step, jacobian, state, 8, steps=200, transient=50)
    volume = []
    for _ in range(250):
        volume.append(np.linalg.slogdet(jacobian(state))[1][0])
        state = step(state)
    assert found.sum() == pytest.approx(np.mean(volume[50:]), abs=1e-9)
    assert found.sum() != pytest.approx(np.mean(volume[:200]), abs=1e-3)


def test_large_gains_are_chaotic_and_small_ones_settle() -> None:
    row = SMALL_NETWORKS.model_copy(update={"hidden": 40, "settle": 800, "points": 4})
    table = autonomous.measure(row)
    assert set(table[table["gain"] == 0.6]["kind"]) == {"settles"}
    assert set(table[table["gain"] == 3.0]["kind"]) == {"chaotic"}
    found = autonomous.numbers(table, autonomous.spectra(row))
    assert found["settled_up_to"] == 0.6 and found["mostly_chaotic_from"] > 0.6
    assert sum(found["counts"].values()) == len(table)
    assert found["dimension"]["0.8"] == 0 < found["dimension"]["2"]


def test_the_dimension_of_lorenz_is_the_published_one() -> None:
    """Sprott (2003): 2.062."""
    assert autonomous.dimension(np.array([0.9056, 0.0, -14.5723])) == pytest.approx(2.062, abs=1e-3)
    assert autonomous.dimension(np.array([-0.1, -0.2])) == 0
    assert autonomous.dimension(np.array([0.9056, 0.0, -2.0])) != pytest.approx(2.062, abs=1e-3)


def test_eulers_network_is_eulers_loop_and_another_step_is_not() -> None:
    assert equations.euler_numbers(0)["max_difference"] < 1e-14
    assert equations.euler_numbers(0, step=1.01 * equations.STEP)["max_difference"] > 1e-3


def test_the_loop_converges_to_the_exact_oscillator_at_first_order() -> None:
    def error(steps: int) -> float:
        loop = equations.euler_loop(0.2, 10 / steps, np.zeros(steps), 1.0, 0.0)
        exact = Oscillator(eta=0.2).exact(np.linspace(0, 10, steps + 1), np.array([[1.0, 0.0]]), None)[0, 1:]
        return float(abs(loop - exact).max())

    assert error(2000) / error(4000) == pytest.approx(2, rel=0.05)


def test_the_forward_pass_is_bounded_and_the_backward_pass_linear() -> None:
    found = equations.linearity_numbers(12, 0)
    assert found["max_state"] <= 1 and found["max_input"] > 1e6
    assert found["backward_deviation"] == 0 and found["forward_deviation"] > 0.05
    table = equations.scaling(12, 0)
    np.testing.assert_allclose(table["backward"], table["factor"], rtol=1e-12)
    assert table["forward"].iloc[-1] < 0.1 * table["factor"].iloc[-1]


def test_slope_and_curvature_along_a_step_are_those_of_the_explicit_matrix() -> None:
    x, y = newton.data(SMALL_NETWORKS)
    population = newton.make_population(SMALL_NETWORKS, x[:2, :5], y[:2, :5], HessianFree())
    batch = (x[:2, :5].expand(3, -1, -1, -1), y[:2, :5].expand(3, -1, -1, -1))
    d = torch.randn(population.theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slope, bend = newton.along(population, batch, d)
    for s in range(3):

        def outputs(theta: torch.Tensor) -> torch.Tensor:
            w = population.network.unpack(theta[None])
            h, _ = population.network.cell.unroll(w, x[None, :2, :5], population.network.cell.start(x[None, :2, :5]))
            return population.network.readout(w, h).flatten()

        theta, unit = population.theta[s].detach(), d[s] / d[s].norm()
        j = torch.autograd.functional.jacobian(outputs, theta)
        error = outputs(theta) - y[:2, :5].flatten()
        assert slope[s].item() == pytest.approx((2 / len(j) * error @ j @ unit).item(), rel=1e-9)
        expected = (2 / len(j) * (j @ unit).square().sum()).item()
        assert bend[s].item() == pytest.approx(expected, rel=1e-9)
        assert bend[s].item() != pytest.approx((2 / len(j) * (j @ d[s]).square().sum()).item(), rel=1e-3)


def test_no_direction_is_steeper_than_the_gradient() -> None:
    table = newton.measure(SMALL_NETWORKS.model_copy(update={"newton_updates": 4}))
    assert (table["slope"] <= 1 + 1e-9).all() and (table["slope"] > 0).all()
    assert table.groupby("update")["loss"].median().is_monotonic_decreasing


def test_the_experiments_give_the_same_numbers_twice_and_json_can_hold_them(random_networks: Experiments) -> None:
    numbers, tables = random_networks
    again, others = experiments.run(SMALL_NETWORKS)
    assert json.dumps(numbers, allow_nan=False) == json.dumps(again, allow_nan=False)
    assert all(tables[name].equals(others[name]) for name in tables)
    other = clipping.measure(SMALL_NETWORKS.model_copy(update={"seed": 1}))
    assert not other.equals(tables["clipping"])


def test_tables_and_numbers_have_the_names_that_others_read(random_networks: Experiments) -> None:
    numbers, tables = random_networks
    assert {name: tuple(table.columns) for name, table in tables.items()} == experiments.TABLES
    assert all(len(table) for table in tables.values())
    assert numbers.keys() == experiments.Numbers.__annotations__.keys()
    for name, declared in experiments.Numbers.__annotations__.items():
        part: Any = numbers[name]  # type: ignore[literal-required]
        assert not isinstance(part, dict) or part.keys() == declared.__annotations__.keys()
    for family in numbers["gradient_map"]["families"].values():
        assert family.keys() == gradient_map.Family.__annotations__.keys()


def weights_of_inputs(decay: float, lags: int) -> tuple[Array, Array]:
    """Return what x_{t-k} counts in h_t and in dh_t/dλ: λᵏ and k λᵏ⁻¹."""
    k, size = np.arange(float(lags)), 1 - decay
    return size**k, np.concatenate([[0.0], k[1:] * size ** (k[1:] - 1)])


@pytest.mark.parametrize("decay", [0.5, 0.03, 0.001])
def test_the_sensitivity_of_theory_is_the_sum_of_its_series_under_white_input_only(decay: float) -> None:
    h, slope = weights_of_inputs(decay, round(60 / decay))
    assert np.square(h).sum() == pytest.approx(1 / (1 - (1 - decay) ** 2), rel=1e-9)
    assert np.square(slope).sum() == pytest.approx(sensitivity.plain_expected(decay), rel=1e-9)
    impulse = np.zeros(len(h))
    impulse[0] = 1.0
    found = sensitivity.states(decay, impulse)
    np.testing.assert_allclose(found, (h, slope), rtol=1e-9, atol=1e-9 * slope.max())
    coloured = np.convolve(slope, 0.5 ** np.arange(60.0)) * np.sqrt(1 - 0.5**2)  # of unit variance, as the white one
    assert np.square(coloured).sum() > 1.3 * sensitivity.plain_expected(decay)


@pytest.mark.parametrize("colour", [0.0, 0.5])
def test_measured_sensitivities_are_those_of_theory_and_miss_it_under_coloured_input(colour: float) -> None:
    decay = 0.05
    x = np.random.default_rng(0).normal(size=(64, 6000))
    x = lfilter([np.sqrt(1 - colour**2)], [1.0, -colour], x)
    found = np.square(sensitivity.states(decay, x)[1][:, 600:]).mean() / sensitivity.plain_expected(decay)
    response = np.convolve(weights_of_inputs(decay, 1200)[1], colour ** np.arange(60.0)) * np.sqrt(1 - colour**2)
    exact = np.square(response).sum() / sensitivity.plain_expected(decay)
    assert found == pytest.approx(exact, rel=0.05)
    assert (exact == pytest.approx(1.0)) == (colour == 0)
    assert colour == 0 or exact > 2


def test_the_derivative_of_the_lru_is_that_of_its_cell() -> None:
    decay, x = 0.05, np.random.default_rng(0).normal(size=300)
    cell = load("cells", "lru")(1, hidden=1)
    size = 1 - decay
    w = {"U": np.array([[1.0, 0.0]]), "phi": np.array([[-800.0]]), "gamma": np.log([[np.sqrt(1 - size**2)]])}
    w["nu"] = np.log([[-np.log(size)]])
    leaves = {name: torch.from_numpy(part)[None].requires_grad_() for name, part in w.items()}
    state = cell.start(torch.zeros(1, 1, 1, 1, dtype=torch.float64))
    for each in x:
        state = cell.step(leaves, torch.full((1, 1, 1), float(each), dtype=torch.float64), state)
    (slope,) = torch.autograd.grad(state[0][0, 0, 0], leaves["nu"])
    expected = sensitivity.lru_factor(decay) * sensitivity.states(decay, x)[1][-1]
    assert float(slope) == pytest.approx(expected, rel=1e-9) and abs(expected) > 0.1


def test_sensitivity_to_the_weight_grows_as_a_cube_and_that_of_the_lru_is_bounded(random_networks: Experiments) -> None:
    numbers, tables = random_networks
    found, table = numbers["sensitivity"], tables["sensitivity"]
    assert found["slope"]["mean"] == pytest.approx(3.05, abs=0.1)
    assert found["max_deviation"] < 0.15 and 0.45 < found["max_lru"] < 0.55
    assert 10 ** (found["plain"]["mean"] - found["state"]["mean"]) > 1e5
    assert (table["lru_expected"] < 0.5).all() and table["lru_expected"].is_monotonic_increasing
