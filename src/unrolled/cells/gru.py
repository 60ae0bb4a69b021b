"""Gated recurrent unit."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.cells import _fused
from unrolled.cells._base import Cell, State, Weights
from unrolled.cells._fused import Array, compiled, tanh


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

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not _fused.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        # r acts on h W_n + d alone, so the input's part of n is a product of its own, v = [U_n; b_n].
        gates, none = 2 * self.hidden, w["U"].new_zeros(len(w["U"]), self.inputs, self.hidden)
        u, b = torch.cat([w["U"][..., :gates], none], dim=2), torch.cat([w["b"][..., :gates], w["d"]], dim=2)
        weights = torch.cat([w["W"], u, b], dim=1)
        v = torch.cat([w["U"][..., gates:], w["b"][..., gates:]], dim=1)
        outputs, h = _Recurrence.apply(_fused.with_one(x), weights, v, state[0], torch.is_grad_enabled())
        return outputs, (h,)


class _Recurrence(torch.autograd.Function):
    """The loop over time: x (S or 1, T, B, E), w (S, H + E, 3H), v (S, E, H), h_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, v: Tensor, h0: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
        (s, b, hidden), t = h0.shape, x.shape[1]
        rows = _fused.rows(h0, x)
        gates = w.new_empty(*((s, t) if keep else (1, 1)), b, 3 * hidden)
        n = w.new_empty(s if keep else 1, t, b, hidden)
        with _fused.announced("gru"):
            arrays = (x, w, v, h0.contiguous(), rows, gates, n)
            forward(*(each.numpy() for each in arrays))
        ctx.save_for_backward(x, w, v, rows, gates, n)
        ctx.set_materialize_grads(False)
        return _fused.read(rows, hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        x, w, v, rows, gates, n = ctx.saved_tensors
        s, t, b, hidden = n.shape
        need_x = ctx.needs_input_grad[0]
        dw, dv = torch.empty_like(w), torch.empty_like(v)
        dx = w.new_empty((s, t, b, x.shape[3]) if need_x else (0, 0, 0, 0))
        g = _fused.dense(d_outputs, s, b, t, hidden, like=w)
        dh = w.new_zeros(s, b, hidden) if d_last is None else d_last.contiguous().clone()
        with _fused.announced("gru"):
            arrays = (x, w, v, rows, gates, n, dh, dw, dv, dx)
            adjoint(g, *(each.numpy() for each in arrays))
        return dx if need_x else None, dw, dv, dh, None


@compiled
def forward(x: Array, w: Array, v: Array, h0: Array, rows: Array, gates: Array, n: Array) -> None:
    """Fill the rows [h_{t-1}, x_t, 1], the gates (r, z, h_{t-1} W_n + d), and n."""
    hidden = h0.shape[2]
    for s in range(len(w)):
        h, x_s, n_s = h0[s].copy(), x[min(s, len(x) - 1)], n[min(s, len(n) - 1)]
        np.dot(x_s.reshape(-1, x.shape[3]), v[s], n_s.reshape(-1, hidden))
        for t in range(x.shape[1]):
            a = gates[min(s, len(gates) - 1), min(t, gates.shape[1] - 1)]
            _fused.enter(rows[s, t], h, x_s[t])
            np.dot(rows[s, t], w[s], a)
            reset(a, n_s[t])
            squash(n_s[t].reshape(-1))
            update(a, n_s[t], h)
        rows[s, -1, :, :hidden] = h


@compiled
def adjoint(
    g: Array,
    x: Array,
    w: Array,
    v: Array,
    rows: Array,
    gates: Array,
    n: Array,
    dh: Array,
    dw: Array,
    dv: Array,
    dx: Array,
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    With δ_t the gradient by the columns (r, z, h W_n + d) of [h_{t-1}, x_t, 1] w, and ν_t by the
    argument of n's tanh, from the last step to the first: dh_t = g_t + z dh_{t+1} + δ_{t+1} Wᵀ
    gives δ_t and ν_t (see `through_gates`); then ∂L/∂w = Σ_t [h_{t-1}, x_t, 1]ᵀ δ_t,
    ∂L/∂v = Σ_t [x_t, 1]ᵀ ν_t and ∂L/∂x_t = δ_t Uᵀ + ν_t U_nᵀ.
    """
    steps, batch, hidden = n.shape[1:]
    columns, width, inputs = 3 * hidden, rows.shape[3], x.shape[3]
    delta, nu = np.empty((steps, batch, columns), w.dtype), np.empty((steps, batch, hidden), w.dtype)
    back = np.empty((batch, hidden), w.dtype)
    for s in range(len(w)):
        recurrent = np.ascontiguousarray(w[s, :hidden].T)
        for t in range(steps - 1, -1, -1):
            _fused.add_rows(dh[s], g[s, :, t])
            through_gates(delta[t], nu[t], dh[s], gates[s, t], n[s, t], rows[s, t])
            np.dot(delta[t], recurrent, back)
            _fused.add_rows(dh[s], back)
        flat, flat_nu = delta.reshape(steps * batch, columns), nu.reshape(steps * batch, hidden)
        np.dot(rows[s, :steps].reshape(steps * batch, width).T, flat, dw[s])
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, inputs).T, flat_nu, dv[s])
        if len(dx):
            dx[s] = (np.dot(flat, w[s, hidden:].T) + np.dot(flat_nu, v[s].T)).reshape(steps, batch, inputs)


@compiled
def reset(gates: Array, n: Array) -> None:
    """Apply sigmoid to r and z, and add r (h_{t-1} W_n + d) to the argument of n."""
    m = n.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(n)):
        both, r, hn, row = gates[b, : 2 * m], gates[b, :m], gates[b, 2 * m :], n[b]
        for j in range(2 * m):
            both[j] = half + half * tanh(half * both[j])
        for j in range(m):
            row[j] += r[j] * hn[j]


@compiled
def squash(n: Array) -> None:
    """Replace n's argument by its tanh."""
    for j in range(len(n)):
        n[j] = tanh(n[j])


@compiled
def update(gates: Array, n: Array, h: Array) -> None:
    """h_t = (1 - z) n + z h_{t-1}."""
    m = n.shape[1]
    for b in range(len(h)):
        row, z, n_b = h[b], gates[b, m : 2 * m], n[b]
        for j in range(m):
            row[j] = n_b[j] + z[j] * (row[j] - n_b[j])


@compiled
def through_gates(delta: Array, nu: Array, dh: Array, gates: Array, n: Array, rows: Array) -> None:
    """Write δ = (δ_r, δ_z, δ_hn) and ν, and leave z dh in dh.

    δ_z = dh (h_{t-1} - n) z (1 - z), ν = dh (1 - z) (1 - n²), δ_hn = ν r,
    δ_r = ν (h_{t-1} W_n + d) r (1 - r).
    """
    m = n.shape[1]
    for b in range(len(dh)):
        row, n_b, h, v, d = dh[b], n[b], rows[b, :m], nu[b], delta[b]
        r, z, hn = gates[b, :m], gates[b, m : 2 * m], gates[b, 2 * m :]
        d_r, d_z, d_hn = d[:m], d[m : 2 * m], d[2 * m :]
        for j in range(m):
            d_z[j] = row[j] * (h[j] - n_b[j]) * (z[j] - z[j] * z[j])
        for j in range(m):
            rest = row[j] - row[j] * z[j]
            v[j] = rest - rest * n_b[j] * n_b[j]
            row[j] *= z[j]
        for j in range(m):
            d_hn[j] = v[j] * r[j]
            d_r[j] = v[j] * hn[j] * (r[j] - r[j] * r[j])
