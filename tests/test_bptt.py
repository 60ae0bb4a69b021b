"""The lecture's recursion against automatic differentiation, and against the explicit product of Jacobians."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.models import bptt
from unrolled.models.bptt import Array, States, Weights

SIZES = {"T": 12, "D": 3, "H": 16, "K": 4}
EXACT = 1e-12
CASES = [(squash, loss) for squash in bptt.SQUASH for loss in ("mean_square", "cross_entropy")]


def problem(seed: int = 0) -> tuple[Weights, Array, Array, Array]:
    """Return weights, inputs, a first state and targets that are distributions."""
    random = np.random.default_rng(seed)
    t, d, h, k = SIZES.values()
    w = Weights(*(random.normal(size=shape) / h**0.5 for shape in ((h, d), (h, h), (h,), (k, h), (k,))))
    target = random.uniform(size=(t, k))
    return w, random.normal(size=(t, d)), random.normal(size=h) / 2, target / target.sum(axis=1, keepdims=True)


def by_autograd(w: Weights, x: Array, h0: Array, target: Array, squash: str, loss: str) -> tuple[float, Weights, Array]:
    """Return loss, gradients of the weights and of every hidden state as torch finds them."""
    leaves = {f.name: torch.tensor(getattr(w, f.name), requires_grad=True) for f in fields(w)}
    sigma: Any = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}[squash]
    states: list[Tensor] = [torch.tensor(h0, requires_grad=True)]
    total = torch.zeros((), dtype=torch.float64)
    for x_t, y_t in zip(torch.tensor(x), torch.tensor(target), strict=True):
        h = sigma(leaves["U"] @ x_t + leaves["W"] @ states[-1] + leaves["b"])
        h.retain_grad()
        states.append(h)
        y = leaves["V"] @ h + leaves["c"]
        error = (y - y_t).square().sum() / 2
        total = total + (error if loss == "mean_square" else -(y_t * torch.log_softmax(y, 0)).sum())
    total.backward()
    dh = np.stack([h.grad.numpy() for h in states])  # type: ignore[union-attr]
    return float(total.detach()), Weights(**{name: leaf.grad.numpy() for name, leaf in leaves.items()}), dh  # type: ignore[union-attr]


def ours(
    w: Weights, x: Array, h0: Array, target: Array, squash: str, loss: str
) -> tuple[float, Weights, Array, States]:
    states = bptt.forward(w, x, h0, squash)
    value, dy = getattr(bptt, loss)(states.y, target)
    return value, *bptt.backward(w, states, dy), states


def close(one: Array, other: Array) -> bool:
    return bool(abs(one - other).max() <= EXACT * max(1.0, abs(other).max()))


@pytest.mark.parametrize(("squash", "loss"), CASES)
def test_every_gradient_is_that_of_autograd(squash: str, loss: str) -> None:
    value, gradients, dh, _ = ours(*problem(), squash, loss)
    expected, theirs, their_dh = by_autograd(*problem(), squash, loss)
    assert value == pytest.approx(expected, rel=EXACT)
    for field in fields(Weights):
        assert close(getattr(gradients, field.name), getattr(theirs, field.name)), field.name
    assert close(dh, their_dh)


def test_a_recursion_with_a_wrong_sign_is_found() -> None:
    w, x, h0, target = problem()
    states = bptt.forward(w, x, h0)
    _, dy = bptt.mean_square(states.y, target)
    wrong, _ = bptt.backward(replace(w, W=-w.W), states, dy)
    _, theirs, _ = by_autograd(w, x, h0, target, "tanh", "mean_square")
    assert not close(wrong.W, theirs.W) and not close(wrong.U, theirs.U)
    assert close(wrong.V, theirs.V), "the readout's gradient does not pass through time"


@pytest.mark.parametrize("squash", bptt.SQUASH)
@pytest.mark.parametrize(("t", "k"), [(12, 0), (9, 4), (5, 4), (7, 7)])
def test_the_product_of_step_jacobians_is_the_derivative_over_many_steps(squash: str, t: int, k: int) -> None:
    w, x, h0, _ = problem(1)
    states = bptt.forward(w, x, h0, squash)

    def later(h: Tensor) -> Tensor:
        for i in range(k, t):
            a = torch.tensor(w.U @ x[i] + w.b) + torch.tensor(w.W) @ h
            h = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}[squash](a)
        return h

    expected = torch.autograd.functional.jacobian(later, torch.tensor(states.h[k])).numpy()
    assert close(bptt.product_jacobian(w, states, t, k), expected)


@pytest.mark.parametrize("squash", bptt.SQUASH)
def test_the_gradient_of_a_state_is_the_sum_over_later_outputs_through_the_products(squash: str) -> None:
    w, x, h0, target = problem(2)
    _, _, dh, states = ours(w, x, h0, target, squash, "mean_square")
    _, dy = bptt.mean_square(states.y, target)
    for k in (0, 3, 11):
        through = [bptt.product_jacobian(w, states, t, k).T @ w.V.T @ dy[t - 1] for t in range(max(k, 1), len(dy) + 1)]
        assert close(np.sum(through, axis=0), dh[k])


@pytest.mark.parametrize("squash", bptt.SQUASH)
def test_the_backward_pass_is_linear_and_the_forward_pass_is_not(squash: str) -> None:
    w, x, h0, target = problem(3)
    states = bptt.forward(w, x, h0, squash)
    _, dy = bptt.mean_square(states.y, target)
    (once, dh), (twice, dh2) = bptt.backward(w, states, dy), bptt.backward(w, states, 2 * dy)
    assert np.array_equal(2 * dh, dh2)
    assert all(np.array_equal(2 * getattr(once, f.name), getattr(twice, f.name)) for f in fields(Weights))
    doubled = bptt.forward(w, 2 * x, 2 * h0, squash)
    assert not np.allclose(doubled.y - w.c, 2 * (states.y - w.c))
