"""Long expressive memory: two coupled states, each with a time step it learns."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights
from unrolled.models.kernels import Array, compiled, tanh


class LEM(Cell):
    """Two states: z_t = (1 - p) z_{t-1} + p tanh(y_{t-1} W_z + x_t U_z + b_z), and y_t follows z_t.

    y_t = (1 - q) y_{t-1} + q tanh(z_t Z + x_t U_y + b_y).

    The steps p = Δt sigmoid(y_{t-1} W_p + x_t U_p + b_p), and q likewise, are learned for each unit
    and moment: an ODE with many time scales, in steps of its own. The output is y. Weights, in the
    order p, q, z, y: U (D, 4H), b (1, 4H), W (H, 3H), Z (H, H).

    References
    ----------
    Rusch, Mishra, Erichson & Mahoney, ICLR 2022, arXiv 2110.04744, equation 3.
    """

    options: ClassVar[dict[str, float]] = {"dt": 1.0}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W, Z and b."""
        d, h = self.inputs, self.hidden
        return {"U": (d, 4 * h), "W": (h, 3 * h), "Z": (h, h), "b": (1, 4 * h)}

    def start(self, x: Tensor) -> State:
        """Return y and z, zero."""
        (y,) = super().start(x)
        return y, torch.zeros_like(y)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance z, then y."""
        y, z = state
        up, uq, uz, uy = (x @ w["U"] + w["b"]).chunk(4, dim=-1)
        wp, wq, wz = (y @ w["W"]).chunk(3, dim=-1)
        p, q = (self.option["dt"] * torch.sigmoid(a) for a in (up + wp, uq + wq))
        z = (1 - p) * z + p * torch.tanh(uz + wz)
        return (1 - q) * y + q * torch.tanh(z @ w["Z"] + uy), z

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not kernels.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        first = 3 * self.hidden
        weights = torch.cat([w["W"], w["U"][..., :first], w["b"][..., :first]], dim=1)
        v = torch.cat([w["Z"], w["U"][..., first:], w["b"][..., first:]], dim=1)
        outputs, *last = _Recurrence.apply(kernels.with_one(x), weights, v, *state, self.option["dt"])
        return outputs, tuple(last)


class _Recurrence(torch.autograd.Function):
    """The loop: x (S or 1, T, B, E); w (S, H + E, 3H) of p, q, z; v (S, H + E, H) of y; y_0, z_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, v: Tensor, y0: Tensor, z0: Tensor, dt: float) -> tuple[Tensor, ...]:
        (s, b, hidden), t = y0.shape, x.shape[1]
        rows, second = kernels.rows(y0, x), kernels.rows(z0, x)
        gates, n = kernels.empty(s, t, b, 3 * hidden, like=w), kernels.empty(s, t, b, hidden, like=w)
        ctx.dt = w.new_tensor([dt])
        with kernels.announced("lem"):
            arrays = (x, w, v, y0.contiguous(), z0.contiguous(), rows, second, gates, n, ctx.dt)
            forward(*(each.numpy() for each in arrays))
        ctx.save_for_backward(w, v, rows, second, gates, n, z0.contiguous())
        ctx.set_materialize_grads(False)
        z = second[:, -2, :, :hidden] if t else z0
        return *kernels.read(rows, hidden), z.clone(memory_format=torch.contiguous_format)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, *d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        w, v, rows, second, gates, n, z0 = ctx.saved_tensors
        s, t, b, hidden = n.shape
        need_x = ctx.needs_input_grad[0]
        dw, dv = torch.empty_like(w), torch.empty_like(v)
        dh, dz = (kernels.at_end(d, s, b, hidden, like=w) for d in d_last)
        dx = w.new_zeros((s, t, b, w.shape[1] - hidden) if need_x else (0, 0, 0, 0))
        g = kernels.in_time_order(d_outputs, s, b, hidden, like=w)
        with kernels.announced("lem"):
            arrays = (w, v, rows, second, gates, n, z0, dh, dz, dw, dv, dx, ctx.dt)
            adjoint(g, *(each.numpy() for each in arrays))
        return dx if need_x else None, dw, dv, dh, dz, None


@compiled
def forward(
    x: Array,
    w: Array,
    v: Array,
    y0: Array,
    z0: Array,
    rows: Array,
    second: Array,
    gates: Array,
    n: Array,
    dt: Array,
) -> None:
    """Fill the rows [y_{t-1}, x_t, 1] and [z_t, x_t, 1], the gates (p, q, tanh for z), and n, the tanh for y."""
    hidden = y0.shape[2]
    for s in range(len(w)):
        y, z = y0[s].copy(), z0[s].copy()
        for t in range(x.shape[1]):
            x_t = x[min(s, len(x) - 1), t]
            kernels.enter(rows[s, t], y, x_t)
            np.dot(rows[s, t], w[s], gates[s, t])
            advance(gates[s, t], z, dt[0])
            kernels.enter(second[s, t], z, x_t)
            np.dot(second[s, t], v[s], n[s, t])
            output(n[s, t], gates[s, t], y)
        kernels.put(rows[s, -1, :, :hidden], y)


@compiled
def adjoint(
    g: Array,
    w: Array,
    v: Array,
    rows: Array,
    second: Array,
    gates: Array,
    n: Array,
    z0: Array,
    dh: Array,
    dz: Array,
    dw: Array,
    dv: Array,
    dx: Array,
    dt: Array,
) -> None:
    """Back-propagate through time: from ∂L/∂y_t (g), ∂L/∂y_T (in dh), ∂L/∂z_T (in dz) to weights, inputs, start.

    With ν_t the gradient by the argument of y's tanh and δ_t by those of (p, q, z's tanh), from the
    last step to the first: dy_t gives ν_t; dz_t += ν_t Zᵀ gives δ_t (`through_output`,
    `through_advance`); dy_{t-1} = (1 - q) dy_t + δ_t Wᵀ and dz_{t-1} = (1 - p) dz_t. Then
    ∂L/∂w = Σ_t [y_{t-1}, x_t, 1]ᵀ δ_t, ∂L/∂v = Σ_t [z_t, x_t, 1]ᵀ ν_t, ∂L/∂x_t = δ_t Uᵀ + ν_t U_yᵀ.
    """
    steps, batch, hidden = n.shape[1:]
    block = kernels.block_length(rows[0], 3 * hidden)
    delta, nu = np.empty((block, batch, 3 * hidden), w.dtype), np.empty((block, batch, hidden), w.dtype)
    back, part_w, part_v = np.empty_like(dh[0]), np.empty_like(dw[0]), np.empty_like(dv[0])
    dw[:], dv[:] = 0, 0
    for s in range(len(w)):
        from_y, from_z = np.ascontiguousarray(w[s, :hidden].T), np.ascontiguousarray(v[s, :hidden].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                d, k = delta[t - begin], nu[t - begin]
                through_output(d, k, dh[s], gates[s, t], n[s, t], rows[s, t], dt[0])
                np.dot(k, from_z, back)
                kernels.add_rows(dz[s], back)
                before = second[s, t - 1, :, :hidden] if t > 0 else z0[s, :, :hidden]
                through_advance(d, dz[s], gates[s, t], before, dt[0])
                np.dot(d, from_y, back)
                kernels.add_rows(dh[s], back)
            kernels.add_product(dw[s], rows[s, begin:end], delta[: end - begin], part_w)
            kernels.add_product(dv[s], second[s, begin:end], nu[: end - begin], part_v)
            if len(dx):
                kernels.to_input(dx[s, begin:end], delta[: end - begin], w[s, hidden:])
                kernels.to_input(dx[s, begin:end], nu[: end - begin], v[s, hidden:])


@compiled
def advance(gates: Array, z: Array, dt: float) -> None:
    """Turn the arguments of p, q and z's tanh into their values, and advance z."""
    m = z.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(z)):
        both, p, c, row = gates[b, : 2 * m], gates[b, :m], gates[b, 2 * m :], z[b]
        for j in range(2 * m):
            both[j] = dt * (half + half * tanh(half * both[j]))
        for j in range(m):
            c[j] = tanh(c[j])
        for j in range(m):
            row[j] += p[j] * (c[j] - row[j])


@compiled
def output(n: Array, gates: Array, y: Array) -> None:
    """Turn the argument of y's tanh into its value, and advance y."""
    m = y.shape[1]
    for b in range(len(y)):
        n_b, q, row = n[b], gates[b, m : 2 * m], y[b]
        for j in range(m):
            n_b[j] = tanh(n_b[j])
        for j in range(m):
            row[j] += q[j] * (n_b[j] - row[j])


@compiled
def through_output(delta: Array, nu: Array, dy: Array, gates: Array, n: Array, rows: Array, dt: float) -> None:
    """Back through y_t = (1 - q) y_{t-1} + q n: write ν and δ_q, leave (1 - q) dy in dy."""
    m = n.shape[1]
    for b in range(len(dy)):
        d, k, up, n_b, q, y = delta[b, m : 2 * m], nu[b], dy[b], n[b], gates[b, m : 2 * m], rows[b]
        for j in range(m):
            k[j] = up[j] * q[j] * (1 - n_b[j] * n_b[j])
        for j in range(m):
            d[j] = up[j] * (n_b[j] - y[j]) * q[j] * (1 - q[j] / dt)
        for j in range(m):
            up[j] -= up[j] * q[j]


@compiled
def through_advance(delta: Array, dz: Array, gates: Array, z: Array, dt: float) -> None:
    """Back through z_t = (1 - p) z_{t-1} + p c: write δ_c and δ_p, leave (1 - p) dz in dz."""
    m = z.shape[1]
    for b in range(len(dz)):
        d_c, d_p, up, p, c, z_b = delta[b, 2 * m :], delta[b, :m], dz[b], gates[b, :m], gates[b, 2 * m :], z[b]
        for j in range(m):
            d_c[j] = up[j] * p[j] * (1 - c[j] * c[j])
        for j in range(m):
            d_p[j] = up[j] * (c[j] - z_b[j]) * p[j] * (1 - p[j] / dt)
        for j in range(m):
            up[j] -= up[j] * p[j]
