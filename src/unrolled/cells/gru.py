"""Gated recurrent unit."""

import torch
from torch import Tensor

from unrolled.cells._base import Cell, State, Weights


class GRU(Cell):
    """h_t = (1 - z) n + z h_{t-1}, with a reset gate r and an update gate z.

    r, z = sigmoid(x_t U + h_{t-1} W + b) and n = tanh(x_t U_n + b_n + r (h_{t-1} W_n + d)), the
    form of `torch.nn.GRU`. Weights: U (D, 3H), W (H, 3H), b (1, 3H) in the order r, z, n; d (1, H).

    References
    ----------
    Cho et al., EMNLP 2014, doi 10.3115/v1/D14-1179.
    """

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W, b and d."""
        gates = 3 * self.hidden
        return {"U": (self.inputs, gates), "W": (self.hidden, gates), "b": (1, gates), "d": (1, self.hidden)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        xr, xz, xn = (x @ w["U"] + w["b"]).chunk(3, dim=-1)
        hr, hz, hn = (h @ w["W"]).chunk(3, dim=-1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * (hn + w["d"]))
        return ((1 - z) * n + z * h,)
