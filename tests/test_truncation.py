"""Truncated back-propagation: the outputs stay, the gradient stops at each cut."""

import pytest
import torch
from torch import Tensor

from conftest import make_cell
from unrolled.models.network import Network

STEPS = 11


def gradient(truncate: int | None, last: bool = False) -> tuple[Tensor, Tensor]:
    """Return the outputs, and the gradient by θ."""
    network = Network(make_cell("elman", 1, hidden=4), 1, truncate=truncate)
    random = torch.Generator().manual_seed(0)
    theta = torch.randn(2, network.parameters, generator=random, dtype=torch.float64).requires_grad_()
    x = torch.randn(2, 3, STEPS, 1, generator=random, dtype=torch.float64)
    y = network(network.unpack(theta), x, last)
    return y.detach(), torch.autograd.grad(y.square().sum(), theta)[0]


def by_hand(truncate: int) -> Tensor:
    """Return the gradient with the state detached before every stretch, counted from the end."""
    network = Network(make_cell("elman", 1, hidden=4), 1)
    random = torch.Generator().manual_seed(0)
    theta = torch.randn(2, network.parameters, generator=random, dtype=torch.float64).requires_grad_()
    x = torch.randn(2, 3, STEPS, 1, generator=random, dtype=torch.float64)
    w, total = network.unpack(theta), torch.zeros((), dtype=torch.float64)
    state = network.cell.start(x)
    for t in range(STEPS):
        if (STEPS - t) % truncate == 0:
            state = tuple(part.detach() for part in state)
        state = network.cell.step(w, x[:, :, t], state)
        total = total + network.readout(w, state[0]).square().sum()
    return torch.autograd.grad(total, theta)[0]


@pytest.mark.parametrize("truncate", [1, 3, 4, 10])
def test_the_gradient_stops_at_each_cut(truncate: int) -> None:
    (y, found), (whole, full) = gradient(truncate), gradient(None)
    torch.testing.assert_close(y, whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(found, by_hand(truncate), rtol=1e-11, atol=1e-11)
    assert not torch.allclose(found, full, rtol=1e-3)


@pytest.mark.parametrize("truncate", [STEPS, 50])
def test_a_cut_beyond_the_sequence_changes_nothing(truncate: int) -> None:
    assert torch.equal(gradient(truncate)[1], gradient(None)[1])


def test_many_to_one_sees_the_last_stretch_only() -> None:
    found, full = gradient(3, last=True)[1], gradient(None, last=True)[1]
    assert not torch.allclose(found, full, rtol=1e-3)
