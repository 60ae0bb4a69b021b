"""Long short-term memory: a cell made to keep a value for a long time."""

from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights, affine
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class LSTM(Cell):
    """i, f, o = sigmoid, g = tanh of (x_t U + h_{t-1} W + b); c_t = f c_{t-1} + i g; h_t = o tanh c_t.

    Weights: U (D, 4H), W (H, 4H), b (1, 4H), in the order i, f, g, o of `torch.nn.LSTM`.

    References
    ----------
    Hochreiter & Schmidhuber, Neural Computation 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735;
    forget gate: Gers, Schmidhuber & Cummins, Neural Computation 12 (2000) 2451,
    doi 10.1162/089976600300015015.
    """

    family: ClassVar[str] = "lstm"

    forget_gate: ClassVar[int | None] = 1  # of i, f, g, o
    input_gate: ClassVar[int | None] = 0
    compiled: ClassVar[bool] = True
    additive: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return U, W and b."""
        return affine(self.inputs, self.hidden, 4 * self.hidden, "gate_bias")

    def start(self, x: Tensor) -> State:
        """Return h = c = 0."""
        zero = x.new_zeros(*x.shape[:2], self.hidden)
        return zero, zero

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance (h, c) by one step."""
        h, c = state
        i, f, g, o = (x @ w["U"] + h @ w["W"] + w["b"]).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return rows, gates and memory; without the adjoint, gates and memory of one step suffice."""
        kept = (s, t) if keep else (1, 1)
        return *super().buffers(s, t, b, e), (*kept, b, 4 * self.hidden), (*kept, 2, b, self.hidden)

    def torch_peer(self) -> "torch.nn.RNNBase | None":
        """Return `torch.nn.LSTM`."""
        return torch.nn.LSTM(self.inputs, self.hidden, batch_first=True, dtype=torch.float64)

    def peer_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return its W_ih, W_hh, b_ih and b_hh; of its two biases ours is the first."""
        return w["U"].T, w["W"].T, w["b"][0], torch.zeros_like(w["b"][0])


@compiled
def forward(x: Array, w: Array, h0: Array, c0: Array, z: Array, gates: Array, memory: Array) -> None:
    """Fill z_t = [h_{t-1}, x_t, 1], the gates (i, f, g, o) of z_t w, w = [W; U; b], and (c_{t-1}, tanh c_t)."""
    hidden = h0.shape[2]
    scale, shift = gate_scales(hidden, w)
    for s in range(len(w)):
        h, c = h0[s], c0[s]
        for t in range(x.shape[1]):
            slot = min(s, len(gates) - 1), min(t, gates.shape[1] - 1)
            a, before_and_tanh = gates[slot], memory[slot]
            kernels.write_rows(z[s, t], h, x[min(s, len(x) - 1), t])
            np.dot(z[s, t], w[s], a)
            kernels.activate_gates(a, scale, shift)
            kernels.copy_rows(before_and_tanh[0], c)
            update_memory(a, c)
            write_tanh(before_and_tanh[1].reshape(-1), c.reshape(-1))
            write_output(a, before_and_tanh[1], h)
        kernels.copy_rows(z[s, -1, :, :hidden], h)


@compiled
def adjoint(
    g: Array, x: Array, w: Array, z: Array, gates: Array, memory: Array, dh: Array, dc: Array, dw: Array, dx: Array
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g), ∂L/∂h_T (in dh) and ∂L/∂c_T (in dc).

    With δ_t = ∂L/∂a_t of all gates, a_t = z_t w, from the last step to the first:
    dh_t = g_t + δ_{t+1} Wᵀ gives δ_t (`output_backward`, `memory_backward`);
    then ∂L/∂w = Σ_t z_tᵀ δ_t and ∂L/∂x_t = δ_t Uᵀ, a block of steps at a time.
    """
    steps, hidden = z.shape[1] - 1, dh.shape[2]
    block = kernels.block_length(z[0], 4 * hidden)
    delta, part = np.empty((block, z.shape[2], 4 * hidden), w.dtype), np.empty_like(dw[0])
    dw[:] = 0
    for s in range(len(w)):
        recurrent = np.ascontiguousarray(w[s, :hidden].T)
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                output_backward(delta[t - begin], dh[s], dc[s], gates[s, t], memory[s, t, 1])
                memory_backward(delta[t - begin], dc[s], gates[s, t], memory[s, t, 0])
                np.dot(delta[t - begin], recurrent, dh[s])
            kernels.add_product(dw[s], z[s, begin:end], delta[: end - begin], part)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])


@compiled
def gate_scales(hidden: int, w: Array) -> tuple[Array, Array]:
    """Return the scale and the shift of `kernels.activate_gates`: sigmoid for i, f, o, tanh for g."""
    scale, shift = np.full(4 * hidden, 0.5).astype(w.dtype), np.full(4 * hidden, 0.5).astype(w.dtype)
    scale[2 * hidden : 3 * hidden] = 1
    shift[2 * hidden : 3 * hidden] = 0
    return scale, shift


@compiled
def update_memory(gates: Array, c: Array) -> None:
    """c_t = f c_{t-1} + i g."""
    n = c.shape[1]
    for b in range(len(c)):
        row, i, f, g = c[b], gates[b, :n], gates[b, n : 2 * n], gates[b, 2 * n : 3 * n]
        for j in range(n):
            row[j] = f[j] * row[j] + i[j] * g[j]


@compiled
def write_tanh(out: Array, c: Array) -> None:
    """Write tanh c_t, which the adjoint needs again."""
    for j in range(len(c)):
        out[j] = tanh(c[j])


@compiled
def write_output(gates: Array, tanh_c: Array, h: Array) -> None:
    """h_t = o tanh c_t."""
    n = h.shape[1]
    for b in range(len(h)):
        row, o, tc = h[b], gates[b, 3 * n :], tanh_c[b]
        for j in range(n):
            row[j] = o[j] * tc[j]


@compiled
def output_backward(delta: Array, dh: Array, dc: Array, gates: Array, tanh_c: Array) -> None:
    """Backward of `write_output`: write δ_o and add to dc_t, one loop per equation.

    Loops that write one row vectorise well; all equations in one loop took twice as long.
    """
    n = dh.shape[1]
    for b in range(len(dh)):  # δ_o = dh_t tanh(c_t) o (1 - o)
        d, up, tc, o = delta[b, 3 * n :], dh[b], tanh_c[b], gates[b, 3 * n :]
        for j in range(n):
            d[j] = up[j] * tc[j] * (o[j] - o[j] * o[j])
    for b in range(len(dh)):  # dc_t += dh_t o (1 - tanh² c_t)
        row, up, tc, o = dc[b], dh[b], tanh_c[b], gates[b, 3 * n :]
        for j in range(n):
            row[j] += up[j] * (o[j] - o[j] * tc[j] * tc[j])


@compiled
def memory_backward(delta: Array, dc: Array, gates: Array, before: Array) -> None:
    """Backward of `update_memory`: write δ_i, δ_g, δ_f and take dc from c_t to c_{t-1} (`before`)."""
    n = dc.shape[1]
    for b in range(len(dc)):  # δ_i = dc_t g i (1 - i)
        d, row, i, g = delta[b, :n], dc[b], gates[b, :n], gates[b, 2 * n : 3 * n]
        for j in range(n):
            d[j] = row[j] * g[j] * (i[j] - i[j] * i[j])
    for b in range(len(dc)):  # δ_g = dc_t i (1 - g²)
        d, row, i, g = delta[b, 2 * n : 3 * n], dc[b], gates[b, :n], gates[b, 2 * n : 3 * n]
        for j in range(n):
            d[j] = row[j] * (i[j] - i[j] * g[j] * g[j])
    for b in range(len(dc)):  # δ_f = dc_t c_{t-1} f (1 - f)
        d, row, f, c = delta[b, n : 2 * n], dc[b], gates[b, n : 2 * n], before[b]
        for j in range(n):
            d[j] = row[j] * c[j] * (f[j] - f[j] * f[j])
    for b in range(len(dc)):  # dc_{t-1} = dc_t f
        row, f = dc[b], gates[b, n : 2 * n]
        for j in range(n):
            row[j] *= f[j]
