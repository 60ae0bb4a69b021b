"""Long short-term memory: a cell made to keep a value for a long time."""

import torch
from torch import Tensor

from unrolled.cells._base import Cell, State, Weights


class LSTM(Cell):
    """i, f, o = sigmoid, g = tanh of (x_t U + h_{t-1} W + b); c_t = f c_{t-1} + i g; h_t = o tanh c_t.

    Weights: U (D, 4H), W (H, 4H), b (1, 4H), in the order i, f, g, o of `torch.nn.LSTM`.

    References
    ----------
    Hochreiter & Schmidhuber, Neural Computation 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735;
    forget gate: Gers, Schmidhuber & Cummins, Neural Computation 12 (2000) 2451,
    doi 10.1162/089976600300015015.
    """

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W and b."""
        gates = 4 * self.hidden
        return {"U": (self.inputs, gates), "W": (self.hidden, gates), "b": (1, gates)}

    def start(self, x: Tensor) -> State:
        """Return h = c = 0."""
        zero = x.new_zeros(*x.shape[:2], self.hidden)
        return zero, zero

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance (h, c) by one step."""
        h, c = state
        i, f, g, o = (x @ w["U"] + h @ w["W"] + w["b"]).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
