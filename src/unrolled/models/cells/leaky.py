"""Leaky-integrator units: the cell of echo state networks."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights, affine
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class Leaky(Cell):
    """h_t = (1 - a) h_{t-1} + a tanh(x_t U + h_{t-1} W + b), with the leak rate a.

    Weights: U (D, H), W (H, H), b (1, H). With `squared` the readout gets h_j² of every second unit in place of h_j,
    which a linear readout of odd functions lacks (Lu et al., Chaos 27 (2017) 041102, doi 10.1063/1.4979665). With
    weights from the initialiser `echo_state` and the optimiser `ridge`, which trains the readout only, it is an echo
    state network.

    References
    ----------
    Jaeger, Lukoševičius, Popovici & Siewert, Neural Networks 20 (2007) 335,
    doi 10.1016/j.neunet.2007.04.016.
    """

    family: ClassVar[str] = "reservoir"

    class Settings(Cell.Settings):
        """H, a, and whether every second unit is squared before the readout."""

        leak_rate: float = Field(1.0, gt=0, le=1)
        squared: bool = False

    settings: Settings
    compiled: ClassVar[bool] = True
    additive: ClassVar[bool] = True

    @property
    def expands(self) -> bool:
        """Whether every second unit is squared."""
        return bool(self.settings.squared)

    def expand(self, h: Tensor) -> Tensor:
        """Return h with every second unit squared, if so set."""
        if not self.settings.squared:
            return h
        second = torch.arange(h.shape[-1], device=h.device) % 2 == 1
        return torch.where(second, h * h, h)

    def weights(self) -> dict[str, Weight]:
        """Return U, W and b."""
        return affine(self.inputs, self.hidden, self.hidden)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        a = self.settings.leak_rate
        return ((1 - a) * h + a * torch.tanh(x @ w["U"] + h @ w["W"] + w["b"]),)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return rows and tanh."""
        return *super().buffers(s, t, b, e), (s, t, b, self.hidden)

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return a."""
        return (np.array([self.settings.leak_rate], dtype),)


@compiled
def forward(x: Array, w: Array, state: Array, z: Array, n: Array, leak_rate: Array) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] and n_t = tanh(z_t w), w = [W; U; b]."""
    hidden = state.shape[2]
    for s in range(len(w)):
        h = state[s]
        for t in range(x.shape[1]):
            kernels.write_rows(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], n[s, t])
            leaky_step(n[s, t], h, leak_rate[0])
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(
    g: Array, x: Array, w: Array, z: Array, n: Array, dh: Array, dw: Array, dx: Array, leak_rate: Array
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    From the last step to the first: δ_t = a dh_t (1 - n_t²), dh_{t-1} = (1 - a) dh_t + δ_t Wᵀ; then
    ∂L/∂w = Σ_t z_tᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ, a block of steps at a time.
    """
    steps, batch, hidden = n.shape[1:]
    block = kernels.block_length(z[0], hidden)
    delta, part, back = np.empty((block, batch, hidden), w.dtype), np.empty_like(dw[0]), np.empty_like(dh[0])
    dw[:] = 0
    for s in range(len(w)):
        recurrent = np.ascontiguousarray(w[s, :hidden].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                leaky_step_backward(delta[t - begin], dh[s], n[s, t], leak_rate[0])
                np.dot(delta[t - begin], recurrent, back)
                kernels.add_rows(dh[s], back)
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def leaky_step(n: Array, h: Array, leak_rate: float) -> None:
    """Replace n by tanh n, and move h towards it."""
    for b in range(len(n)):
        n_b, h_b = n[b], h[b]
        for j in range(len(n_b)):
            n_b[j] = tanh(n_b[j])
        for j in range(len(n_b)):
            h_b[j] += leak_rate * (n_b[j] - h_b[j])


@compiled
def leaky_step_backward(delta: Array, dh: Array, n: Array, leak_rate: float) -> None:
    """Backward of `leaky_step`: write δ = a dh (1 - n²), and leave (1 - a) dh in dh."""
    for b in range(len(delta)):
        d, dh_b, n_b = delta[b], dh[b], n[b]
        for j in range(len(d)):
            d[j] = leak_rate * dh_b[j] * (1 - n_b[j] * n_b[j])
        for j in range(len(d)):
            dh_b[j] -= leak_rate * dh_b[j]
