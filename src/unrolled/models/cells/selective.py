"""Selective state-space model (S6): what is kept, taken in and given out depends on the input."""

import math
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import SAVED, Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class Selective(Cell):
    """s_n = exp(-exp(A_n) Δ) s_n + Δ B_n u for n = 1 ... N, and y = Σ_n C_n s_n, with Δ, B, C and u from x_t alone.

    H channels u = x_t U_u + b_u, each with its own step Δ = softplus(x_t U_Δ + b_Δ) and N states; B and C are N
    numbers each, x_t U_B + b_B and x_t U_C + b_C, the same for all channels. It is the recurrence of a Mamba block
    without what stands around it (convolution, gate, normalisation, skip connection); B and C have a bias, because x_t
    comes without a layer before it that has one. The product B u multiplies two inputs. The output is y, which the
    next step does not use. Weights: U (D, 2H + 2N) and b in the order u, Δ, B, C; logA (1, N H); N is the setting
    `states`.

    References
    ----------
    Gu & Dao (2023), arXiv 2312.00752, algorithm 2.
    """

    family: ClassVar[str] = "linear recurrence"

    class Settings(Cell.Settings):
        """H, and N."""

        states: int = Field(4, ge=1)

    settings: Settings
    compiled: ClassVar[bool] = True

    @property
    def saved(self) -> int:
        """What the adjoint needs for each step and hidden unit."""
        return SAVED + self.settings.states

    def weights(self) -> dict[str, Weight]:
        """Return U, b and logA."""
        n, total = self.settings.states, max(1, self.inputs)
        columns = 2 * self.hidden + 2 * n
        u, b = Weight((self.inputs, columns), "input", total), Weight((1, columns), "bias", total)
        return {"U": u, "b": b, "logA": Weight((1, n * self.hidden), "diagonal", 1)}

    def start(self, x: Tensor) -> State:
        """Return y and s, zero."""
        (y,) = super().start(x)
        return y, x.new_zeros(*x.shape[:2], self.settings.states * self.hidden)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance s by one step."""
        n, h = self.settings.states, self.hidden
        u, dt, b, c = (x @ w["U"] + w["b"]).split([h, h, n, n], dim=-1)
        dt = -torch.nn.functional.logsigmoid(-dt)  # softplus, exact everywhere
        s, rate = state[1].unflatten(-1, (n, h)), torch.exp(w["logA"]).unflatten(-1, (n, h))
        s = torch.exp(-rate * dt[..., None, :]) * s + b[..., None] * (dt * u)[..., None, :]
        return (c[..., None] * s).sum(dim=-2), s.flatten(-2)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [U; b] and logA."""
        return torch.cat([w["U"], w["b"]], dim=1), w["logA"]

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return y, s, and (u, Δ, B, C)."""
        n = self.settings.states
        return (s, t + 1, b, self.hidden), (s, t + 1, b, n * self.hidden), (s, t, b, 2 * self.hidden + 2 * n)


@compiled
def forward(x: Array, w: Array, log_a: Array, y0: Array, s0: Array, y: Array, states: Array, gates: Array) -> None:
    """Fill y, the states, and (u, Δ, B, C) from [x_t, 1] w, one product for all steps; w = [U; b]."""
    steps, batch, e = x.shape[1:]
    for s in range(len(w)):
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e), w[s], gates[s].reshape(steps * batch, w.shape[2]))
        kernels.copy_rows(y[s, 0], y0[s])
        kernels.copy_rows(states[s, 0], s0[s])
        rate = exponential(log_a[s, 0])
        for t in range(steps):
            for b in range(batch):
                select(gates[s, t, b], rate, states[s, t, b], states[s, t + 1, b], y[s, t + 1, b])
        kernels.copy_rows(y0[s], y[s, -1])
        kernels.copy_rows(s0[s], states[s, -1])


@compiled
def adjoint(
    g: Array,
    x: Array,
    w: Array,
    log_a: Array,
    y: Array,
    states: Array,
    gates: Array,
    dy: Array,
    ds: Array,
    dw: Array,
    d_log_a: Array,
    dx: Array,
) -> None:
    """Back-propagate through time: from ∂L/∂y_t (g), ∂L/∂y_T (in dy), ∂L/∂s_T (in ds) to weights, inputs, start.

    δ_t by the columns (u, Δ, B, C) of [x_t, 1] w, from the last step to the first; then ∂L/∂w = Σ_t [x_t, 1]ᵀ δ_t and
    ∂L/∂x_t = δ_t Uᵀ, over all steps at once.
    """
    steps, batch, e = x.shape[1:]
    delta = np.empty((steps, batch, w.shape[2]), w.dtype)
    for s in range(len(w)):
        rate = exponential(log_a[s, 0])
        d_rate = d_log_a[s, 0]
        d_rate[:] = 0
        for t in range(steps - 1, -1, -1):
            if g.shape[1]:
                kernels.add_rows(dy[s], g[s, t])
            for b in range(batch):
                before, after = states[s, t, b], states[s, t + 1, b]
                select_backward(delta[t, b], dy[s, b], ds[s, b], d_rate, gates[s, t, b], rate, before, after)
        for j in range(len(rate)):
            d_rate[j] *= rate[j]
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, e).T, delta.reshape(steps * batch, w.shape[2]), dw[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, w[s])


@compiled
def exponential(a: Array) -> Array:
    """Return exp a, number by number, so that a replica depends on no other."""
    result = np.empty_like(a)
    for j in range(len(a)):
        result[j] = math.exp(a[j])
    return result


@compiled
def decays(rate: Array, dt: Array, out: Array) -> None:
    """Write exp(-a), a = rate Δ, as (1 - tanh(a/2)) / (1 + tanh(a/2)), which vectorises."""
    half, one = out.dtype.type(0.5), out.dtype.type(1)
    for j in range(len(out)):
        h = tanh(half * rate[j] * dt[j])
        out[j] = (one - h) / (one + h)


@compiled
def select(gates: Array, rate: Array, before: Array, after: Array, y: Array) -> None:
    """Apply softplus to Δ, and write the states and y of one sequence."""
    h, n = len(y), len(rate) // len(y)
    u, dt, b, c = gates[:h], gates[h : 2 * h], gates[2 * h : 2 * h + n], gates[2 * h + n :]
    for j in range(h):
        half = tanh(y.dtype.type(0.5) * abs(dt[j]))
        y[j] = (1 - half) / (1 + half)  # exp(-|a|) for the argument a of Δ
    for j in range(h):
        dt[j] = max(dt[j], 0) + math.log1p(y[j])
        y[j] = 0
    for k in range(n):
        old, new, own = before[k * h : (k + 1) * h], after[k * h : (k + 1) * h], rate[k * h : (k + 1) * h]
        decays(own, dt, new)
        for j in range(h):
            new[j] = new[j] * old[j] + b[k] * (dt[j] * u[j])
        for j in range(h):
            y[j] += c[k] * new[j]


@compiled
def select_backward(
    delta: Array, dy: Array, ds: Array, d_rate: Array, gates: Array, rate: Array, before: Array, after: Array
) -> None:
    """Backward of `select`: write δ, take ds a step back, add to ∂L/∂exp(A), and clear dy, which the step before lacks.

    With e = ds + C dy: δ_u = Σ e Δ B, δ_B = Σ e Δ u, δ_C = Σ dy s, and δ_Δ from both Δ B u and the decay.
    """
    h, n = len(dy), len(rate) // len(dy)
    u, dt, b, c = gates[:h], gates[h : 2 * h], gates[2 * h : 2 * h + n], gates[2 * h + n :]
    du, d_dt, d_b, d_c = delta[:h], delta[h : 2 * h], delta[2 * h : 2 * h + n], delta[2 * h + n :]
    decay = np.empty_like(u)
    for j in range(h):
        du[j], d_dt[j] = 0, 0
    for k in range(n):
        old, new, own = before[k * h : (k + 1) * h], after[k * h : (k + 1) * h], rate[k * h : (k + 1) * h]
        e, d_own = ds[k * h : (k + 1) * h], d_rate[k * h : (k + 1) * h]
        decays(own, dt, decay)
        taken, given = dy.dtype.type(0), dy.dtype.type(0)
        for j in range(h):
            given += dy[j] * new[j]
        for j in range(h):
            e[j] += c[k] * dy[j]
        for j in range(h):
            taken += e[j] * (dt[j] * u[j])
        for j in range(h):
            du[j] += e[j] * dt[j] * b[k]
        for j in range(h):
            d_dt[j] += e[j] * b[k] * u[j] - e[j] * decay[j] * old[j] * own[j]
        for j in range(h):
            e[j] *= decay[j]
            d_own[j] -= e[j] * old[j] * dt[j]
        d_b[k], d_c[k] = taken, given
    for j in range(h):
        half = tanh(dy.dtype.type(0.5) * dt[j])
        d_dt[j] *= 2 * half / (1 + half)  # 1 - exp(-Δ), the sigmoid
        dy[j] = 0
