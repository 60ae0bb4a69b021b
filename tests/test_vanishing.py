"""The regulariser of vanishing gradients: its value, its immediate derivative, and what it does to a network."""

from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import make_cell
from unrolled import registry
from unrolled.models.network import Network
from unrolled.registry import make, names
from unrolled.training import vanishing
from unrolled.training.optimiser import LOSSES
from unrolled.training.population import Population

S, B, T, D, H, K = 2, 3, 6, 2, 4, 3
SQUASHING = [name for name in names("cells") if registry.load("cells", name).squashes]


def problem(last: bool, loss: Any = "mean_square", **given: Any) -> tuple[Network, Tensor, tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(0)
    network = Network(make_cell("elman", D, hidden=H, **given), K, (5,))
    theta = torch.randn(S, network.parameters, generator=random, dtype=torch.float64).requires_grad_()
    x = torch.randn(S, B, T, D, generator=random, dtype=torch.float64)
    y = torch.randn(S, B, *(() if last else (T,)), K, generator=random, dtype=torch.float64)
    if loss == "cross_entropy":
        y = torch.nn.functional.one_hot(y.argmax(dim=-1), K).double()
    return network, theta, (x, y)


def by_definition(
    network: Network, theta: Tensor, batch: tuple[Tensor, Tensor], loss: str, last: bool
) -> tuple[Tensor, Tensor]:
    """Return Ω (S,) and its immediate derivative by W, with every Jacobian ∂a_{k+1}/∂a_k by automatic differentiation.

    a_{k+1} is a function of a_k and W; of Ω only that W is differentiated, not what the gradients are made of.
    """
    (x, y), w, minimise = batch, network.unpack(theta), LOSSES[loss]  # type: ignore[index]
    squash = {"tanh": torch.tanh, "relu": torch.relu, "identity": lambda a: a}[network.cell.settings.activation]
    a, h = list[Tensor](), x.new_zeros(S, B, H)
    for t in range(T):
        a.append(x[:, :, t] @ w["U"] + h @ w["W"] + w["b"])
        h = squash(a[-1])
    states = torch.stack([squash(each) for each in a], dim=2)
    error = minimise(network.readout(w, states[:, :, -1] if last else states), y)
    back = [each.detach() for each in torch.autograd.grad(error.sum(), a, retain_graph=True)]
    free = w["W"].detach().clone().requires_grad_()
    values = []
    for s in range(S):
        for b in range(B):
            for k in range(T - 1):

                def step(own: Tensor, s: int = s, b: int = b, k: int = k) -> Tensor:
                    return squash(own) @ free[s] + x[s, b, k + 1] @ w["U"][s].detach() + w["b"][s, 0].detach()

                jacobian = torch.autograd.functional.jacobian(step, a[k][s, b].detach(), create_graph=True)
                row = back[k + 1][s, b]
                if float(row.norm()) > 0:
                    values.append((s, ((row @ jacobian).norm() / row.norm() - 1).square()))
    omega = torch.stack([torch.stack([value for of, value in values if of == s]).mean() for s in range(S)])
    return omega.detach(), torch.autograd.grad(omega.sum(), free)[0]


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("loss", ["mean_square", "cross_entropy"])
@pytest.mark.parametrize("last", [True, False])
def test_the_gradient_is_that_of_the_definition(last: bool, loss: str, activation: str) -> None:
    network, theta, batch = problem(last, loss, activation=activation)
    alpha = torch.tensor([0.5, 2.0], dtype=torch.float64)
    about = batch, LOSSES[loss], last  # type: ignore[index]
    found = vanishing.loss_and_gradient(network, theta, *about, alpha)
    plain = torch.autograd.grad(LOSSES[loss](network(network.unpack(theta), batch[0], last), batch[1]).sum(), theta)[0]  # type: ignore[index]
    _, by_w = by_definition(network, theta, batch, loss, last)
    extra = network.unpack(found[1] - plain)
    torch.testing.assert_close(extra["W"], alpha[:, None, None] * by_w, rtol=1e-9, atol=1e-11)
    with_it, without = network.unpack(found[1]), network.unpack(plain)
    for name in set(extra) - {"W"}:  # which the other weights do not get; the last digits are the processor's
        torch.testing.assert_close(with_it[name], without[name], rtol=1e-12, atol=1e-12)
    assert float((extra["W"] - by_w).abs().max()) > 1e-3  # of weights of one


def test_the_value_is_that_of_the_definition_and_zero_where_gradients_keep_their_size() -> None:
    network, theta, batch = problem(False)
    expected, _ = by_definition(network, theta, batch, "mean_square", False)
    h = network.hidden(network.unpack(theta), batch[0], False)[0].detach()
    slope = network.cell.slope(h)
    back = deltas(network, theta, batch)
    w = network.unpack(theta)["W"].detach()
    torch.testing.assert_close(vanishing.omega(w, slope, back)[0], expected, rtol=1e-9, atol=1e-12)
    turned, _ = torch.linalg.qr(w)
    value, gradient = vanishing.omega(turned, torch.ones_like(slope), back)
    assert float(value.abs().max()) < 1e-25 and float(gradient.abs().max()) < 1e-12
    assert float(vanishing.omega(1.1 * turned, torch.ones_like(slope), back)[0].min()) == pytest.approx(0.01)


def deltas(network: Network, theta: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return ∂E/∂a_t of the mean square error at all steps, by the recursion written out."""
    w = {name: each.detach() for name, each in network.unpack(theta).items()}
    h = network.cell.unroll(w, batch[0], network.cell.start(batch[0]))[0].requires_grad_()
    error = (network.readout(w, h) - batch[1]).square().flatten(1).mean(dim=1).sum()
    (direct,) = torch.autograd.grad(error, h)
    carried, found = torch.zeros_like(direct[:, :, 0]), list[Tensor]()
    for t in reversed(range(T)):
        found.append((direct[:, :, t] + carried) * network.cell.slope(h.detach()[:, :, t]))
        carried = found[-1] @ w["W"].mT
    return torch.stack(found[::-1], dim=2)


def test_what_vanished_within_float32_is_left_out_and_the_rest_counts() -> None:
    w, slope = 0.5 * torch.eye(H).expand(1, H, H), torch.ones(1, 1, 3, H)
    back = torch.zeros(1, 1, 3, H)
    back[0, 0, 2] = 1e-38  # whose square is none
    value, gradient = vanishing.omega(w, slope, back)
    assert float(value) == pytest.approx(0.25) and torch.isfinite(gradient).all()
    nothing = vanishing.omega(w, slope, torch.zeros_like(back))
    assert float(nothing[0]) == 0 and not nothing[1].any()


def test_training_with_it_lets_gradients_reach_back() -> None:
    network, theta, (x, y) = problem(True)
    rates, reached, values = torch.full((S,), 0.05, dtype=torch.float64), [], []
    for weight in (0.0, 5.0):
        about = {"omega": torch.full_like(rates, weight)}
        population = Population(network, make("optimisers", "sgd"), 0.3 * theta.detach(), rates, True, **about)
        for _ in range(200):
            population.optimiser.update(population, (x, y))
        given, own = x.clone().requires_grad_(), population.theta.detach().requires_grad_()
        (back,) = torch.autograd.grad(LOSSES["mean_square"](network(network.unpack(own), given, True), y).sum(), given)
        sizes = back.norm(dim=3).mean(dim=1)
        reached.append(sizes[:, 0] / sizes[:, -1])
        values.append(by_definition(network, own, (x, y), "mean_square", True)[0])
    assert (values[1] < 0.5 * values[0]).all(), values
    assert (reached[1] > 1.4 * reached[0]).all(), reached


def test_replicas_with_none_are_trained_as_without_it() -> None:
    network, theta, batch = problem(True)
    rates = torch.full((S,), 0.05, dtype=torch.float64)
    rows = []
    for weights in (None, torch.tensor([0.0, 1.0], dtype=torch.float64)):
        population = Population(network, make("optimisers", "adam"), theta.detach(), rates, True, omega=weights)
        for _ in range(5):
            population.optimiser.update(population, batch)
        rows.append(population.theta.detach())
    torch.testing.assert_close(rows[0][0], rows[1][0], rtol=1e-12, atol=1e-12)
    assert float((rows[0][1] - rows[1][1]).abs().max()) > 1e-3


def test_it_is_for_cells_that_are_one_squashed_sum() -> None:
    assert SQUASHING == ["elman"]
    for name in names("cells"):
        assert (vanishing.supports(registry.load("cells", name)) is None) == (name in SQUASHING)
        if name not in SQUASHING:
            with pytest.raises(NotImplementedError):
                make_cell(name, 2, hidden=4, window=3).slope(torch.zeros(1))


@pytest.mark.parametrize("name", SQUASHING)
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
def test_the_slope_is_the_derivative_of_the_step(name: str, activation: str) -> None:
    cell = make_cell(name, 2, hidden=4, activation=activation)
    random = torch.Generator().manual_seed(0)
    w = {n: torch.randn(1, *each.shape, generator=random, dtype=torch.float64) for n, each in cell.weights().items()}
    w["b"].requires_grad_()
    x = torch.randn(1, 1, 2, generator=random, dtype=torch.float64)
    (h,) = cell.step(w, x, (torch.zeros(1, 1, 4).double(),))
    (found,) = torch.autograd.grad(h.sum(), w["b"])
    torch.testing.assert_close(cell.slope(h.detach())[0], found[0], rtol=1e-12, atol=1e-12)
