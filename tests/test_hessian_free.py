"""Hessian-free optimisation: its products are those of the explicit matrix, its steps those of the method."""

from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import make_cell
from unrolled.models.cell import Cell
from unrolled.models.network import Network
from unrolled.registry import load, make, names
from unrolled.training.curvature import Curvature
from unrolled.training.optimiser import Batch, Optimiser
from unrolled.training.optimisers import hessian_free
from unrolled.training.optimisers.hessian_free import HessianFree, backtrack, conjugate_gradients, line_search
from unrolled.training.population import Population

CELLS = names("cells")
STEPS = 5


def population(
    cell: str, last: bool, readout: tuple[int, ...] = (), s: int = 2, hidden: int = 3, **more: Any
) -> Population:
    """Return a small population in float64."""
    inputs = 2 * STEPS if more.get("flatten_window") else 2
    network = Network(make_cell(cell, inputs, hidden=hidden, window=3), 1, readout, **more)
    random = torch.Generator().manual_seed(0)
    theta = torch.randn(s, network.parameters, generator=random, dtype=torch.float64) / 2
    return Population(network, HessianFree(), theta, torch.ones(s).double(), last)


def batch(s: int = 2, b: int = 4, t: int = STEPS, last: bool = False) -> Batch:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(s, b, t, 2, generator=random, dtype=torch.float64)
    return x, torch.randn(s, b, *(() if last else (t,)), 1, generator=random, dtype=torch.float64)


def explicit(p: Population, data: Batch, structural: float) -> list[Tensor]:
    """Return G + m JₕᵀJₕ (P, P) of each replica, with the Jacobians by autograd, one output at a time."""
    matrices = []
    for s in range(len(p.theta)):
        x = data[0][s : s + 1]

        def both(theta: Tensor, x: Tensor = x) -> tuple[Tensor, Tensor]:
            network, w = p.network, p.network.unpack(theta[None])
            steps = x.flatten(2)[:, :, None] if network.flatten_window else x
            h, _ = network.cell.unroll(w, steps, network.cell.start(steps))
            y = network.readout(w, h[:, :, -1] if p.many_to_one else h[:, :, network.washout :])
            return y.flatten() * (network.residual or 1.0), h.flatten()

        j_y, j_h = torch.autograd.functional.jacobian(both, p.theta[s].detach())
        matrices.append(2 / len(j_y) * j_y.T @ j_y + structural * p.network.cell.features / len(j_h) * j_h.T @ j_h)
    return matrices


def worst(p: Population, data: Batch, structural: float, spoilt: float = 1.0) -> float:
    """Return the largest difference of the products from those of the explicit matrix, over all unit vectors."""
    curvature, weight = Curvature(p, data), torch.full((2,), structural, dtype=torch.float64)
    found = [curvature.product(unit.expand(2, -1), weight * spoilt) for unit in torch.eye(p.theta.shape[1]).double()]
    products = torch.stack(found, dim=2)
    return max(float((products[s] - g).abs().max()) for s, g in enumerate(explicit(p, data, structural)))


def of_classes(last: bool) -> tuple[Population, Batch]:
    """Return a population that tells three classes apart, and sequences with one-hot targets."""
    network, random = Network(make_cell("elman", 2, hidden=3), 3, (4,)), torch.Generator().manual_seed(0)
    theta = torch.randn(2, network.parameters, generator=random, dtype=torch.float64) / 2
    x, y = batch(last=last)
    classes = torch.randint(0, 3, y.shape[:-1], generator=random)
    data = x, torch.nn.functional.one_hot(classes, 3).double()
    return Population(network, HessianFree(), theta, torch.ones(2).double(), last, loss="cross_entropy"), data


@pytest.mark.parametrize("last", [False, True])
def test_the_product_of_classes_is_that_of_the_explicit_matrix(last: bool) -> None:
    p, (x, y) = of_classes(last)
    curvature, nothing = Curvature(p, (x, y)), torch.zeros(2).double()
    units = torch.eye(p.theta.shape[1]).double()
    products = torch.stack([curvature.product(unit.expand(2, -1), nothing) for unit in units], dim=2)
    for s in range(2):

        def outputs(theta: Tensor, s: int = s) -> Tensor:
            return p.network(p.network.unpack(theta[None]), x[s : s + 1], last).flatten()

        def loss(flat: Tensor, s: int = s) -> Tensor:
            return torch.nn.functional.cross_entropy(flat.reshape(-1, 3), y[s].argmax(dim=-1).flatten())

        theta = p.theta[s].detach()
        p.network.cell.compiled = False  # type: ignore[misc]
        j = torch.autograd.functional.jacobian(outputs, theta)
        a = torch.autograd.functional.hessian(loss, outputs(theta))
        g = j.T @ a @ j
        assert float((products[s] - g).abs().max()) < 1e-12 < 1e-3 < float(g.abs().max())
        assert float((products[s] - 2 / len(j) * j.T @ j).abs().max()) > 1e-4  # that of the mean square error


def test_it_lowers_the_cross_entropy() -> None:
    p, data = of_classes(True)
    p.optimiser.begin(p, (data[0][0], data[1][0]))
    losses = [p.optimiser.update(p, data).mean() for _ in range(8)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("readout", [(), (4,)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("cell", [name for name in CELLS if load("cells", name).recurrent])
def test_the_product_is_that_of_the_explicit_matrix(cell: str, last: bool, readout: tuple[int, ...]) -> None:
    p, data = population(cell, last, readout), batch(last=last)
    assert worst(p, data, structural=0.3) < 1e-11
    assert worst(p, data, structural=0.3, spoilt=1.001) > 1e-7


@pytest.mark.parametrize(
    ("last", "more"), [(False, {"washout": 2}), (False, {"residual": 0.5}), (True, {"flatten_window": True})]
)
def test_the_matrix_is_that_of_the_loss_with_a_washout_a_residual_or_one_step(last: bool, more: dict[str, Any]) -> None:
    p, data = population("elman", last, **more), batch(last=last)
    assert worst(p, data, structural=0.3) < 1e-12


@pytest.mark.parametrize("kind", ["tanh", "relu", "identity"])
def test_the_compiled_tangent_is_the_derivative(kind: str) -> None:
    cell: Cell = make_cell("elman", 2, hidden=5, activation=kind)
    random = torch.Generator().manual_seed(2)
    w, dw = (
        {k: torch.randn(3, *v.shape, generator=random, dtype=torch.float64) / 3 for k, v in cell.weights().items()}
        for _ in range(2)
    )
    x = torch.randn(3, 4, 9, 2, generator=random, dtype=torch.float64)
    h, _ = cell.unroll(w, x, cell.start(x))
    expected = Cell.tangent(cell, w, dw, x, h)
    torch.testing.assert_close(cell.tangent(w, dw, x, h), expected, rtol=0, atol=1e-13)
    assert not torch.allclose(cell.tangent(w, {**dw, "b": 1.001 * dw["b"]}, x, h), expected, rtol=0, atol=1e-6)


def quadratic(n: int = 6, s: int = 3) -> tuple[Tensor, Tensor]:
    """Return positive definite A (S, n, n) and g (S, n)."""
    random = torch.Generator().manual_seed(3)
    root = torch.randn(s, n, n, generator=random, dtype=torch.float64)
    return root @ root.mT + torch.eye(n).double(), torch.randn(s, n, generator=random, dtype=torch.float64)


def test_a_quadratic_is_solved_in_n_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    a, g = quadratic()
    asked: list[Tensor] = []

    def product(d: Tensor) -> Tensor:
        asked.append(d)
        return (a @ d[..., None])[..., 0]

    exact = -torch.linalg.solve(a, g)
    start, ones = torch.zeros_like(g), torch.ones_like(g)
    found = conjugate_gradients(product, g, start, ones, iterations=6)[-1]
    assert len(asked) == 7  # one for the residual at the start
    torch.testing.assert_close(found, exact, rtol=1e-8, atol=1e-8)
    assert not torch.allclose(conjugate_gradients(product, g, start, ones, iterations=4)[-1], exact, rtol=1e-3)
    for weights in (ones, torch.diagonal(a, dim1=1, dim2=2)):
        for begin in (start, exact + 0.1):
            found = conjugate_gradients(product, g, begin, weights, iterations=12)[-1]
            torch.testing.assert_close(found, exact, rtol=1e-7, atol=1e-7)


def test_replicas_run_in_lockstep_as_if_alone() -> None:
    a, g = quadratic()
    together = conjugate_gradients(lambda d: (a @ d[..., None])[..., 0], g, 0 * g, g * 0 + 1, 40)[-1]
    for s in range(3):
        one = slice(s, s + 1)
        alone = conjugate_gradients(
            lambda d, one=one: (a[one] @ d[..., None])[..., 0], g[one], 0 * g[one], g[one] * 0 + 1, 40
        )
        torch.testing.assert_close(together[one], alone[-1], rtol=1e-9, atol=1e-9)


def test_cg_stops_by_relative_progress() -> None:
    scales = torch.logspace(0, 4, 400).double()[None]
    asked: list[Tensor] = []

    def product(d: Tensor) -> Tensor:
        asked.append(d)
        return scales * d

    g = torch.ones(1, 400).double()
    conjugate_gradients(product, g, 0 * g, g, 400)
    assert 20 < len(asked) < 300


def test_backtracking_returns_the_iterate_where_the_loss_turns() -> None:
    iterates = [torch.tensor([[float(i)], [float(i)]]) for i in range(6)]
    best = backtrack(iterates, lambda d: (d[:, 0] - torch.tensor([2.0, 9.0])) ** 2)
    assert best.tolist() == [[2.0], [5.0]]


def test_the_line_search_shrinks_until_the_loss_falls() -> None:
    step, gradient, before = torch.ones(3, 1), -torch.ones(3, 1), torch.ones(3)
    losses = [lambda a: 1 - a, lambda a: 1 - a + 2 * a**2, lambda a: 1 + a]
    alpha = line_search(step, before, gradient, lambda d: torch.stack([f(d[i, 0]) for i, f in enumerate(losses)]))
    assert alpha[0] == 1.0 and alpha[2] == 0.0
    assert 0.39 < alpha[1] < 0.4951  # 1 - a + 2 a² <= 1 - 0.01 a needs a <= 0.495; steps of 0.8


LAG = 30


def long_lag(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return noise whose first value, marked, is asked for at the end: inputs (N, T, 2), targets (N, 1)."""
    random = torch.Generator().manual_seed(seed)
    x = 0.2 * torch.randn(count, LAG, 2, generator=random)
    x[:, 0] = torch.rand(count, 1, generator=random) * 2 - 1
    return x, x[:, 0, :1].clone()


def updates_to(goal: float, optimiser: str, rate: float, most: int) -> int:
    """Return how many updates the mean square error on all the data needs to fall below the goal."""
    network = Network(make_cell("elman", 2, hidden=20), 1)
    theta = torch.randn(1, network.parameters, generator=torch.Generator().manual_seed(5)) / 20**0.5
    item: Optimiser = make("optimisers", optimiser)
    p = Population(network, item, theta, torch.tensor([rate]), many_to_one=True)
    x, y = long_lag(128, 0)
    item.begin(p, (x, y))
    for update in range(most):
        if float(item.update(p, (x[None], y[None]))) < goal:
            return update
    return most


def test_it_needs_fewer_updates_than_adam_where_sgd_fails() -> None:
    variance = float(long_lag(128, 0)[1].var())
    hessian_free = updates_to(0.1 * variance, "hessian_free", 1.0, 60)
    adam = min(updates_to(0.1 * variance, "adam", rate, 600) for rate in (1e-3, 3e-3, 1e-2))
    sgd = min(updates_to(0.1 * variance, "sgd", rate, 600) for rate in (1e-2, 1e-1, 0.3))
    assert hessian_free < adam < 600
    assert hessian_free < 60 and sgd == 600


def test_the_damping_follows_the_reduction_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    p, data = population("elman", False), batch()
    item = p.optimiser
    assert isinstance(item, HessianFree)
    item.begin(p, (data[0][0], data[1][0]))
    theta, g = p.theta.detach(), torch.ones_like(p.theta)
    step = -1e-3 * g
    curvature = Curvature(p, data)
    model = hessian_free.dot(g, step) + 0.5 * hessian_free.dot(step, curvature.product(step, torch.zeros(2).double()))
    loss = torch.zeros(2).double()
    for ratio, factor in ((0.9, 2 / 3), (0.5, 1.0), (0.1, 3 / 2), (-1.0, 3 / 2)):
        monkeypatch.setattr(hessian_free, "loss_of", lambda p, theta, data, ratio=ratio: ratio * model)
        before = item.damping.clone()
        item._adapt(p, theta, step, loss, g, curvature)
        torch.testing.assert_close(item.damping, factor * before)
