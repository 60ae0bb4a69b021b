"""The simple recurrent network of Elman."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from unrolled.models import kernels, recurrence
from unrolled.models.cell import Cell, State, Weight, Weights, affine
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda a: torch.tanh(a),
    "relu": lambda a: torch.relu(a),
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

    family: ClassVar[str] = "rnn"

    class Settings(Cell.Settings):
        """H, and σ."""

        activation: Literal["tanh", "relu", "identity"] = "tanh"

    settings: Settings
    compiled: ClassVar[bool] = True
    additive: ClassVar[bool] = True
    squashes: ClassVar[bool] = True

    @property
    def kind(self) -> int:
        """σ by its place in ACTIVATIONS, as the kernels know it."""
        return list(ACTIVATIONS).index(self.settings.activation)

    def weights(self) -> dict[str, Weight]:
        """Return U, W and b."""
        return affine(self.inputs, self.hidden, self.hidden)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        return (ACTIVATIONS[self.settings.activation](x @ w["U"] + h @ w["W"] + w["b"]),)

    def slope(self, h: Tensor) -> Tensor:
        """Return σ' as a function of h: 1 - h² for tanh, [h > 0] for ReLU, 1."""
        own = {"tanh": 1 - h * h, "relu": (h > 0).to(h.dtype), "identity": torch.ones_like(h)}
        return own[self.settings.activation]

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def omega_kernel(self) -> Any:
        """Return the compiled loop of Ω."""
        return vanishing

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return the kind of σ."""
        return (self.kind,)

    def tangent(self, w: Weights, dw: Weights, x: Tensor, h: Tensor) -> Tensor:
        """Return ṙ_t = σ'(a_t) (h_{t-1} Ẇ + x_t U̇ + ḃ + ṙ_{t-1} W), the derivative of h_t along dw."""
        if not recurrence.supported(x, h, *w.values()):
            return super().tangent(w, dw, x, h)
        s, b, t, hidden = h.shape
        turned = h.transpose(1, 2).contiguous()
        before = torch.cat([turned.new_zeros(s, 1, b, hidden), turned[:, :-1]], dim=1).flatten(1, 2)
        given = recurrence.with_one(x).expand(s, -1, -1, -1).flatten(1, 2)
        r = before @ dw["W"] + given @ torch.cat([dw["U"], dw["b"]], dim=1)
        r = r.unflatten(1, (t, b)).contiguous()
        tangent(w["W"].contiguous().numpy(), turned.numpy(), r.numpy(), self.kind)
        return r.transpose(1, 2)

    def torch_peer(self) -> "torch.nn.RNNBase | None":
        """Return `torch.nn.RNN`, which has no linear form."""
        kind = self.settings.activation
        if kind == "identity":
            return None
        return torch.nn.RNN(self.inputs, self.hidden, nonlinearity=kind, batch_first=True, dtype=torch.float64)

    def peer_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return its W_ih, W_hh, b_ih and b_hh; of its two biases ours is the first."""
        return w["U"].T, w["W"].T, w["b"][0], torch.zeros_like(w["b"][0])


@compiled
def forward(x: Array, w: Array, state: Array, z: Array, kind: int) -> None:
    """Fill the rows z_t = [h_{t-1}, x_t, 1] with h_t = σ(z_t w), w = [W; U; b]."""
    hidden = state.shape[2]
    for s in range(len(w)):
        h = state[s]
        for t in range(x.shape[1]):
            kernels.write_rows(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], h)
            activate(h.reshape(-1), kind)
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(g: Array, x: Array, w: Array, z: Array, dh: Array, dw: Array, dx: Array, kind: int) -> None:
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
                activation_backward(delta[t - begin], dh[s], z[s, t + 1], kind)
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def vanishing(g: Array, w: Array, z: Array, dh: Array, alpha: Array, dw: Array, kind: int) -> None:
    """Write α ∂⁺Ω/∂w, from what `adjoint` gets, which stays as it is.

    With δ_t as there, u_t = σ'(a_t) (δ_{t+1} Wᵀ) and ρ_t = ‖u_t‖ / ‖δ_{t+1}‖, Ω is the mean of (ρ_t - 1)² over the
    steps and sequences with a gradient, ∂⁺Ω/∂W that of 2 (ρ_t - 1) / ρ_t (σ'(a_t) u_t)ᵀ δ_{t+1} / ‖δ_{t+1}‖².
    """
    steps, batch, hidden = z.shape[1] - 1, z.shape[2], w.shape[2]
    moved, back = np.empty((steps, batch, hidden), w.dtype), np.empty((steps, batch, hidden), w.dtype)
    delta, carried = np.empty((batch, hidden), w.dtype), np.empty((batch, hidden), w.dtype)
    part = np.empty((hidden, hidden), w.dtype)
    dw[:] = 0
    for s in range(len(w)):
        if alpha[s] == 0 or steps < 2:
            continue
        recurrent, count = np.ascontiguousarray(w[s, :hidden].T), 0
        kernels.copy_rows(carried, dh[s])
        for t in range(steps - 1, -1, -1):
            if t < steps - 1:
                activation_backward(moved[t], carried, z[s, t + 1], kind)
                count += weigh(moved[t], delta, back[t])
                activation_backward(moved[t], moved[t], z[s, t + 1], kind)
            if g.shape[1]:
                kernels.add_rows(carried, g[s, t])
            activation_backward(delta, carried, z[s, t + 1], kind)
            np.dot(delta, recurrent, carried)
        many = (steps - 1) * batch
        np.dot(moved[: steps - 1].reshape(many, hidden).T, back[: steps - 1].reshape(many, hidden), part)
        scale = alpha[s] / w.dtype.type(max(count, 1))
        for i in range(hidden):
            for j in range(hidden):
                dw[s, i, j] = scale * part[i, j]


@compiled
def weigh(moved: Array, delta: Array, back: Array) -> int:
    """Replace u (B, H) by 2 (ρ - 1) / ρ u / ‖δ‖ and write δ / ‖δ‖; return how many rows have a gradient.

    In double precision: after many steps the square of a gradient is no float32.
    """
    count = 0
    for b in range(len(delta)):
        size, turned = np.float64(0), np.float64(0)
        for j in range(delta.shape[1]):
            size += np.float64(delta[b, j]) * np.float64(delta[b, j])
            turned += np.float64(moved[b, j]) * np.float64(moved[b, j])
        size, turned = np.sqrt(size), np.sqrt(turned)
        there = size > 0 and turned > 0
        count += size > 0
        factor = 2 * (turned / size - 1) / turned if there else np.float64(0)
        inverse = 1 / size if there else np.float64(0)
        for j in range(delta.shape[1]):
            moved[b, j] = factor * moved[b, j] if there else 0
            back[b, j] = inverse * delta[b, j] if there else 0
    return count


@compiled
def tangent(w: Array, h: Array, r: Array, kind: int) -> None:
    """Turn what enters directly, h_{t-1} Ẇ + x_t U̇ + ḃ, into ṙ_t = σ'(a_t) (that + ṙ_{t-1} W), in place in r."""
    carried = np.empty_like(r[0, 0])
    for s in range(len(w)):
        for t in range(r.shape[1]):
            if t > 0:
                np.dot(r[s, t - 1], w[s], carried)
                kernels.add_rows(r[s, t], carried)
            activation_backward(r[s, t], r[s, t], h[s, t], kind)


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
def activation_backward(delta: Array, dh: Array, h: Array, kind: int) -> None:
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
