"""Coupled oscillatory recurrent network: the lecture's oscillator, made a cell."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class CoRNN(Cell):
    """Driven, damped oscillators y'' = tanh(y W + y' Z + x U + b) - γ y - ε y', one a unit, in steps of Δt.

    z_t = z_{t-1} + Δt (tanh(y_{t-1} W + z_{t-1} Z + x_t U + b) - γ y_{t-1} - ε z_{t-1}) and
    y_t = y_{t-1} + Δt z_t. The output is y. Weights: U (D, H), W, Z (H, H), b (1, H); Δt, γ and ε
    are settings, as in the paper.

    References
    ----------
    Rusch & Mishra, ICLR 2021, arXiv 2010.00951.
    """

    family: ClassVar[str] = "oscillatory"

    class Settings(Cell.Settings):
        """H, Δt, γ and ε."""

        dt: float = Field(0.1, gt=0)
        gamma: float = Field(1.0, ge=0)
        epsilon: float = Field(1.0, ge=0)

    settings: Settings
    compiled: ClassVar[bool] = True
    additive: ClassVar[bool] = True

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Δt, γ and ε."""
        return self.settings.dt, self.settings.gamma, self.settings.epsilon

    def weights(self) -> dict[str, Weight]:
        """Return U, W, Z and b, all in one sum."""
        d, h = self.inputs, self.hidden
        square = Weight((h, h), "recurrent", d + 2 * h)
        u, b = Weight((d, h), "input", d + 2 * h), Weight((1, h), "bias", d + 2 * h)
        return {"U": u, "W": square, "Z": square, "b": b}

    def start(self, x: Tensor) -> State:
        """Return y and z at rest."""
        (y,) = super().start(x)
        return y, torch.zeros_like(y)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance y and z by one step."""
        y, z = state
        dt, gamma, epsilon = self.numbers
        force = torch.tanh(y @ w["W"] + z @ w["Z"] + x @ w["U"] + w["b"])
        z = z + dt * (force - gamma * y - epsilon * z)
        return y + dt * z, z

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [W; Z; U; b]."""
        return (torch.cat([w["W"], w["Z"], w["U"], w["b"]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the rows [y, z, x, 1] and the forces."""
        return (s, t + 1, b, 2 * self.hidden + e), (s, t, b, self.hidden)

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return Δt, γ and ε."""
        return (np.array(self.numbers, dtype),)


@compiled
def forward(x: Array, w: Array, y0: Array, z0: Array, rows: Array, force: Array, numbers: Array) -> None:
    """Fill the rows [y_{t-1}, z_{t-1}, x_t, 1] and the forces tanh([y, z, x, 1] w), w = [W; Z; U; b]."""
    hidden = y0.shape[2]
    for s in range(len(w)):
        y, z = y0[s], z0[s]
        for t in range(x.shape[1]):
            write_state(rows[s, t], y, z)
            kernels.copy_rows(rows[s, t, :, 2 * hidden :], x[min(s, len(x) - 1), t])
            np.dot(rows[s, t], w[s], force[s, t])
            cornn_step(force[s, t], y, z, numbers)
        write_state(rows[s, -1], y, z)


@compiled
def adjoint(
    g: Array,
    x: Array,
    w: Array,
    rows: Array,
    force: Array,
    dh: Array,
    dz: Array,
    dw: Array,
    dx: Array,
    numbers: Array,
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
                cornn_step_backward(delta[t - begin], dh[s], dz[s], force[s, t], numbers)
                np.dot(delta[t - begin], recurrent, back)
                kernels.add_rows(dh[s], back[:, :hidden])
                kernels.add_rows(dz[s], back[:, hidden:])
            kernels.add_product(dw[s], rows[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, 2 * hidden :])


@compiled
def write_state(rows: Array, y: Array, z: Array) -> None:
    """Write y and z into the rows."""
    hidden = y.shape[1]
    kernels.copy_rows(rows[:, :hidden], y)
    kernels.copy_rows(rows[:, hidden : 2 * hidden], z)


@compiled
def cornn_step(force: Array, y: Array, z: Array, numbers: Array) -> None:
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
def cornn_step_backward(delta: Array, dy: Array, dz: Array, force: Array, numbers: Array) -> None:
    """Backward of `cornn_step`, without the recurrent term δ [W; Z]ᵀ."""
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
