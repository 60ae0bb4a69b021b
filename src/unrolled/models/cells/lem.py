"""Long expressive memory: two coupled states, each with time steps of its own that are trained."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class LEM(Cell):
    """Two states: z_t = (1 - p) z_{t-1} + p tanh(y_{t-1} W_z + x_t U_z + b_z), and y_t follows z_t.

    y_t = (1 - q) y_{t-1} + q tanh(z_t Z + x_t U_y + b_y).

    The steps p = Δt sigmoid(y_{t-1} W_p + x_t U_p + b_p), and q likewise, depend on unit
    and moment: an ODE with many time scales, in steps of its own. The output is y. Weights, in the
    order p, q, z, y: U (D, 4H), b (1, 4H), W (H, 3H), Z (H, H).

    References
    ----------
    Rusch, Mishra, Erichson & Mahoney, ICLR 2022, arXiv 2110.04744, equation 3.
    """

    family: ClassVar[str] = "oscillatory"

    class Settings(Cell.Settings):
        """H, and Δt."""

        dt: float = Field(1.0, gt=0)

    settings: Settings
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return U, W, Z and b."""
        d, h = self.inputs, self.hidden
        w, z = (Weight((h, columns), "recurrent", d + h) for columns in (3 * h, h))
        return {"U": Weight((d, 4 * h), "input", d + h), "W": w, "Z": z, "b": Weight((1, 4 * h), "bias", d + h)}

    def start(self, x: Tensor) -> State:
        """Return y and z, zero."""
        (y,) = super().start(x)
        return y, torch.zeros_like(y)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance z, then y."""
        y, z = state
        up, uq, uz, uy = (x @ w["U"] + w["b"]).chunk(4, dim=-1)
        wp, wq, wz = (y @ w["W"]).chunk(3, dim=-1)
        p, q = (self.settings.dt * torch.sigmoid(a) for a in (up + wp, uq + wq))
        z = (1 - p) * z + p * torch.tanh(uz + wz)
        return (1 - q) * y + q * torch.tanh(z @ w["Z"] + uy), z

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [W; U; b] of p, q and z, and [Z; U; b] of y."""
        first = 3 * self.hidden
        gates = torch.cat([w["W"], w["U"][..., :first], w["b"][..., :first]], dim=1)
        return gates, torch.cat([w["Z"], w["U"][..., first:], w["b"][..., first:]], dim=1)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the rows of y and those of z, the gates, and the tanh for y."""
        (rows,) = super().buffers(s, t, b, e)
        return rows, rows, (s, t, b, 3 * self.hidden), (s, t, b, self.hidden)

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return Δt."""
        return (np.array([self.settings.dt], dtype),)


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
    """Fill the rows [y_{t-1}, x_t, 1] at t and [z_t, x_t, 1] at t + 1, the gates (p, q, tanh for z), and n.

    w = [W; U; b] of p, q and z; v = [Z; U; b] of y; n is the tanh for y.
    """
    hidden = y0.shape[2]
    for s in range(len(w)):
        y, z = y0[s], z0[s]
        kernels.copy_rows(second[s, 0, :, :hidden], z)
        for t in range(x.shape[1]):
            x_t = x[min(s, len(x) - 1), t]
            kernels.write_rows(rows[s, t], y, x_t)
            np.dot(rows[s, t], w[s], gates[s, t])
            update_z(gates[s, t], z, dt[0])
            kernels.write_rows(second[s, t + 1], z, x_t)
            np.dot(second[s, t + 1], v[s], n[s, t])
            update_y(n[s, t], gates[s, t], y)
        kernels.copy_rows(rows[s, -1, :, :hidden], y)


@compiled
def adjoint(
    g: Array,
    x: Array,
    w: Array,
    v: Array,
    rows: Array,
    second: Array,
    gates: Array,
    n: Array,
    dh: Array,
    dz: Array,
    dw: Array,
    dv: Array,
    dx: Array,
    dt: Array,
) -> None:
    """Back-propagate through time: from ∂L/∂y_t (g), ∂L/∂y_T (in dh), ∂L/∂z_T (in dz) to weights, inputs, start.

    With ν_t the gradient by the argument of y's tanh and δ_t by those of (p, q, z's tanh), from the
    last step to the first: dy_t gives ν_t; dz_t += ν_t Zᵀ gives δ_t (`y_backward`,
    `z_backward`); dy_{t-1} = (1 - q) dy_t + δ_t Wᵀ and dz_{t-1} = (1 - p) dz_t. Then
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
                y_backward(d, k, dh[s], gates[s, t], n[s, t], rows[s, t], dt[0])
                np.dot(k, from_z, back)
                kernels.add_rows(dz[s], back)
                z_backward(d, dz[s], gates[s, t], second[s, t], dt[0])
                np.dot(d, from_y, back)
                kernels.add_rows(dh[s], back)
            kernels.add_product(dw[s], rows[s, begin:end], delta[: end - begin], part_w)
            kernels.add_product(dv[s], second[s, begin + 1 : end + 1], nu[: end - begin], part_v)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])
                kernels.add_input_gradient(dx[s, begin:end], nu[: end - begin], v[s, hidden:])


@compiled
def update_z(gates: Array, z: Array, dt: float) -> None:
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
def update_y(n: Array, gates: Array, y: Array) -> None:
    """Turn the argument of y's tanh into its value, and advance y."""
    m = y.shape[1]
    for b in range(len(y)):
        n_b, q, row = n[b], gates[b, m : 2 * m], y[b]
        for j in range(m):
            n_b[j] = tanh(n_b[j])
        for j in range(m):
            row[j] += q[j] * (n_b[j] - row[j])


@compiled
def y_backward(delta: Array, nu: Array, dy: Array, gates: Array, n: Array, rows: Array, dt: float) -> None:
    """Backward of `update_y`, y_t = (1 - q) y_{t-1} + q n: write ν and δ_q, leave (1 - q) dy in dy."""
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
def z_backward(delta: Array, dz: Array, gates: Array, rows: Array, dt: float) -> None:
    """Backward of `update_z`, z_t = (1 - p) z_{t-1} + p c: write δ_c and δ_p, leave (1 - p) dz in dz."""
    m = dz.shape[1]
    for b in range(len(dz)):
        d_c, d_p, up, p, c, z_b = delta[b, 2 * m :], delta[b, :m], dz[b], gates[b, :m], gates[b, 2 * m :], rows[b]
        for j in range(m):
            d_c[j] = up[j] * p[j] * (1 - c[j] * c[j])
        for j in range(m):
            d_p[j] = up[j] * (c[j] - z_b[j]) * p[j] * (1 - p[j] / dt)
        for j in range(m):
            up[j] -= up[j] * p[j]
