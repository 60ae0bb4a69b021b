"""Minimal long short-term memory: two gates that see the input only and share one whole."""

from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


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
        f, i = torch.sigmoid(f), torch.sigmoid(i)
        return ((f * h + i * n) / (f + i),)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [U; b]."""
        return (torch.cat([w["U"], w["b"]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the states, and f, i and n."""
        return (s, t + 1, b, self.hidden), (s, t, b, 3 * self.hidden)


@compiled
def forward(x: Array, w: Array, state: Array, h: Array, gates: Array) -> None:
    """Fill the states h_0, h_1, ... and f_t, i_t, n_t from [x_t, 1] w, one product for all steps; w = [U; b]."""
    steps, batch, e = x.shape[1:]
    for s in range(len(w)):
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e), w[s], gates[s].reshape(steps * batch, w.shape[2]))
        kernels.copy_rows(h[s, 0], state[s])
        for t in range(steps):
            average(gates[s, t], h[s, t], h[s, t + 1])
        kernels.copy_rows(state[s], h[s, -1])


@compiled
def adjoint(g: Array, x: Array, w: Array, h: Array, gates: Array, dh: Array, dw: Array, dx: Array) -> None:
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
            average_backward(delta[t], dh[s], gates[s, t], h[s, t])
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e).T, delta.reshape(steps * batch, w.shape[2]), dw[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, w[s])


@compiled
def average(gates: Array, h: Array, after: Array) -> None:
    """Apply sigmoid to f and i, and write h_t = n + f / (f + i) (h_{t-1} - n)."""
    m = h.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(h)):
        both, f, i, n, h_b, new = (
            gates[b, : 2 * m],
            gates[b, :m],
            gates[b, m : 2 * m],
            gates[b, 2 * m :],
            h[b],
            after[b],
        )
        for j in range(2 * m):
            both[j] = half + half * tanh(half * both[j])
        for j in range(m):
            new[j] = n[j] + f[j] / (f[j] + i[j]) * (h_b[j] - n[j])


@compiled
def average_backward(delta: Array, dh: Array, gates: Array, h: Array) -> None:
    """Backward of `average`: with z = f / (f + i), write δ_f, δ_i and δ_n, and leave z dh in dh."""
    m = h.shape[1]
    for b in range(len(h)):
        df, di, dn, up, h_b = delta[b, :m], delta[b, m : 2 * m], delta[b, 2 * m :], dh[b], h[b]
        f, i, n = gates[b, :m], gates[b, m : 2 * m], gates[b, 2 * m :]
        for j in range(m):  # first z itself, where δ_n goes later
            dn[j] = f[j] / (f[j] + i[j])
        for j in range(m):
            slope = up[j] * (h_b[j] - n[j]) * (dn[j] - dn[j] * dn[j])
            df[j] = slope * (1 - f[j])
            di[j] = slope * (i[j] - 1)
        for j in range(m):
            kept = up[j] * dn[j]
            dn[j] = up[j] - kept
            up[j] = kept
