"""Shallow piecewise linear recurrent network: made for the reconstruction of dynamical systems."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights, fed_back
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch


class ShPLRNN(Cell):
    """h_t = A h_{t-1} + relu(h_{t-1} C + d) E + x_t U + b, with A diagonal; the output is h.

    Without inputs it is the published autonomous map z' = A z + W₁ relu(W₂ z + h₂) + h₁, piecewise linear in a state
    of few numbers. Weights: A (1, H), C (H, L), d (1, L), E (L, H), U (D, H), b (1, H), that is A, W₂, h₂, W₁, the
    paper's C, and h₁; L is the setting `units`.

    References
    ----------
    Hess, Monfared, Brenner & Durstewitz, ICML 2023, arXiv 2306.04406.
    """

    family: ClassVar[str] = "piecewise linear"

    class Settings(Cell.Settings):
        """H, and L."""

        units: int = Field(50, ge=1)

    settings: Settings
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return the linear part, then the ReLU layer."""
        d, h, units = self.inputs, self.hidden, self.settings.units
        both = d + 1 + units
        return {
            "U": Weight((d, h), "input", both),
            "A": Weight((1, h), "diagonal", both),
            "b": Weight((1, h), "bias", both),
            "C": Weight((h, units), "inner", h),
            "d": Weight((1, units), "bias", h),
            "E": Weight((units, h), "inner", both),
        }

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        return (w["A"] * h + torch.relu(h @ w["C"] + w["d"]) @ w["E"] + x @ w["U"] + w["b"],)

    def closed(self, w: Weights, v: Tensor, c: Tensor, kept: Tensor | None = None) -> Weights | None:
        """Return the weights that feed h V + c back as input, for `run_compiled` only: A is then a full matrix W."""
        return fed_back(w | {"W": torch.diag_embed(w["A"][:, 0])}, v, c, kept)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [[A, C]; [U, 0]; [b, d]], with A as a diagonal matrix, and E."""
        linear = w["W"] if "W" in w else torch.diag_embed(w["A"][:, 0])
        none = w["U"].new_zeros(*w["U"].shape[:2], self.settings.units)
        pairs = ((linear, w["C"]), (w["U"], none), (w["b"], w["d"]))
        return torch.cat([torch.cat(pair, dim=2) for pair in pairs], dim=1), w["E"]

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return rows and the outputs of the ReLU layer."""
        return *super().buffers(s, t, b, e), (s, t, b, self.settings.units)


@compiled
def forward(x: Array, w: Array, e: Array, state: Array, z: Array, layer: Array) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] and r_t = relu(z_t [C; 0; d]); w = [[A, C]; [U, 0]; [b, d]], e = E."""
    hidden = state.shape[2]
    a, added = np.empty((state.shape[1], w.shape[2]), w.dtype), np.empty_like(state[0])
    for s in range(len(w)):
        h = state[s]
        for t in range(x.shape[1]):
            kernels.write_rows(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], a)
            kernels.copy_rows(h, a[:, :hidden])
            kernels.rectify(a[:, hidden:], layer[s, t])
            np.dot(layer[s, t], e[s], added)
            kernels.add_rows(h, added)
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(
    g: Array, x: Array, w: Array, e: Array, z: Array, layer: Array, dh: Array, dw: Array, de: Array, dx: Array
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    δ_t = [dh_t, (dh_t Eᵀ) [r_t > 0]] = ∂L/∂(z_t w), from the last step to the first, with
    dh_{t-1} = g_{t-1} + δ_t [A, C]ᵀ; then ∂L/∂w = Σ_t z_tᵀ δ_t, ∂L/∂E = Σ_t r_tᵀ dh_t and ∂L/∂x_t = δ_t [U, 0]ᵀ.
    """
    (steps, batch, units), hidden = layer.shape[1:], dh.shape[2]
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
                kernels.copy_rows(delta[t - begin, :, :hidden], dh[s])
                rectify_backward(delta[t - begin, :, hidden:], through, layer[s, t])
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], product)
            kernels.add_product(de[s], layer[s, begin:end], back[: end - begin], square)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def rectify_backward(delta: Array, through: Array, r: Array) -> None:
    """Write δ = through [r > 0], where r = relu a; NaN stays."""
    for b in range(len(delta)):
        d, u, r_b = delta[b], through[b], r[b]
        for j in range(len(d)):
            d[j] = u[j] if r_b[j] > 0 else r_b[j]  # 0, or NaN
