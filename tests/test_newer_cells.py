"""LinOSS, minGRU, minLSTM, shPLRNN and AL-RNN against their papers' equations in NumPy, scans, and exact solutions."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from conftest import make_cell
from unrolled.models.cell import Cell, Weights
from unrolled.models.closed_loop import free_run
from unrolled.models.initialiser import Problem
from unrolled.models.network import Network
from unrolled.registry import load, names

Array = NDArray[np.float64]
B, D, H = 3, 2, 5
DISCRETISATIONS = ("implicit", "implicit_explicit", "damped")


def weights(name: str, inputs: int = D, seed: int = 4, **settings: Any) -> tuple[Cell, Weights, dict[str, Array]]:
    """Return a cell, its weights for one replica, and the same as arrays."""
    cell = make_cell(name, inputs, hidden=H, **settings)
    random = torch.Generator().manual_seed(seed)
    w = {k: torch.randn(1, *v.shape, generator=random, dtype=torch.float64) / 2 for k, v in cell.weights().items()}
    return cell, w, {key: value[0].numpy() for key, value in w.items()}


def sequence(steps: int, inputs: int = D) -> Array:
    return np.random.default_rng(5).normal(size=(B, steps, inputs))


def outputs(cell: Cell, w: Weights, x: Array) -> Array:
    found: Array = cell.run(w, torch.from_numpy(x)[None])[0][0].numpy()
    return found


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def relu(a: Array) -> Array:
    return np.maximum(a, 0)


def scan(factors: Array, added: Array) -> Array:
    """Return s_t = M_t s_{t-1} + v_t for M (T, ..., n, n) and v (T, ..., n) by doubling: no loop over steps."""
    shift = 1
    while shift < len(added):
        later = added[shift:] + np.einsum("t...ij,t...j->t...i", factors[shift:], added[:-shift])
        factors = np.concatenate([factors[:shift], factors[shift:] @ factors[:-shift]])
        added, shift = np.concatenate([added[:shift], later]), 2 * shift
    return added


def linoss_matrices(kind: str, a: dict[str, Array]) -> tuple[Array, Array]:
    """Return M (H, 2, 2) and v (H, 2) of (z, y) ← M (z, y) + v u, as the papers' equations write them."""
    dt, stiff = sigmoid(a["delta"][0]), relu(a["A"][0])
    one = np.ones(H)
    if kind == "implicit":
        schur = 1 / (1 + dt**2 * stiff)
        m = [[one - dt**2 * stiff * schur, -dt * stiff * schur], [dt * schur, schur]]
        return np.moveaxis(np.array(m), -1, 0), np.stack([dt * (1 - dt**2 * stiff * schur), dt**2 * schur], axis=-1)
    friction = np.zeros(H)
    if kind == "damped":
        friction = relu(a["G"][0])
        root = np.sqrt(1 + dt * friction)
        stiff = np.clip(stiff, (2 + dt * friction - 2 * root) / dt**2, (2 + dt * friction + 2 * root) / dt**2)
    s = 1 + dt * friction
    m = [[1 / s, -dt * stiff / s], [dt / s, 1 - dt**2 * stiff / s]]
    return np.moveaxis(np.array(m), -1, 0), np.stack([dt / s, dt**2 / s], axis=-1)


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("kind", DISCRETISATIONS)
def test_linoss_is_the_papers_recurrence_as_a_loop_and_as_a_scan(kind: str, seed: int) -> None:
    cell, w, a = weights("linoss", discretisation=kind, seed=seed)
    (m, v), x = linoss_matrices(kind, a), sequence(1000)
    u = np.einsum("btd,dh->tbh", x, a["U"])[..., None] * v
    state, loop = np.zeros((B, H, 2)), []
    for u_t in u:
        state = np.einsum("hij,bhj->bhi", m, state) + u_t
        loop.append(state[..., 1])
    found = outputs(cell, w, x).transpose(1, 0, 2)
    np.testing.assert_allclose(found, np.stack(loop), rtol=0, atol=1e-10)
    scanned = scan(np.broadcast_to(m, (1000, B, H, 2, 2)), u)[..., 1]
    np.testing.assert_allclose(found, scanned, rtol=0, atol=1e-10)
    for other in set(DISCRETISATIONS) - {kind}:
        if other != "damped":
            wrong = scan(np.broadcast_to(linoss_matrices(other, a)[0], (1000, B, H, 2, 2)), u)[..., 1]
            assert abs(wrong - found).max() > 1e-2


def step_matrix(cell: Cell, w: Weights) -> Array:
    """Return the (H, 2, 2) Jacobian of a step by (y, z), one unit state at a time."""
    columns, none = [], torch.zeros(1, 1, D, dtype=torch.float64)
    for which in (0, 1):
        state = [torch.zeros(1, 1, H, dtype=torch.float64) for _ in range(2)]
        state[which] += 1
        columns.append(np.stack([part[0, 0].numpy() for part in cell.step(w, none, (state[0], state[1]))], axis=-1))
    return np.stack(columns, axis=-1)


def test_imex_keeps_the_volume_and_swings_without_damping_unlike_the_implicit_step() -> None:
    cell, w, a = weights("linoss", discretisation="implicit_explicit")
    w["A"] = w["A"].abs() + 0.1
    dt, stiff = sigmoid(a["delta"][0]), w["A"][0, 0].numpy()
    matrix = step_matrix(cell, w)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, rtol=0, atol=1e-14)
    angle = np.arccos(1 - dt**2 * stiff / 2)
    expected = np.sort_complex(np.exp(1j * np.stack([angle, -angle], axis=-1)))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(matrix)), expected, rtol=0, atol=1e-12)
    implicit = np.linalg.eigvals(step_matrix(make_cell("linoss", D, hidden=H, discretisation="implicit"), w))
    np.testing.assert_allclose(abs(implicit), np.repeat(1 / np.sqrt(1 + dt**2 * stiff)[:, None], 2, axis=1), atol=1e-12)
    assert abs(implicit).max() < 0.999


def test_damped_units_have_the_radius_of_their_friction_whatever_the_weights() -> None:
    cell, w, _ = weights("linoss", discretisation="damped")
    w |= {"A": torch.linspace(-1, 30, H).double()[None, None], "G": w["G"].abs()}  # beyond both ends of what A may be
    friction = (torch.sigmoid(w["delta"]) * torch.relu(w["G"]))[0, 0].numpy()
    eigenvalues = np.linalg.eigvals(step_matrix(cell, w))
    radius = np.repeat((1 + friction)[:, None] ** -0.5, 2, axis=1)
    np.testing.assert_allclose(abs(eigenvalues), radius, rtol=0, atol=1e-6)  # a double root is exact to √ε only
    free = abs(np.linalg.eigvals(step_matrix(make_cell("linoss", D, hidden=H, discretisation="implicit_explicit"), w)))
    assert (free > 1.2).any(), "without the bounds such a unit grows"


def swing(dt: float) -> float:
    """Return the largest error of a damped unit at t = 1 against x'' = F - η x' - x, solved exactly from rest."""
    eta, force, steps = 0.4, 0.7, round(1 / dt)
    cell = make_cell("linoss", 1, hidden=1, discretisation="damped")
    numbers = {"U": force, "A": 1.0, "delta": np.log(dt / (1 - dt)), "G": eta}
    w = {key: torch.full((1, 1, 1), value, dtype=torch.float64) for key, value in numbers.items()}
    found = cell.run(w, torch.ones(1, 1, steps, 1, dtype=torch.float64))[0][0, 0, -1, 0]
    omega = np.sqrt(1 - eta**2 / 4)
    exact = force * (1 - np.exp(-eta / 2) * (np.cos(omega) + eta / (2 * omega) * np.sin(omega)))
    return abs(float(found) - float(exact))


def test_a_damped_unit_is_the_driven_oscillator_to_first_order() -> None:
    errors = [swing(dt) for dt in (0.02, 0.01, 0.005)]
    assert errors[0] < 0.02
    assert all(1.8 < coarse / fine < 2.2 for coarse, fine in pairwise(errors))


@pytest.mark.parametrize("name", ["mingru", "minlstm"])
def test_minimal_gates_are_the_papers_recurrence_as_a_loop_and_as_a_scan(name: str) -> None:
    (cell, w, a), x = weights(name), sequence(1000)
    parts = np.split(x @ a["U"] + a["b"], a["b"].shape[1] // H, axis=-1)
    if name == "mingru":  # the paper's z is what comes in: (1 - z) h + z n
        keep, n = 1 - sigmoid(-parts[0]), parts[1]
    else:
        f, i, n = sigmoid(parts[0]), sigmoid(parts[1]), parts[2]
        keep = f / (f + i)
    state, loop = np.zeros((B, H)), []
    for t in range(1000):
        state = keep[:, t] * state + (1 - keep[:, t]) * n[:, t]
        loop.append(state)
    found = outputs(cell, w, x)
    np.testing.assert_allclose(found, np.stack(loop, axis=1), rtol=0, atol=1e-12)
    turned, added = keep.swapaxes(0, 1), ((1 - keep) * n).swapaxes(0, 1)
    scanned = scan(turned[..., None, None], added[..., None])[..., 0].swapaxes(0, 1)
    np.testing.assert_allclose(found, scanned, rtol=0, atol=1e-12)
    assert abs(scan(1 - turned[..., None, None], added[..., None])[..., 0].swapaxes(0, 1) - found).max() > 0.1


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_closed_gates_of_minlstm_share_by_their_logarithms(dtype: torch.dtype, tolerance: float) -> None:
    cell = make_cell("minlstm", 1, hidden=1)
    for f, i in ((-3.0, -3.5), (-4.5, -5.0), (-20.0, -21.0), (-800.0, -800.5), (-9e5, 3.0), (5.0, -9e5)):
        w = {"U": torch.zeros(1, 1, 3, dtype=dtype), "b": torch.tensor([[[f, i, 0.0]]], dtype=dtype)}
        kept = cell.run(w, torch.zeros(1, 1, 1, 1, dtype=dtype), (torch.ones(1, 1, 1, dtype=dtype),))[1][0]
        exact = 0.5 - 0.5 * np.tanh(0.5 * (np.logaddexp(0, -f) - np.logaddexp(0, -i)))
        assert abs(float(kept) - exact) < tolerance, (f, i)


def test_selective_is_algorithm_2_as_a_loop_and_as_a_scan() -> None:
    (cell, w, a), x = weights("selective", states=3), sequence(1000)
    u, raw, b, c = np.split(x @ a["U"] + a["b"], [H, 2 * H, 2 * H + 3], axis=-1)
    dt, decay = np.log1p(np.exp(raw)), -np.exp(a["logA"].reshape(3, H))
    factor = np.exp(dt[:, :, None, :] * decay)  # (B, T, N, H)
    added = dt[:, :, None, :] * b[..., None] * u[:, :, None, :]
    state, loop = np.zeros((B, 3, H)), []
    for t in range(1000):
        state = factor[:, t] * state + added[:, t]
        loop.append(np.einsum("bn,bnh->bh", c[:, t], state))
    found = outputs(cell, w, x)
    np.testing.assert_allclose(found, np.stack(loop, axis=1), rtol=0, atol=1e-11)
    scanned = scan(factor.swapaxes(0, 1)[..., None, None], added.swapaxes(0, 1)[..., None])[..., 0]
    np.testing.assert_allclose(found, np.einsum("btn,tbnh->bth", c, scanned), rtol=0, atol=1e-11)
    assert abs(np.einsum("btn,tbnh->bth", b, scanned) - found).max() > 0.1, "B is not C"


def test_s4d_real_gives_decays_and_steps() -> None:
    arrays = drawn("s4d_real", make_cell("selective", D, hidden=500, states=3), shortest=0.01, longest=1.0)
    np.testing.assert_allclose(np.exp(arrays["logA"].reshape(3, 500)), np.repeat([[1.0], [2.0], [3.0]], 500, axis=1))
    dt = np.log1p(np.exp(arrays["b"][0, 500:1000]))
    assert 0.01 <= dt.min() < 0.011 and 0.9 < dt.max() <= 1 and abs(np.log(dt).mean() - np.log(0.1)) < 0.15


@pytest.mark.parametrize("inputs", [D, 0])
def test_shplrnn_is_equation_of_the_paper(inputs: int) -> None:
    (cell, w, a), x = weights("shplrnn", inputs, units=7), sequence(30, inputs)
    z, loop = np.zeros((B, H)), []
    for t in range(30):
        z = z * a["A"] + relu(z @ a["C"] + a["d"]) @ a["E"] + a["b"] + x[:, t] @ a["U"]
        loop.append(z)
    np.testing.assert_allclose(outputs(cell, w, x), np.stack(loop, axis=1), rtol=1e-11, atol=1e-12)
    assert abs(np.stack(loop, axis=1) - outputs(cell, w | {"d": -w["d"]}, x)).max() > 1e-2


@pytest.mark.parametrize("rectified", [0, 2, 9])
@pytest.mark.parametrize("inputs", [D, 0])
def test_alrnn_rectifies_its_last_units_only(inputs: int, rectified: int) -> None:
    (cell, w, a), x = weights("alrnn", inputs, rectified=rectified), sequence(12, inputs)
    z, loop = np.zeros((B, H)), []
    for t in range(12):
        phi = z.copy()
        phi[:, max(0, H - rectified) :] = relu(phi[:, max(0, H - rectified) :])
        z = z * a["A"] + phi @ a["W"] + a["b"] + x[:, t] @ a["U"]
        loop.append(z)
    found = outputs(cell, w, x)
    np.testing.assert_allclose(found, np.stack(loop, axis=1), rtol=1e-11, atol=1e-12)
    other = make_cell("alrnn", inputs, hidden=H, rectified=0 if rectified == 9 else 5)
    assert abs(outputs(other, w, x) - found).max() > 1e-2


@pytest.mark.parametrize("name", ["shplrnn", "alrnn"])
def test_piecewise_linear_cells_run_free_by_other_weights_as_step_by_step(name: str) -> None:
    cell = make_cell(name, 3, hidden=H)
    network, random = Network(cell, 2), torch.Generator().manual_seed(1)
    w = network.unpack(torch.randn(2, network.parameters, generator=random, dtype=torch.float64) / 3)
    x, given = (torch.randn(2, B, n, d, generator=random, dtype=torch.float64) for n, d in ((4, 3), (6, 1)))
    folded = free_run(network, w, x, 7, given)
    state, y = cell.run(w, x)[1], []
    for u in (*given.unbind(2), None):
        y.append(network.readout(w, state[0]))
        if u is not None:
            state = cell.step(w, torch.cat([y[-1], u], dim=-1), state)
    torch.testing.assert_close(folded, torch.stack(y, dim=2), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", [each for each in names("cells") if load("cells", each).recurrent])
def test_without_inputs_a_cell_is_an_autonomous_map(name: str) -> None:
    network = Network(make_cell(name, 0, hidden=H), 2)
    drawn = load("initialisers", "uniform")().initialise(Problem(network.weights(), units=H), np.random.default_rng(0))
    theta = network.pack({key: torch.from_numpy(array) for key, array in drawn.items()})[None].requires_grad_()
    w, x = network.unpack(theta), torch.zeros(1, B, 9, 0, dtype=torch.float64)
    start = tuple(torch.linspace(-1, 1, part.numel()).double().reshape(part.shape) for part in network.cell.start(x))
    found, expected = network.cell.run(w, x, start)[0], network.cell.unroll(w, x, start)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert (found[:, :, -1] - found[:, :, 0]).abs().max() > 1e-3, "it moves by itself"
    gradients = [torch.autograd.grad(y.square().sum(), theta, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)
    assert network(w, x).shape == (1, B, 9, 2)


def drawn(initialiser: str, cell: Cell, **settings: Any) -> dict[str, Array]:
    problem = Problem(
        Network(cell, 2).weights(),
        1,
        1.0,
        100,
        cell.forget_gate,
        cell.input_gate,
        cell.hidden,  # type: ignore[arg-type]
    )
    found: dict[str, Array] = load("initialisers", initialiser)(**settings).initialise(
        problem, np.random.default_rng(0)
    )
    return found


@pytest.mark.parametrize("name", ["mingru", "minlstm"])
def test_chrono_gives_every_unit_its_memory(name: str) -> None:
    arrays = drawn("chrono", make_cell(name, D, hidden=400))
    gates = np.split(arrays["b"][0], arrays["b"].shape[1] // 400)
    assert np.exp(gates[0]).max() > 90 and abs(np.exp(gates[0]).mean() - 50) < 5 and len(set(gates[0])) == 400
    assert name == "mingru" or (gates[1] == -gates[0]).all()
    assert (gates[-1] == 0).all() and abs(arrays["U"]).max() <= 400**-0.5


def test_oscillators_lie_on_their_ring() -> None:
    cell = make_cell("linoss", D, hidden=2000, discretisation="damped")
    arrays = drawn("oscillators", cell, smallest_radius=0.8, largest_radius=0.9, max_angle=0.5)
    w = {key: torch.from_numpy(arrays[key])[None] for key in cell.weights()}
    dt, stiff, s = (part[0, 0].numpy() for part in cell.numbers(w))  # type: ignore[attr-defined]
    np.testing.assert_allclose(stiff, arrays["A"][0], rtol=1e-12), "none at its bound"
    share, angle = (s - 0.64) / (0.81 - 0.64), np.arccos((1 + s - dt**2 * stiff * s) / (2 * np.sqrt(s)))
    assert share.min() >= 0 and share.max() <= 1 and abs(share.mean() - 0.5) < 0.03
    assert angle.max() <= 0.5 and abs(angle.mean() - 0.25) < 0.02 and abs(angle.var() - 0.25 / 12) < 0.002
    plain = drawn("oscillators", make_cell("linoss", D, hidden=2000))
    refused = load("initialisers", "oscillators")(max_angle=0.5)
    assert "'max_angle' is of damped units only" in refused.supports(
        Problem(make_cell("linoss", D, hidden=3).weights())
    )
    for key in ("A", "delta"):
        assert 0 <= plain[key].min() < 0.01 and 0.99 < plain[key].max() <= 1 and abs(plain[key].mean() - 0.5) < 0.03
    assert 0.7 < abs(plain["U"]).max() <= 2**-0.5


def test_positive_definite_is_one_matrix_with_the_largest_eigenvalue_one() -> None:
    arrays = drawn("positive_definite", make_cell("alrnn", D, hidden=20))
    matrix = np.diag(arrays["A"][0]) + arrays["W"]
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert (matrix == matrix.T).all() and (arrays["W"].diagonal() == 0).all() and (arrays["b"] == 0).all()
    assert eigenvalues.min() > 0 and abs(eigenvalues.max() - 1) < 1e-12
    shallow = drawn("positive_definite", make_cell("shplrnn", D, hidden=20, units=60))
    assert (shallow["A"] <= 1).all() and 0.9 * 60**-0.5 < abs(shallow["E"]).max() <= 60**-0.5
    assert 0.9 * 20**-0.5 < abs(shallow["C"]).max() <= 20**-0.5 and (shallow["d"] == 0).all()
