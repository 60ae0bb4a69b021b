"""Linear recurrent unit: a diagonal, complex, linear recurrence, all steps at once."""

import math
from typing import Any, ClassVar

import numpy as np

from unrolled.models import kernels, recurrence
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, operation, torch


class LRU(Cell):
    """s_t = Λ s_{t-1} + exp(g) (x_t B), complex and diagonal; the output is h_t = [Re s_t, Im s_t].

    Λ = exp(-exp(ν) + i exp(φ)), so that |Λ| < 1 whatever ν. Weights: U (D, 2H), which is
    [Re B, Im B]; nu, phi, gamma (1, H). The readout does the rest: C, and the nonlinearity, which
    the recurrence lacks, so it needs a ReLU layer. That is a nonlinearity of sums over time: value times
    mark, of which recall asks the sum, takes a ReLU layer before the recurrence (`encoder`); the paper
    stacks layers to the same end.

    References
    ----------
    Orvieto et al., ICML 2023, PMLR 202:26670, arXiv 2303.06349; Blelloch (1990), CMU-CS-90-190 (scan).
    """

    family: ClassVar[str] = "linear recurrence"

    compiled: ClassVar[bool] = True
    with_one: ClassVar[bool] = False

    @property
    def features(self) -> int:
        """Size of the output, 2 H."""
        return 2 * self.hidden

    def weights(self) -> dict[str, Weight]:
        """Return U, nu, phi and gamma."""
        line = Weight((1, self.hidden), "diagonal", 1)
        u = Weight((self.inputs, 2 * self.hidden), "input", self.inputs)
        return {"U": u, "nu": line, "phi": line, "gamma": line}

    def start(self, x: Tensor) -> State:
        """Return a state of zeros."""
        return (x.new_zeros(*x.shape[:2], self.features),)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance s by one step, in real numbers."""
        re, im = state[0].chunk(2, dim=-1)
        size, angle = torch.exp(-torch.exp(w["nu"])), torch.exp(w["phi"])
        a, b = size * torch.cos(angle), size * torch.sin(angle)
        u, v = (x @ w["U"]).chunk(2, dim=-1)
        scale = torch.exp(w["gamma"])
        return (torch.cat([a * re - b * im + scale * u, b * re + a * im + scale * v], dim=-1),)

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all states: by a compiled loop on the CPU, elsewhere by a parallel scan over time."""
        if x.device.type == "cpu" or x.shape[2] == 0 or not recurrence.known_type(x):
            return super().run(w, x, state)
        return self.scanned(w, x, self.start(x) if state is None else state)

    def scanned(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return all states by a scan: 2 log₂ T operations on whole sequences instead of T small ones."""
        factor = torch.exp(torch.complex(-torch.exp(w["nu"]), torch.exp(w["phi"])))  # (S, 1, H)
        driven = _complex((x @ w["U"][:, None]) * torch.exp(w["gamma"]).repeat(1, 1, 2)[:, None])
        first = driven[:, :, :1] + (factor * _complex(state[0]))[:, :, None]
        s = operation(_scan, _scan_backward)(factor[:, None], torch.cat([first, driven[:, :, 1:]], dim=2))
        h = torch.cat([s.real, s.imag], dim=-1)
        return h, (h[:, :, -1],)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return exp(g) B and [Re Λ, Im Λ]."""
        u, factor = operation(_polar, _polar_backward)(w["U"], w["nu"], w["phi"], w["gamma"])
        return u, factor

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the states."""
        return ((s, t + 1, b, self.features),)


def _polar(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
    """Return exp(g) B (S, D, 2H) and [Re Λ, Im Λ] (S, 2, H).

    Number by number: PyTorch rounds exp and cos by how many it takes at once, so that a replica would
    depend on the others.
    """
    u, nu = given[:2]
    ctx.save_for_backward(*given)
    scaled, factor = torch.empty(u.shape, dtype=u.dtype), torch.empty(len(nu), 2, nu.shape[2], dtype=u.dtype)
    polar(*(each.detach().numpy() for each in (*given, scaled, factor)))
    return scaled, factor


def _polar_backward(ctx: Any, d_scaled: Tensor, d_factor: Tensor) -> tuple[Tensor, ...]:
    given = ctx.saved_tensors
    found = tuple(torch.empty(each.shape, dtype=each.dtype) for each in given)
    polar_backward(*(each.detach().numpy() for each in (*given, d_scaled, d_factor, *found)))
    return found


@compiled
def polar(u: Array, nu: Array, phi: Array, gamma: Array, scaled: Array, factor: Array) -> None:
    """Write exp(g) B and Λ = exp(-exp(ν)) (cos exp(φ), sin exp(φ))."""
    m = nu.shape[2]
    for s in range(len(nu)):
        for j in range(m):
            size, angle, scale = math.exp(-math.exp(nu[s, 0, j])), math.exp(phi[s, 0, j]), math.exp(gamma[s, 0, j])
            factor[s, 0, j], factor[s, 1, j] = size * math.cos(angle), size * math.sin(angle)
            for d in range(u.shape[1]):
                scaled[s, d, j], scaled[s, d, m + j] = scale * u[s, d, j], scale * u[s, d, m + j]


@compiled
def polar_backward(
    u: Array,
    nu: Array,
    phi: Array,
    gamma: Array,
    d_scaled: Array,
    d_factor: Array,
    du: Array,
    d_nu: Array,
    d_phi: Array,
    d_gamma: Array,
) -> None:
    """Backward of `polar`."""
    m = nu.shape[2]
    for s in range(len(nu)):
        for j in range(m):
            rate, angle, scale = math.exp(nu[s, 0, j]), math.exp(phi[s, 0, j]), math.exp(gamma[s, 0, j])
            re, im = math.exp(-rate) * math.cos(angle), math.exp(-rate) * math.sin(angle)
            d_re, d_im = d_factor[s, 0, j], d_factor[s, 1, j]
            d_nu[s, 0, j], d_phi[s, 0, j] = -rate * (d_re * re + d_im * im), angle * (d_im * re - d_re * im)
            total = 0.0
            for d in range(u.shape[1]):
                for column in (j, m + j):
                    du[s, d, column] = scale * d_scaled[s, d, column]
                    total += du[s, d, column] * u[s, d, column]
            d_gamma[s, 0, j] = total


@compiled
def forward(x: Array, u: Array, w: Array, state: Array, states: Array) -> None:
    """Fill the states s_0, s_1, ... of s_t = Λ s_{t-1} + x_t exp(g) B; u = exp(g) B, w = [Re Λ, Im Λ]."""
    m, (steps, batch, d) = w.shape[2], x.shape[1:]
    drive = np.empty((steps, batch, 2 * m), w.dtype)
    for s in range(len(u)):
        a, c = w[s, 0], w[s, 1]
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, d), u[s], drive.reshape(steps * batch, 2 * m))
        kernels.copy_rows(states[s, 0], state[s])
        for t in range(steps):
            for b in range(batch):
                re, im = states[s, t, b, :m], states[s, t, b, m:]
                new_re, new_im = states[s, t + 1, b, :m], states[s, t + 1, b, m:]
                p, q = drive[t, b, :m], drive[t, b, m:]
                for j in range(m):
                    new_re[j] = a[j] * re[j] - c[j] * im[j] + p[j]
                for j in range(m):
                    new_im[j] = c[j] * re[j] + a[j] * im[j] + q[j]
        kernels.copy_rows(state[s], states[s, -1])


@compiled
def adjoint(g: Array, x: Array, u: Array, w: Array, states: Array, dh: Array, du: Array, dw: Array, dx: Array) -> None:
    """Back-propagate through time: from ∂L/∂h_t (g) and ∂L/∂h_T (in dh) to B, Λ (dw), inputs and s_0.

    From the last step to the first, in complex numbers: δ_t = g_t + Λ* δ_{t+1}; then
    ∂L/∂Λ = Σ_t s*_{t-1} δ_t, ∂L/∂(exp(g) B) = Σ_t x_tᵀ δ_t and ∂L/∂x_t = δ_t (exp(g) B)ᵀ.
    """
    m, (steps, batch, d) = w.shape[2], x.shape[1:]
    delta = np.empty((steps, batch, 2 * m), w.dtype)
    dw[:] = 0
    for s in range(len(u)):
        for t in range(steps - 1, -1, -1):
            if g.shape[1]:
                kernels.add_rows(dh[s], g[s, t])
            kernels.copy_rows(delta[t], dh[s])
            rotation_backward(dw[s], dh[s], delta[t], states[s, t], w[s])
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, d).T, delta.reshape(steps * batch, 2 * m), du[s])
        if len(dx):
            kernels.add_input_gradient(dx[s], delta, u[s])


@compiled
def rotation_backward(dw: Array, back: Array, delta: Array, state: Array, w: Array) -> None:
    """Backward of Λ s for the rows (B, 2H): add s* δ to ∂L/∂Λ, and write Λ* δ.

    A call for all rows, since a call for each took seven times as long.
    """
    m = w.shape[1]
    a, c, da, dc = w[0], w[1], dw[0], dw[1]
    for b in range(len(delta)):
        d_re, d_im, re, im = delta[b, :m], delta[b, m:], state[b, :m], state[b, m:]
        back_re, back_im = back[b, :m], back[b, m:]
        for j in range(m):
            da[j] += d_re[j] * re[j] + d_im[j] * im[j]
        for j in range(m):
            dc[j] += d_im[j] * re[j] - d_re[j] * im[j]
        for j in range(m):
            back_re[j] = a[j] * d_re[j] + c[j] * d_im[j]
        for j in range(m):
            back_im[j] = a[j] * d_im[j] - c[j] * d_re[j]


def _complex(pairs: Tensor) -> Tensor:
    """Return (..., H) complex for (..., 2H) real."""
    return torch.complex(*pairs.chunk(2, dim=-1))


def scan(factor: Tensor, drive: Tensor, reverse: bool = False) -> Tensor:
    """Return s_t = f s_{t-1} + u_t, with s_{-1} = 0, for all t; reversed, s_t = f s_{t+1} + u_t.

    By doubling: after round k each s_t holds the sum of the last 2^k terms f^i u_{t-i}.

    Parameters
    ----------
    factor : (S, 1, 1, H) complex tensor
    drive : (S, B, T, H) complex tensor
    """
    s, shift, steps = drive.clone(), 1, drive.shape[2]
    while shift < steps:
        early, late = s[:, :, : steps - shift], s[:, :, shift:]
        if reverse:
            early += factor * late.clone()
        else:
            late += factor * early.clone()
        shift, factor = 2 * shift, factor * factor
    return s


def _scan(ctx: Any, factor: Tensor, drive: Tensor) -> Tensor:
    s = scan(factor, drive)
    ctx.save_for_backward(factor, s)
    return s


def _scan_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """Return the adjoint of `scan`: the reversed scan with the conjugate factor."""
    factor, s = ctx.saved_tensors
    d = scan(factor.conj(), g, reverse=True)
    d_factor = (s[:, :, :-1].conj() * d[:, :, 1:]).sum(dim=(1, 2), keepdim=True)
    return d_factor, d
