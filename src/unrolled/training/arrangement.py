"""How θ enters the kernels of a cell, and how the gradient comes back."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch

from unrolled.models.kernels import Array
from unrolled.models.network import Network
from unrolled.training import passes


class Arrangement:
    """The weights of a cell as its kernels take them, for θ (S, P), and room for the gradient by them.

    Mostly they are the cell's part of θ in another order, with zeros between: found once, by sending the
    places in θ through `kernel_weights`, and then copied run by run. What is more than an order (the
    exponentials of the LRU, a readout that is fed back) is differentiated by PyTorch.

    Parameters
    ----------
    network : Network
    theta : (S, P) array
    closed : bool
        Whether they are those of the closed loop, with the readout in them (`Cell.closed`).

    Attributes
    ----------
    weights, gradients : lists of (S, ...) arrays
    """

    def __init__(self, network: Network, theta: Array, closed: bool = False) -> None:
        self.network, self.count = network, sum(w.shape[0] * w.shape[1] for w in network.cell.weights().values())
        self.closed = closed
        places = torch.arange(1.0, network.parameters + 1, dtype=torch.float64)[None]
        parts = self._of(places) if self.count else ()
        found = np.sort([each for part in parts for each in part.flatten().tolist() if each])
        self.ordered = not closed and np.array_equal(found, np.arange(1.0, self.count + 1))
        self.weights = [np.zeros((len(theta), *part.shape[1:]), theta.dtype) for part in parts]
        self.gradients = [np.zeros_like(part) for part in self.weights]
        self._runs = [runs(part.flatten().numpy()) for part in parts] if self.ordered else []
        self._back = [np.ascontiguousarray(each[:, [1, 0, 2]]) for each in self._runs]
        self._flat = [(w.reshape(len(w), -1), d.reshape(len(d), -1)) for w, d in self._pairs()]
        self._leaf, self._parts = torch.zeros(()), list[torch.Tensor]()

    def _of(self, theta: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the weights as the kernels take them, differentiable."""
        cell, w = self.network.cell, self.network.unpack(theta)
        if self.closed:
            found = cell.closed({name: w[name] for name in cell.weights()}, w["V0"], w["c0"])
            assert found is not None
            w = found
        return cell.kernel_weights(w)

    def _pairs(self) -> Any:
        return zip(self.weights, self.gradients, strict=True)

    def fill(self, theta: Array) -> None:
        """Write the weights."""
        if self.ordered:
            for (flat, _), each in zip(self._flat, self._runs, strict=True):
                passes.copy_runs(theta, flat, each)
            return
        self._leaf = torch.tensor(theta, requires_grad=True)
        with torch.enable_grad():
            self._parts = list(self._of(self._leaf))
        for weight, part in zip(self.weights, self._parts, strict=True):
            np.copyto(weight, part.detach().numpy())

    def collect(self, gradient: Array) -> None:
        """Write the cell's part of ∂L/∂θ (S, P) from the gradients by the weights; add all of it in closed loop."""
        if self.ordered:
            for (_, flat), each in zip(self._flat, self._back, strict=True):
                passes.copy_runs(flat, gradient, each)
            return
        (found,) = torch.autograd.grad(self._parts, self._leaf, [torch.from_numpy(each) for each in self.gradients])
        if self.closed:
            gradient += found.numpy()
        else:
            np.copyto(gradient[:, : self.count], found.numpy()[:, : self.count])


def runs(places: Array) -> Array:
    """Return rows (place in θ, place in the part, length) of a part that holds places in θ from 1 on, or zeros.

    >>> runs(np.array([3.0, 4.0, 0.0, 1.0]))
    array([[2, 0, 2],
           [0, 3, 1]])
    """
    here = np.flatnonzero(places)
    there = places[here].astype(np.int64) - 1
    breaks = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
    bounds = pairwise([0, *breaks.tolist(), len(here)])
    return np.array([(there[a], here[a], b - a) for a, b in bounds], dtype=np.int64).reshape(-1, 3)
