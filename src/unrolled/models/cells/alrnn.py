"""Almost-linear recurrent network: few of its units rectify, all others are linear."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights, fed_back
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch


class ALRNN(Cell):
    """h_t = A h_{t-1} + φ(h_{t-1}) W + x_t U + b, with A diagonal and φ a ReLU on the last P units only.

    Without inputs it is the published autonomous map, linear on each of 2^P pieces. The output is h. Weights:
    A (1, H), W (H, H), U (D, H), b (1, H); P is the setting `rectified` (of fewer units, all).

    References
    ----------
    Brenner, Hemmer, Monfared & Durstewitz, NeurIPS 2024, arXiv 2410.14240.
    """

    family: ClassVar[str] = "piecewise linear"

    class Settings(Cell.Settings):
        """H, and P."""

        rectified: int = Field(2, ge=0)

    settings: Settings
    compiled: ClassVar[bool] = True

    @property
    def linear(self) -> int:
        """H - P."""
        return max(0, self.hidden - self.settings.rectified)

    def weights(self) -> dict[str, Weight]:
        """Return U, A, W and b."""
        total = self.inputs + 1 + self.hidden
        return {
            "U": Weight((self.inputs, self.hidden), "input", total),
            "A": Weight((1, self.hidden), "diagonal", total),
            "W": Weight((self.hidden, self.hidden), "recurrent", total),
            "b": Weight((1, self.hidden), "bias", total),
        }

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        phi = torch.cat([h[..., : self.linear], torch.relu(h[..., self.linear :])], dim=-1)
        return (w["A"] * h + phi @ w["W"] + x @ w["U"] + w["b"],)

    def closed(self, w: Weights, v: Tensor, c: Tensor, kept: Tensor | None = None) -> Weights | None:
        """Return the weights that feed h V + c back as input, for `run_compiled` only: with N = V U_K on h itself."""
        none = {"W": torch.zeros_like(w["W"]), "U": w["U"], "b": w["b"]}
        folded = fed_back(none, v, c, kept)
        return w | {"U": folded["U"], "b": folded["b"], "N": folded["W"]}

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [L; U; b; W_P], for the rows [h, x, 1, relu(h_P)]: L = A and the rows of W that act on h as it is."""
        linear = torch.diag_embed(w["A"][:, 0]) + torch.nn.functional.pad(
            w["W"][:, : self.linear], (0, 0, 0, self.hidden - self.linear)
        )
        linear = linear + w["N"] if "N" in w else linear
        return (torch.cat([linear, w["U"], w["b"], w["W"][:, self.linear :]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the rows [h, x, 1, relu(h_P)]."""
        return ((s, t + 1, b, 2 * self.hidden - self.linear + e),)

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return H - P."""
        return (self.linear,)


@compiled
def forward(x: Array, w: Array, state: Array, z: Array, linear: int) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1, relu of h_{t-1} from `linear` on] with h_t = z_t w, w = [L; U; b; W_P]."""
    hidden, e = state.shape[2], x.shape[3]
    for s in range(len(w)):
        h = state[s]
        for t in range(x.shape[1]):
            kernels.write_rows(z[s, t, :, : hidden + e], h, x[min(s, len(x) - 1), t])
            kernels.rectify(h[:, linear:], z[s, t, :, hidden + e :])
            np.dot(z[s, t], w[s], h)
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(g: Array, x: Array, w: Array, z: Array, dh: Array, dw: Array, dx: Array, linear: int) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    δ_t = dh_t = g_t + δ_{t+1} Lᵀ + (δ_{t+1} W_Pᵀ) [h_t > 0], from the last step to the first; then
    ∂L/∂w = Σ_t z_tᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ, a block of steps at a time.
    """
    (steps, batch), hidden, e = x.shape[1:3], dh.shape[2], x.shape[3]
    block = kernels.block_length(z[0], hidden)
    delta, part = np.empty((block, batch, hidden), w.dtype), np.empty_like(dw[0])
    back = np.empty((batch, hidden - linear), w.dtype)
    dw[:] = 0
    for s in range(len(w)):
        direct, rectified = np.ascontiguousarray(w[s, :hidden].T), np.ascontiguousarray(w[s, hidden + e :].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                kernels.copy_rows(delta[t - begin], dh[s])
                np.dot(delta[t - begin], direct, dh[s])
                np.dot(delta[t - begin], rectified, back)
                add_rectified(dh[s, :, linear:], back, z[s, t, :, hidden + e :])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden : hidden + e])


@compiled
def add_rectified(dh: Array, back: Array, r: Array) -> None:
    """Backward of `kernels.rectify`: add back [r > 0], where r = relu h; NaN stays."""
    for b in range(len(dh)):
        d, u, r_b = dh[b], back[b], r[b]
        for j in range(len(d)):
            d[j] += u[j] if r_b[j] > 0 else r_b[j]  # 0, or NaN
