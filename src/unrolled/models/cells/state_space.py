"""Nonlinear state-space model: a linear recurrence, corrected by one layer of tanh units."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights
from unrolled.models.kernels import Array, compiled, tanh


class StateSpace(Cell):
    """h_t = h_{t-1} W + x_t U + b + tanh(h_{t-1} C + x_t F + d) E: a linear model and a residual, in the loop.

    Unlike in Elman's network a linear system needs no tanh, and the tanh layer learns only what the
    linear part lacks. Weights: U (D, H), W (H, H), b (1, H), F (D, L), C (H, L), d (1, L), E (L, H);
    L is the option `units`.

    References
    ----------
    Suykens, De Moor & Vandewalle, Int. J. Control 62 (1995) 129, doi 10.1080/00207179508921536;
    Paduart et al., Automatica 46 (2010) 647, doi 10.1016/j.automatica.2010.01.001 (with polynomials).
    """

    options: ClassVar[dict[str, float]] = {"units": 8.0}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of the linear part, then of the tanh layer."""
        d, h, units = self.inputs, self.hidden, int(self.option["units"])
        linear = {"U": (d, h), "W": (h, h), "b": (1, h)}
        return linear | {"F": (d, units), "C": (h, units), "d": (1, units), "E": (units, h)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        force = torch.tanh(h @ w["C"] + x @ w["F"] + w["d"])
        return (h @ w["W"] + x @ w["U"] + w["b"] + force @ w["E"],)

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not kernels.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        pairs = (("W", "C"), ("U", "F"), ("b", "d"))
        weights = torch.cat([torch.cat([w[one], w[other]], dim=2) for one, other in pairs], dim=1)
        outputs, h = _Recurrence.apply(kernels.with_one(x), weights, w["E"], state[0])
        return outputs, (h,)


class _Recurrence(torch.autograd.Function):
    """The loop over time: x (S or 1, T, B, D + 1), w = [[W, C]; [U, F]; [b, d]], e = E (S, L, H), h_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, e: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
        z = kernels.rows(h0, x)
        force = kernels.empty(len(w), x.shape[1], h0.shape[1], e.shape[1], like=w)
        e = e.contiguous()
        with kernels.announced("state_space"):
            forward(*(each.numpy() for each in (x, w, e, h0.contiguous(), z, force)))
        ctx.save_for_backward(w, e, z, force)
        ctx.set_materialize_grads(False)
        return kernels.read(z, h0.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        w, e, z, force = ctx.saved_tensors
        (s, t, b, _), hidden = force.shape, e.shape[2]
        need_x = ctx.needs_input_grad[0]
        dw, de = torch.empty_like(w), torch.empty_like(e)
        dh = kernels.at_end(d_last, s, b, hidden, like=w)
        dx = w.new_zeros((s, t, b, w.shape[1] - hidden) if need_x else (0, 0, 0, 0))
        g = kernels.in_time_order(d_outputs, s, b, hidden, like=w)
        with kernels.announced("state_space"):
            adjoint(g, *(each.numpy() for each in (w, e, z, force, dh, dw, de, dx)))
        return dx if need_x else None, dw, de, dh


@compiled
def forward(x: Array, w: Array, e: Array, h0: Array, z: Array, force: Array) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] and the forces f_t = tanh(z_t [C; F; d])."""
    hidden = h0.shape[2]
    a, added = np.empty((h0.shape[1], w.shape[2]), w.dtype), np.empty_like(h0[0])
    for s in range(len(w)):
        h = h0[s].copy()
        for t in range(x.shape[1]):
            kernels.enter(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], a)
            part(a, h, force[s, t])
            np.dot(force[s, t], e[s], added)
            kernels.add_rows(h, added)
        kernels.put(z[s, -1, :, :hidden], h)


@compiled
def adjoint(g: Array, w: Array, e: Array, z: Array, force: Array, dh: Array, dw: Array, de: Array, dx: Array) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    δ_t = [dh_t, (dh_t Eᵀ) (1 - f_t²)] = ∂L/∂(z_t w), from the last step to the first, with
    dh_{t-1} = g_{t-1} + δ_t [W, C]ᵀ; then ∂L/∂w = Σ_t z_tᵀ δ_t, ∂L/∂E = Σ_t f_tᵀ dh_t and
    ∂L/∂x_t = δ_t [U, F]ᵀ.
    """
    (steps, batch, units), hidden = force.shape[1:], dh.shape[2]
    block = kernels.block_length(z[0], w.shape[2])
    delta, product, square = np.empty((block, batch, w.shape[2]), w.dtype), np.empty_like(dw[0]), np.empty_like(de[0])
    back, through = np.empty((block, batch, hidden), w.dtype), np.empty((batch, units), w.dtype)
    dw[:] = 0
    de[:] = 0
    for s in range(len(w)):
        recurrent, out = np.ascontiguousarray(w[s, :hidden].T), np.ascontiguousarray(e[s].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                kernels.put(back[t - begin], dh[s])
                np.dot(dh[s], out, through)
                join(delta[t - begin], dh[s], through, force[s, t])
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], product)
            kernels.add_product(de[s], force[s, begin:end], back[: end - begin], square)
            if len(dx):
                kernels.to_input(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def part(a: Array, h: Array, force: Array) -> None:
    """Split a into the linear h and the forces tanh a."""
    hidden = h.shape[1]
    for b in range(len(a)):
        a_b, h_b, f = a[b], h[b], force[b]
        for j in range(hidden):
            h_b[j] = a_b[j]
        for j in range(len(f)):
            f[j] = tanh(a_b[hidden + j])


@compiled
def join(delta: Array, dh: Array, through: Array, force: Array) -> None:
    """Write δ = [dh, through (1 - f²)]."""
    hidden = dh.shape[1]
    for b in range(len(delta)):
        d, dh_b, u, f = delta[b], dh[b], through[b], force[b]
        for j in range(hidden):
            d[j] = dh_b[j]
        for j in range(len(f)):
            d[hidden + j] = u[j] * (1 - f[j] * f[j])
