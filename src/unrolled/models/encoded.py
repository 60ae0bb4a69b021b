"""ReLU layers in front of a cell: what it gets is a nonlinear function of each input x_t by itself."""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch


class Encoded(Cell):
    """Any cell, given e(x_t) in place of x_t, where e consists of ReLU layers; itself a cell.

    A recurrence whose state is a linear function of its inputs cannot multiply two of them, a mark and a value say,
    and no readout of a few units does so later for all steps. One ReLU unit in front does: for a mark m of 0 or 1 and
    a value u in [0, 1], relu(u + m - 1) = m u. Weights: the cell's, then X0, x0, X1, ... of the layers.

    Parameters
    ----------
    cell : Cell
        With the last layer's size as its number of inputs.
    inputs : int
        D.
    sizes : sequence of int
        Of the layers.
    """

    def __init__(self, cell: Cell, inputs: int, sizes: tuple[int, ...]) -> None:
        if cell.inputs != sizes[-1]:
            raise ValueError(f"Encoded: the cell takes {cell.inputs} inputs, the last layer gives {sizes[-1]}")
        self.cell, self.settings, self.inputs, self.hidden = cell, cell.settings, inputs, cell.hidden
        self.layers = list(pairwise((inputs, *sizes)))
        for name in ("family", "recurrent", "forget_gate", "input_gate", "compiled"):  # of the class, for other cells
            setattr(self, name, getattr(cell, name))

    @property
    def features(self) -> int:
        """Size of the cell's output."""
        return self.cell.features

    @property
    def expands(self) -> bool:
        """Whether the cell's `expand` does anything."""
        return self.cell.expands

    def expand(self, h: Tensor) -> Tensor:
        """Return what the readout gets for the cell's outputs."""
        return self.cell.expand(h)

    def weights(self) -> dict[str, Weight]:
        """Return the cell's weights, then the layers'; these are layers outside the step, as the readout's are."""
        found = self.cell.weights()
        for number, (rows, columns) in enumerate(self.layers):
            found[f"X{number}"] = Weight((rows, columns), "readout", max(1, rows))
            found[f"x{number}"] = Weight((1, columns), "readout_bias", max(1, rows))
        return found

    def encode(self, w: Weights, x: Tensor) -> Tensor:
        """Return e(x) for x (S, B, D) or (S, B, T, D)."""
        for number in range(len(self.layers)):
            v, c = w[f"X{number}"], w[f"x{number}"]
            x = torch.relu(x @ v + c) if x.dim() == 3 else torch.relu(x @ v[:, None] + c[:, None])
        return x

    def start(self, x: Tensor) -> State:
        """Return the cell's state before the first step."""
        return self.cell.start(x)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance the cell by one step."""
        return self.cell.step(w, self.encode(w, x), state)

    def unroll(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Encode all inputs at once, and unroll the cell."""
        return self.cell.unroll(w, self.encode(w, x), state)

    def kernels(self) -> tuple[Any, Any]:
        """Return the cell's loops, with the layers before and after them."""
        return self._forward, self._adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return the cell's, and [X; x] of each layer."""
        own = [torch.cat([w[f"X{number}"], w[f"x{number}"]], dim=1) for number in range(len(self.layers))]
        return *self.cell.kernel_weights(w), *own

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the cell's, and the output of each layer, with a column of ones where another sum follows."""
        ones = [1] * (len(self.layers) - 1) + [int(self.cell.with_one)]
        own = [(s, t, b, columns + one) for (_, columns), one in zip(self.layers, ones, strict=True)]
        return *self.cell.buffers(s, t, b, own[-1][3], keep), *own

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return the cell's."""
        return self.cell.constants(dtype)

    def segment(self, x: Tensor) -> int:
        """Return how many steps the cell takes at once."""
        return self.cell.segment(x)

    def _counts(self) -> tuple[int, int]:
        """Return how many states and buffers the cell has."""
        return len(self.cell.start(torch.zeros(1, 1, 1))), len(self.cell.buffers(1, 1, 1, 1))

    def _forward(self, x: Array, *arrays: Any) -> None:
        """Fill the layers' outputs, then run the cell's loop on the last."""
        many, (states, buffers), constants = len(self.layers), self._counts(), len(self.constants(x.dtype))
        weights = len(arrays) - constants - states - buffers - 2 * many
        w, own, state, buffer, outputs, rest = _split(arrays, weights, many, states, buffers, many)
        for given, v, out in zip([x, *outputs], own, outputs, strict=False):
            layer(given, v, out)
        self.cell.kernels()[0](outputs[-1], *w, *state, *buffer, *rest)

    def _adjoint(self, g: Array, x: Array, *arrays: Any) -> None:
        """Run the cell's adjoint, then go back through the layers from ∂L/∂e(x_t)."""
        many, (states, buffers), constants = len(self.layers), self._counts(), len(self.constants(x.dtype))
        weights = (len(arrays) - constants - 1 - states - buffers - 3 * many) // 2
        sizes = (weights, many, buffers, many, states, weights, many, 1)
        w, own, buffer, outputs, d_state, dw, d_own, (dx,), rest = _split(arrays, *sizes)
        back = [dx, *(np.zeros_like(out) for out in outputs)]
        self.cell.kernels()[1](g, outputs[-1], *w, *buffer, *d_state, *dw, back[-1], *rest)
        for n in range(many - 1, -1, -1):
            layer_backward([x, *outputs][n], own[n], outputs[n], back[n + 1], d_own[n], back[n])


def _split(arrays: tuple[Any, ...], *counts: int) -> list[list[Any]]:
    """Return lists of so many arrays each, and the rest."""
    bounds = [0, *accumulate(counts), len(arrays)]
    return [list(arrays[begin:end]) for begin, end in pairwise(bounds)]


@compiled
def layer(x: Array, w: Array, out: Array) -> None:
    """Write relu([x_t, 1] w) (S, T, B, n), and 1 into a further column if there is one; w = [X; x]."""
    steps, batch, e = x.shape[1:]
    a, n = np.empty((steps * batch, w.shape[2]), w.dtype), w.shape[2]
    for s in range(len(w)):
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e), w[s], a)
        rows = out[s].reshape(steps * batch, out.shape[3])
        for m in range(len(a)):
            row, given = rows[m], a[m]
            for j in range(n):
                row[j] = w.dtype.type(0) if given[j] < 0 else given[j]  # NaN stays
            for j in range(n, len(row)):
                row[j] = 1


@compiled
def layer_backward(x: Array, w: Array, out: Array, back: Array, dw: Array, dx: Array) -> None:
    """Backward of `layer` from ∂L/∂out (back): write ∂L/∂w, and add to ∂L/∂x_t if dx has elements."""
    steps, batch, e = x.shape[1:]
    n = w.shape[2]
    delta = np.empty((steps, batch, n), w.dtype)
    for s in range(len(w)):
        for t in range(steps):
            for b in range(batch):
                d, up, active = delta[t, b], back[s, t, b], out[s, t, b]
                for j in range(n):
                    d[j] = up[j] if active[j] > 0 else active[j]  # 0, or NaN
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e).T, delta.reshape(steps * batch, n), dw[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, w[s])
