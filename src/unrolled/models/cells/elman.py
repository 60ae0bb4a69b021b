"""The simple recurrent network of Elman."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weights, fed_back
from unrolled.models.kernels import Array, compiled, tanh

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda a: a,
}
TANH, RELU = 0, 1  # by their place in ACTIVATIONS


class Elman(Cell):
    """h_t = σ(x_t U + h_{t-1} W + b), with σ = tanh, ReLU or the identity (a linear RNN).

    Weights: U (D, H), W (H, H), b (1, H).

    References
    ----------
    Elman, Cognitive Science 14 (1990) 179, doi 10.1207/s15516709cog1402_1.
    """

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, W and b."""
        return {"U": (self.inputs, self.hidden), "W": (self.hidden, self.hidden), "b": (1, self.hidden)}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        return (ACTIVATIONS[self.activation](x @ w["U"] + h @ w["W"] + w["b"]),)

    def closed(self, w: Weights, v: Tensor, c: Tensor) -> Weights:
        """Return the weights that feed h V + c back as input; see `fed_back`."""
        return fed_back(w, v, c)

    def fused(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Unroll over x (S, B, T, D) in one compiled loop; as `run`."""
        if not kernels.fusable(x, *state, *w.values()):
            return self.unroll(w, x, state)
        weights = torch.cat([w["W"], w["U"], w["b"]], dim=1)
        kind = list(ACTIVATIONS).index(self.activation)
        outputs, h = _Recurrence.apply(kernels.with_one(x), weights, state[0], kind)
        return outputs, (h,)

    def tangent(self, w: Weights, dw: Weights, x: Tensor, h: Tensor) -> Tensor:
        """Return ṙ_t = σ'(a_t) (h_{t-1} Ẇ + x_t U̇ + ḃ + ṙ_{t-1} W), the derivative of h_t along dw."""
        if not kernels.fusable(x, h, *w.values()) or x.device.type != "cpu":
            return super().tangent(w, dw, x, h)
        s, b, t, hidden = h.shape
        turned = h.transpose(1, 2).contiguous()
        before = torch.cat([turned.new_zeros(s, 1, b, hidden), turned[:, :-1]], dim=1).flatten(1, 2)
        given = kernels.with_one(x).expand(s, -1, -1, -1).flatten(1, 2)
        r = before @ dw["W"] + given @ torch.cat([dw["U"], dw["b"]], dim=1)
        r = r.unflatten(1, (t, b)).contiguous()
        with kernels.announced("elman"):
            tangent(w["W"].contiguous().numpy(), turned.numpy(), r.numpy(), list(ACTIVATIONS).index(self.activation))
        return r.transpose(1, 2)


class _Recurrence(torch.autograd.Function):
    """The loop over time: x (S or 1, T, B, E), w = [W; U; b] (S, H + E, H), h_0 (S, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, h0: Tensor, kind: int) -> tuple[Tensor, Tensor]:
        z = kernels.rows(h0, x)
        with kernels.announced("elman"):
            forward(x.numpy(), w.numpy(), h0.contiguous().numpy(), z.numpy(), kind)
        ctx.save_for_backward(w, z)
        ctx.kind = kind
        ctx.set_materialize_grads(False)
        return kernels.read(z, h0.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        w, z = ctx.saved_tensors
        s, t, b, _ = z.shape
        hidden = w.shape[2]
        need_x = ctx.needs_input_grad[0]
        dw, dh = torch.empty_like(w), kernels.at_end(d_last, s, b, hidden, like=w)
        dx = w.new_zeros((s, t - 1, b, w.shape[1] - hidden) if need_x else (0, 0, 0, 0))
        g = kernels.in_time_order(d_outputs, s, b, hidden, like=w)
        with kernels.announced("elman"):
            adjoint(w.numpy(), z.numpy(), g, dh.numpy(), dw.numpy(), dx.numpy(), ctx.kind)
        return dx if need_x else None, dw, dh, None


@compiled
def forward(x: Array, w: Array, h0: Array, z: Array, kind: int) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] with h_t = σ(z_t w)."""
    hidden = h0.shape[2]
    for s in range(len(w)):
        h = h0[s].copy()
        for t in range(x.shape[1]):
            kernels.enter(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], h)
            activate(h.reshape(-1), kind)
        kernels.put(z[s, -1, :, :hidden], h)


@compiled
def adjoint(w: Array, z: Array, g: Array, dh: Array, dw: Array, dx: Array, kind: int) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    With a_t = z_t w and h_t = σ(a_t), from the last step to the first:
    δ_t = ∂L/∂a_t = (g_t + δ_{t+1} Wᵀ) σ'(a_t); then ∂L/∂w = Σ_t z_tᵀ δ_t and
    ∂L/∂x_t = δ_t Uᵀ, a block of steps at a time.
    """
    steps, hidden = z.shape[1] - 1, w.shape[2]
    block = kernels.block_length(z[0], hidden)
    delta, part = np.empty((block, z.shape[2], hidden), w.dtype), np.empty_like(dw[0])
    dw[:] = 0
    for s in range(len(w)):
        recurrent = np.ascontiguousarray(w[s, :hidden].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                through_activation(delta[t - begin], dh[s], z[s, t + 1], kind)
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.to_input(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def tangent(w: Array, h: Array, r: Array, kind: int) -> None:
    """Turn what enters directly, h_{t-1} Ẇ + x_t U̇ + ḃ, into ṙ_t = σ'(a_t) (that + ṙ_{t-1} W), in place in r."""
    carried = np.empty_like(r[0, 0])
    for s in range(len(w)):
        for t in range(r.shape[1]):
            if t > 0:
                np.dot(r[s, t - 1], w[s], carried)
                kernels.add_rows(r[s, t], carried)
            through_activation(r[s, t], r[s, t], h[s, t], kind)


@compiled
def activate(a: Array, kind: int) -> None:
    """Replace a by σ(a)."""
    if kind == TANH:
        for j in range(len(a)):
            a[j] = tanh(a[j])
    elif kind == RELU:
        for j in range(len(a)):
            a[j] = a.dtype.type(0) if a[j] < 0 else a[j]  # NaN stays


@compiled
def through_activation(delta: Array, dh: Array, h: Array, kind: int) -> None:
    """Write δ = dh σ', where σ' follows from h = σ(a): 1 - h² for tanh, [h > 0] for ReLU."""
    for b in range(len(delta)):
        d, dh_b, h_b = delta[b], dh[b], h[b]
        if kind == TANH:
            for j in range(len(d)):
                d[j] = dh_b[j] - dh_b[j] * h_b[j] * h_b[j]
        elif kind == RELU:
            for j in range(len(d)):
                d[j] = dh_b[j] if h_b[j] > 0 else h_b[j]  # 0, or NaN
        else:
            for j in range(len(d)):
                d[j] = dh_b[j]
