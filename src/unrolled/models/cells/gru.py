"""Gated recurrent unit."""

from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights, affine
from unrolled.models.kernels import Array, compiled, tanh
from unrolled.models.pytorch import Tensor, torch


class GRU(Cell):
    """h_t = (1 - z) n + z h_{t-1}, with a reset gate r and an update gate z.

    r, z = sigmoid(x_t U + h_{t-1} W + b) and n = tanh(x_t U_n + b_n + r (h_{t-1} W_n + d)), the
    form of `torch.nn.GRU`. Weights: U (D, 3H), W (H, 3H), b (1, 3H) in the order r, z, n; d (1, H).

    References
    ----------
    Cho et al., EMNLP 2014, doi 10.3115/v1/D14-1179.
    """

    family: ClassVar[str] = "gru"

    forget_gate: ClassVar[int | None] = 1  # of r, z, n
    compiled: ClassVar[bool] = True

    def weights(self) -> dict[str, Weight]:
        """Return U, W, b and d."""
        d = Weight((1, self.hidden), "bias", self.inputs + self.hidden)
        return affine(self.inputs, self.hidden, 3 * self.hidden, "gate_bias") | {"d": d}

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance h by one step."""
        (h,) = state
        xr, xz, xn = (x @ w["U"] + w["b"]).chunk(3, dim=-1)
        hr, hz, hn = (h @ w["W"]).chunk(3, dim=-1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * (hn + w["d"]))
        return ((1 - z) * n + z * h,)

    def closed(self, w: Weights, v: Tensor, c: Tensor, kept: Tensor | None = None) -> Weights | None:
        """Return the weights that feed h V + c back as input, for `run_compiled` only.

        For r and z as in `fed_back`; but n's input is not reset, so it sees h through N = V U_n.
        """
        k, gates = v.shape[-1], 2 * self.hidden
        fed, rest = w["U"][:, :k], w["U"][:, k:]
        if kept is not None:
            fed, rest = (1 - kept) * fed, torch.cat([kept * fed, rest], dim=1)
        w_rz = w["W"][..., :gates] + v @ fed[..., :gates]
        return {
            "U": rest,
            "W": torch.cat([w_rz, w["W"][..., gates:]], dim=2),
            "b": w["b"] + c @ fed,
            "d": w["d"],
            "N": v @ fed[..., gates:],
        }

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return [W; U; b] without n's part of U and b, with d in the place of the latter; and that part, [U_n; b_n].

        r acts on h W_n + d only, so that the input's part of n is a product of its own. If the readout is
        fed back, n sees h too: [N; U_n; b_n].
        """
        gates, none = 2 * self.hidden, torch.zeros_like(w["U"][..., : self.hidden])
        u, b = torch.cat([w["U"][..., :gates], none], dim=2), torch.cat([w["b"][..., :gates], w["d"]], dim=2)
        v = [w["N"]] if "N" in w else []
        v += [w["U"][..., gates:], w["b"][..., gates:]]
        return torch.cat([w["W"], u, b], dim=1), torch.cat(v, dim=1)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return rows, gates and n; without the adjoint, gates of one step suffice."""
        kept = (s, t) if keep else (1, 1)
        return *super().buffers(s, t, b, e), (*kept, b, 3 * self.hidden), (kept[0], t, b, self.hidden)

    def torch_peer(self) -> "torch.nn.RNNBase | None":
        """Return `torch.nn.GRU`."""
        return torch.nn.GRU(self.inputs, self.hidden, batch_first=True, dtype=torch.float64)

    def peer_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return its W_ih, W_hh, b_ih and b_hh; the last is ours in d only."""
        none = torch.zeros_like(w["b"][0, self.hidden :])
        return w["U"].T, w["W"].T, w["b"][0], torch.cat([none, w["d"][0]])


@compiled
def forward(x: Array, w: Array, v: Array, state: Array, rows: Array, gates: Array, n: Array) -> None:
    """Fill the rows [h_{t-1}, x_t, 1], the gates (r, z, h_{t-1} W_n + d), and n.

    w is [W; U; b] without n's part of U and b; v is that part, (S, E, H), or (S, H + E, H) if n sees
    h_{t-1} too, because the readout is fed back.
    """
    hidden = state.shape[2]
    for s in range(len(w)):
        h, x_s, n_s = state[s], x[min(s, len(x) - 1)], n[min(s, len(n) - 1)]
        fed_back = v.shape[1] > x.shape[3]
        if not fed_back:
            np.dot(x_s.reshape(-1, x.shape[3]), v[s], n_s.reshape(-1, hidden))
        for t in range(x.shape[1]):
            a = gates[min(s, len(gates) - 1), min(t, gates.shape[1] - 1)]
            kernels.write_rows(rows[s, t], h, x_s[t])
            np.dot(rows[s, t], w[s], a)
            if fed_back:
                np.dot(rows[s, t], v[s], n_s[t])
            apply_gates(a, n_s[t])
            apply_tanh(n_s[t].reshape(-1))
            update_state(a, n_s[t], h)
        kernels.copy_rows(rows[s, -1, :, :hidden], h)


@compiled
def adjoint(
    g: Array,
    x: Array,
    w: Array,
    v: Array,
    rows: Array,
    gates: Array,
    n: Array,
    dh: Array,
    dw: Array,
    dv: Array,
    dx: Array,
) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to weights, inputs and h_0.

    With δ_t the gradient by the columns (r, z, h W_n + d) of [h_{t-1}, x_t, 1] w, and ν_t by the
    argument of n's tanh, from the last step to the first: dh_t = g_t + z dh_{t+1} + δ_{t+1} Wᵀ
    gives δ_t and ν_t (`update_backward`, `gates_backward`); then ∂L/∂w = Σ_t [h_{t-1}, x_t, 1]ᵀ δ_t,
    ∂L/∂v = Σ_t [x_t, 1]ᵀ ν_t and ∂L/∂x_t = δ_t Uᵀ + ν_t U_nᵀ, a block of steps at a time. With the
    readout fed back, v has the rows of w, and ν_t goes on to h_{t-1} through N.
    """
    steps, batch, hidden = n.shape[1:]
    block = kernels.block_length(rows[0], 3 * hidden)
    delta, nu = np.empty((block, batch, 3 * hidden), w.dtype), np.empty((block, batch, hidden), w.dtype)
    back, part_w, part_v = np.empty_like(dh[0]), np.empty_like(dw[0]), np.empty_like(dv[0])
    dw[:], dv[:] = 0, 0
    fed_back = v.shape[1] > x.shape[3]
    first = hidden if fed_back else 0
    for s in range(len(w)):
        x_s, recurrent = x[min(s, len(x) - 1)], np.ascontiguousarray(w[s, :hidden].T)
        through_n = np.ascontiguousarray(v[s, :first].T)
        seen_by_n = rows[s] if fed_back else x_s
        for end in range(steps, 0, -block):
            begin = max(0, end - block)
            for t in range(end - 1, begin - 1, -1):
                if g.shape[1]:
                    kernels.add_rows(dh[s], g[s, t])
                update_backward(delta[t - begin], nu[t - begin], dh[s], gates[s, t], n[s, t], rows[s, t])
                gates_backward(delta[t - begin], nu[t - begin], gates[s, t])
                np.dot(delta[t - begin], recurrent, back)
                kernels.add_rows(dh[s], back)
                if fed_back:
                    np.dot(nu[t - begin], through_n, back)
                    kernels.add_rows(dh[s], back)
            kernels.add_product(dw[s], rows[s, begin:end], delta[: end - begin], part_w)
            kernels.add_product(dv[s], seen_by_n[begin:end], nu[: end - begin], part_v)
            if len(dx):
                kernels.add_input_gradient(dx[s, begin:end], delta[: end - begin], w[s, hidden:])
                kernels.add_input_gradient(dx[s, begin:end], nu[: end - begin], v[s, first:])


@compiled
def apply_gates(gates: Array, n: Array) -> None:
    """Apply sigmoid to r and z, and add r (h_{t-1} W_n + d) to the argument of n."""
    m = n.shape[1]
    half = gates.dtype.type(0.5)
    for b in range(len(n)):
        both, r, hn, row = gates[b, : 2 * m], gates[b, :m], gates[b, 2 * m :], n[b]
        for j in range(2 * m):
            both[j] = half + half * tanh(half * both[j])
        for j in range(m):
            row[j] += r[j] * hn[j]


@compiled
def apply_tanh(n: Array) -> None:
    """Replace n's argument by its tanh."""
    for j in range(len(n)):
        n[j] = tanh(n[j])


@compiled
def update_state(gates: Array, n: Array, h: Array) -> None:
    """h_t = (1 - z) n + z h_{t-1}."""
    m = n.shape[1]
    for b in range(len(h)):
        row, z, n_b = h[b], gates[b, m : 2 * m], n[b]
        for j in range(m):
            row[j] = n_b[j] + z[j] * (row[j] - n_b[j])


@compiled
def update_backward(delta: Array, nu: Array, dh: Array, gates: Array, n: Array, rows: Array) -> None:
    """Backward of `update_state`: write δ_z and ν, leave z dh in dh, one loop per equation.

    Loops that write one row vectorise well; all equations in one loop took twice as long.
    """
    m = n.shape[1]
    for b in range(len(dh)):  # δ_z = dh (h_{t-1} - n) z (1 - z)
        d, up, h, n_b, z = delta[b, m : 2 * m], dh[b], rows[b], n[b], gates[b, m : 2 * m]
        for j in range(m):
            d[j] = up[j] * (h[j] - n_b[j]) * (z[j] - z[j] * z[j])
    for b in range(len(dh)):  # ν = dh (1 - z) (1 - n²)
        v, up, n_b, z = nu[b], dh[b], n[b], gates[b, m : 2 * m]
        for j in range(m):
            rest = up[j] - up[j] * z[j]
            v[j] = rest - rest * n_b[j] * n_b[j]
    for b in range(len(dh)):  # dh = z dh
        row, z = dh[b], gates[b, m : 2 * m]
        for j in range(m):
            row[j] *= z[j]


@compiled
def gates_backward(delta: Array, nu: Array, gates: Array) -> None:
    """Backward of `apply_gates`, x_t U_n + b_n + r (h_{t-1} W_n + d): write δ_hn and δ_r."""
    m = nu.shape[1]
    for b in range(len(nu)):  # δ_hn = ν r
        d, v, r = delta[b, 2 * m :], nu[b], gates[b, :m]
        for j in range(m):
            d[j] = v[j] * r[j]
    for b in range(len(nu)):  # δ_r = ν (h_{t-1} W_n + d) r (1 - r)
        d, v, r, hn = delta[b, :m], nu[b], gates[b, :m], gates[b, 2 * m :]
        for j in range(m):
            d[j] = v[j] * hn[j] * (r[j] - r[j] * r[j])
