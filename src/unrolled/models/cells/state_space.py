"""Nonlinear state-space model: a linear recurrence, corrected by one layer of tanh units."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class StateSpace(Cell):
    """h_t = h_{t-1} W + x_t U + b + tanh(h_{t-1} C + x_t F + d) E: a linear model and a residual, in the loop.

    Unlike in Elman's network a linear system needs no tanh, and the tanh layer adds only what the
    linear part lacks. Weights: U (D, H), W (H, H), b (1, H), F (D, L), C (H, L), d (1, L), E (L, H);
    L is the setting `units`.

    References
    ----------
    Suykens, De Moor & Vandewalle, Int. J. Control 62 (1995) 129, doi 10.1080/00207179508921536;
    Paduart et al., Automatica 46 (2010) 647, doi 10.1016/j.automatica.2010.01.001 (with polynomials).
    """

    family: ClassVar[str] = "linear recurrence"

    class Settings(Cell.Settings):
        """H, and L."""

        units: int = Field(8, ge=1)

    settings: Settings
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return the linear part, then the tanh layer."""
        d, h, units = self.inputs, self.hidden, self.settings.units
        layer, both = d + h, d + h + units
        u, w, b = Weight((d, h), "input", both), Weight((h, h), "recurrent", both), Weight((1, h), "bias", both)
        f, c, bias = (
            Weight((d, units), "input", layer),
            Weight((h, units), "inner", layer),
            Weight((1, units), "bias", layer),
        )
        return {"U": u, "W": w, "b": b, "F": f, "C": c, "d": bias, "E": Weight((units, h), "inner", both)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        force = torch.tanh(h @ w["C"] + x @ w["F"] + w["d"])
        return (h @ w["W"] + x @ w["U"] + w["b"] + force @ w["E"],)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [[W, C]; [U, F]; [b, d]] and E."""
        pairs = (("W", "C"), ("U", "F"), ("b", "d"))
        return torch.cat([torch.cat([w[one], w[other]], dim=2) for one, other in pairs], dim=1), w["E"]

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return rows and forces."""
        return *super().buffers(s, t, b, e), (s, t, b, self.settings.units)


@compiled
def forward(x: Array, w: Array, e: Array, state: Array, z: Array, force: Array) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] and f_t = tanh(z_t [C; F; d]); w = [[W, C]; [U, F]; [b, d]], e = E."""
    hidden = state.shape[2]
    a, added = np.empty((state.shape[1], w.shape[2]), w.dtype), np.empty_like(state[0])
    for s in range(len(w)):
        h = state[s]
        for t in range(x.shape[1]):
            kernels.write_rows(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], a)
            split_sum(a, h, force[s, t])
            np.dot(force[s, t], e[s], added)
            kernels.add_rows(h, added)
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(
    g: Array, x: Array, w: Array, e: Array, z: Array, force: Array, dh: Array, dw: Array, de: Array, dx: Array
) -> None:
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
                kernels.copy_rows(back[t - begin], dh[s])
                np.dot(dh[s], out, through)
                write_delta(delta[t - begin], dh[s], through, force[s, t])
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], product)
            kernels.add_product(de[s], force[s, begin:end], back[: end - begin], square)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def split_sum(a: Array, h: Array, force: Array) -> None:
    """Split a = z w into the linear h and the forces tanh a."""
    hidden = h.shape[1]
    for b in range(len(a)):
        a_b, h_b, f = a[b], h[b], force[b]
        for j in range(hidden):
            h_b[j] = a_b[j]
        for j in range(len(f)):
            f[j] = tanh(a_b[hidden + j])


@compiled
def write_delta(delta: Array, dh: Array, through: Array, force: Array) -> None:
    """Backward of `split_sum`: write δ = [dh, through (1 - f²)]."""
    hidden = dh.shape[1]
    for b in range(len(delta)):
        d, dh_b, u, f = delta[b], dh[b], through[b], force[b]
        for j in range(hidden):
            d[j] = dh_b[j]
        for j in range(len(f)):
            d[hidden + j] = u[j] * (1 - f[j] * f[j])
