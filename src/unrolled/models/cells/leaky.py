"""Leaky-integrator units: the cell of echo state networks."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights, fed_back
from unrolled.models.kernels import Array, compiled, tanh


class Leaky(Cell):
    """h_t = (1 - a) h_{t-1} + a tanh(x_t U + h_{t-1} W + b), with the leak a as an option.

    Weights: U (D, H), W (H, H), b (1, H). With weights from the initialiser `echo_state` and the
    optimiser `ridge`, which learns the readout alone, it is an echo state network.

    References
    ----------
    Jaeger, Lukoševičius, Popovici & Siewert, Neural Networks 20 (2007) 335,
    doi 10.1016/j.neunet.2007.04.016.
    """

    options: ClassVar[dict[str, float]] = {"leak": 1.0}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W and b."""
        return {"U": (self.inputs, self.hidden), "W": (self.hidden, self.hidden), "b": (1, self.hidden)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        a = self.option["leak"]
        return ((1 - a) * h + a * torch.tanh(x @ w["U"] + h @ w["W"] + w["b"]),)

    def closed(self, w: Weights, v: Tensor, c: Tensor) -> Weights:
        """Return the weights that feed h V + c back as input; see `fed_back`."""
        return fed_back(w, v, c)

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not kernels.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        weights = torch.cat([w["W"], w["U"], w["b"]], dim=1)
        outputs, h = _Recurrence.apply(kernels.with_one(x), weights, state[0], self.option["leak"])
        return outputs, (h,)


class _Recurrence(torch.autograd.Function):
    """The loop over time: x (S or 1, T, B, E), w = [W; U; b] (S, H + E, H), h_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, h0: Tensor, leak: float) -> tuple[Tensor, Tensor]:
        (s, b, hidden), t = h0.shape, x.shape[1]
        z, n = kernels.rows(h0, x), kernels.empty(s, t, b, hidden, like=w)
        ctx.leak = w.new_tensor([leak])
        with kernels.announced("leaky"):
            forward(*(each.numpy() for each in (x, w, h0.contiguous(), z, n, ctx.leak)))
        ctx.save_for_backward(w, z, n)
        ctx.set_materialize_grads(False)
        return kernels.read(z, hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        w, z, n = ctx.saved_tensors
        s, t, b, hidden = n.shape
        need_x = ctx.needs_input_grad[0]
        dw, dh = torch.empty_like(w), kernels.at_end(d_last, s, b, hidden, like=w)
        dx = w.new_zeros((s, t, b, w.shape[1] - hidden) if need_x else (0, 0, 0, 0))
        g = kernels.in_time_order(d_outputs, s, b, hidden, like=w)
        with kernels.announced("leaky"):
            adjoint(g, *(each.numpy() for each in (w, z, n, dh, dw, dx, ctx.leak)))
        return dx if need_x else None, dw, dh, None


@compiled
def forward(x: Array, w: Array, h0: Array, z: Array, n: Array, leak: Array) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] and n_t = tanh(z_t w)."""
    hidden = h0.shape[2]
    for s in range(len(w)):
        h = h0[s].copy()
        for t in range(x.shape[1]):
            kernels.enter(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], n[s, t])
            integrate(n[s, t], h, leak[0])
        kernels.put(z[s, -1, :, :hidden], h)


@compiled
def adjoint(g: Array, w: Array, z: Array, n: Array, dh: Array, dw: Array, dx: Array, leak: Array) -> None:
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
                through_integration(delta[t - begin], dh[s], n[s, t], leak[0])
                np.dot(delta[t - begin], recurrent, back)
                kernels.add_rows(dh[s], back)
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.to_input(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def integrate(n: Array, h: Array, leak: float) -> None:
    """Replace n by tanh n, and let h leak towards it."""
    for b in range(len(n)):
        n_b, h_b = n[b], h[b]
        for j in range(len(n_b)):
            n_b[j] = tanh(n_b[j])
        for j in range(len(n_b)):
            h_b[j] += leak * (n_b[j] - h_b[j])


@compiled
def through_integration(delta: Array, dh: Array, n: Array, leak: float) -> None:
    """Write δ = a dh (1 - n²), and leave (1 - a) dh in dh."""
    for b in range(len(delta)):
        d, dh_b, n_b = delta[b], dh[b], n[b]
        for j in range(len(d)):
            d[j] = leak * dh_b[j] * (1 - n_b[j] * n_b[j])
        for j in range(len(d)):
            dh_b[j] -= leak * dh_b[j]
