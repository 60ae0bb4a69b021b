"""Minimal gated recurrent unit: the gate sees the input only, so that the recurrence is linear in h."""

from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class MinGRU(Cell):
    """h_t = z h_{t-1} + (1 - z) n, with z = sigmoid(x_t U_z + b_z) and n = x_t U_n + b_n.

    It is the GRU without h in its gates and without a reset gate; z is the share that is kept, as in `GRU` (the paper
    writes 1 - z). n is affine, the paper's first form: its positive g(n) lets a parallel scan work with logarithms,
    which a loop has no need of, and allows no negative state. Weights: U (D, 2H), b (1, 2H) in the order z, n.

    References
    ----------
    Feng, Tung, Ahmed, Bengio & Hajimirsadeghi, Were RNNs all we needed? (2024), arXiv 2410.01201.
    """

    family: ClassVar[str] = "gru"

    forget_gate: ClassVar[int | None] = 0  # of z, n
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return U and b."""
        columns, total = 2 * self.hidden, max(1, self.inputs)
        return {"U": Weight((self.inputs, columns), "input", total), "b": Weight((1, columns), "gate_bias", total)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        z, n = (x @ w["U"] + w["b"]).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        return (z * h + (1 - z) * n,)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [U; b]."""
        return (torch.cat([w["U"], w["b"]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the states, and z and n."""
        return (s, t + 1, b, self.hidden), (s, t, b, 2 * self.hidden)


@compiled
def forward(x: Array, w: Array, state: Array, h: Array, gates: Array) -> None:
    """Fill the states h_0, h_1, ... and z_t, n_t from [x_t, 1] w, one product for all steps; w = [U; b]."""
    steps, batch, e = x.shape[1:]
    for s in range(len(w)):
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e), w[s], gates[s].reshape(steps * batch, w.shape[2]))
        kernels.copy_rows(h[s, 0], state[s])
        for t in range(steps):
            move(gates[s, t], h[s, t], h[s, t + 1])
        kernels.copy_rows(state[s], h[s, -1])


@compiled
def adjoint(g: Array, x: Array, w: Array, h: Array, gates: Array, dh: Array, dw: Array, dx: Array) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    δ_t by the columns (z, n) of [x_t, 1] w, from the last step to the first, with dh_{t-1} = z dh_t; then
    ∂L/∂w = Σ_t [x_t, 1]ᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ, over all steps at once.
    """
    steps, batch, e = x.shape[1:]
    delta = np.empty((steps, batch, w.shape[2]), w.dtype)
    for s in range(len(w)):
        for t in range(steps - 1, -1, -1):
            if g.shape[1]:
                kernels.add_rows(dh[s], g[s, t])
            move_backward(delta[t], dh[s], gates[s, t], h[s, t])
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e).T, delta.reshape(steps * batch, w.shape[2]), dw[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, w[s])


@compiled
def move(gates: Array, h: Array, after: Array) -> None:
    """Apply sigmoid to z, and write h_t = n + z (h_{t-1} - n)."""
    m = h.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(h)):
        z, n, h_b, new = gates[b, :m], gates[b, m:], h[b], after[b]
        for j in range(m):
            z[j] = half + half * tanh(half * z[j])
        for j in range(m):
            new[j] = n[j] + z[j] * (h_b[j] - n[j])


@compiled
def move_backward(delta: Array, dh: Array, gates: Array, h: Array) -> None:
    """Backward of `move`: write δ_z and δ_n, and leave z dh in dh."""
    m = h.shape[1]
    for b in range(len(h)):
        dz, dn, up, z, n, h_b = delta[b, :m], delta[b, m:], dh[b], gates[b, :m], gates[b, m:], h[b]
        for j in range(m):
            dz[j] = up[j] * (h_b[j] - n[j]) * (z[j] - z[j] * z[j])
        for j in range(m):
            dn[j] = up[j] - up[j] * z[j]
        for j in range(m):
            up[j] *= z[j]
