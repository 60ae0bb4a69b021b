"""Coupled oscillatory recurrent network: the lecture's oscillator, made a cell."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights, fed_back
from unrolled.models.kernels import Array, compiled, tanh


class CoRNN(Cell):
    """Driven, damped oscillators y'' = tanh(y W + y' Z + x U + b) - γ y - ε y', one a unit, in steps of Δt.

    z_t = z_{t-1} + Δt (tanh(y_{t-1} W + z_{t-1} Z + x_t U + b) - γ y_{t-1} - ε z_{t-1}) and
    y_t = y_{t-1} + Δt z_t. The output is y. Weights: U (D, H), W, Z (H, H), b (1, H); Δt, γ and ε
    are options, as in the paper.

    References
    ----------
    Rusch & Mishra, ICLR 2021, arXiv 2010.00951.
    """

    options: ClassVar[dict[str, float]] = {"dt": 0.1, "gamma": 1.0, "epsilon": 1.0}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W, Z and b."""
        square = (self.hidden, self.hidden)
        return {"U": (self.inputs, self.hidden), "W": square, "Z": square, "b": (1, self.hidden)}

    def start(self, x: Tensor) -> State:
        """Return y and z at rest."""
        (y,) = super().start(x)
        return y, torch.zeros_like(y)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance y and z by one step."""
        y, z = state
        dt, gamma, epsilon = self.option.values()
        force = torch.tanh(y @ w["W"] + z @ w["Z"] + x @ w["U"] + w["b"])
        z = z + dt * (force - gamma * y - epsilon * z)
        return y + dt * z, z

    def closed(self, w: Weights, v: Tensor, c: Tensor) -> Weights:
        """Return the weights that feed y V + c back as input; see `fed_back`."""
        return fed_back(w, v, c)

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not kernels.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        weights = torch.cat([w["W"], w["Z"], w["U"], w["b"]], dim=1)
        numbers = torch.tensor(list(self.option.values()), dtype=x.dtype)
        outputs, *last = _Recurrence.apply(kernels.with_one(x), weights, *state, numbers)
        return outputs, tuple(last)


class _Recurrence(torch.autograd.Function):
    """The loop over time: x (S or 1, T, B, E), w = [W; Z; U; b] (S, 2H + E, H), y_0, z_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, y0: Tensor, z0: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        (s, b, hidden), t = y0.shape, x.shape[1]
        rows = kernels.empty(s, t + 1, b, 2 * hidden + x.shape[3], like=w)
        force = kernels.empty(s, t, b, hidden, like=w)
        with kernels.announced("cornn"):
            arrays = (x, w, y0.contiguous(), z0.contiguous(), rows, force, numbers)
            forward(*(each.numpy() for each in arrays))
        ctx.save_for_backward(w, rows, force, numbers)
        ctx.set_materialize_grads(False)
        return *kernels.read(rows, hidden), rows[:, -1, :, hidden : 2 * hidden].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, *d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        w, rows, force, numbers = ctx.saved_tensors
        s, t, b, hidden = force.shape
        need_x = ctx.needs_input_grad[0]
        dw, (dh, dz) = torch.empty_like(w), (kernels.at_end(d, s, b, hidden, like=w) for d in d_last)
        dx = w.new_zeros((s, t, b, w.shape[1] - 2 * hidden) if need_x else (0, 0, 0, 0))
        g = kernels.in_time_order(d_outputs, s, b, hidden, like=w)
        with kernels.announced("cornn"):
            adjoint(g, *(each.numpy() for each in (w, rows, force, dh, dz, dw, dx, numbers)))
        return dx if need_x else None, dw, dh, dz, None


@compiled
def forward(x: Array, w: Array, y0: Array, z0: Array, rows: Array, force: Array, numbers: Array) -> None:
    """Fill the rows [y_{t-1}, z_{t-1}, x_t, 1] and the forces tanh([y, z, x, 1] w)."""
    hidden = y0.shape[2]
    for s in range(len(w)):
        y, z = y0[s].copy(), z0[s].copy()
        for t in range(x.shape[1]):
            place(rows[s, t], y, z)
            kernels.put(rows[s, t, :, 2 * hidden :], x[min(s, len(x) - 1), t])
            np.dot(rows[s, t], w[s], force[s, t])
            swing(force[s, t], y, z, numbers)
        place(rows[s, -1], y, z)


@compiled
def adjoint(
    g: Array, w: Array, rows: Array, force: Array, dh: Array, dz: Array, dw: Array, dx: Array, numbers: Array
) -> None:
    """Back-propagate through time: from ∂L/∂y_t (g), ∂L/∂y_T (in dh), ∂L/∂z_T (in dz) to weights, inputs, start.

    With f = tanh(a), from the last step to the first: dz_t += Δt dy_t (as y_t = y_{t-1} + Δt z_t);
    δ_t = ∂L/∂a_t = Δt dz_t (1 - f²); dy_{t-1} = dy_t - Δt γ dz_t + δ_t Wᵀ and
    dz_{t-1} = (1 - Δt ε) dz_t + δ_t Zᵀ; then ∂L/∂w = Σ_t [y, z, x, 1]ᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ.
    """
    steps, batch, hidden = force.shape[1:]
    block = kernels.block_length(rows[0], hidden)
    delta, part = np.empty((block, batch, hidden), w.dtype), np.empty_like(dw[0])
    back = np.empty((batch, 2 * hidden), w.dtype)
    dw[:] = 0
    for s in range(len(w)):
        recurrent = np.ascontiguousarray(w[s, : 2 * hidden].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                through_swing(delta[t - begin], dh[s], dz[s], force[s, t], numbers)
                np.dot(delta[t - begin], recurrent, back)
                kernels.add_rows(dh[s], back[:, :hidden])
                kernels.add_rows(dz[s], back[:, hidden:])
            kernels.add_product(dw[s], rows[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.to_input(dx[s, begin:end], delta[: end - begin], w[s, 2 * hidden :])


@compiled
def place(rows: Array, y: Array, z: Array) -> None:
    """Write y and z into the rows."""
    hidden = y.shape[1]
    kernels.put(rows[:, :hidden], y)
    kernels.put(rows[:, hidden : 2 * hidden], z)


@compiled
def swing(force: Array, y: Array, z: Array, numbers: Array) -> None:
    """Replace a by tanh a, and advance z and y."""
    dt, gamma, epsilon = numbers[0], numbers[1], numbers[2]
    for b in range(len(force)):
        f, y_b, z_b = force[b], y[b], z[b]
        for j in range(len(f)):
            f[j] = tanh(f[j])
        for j in range(len(f)):
            z_b[j] += dt * (f[j] - gamma * y_b[j] - epsilon * z_b[j])
        for j in range(len(f)):
            y_b[j] += dt * z_b[j]


@compiled
def through_swing(delta: Array, dy: Array, dz: Array, force: Array, numbers: Array) -> None:
    """Back through one step, but for δ [W; Z]ᵀ."""
    dt, gamma, epsilon = numbers[0], numbers[1], numbers[2]
    for b in range(len(delta)):
        d, dy_b, dz_b, f = delta[b], dy[b], dz[b], force[b]
        for j in range(len(d)):
            dz_b[j] += dt * dy_b[j]
        for j in range(len(d)):
            d[j] = dt * dz_b[j] * (1 - f[j] * f[j])
        for j in range(len(d)):
            dy_b[j] -= dt * gamma * dz_b[j]
        for j in range(len(d)):
            dz_b[j] -= dt * epsilon * dz_b[j]
