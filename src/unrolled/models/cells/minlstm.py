"""Minimal long short-term memory: two gates that see the input only and share one whole."""

import math
from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch

CLOSED = -4.0
"""Where a gate's argument is less, its sigmoid is below 0.02, and 1 + tanh loses digits."""


class MinLSTM(Cell):
    """h_t = (f h_{t-1} + i n) / (f + i), with f, i = sigmoid(x_t U + b) and n = x_t U_n + b_n.

    It is the LSTM without h in its gates, without output gate and tanh; the gates are normalised, so that h is a mean
    of what came in. n is affine, the paper's first form, as in the minimal GRU. Weights: U (D, 3H), b (1, 3H) in the
    order f, i, n.

    References
    ----------
    Feng, Tung, Ahmed, Bengio & Hajimirsadeghi, Were RNNs all we needed? (2024), arXiv 2410.01201.
    """

    family: ClassVar[str] = "lstm"

    forget_gate: ClassVar[int | None] = 0  # of f, i, n
    input_gate: ClassVar[int | None] = 1
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return U and b."""
        columns, total = 3 * self.hidden, max(1, self.inputs)
        return {"U": Weight((self.inputs, columns), "input", total), "b": Weight((1, columns), "gate_bias", total)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        f, i, n = (x @ w["U"] + w["b"]).chunk(3, dim=-1)
        # f / (f + i) by logarithms: both may be too small to be told from 0.
        z = torch.sigmoid(torch.nn.functional.logsigmoid(f) - torch.nn.functional.logsigmoid(i))
        return (z * h + (1 - z) * n,)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [U; b]."""
        return (torch.cat([w["U"], w["b"]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the states; f, i and n; and f / (f + i)."""
        return (s, t + 1, b, self.hidden), (s, t, b, 3 * self.hidden), (s, t, b, self.hidden)


@compiled
def forward(x: Array, w: Array, state: Array, h: Array, gates: Array, share: Array) -> None:
    """Fill the states h_0, h_1, ..., the gates f_t, i_t, n_t from [x_t, 1] w, w = [U; b], and f / (f + i).

    One product for all steps.
    """
    steps, batch, e = x.shape[1:]
    for s in range(len(w)):
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e), w[s], gates[s].reshape(steps * batch, w.shape[2]))
        kernels.copy_rows(h[s, 0], state[s])
        for t in range(steps):
            apply_gates(gates[s, t], share[s, t])
            average(gates[s, t], share[s, t], h[s, t], h[s, t + 1])
        kernels.copy_rows(state[s], h[s, -1])


@compiled
def adjoint(
    g: Array, x: Array, w: Array, h: Array, gates: Array, share: Array, dh: Array, dw: Array, dx: Array
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    δ_t by the columns (f, i, n) of [x_t, 1] w, from the last step to the first, with dh_{t-1} = dh_t f / (f + i);
    then ∂L/∂w = Σ_t [x_t, 1]ᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ, over all steps at once.
    """
    steps, batch, e = x.shape[1:]
    delta = np.empty((steps, batch, w.shape[2]), w.dtype)
    for s in range(len(w)):
        for t in range(steps - 1, -1, -1):
            if g.shape[1]:
                kernels.add_rows(dh[s], g[s, t])
            average_backward(delta[t], dh[s], gates[s, t], share[s, t], h[s, t])
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e).T, delta.reshape(steps * batch, w.shape[2]), dw[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, w[s])


@compiled
def apply_gates(gates: Array, share: Array) -> None:
    """Apply sigmoid to f and i, and write z = f / (f + i); where both are small, from exponentials, not from tanh."""
    m = share.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(share)):
        both, f, i, z = gates[b, : 2 * m], gates[b, :m], gates[b, m : 2 * m], share[b]
        for j in range(m):
            z[j] = -1
            if max(f[j], i[j]) < CLOSED:
                least = min(f[j], i[j])
                one, p, q = math.exp(least), math.exp(least - f[j]), math.exp(least - i[j])
                z[j] = (one + q) / (2 * one + p + q)
        for j in range(2 * m):
            both[j] = half + half * tanh(half * both[j])
        for j in range(m):
            z[j] = f[j] / (f[j] + i[j]) if z[j] < 0 else z[j]


@compiled
def average(gates: Array, share: Array, h: Array, after: Array) -> None:
    """Write h_t = n + z (h_{t-1} - n)."""
    m = h.shape[1]
    for b in range(len(h)):
        z, n, h_b, new = share[b], gates[b, 2 * m :], h[b], after[b]
        for j in range(m):
            new[j] = n[j] + z[j] * (h_b[j] - n[j])


@compiled
def average_backward(delta: Array, dh: Array, gates: Array, share: Array, h: Array) -> None:
    """Backward of both: write δ_f, δ_i and δ_n, and leave z dh in dh."""
    m = h.shape[1]
    for b in range(len(h)):
        df, di, dn, up, h_b = delta[b, :m], delta[b, m : 2 * m], delta[b, 2 * m :], dh[b], h[b]
        f, i, n, z = gates[b, :m], gates[b, m : 2 * m], gates[b, 2 * m :], share[b]
        for j in range(m):
            df[j] = up[j] * (h_b[j] - n[j]) * (z[j] - z[j] * z[j])
        for j in range(m):
            di[j] = df[j] * (i[j] - 1)
        for j in range(m):
            df[j] *= 1 - f[j]
        for j in range(m):
            dn[j] = up[j] - up[j] * z[j]
        for j in range(m):
            up[j] *= z[j]
