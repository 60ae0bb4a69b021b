"""Linear recurrent unit: a diagonal, complex, linear recurrence, all steps at once."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.cells._base import Cell, State, Weights


class LRU(Cell):
    """s_t = Λ s_{t-1} + exp(g) (x_t B), complex and diagonal; the output is h_t = [Re s_t, Im s_t].

    Λ = exp(-exp(ν) + i exp(φ)), so that |Λ| < 1 whatever ν. Weights: U (D, 2H), which is
    [Re B, Im B]; nu, phi, gamma (1, H). The readout does the rest: C, and the nonlinearity, which
    the recurrence has not, so it needs a ReLU layer. `run` is a parallel scan over time.

    References
    ----------
    Orvieto et al., ICML 2023, PMLR 202:26670, arXiv 2303.06349; Blelloch (1990), CMU-CS-90-190 (scan).
    """

    @property
    def features(self) -> int:
        """Size of the output, 2 H."""
        return 2 * self.hidden

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shapes of U, nu, phi and gamma."""
        line = (1, self.hidden)
        return {"U": (self.inputs, 2 * self.hidden), "nu": line, "phi": line, "gamma": line}

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
        """Return all states by a scan; it needs 2 log₂ T operations on whole sequences instead of T small ones."""
        if x.shape[2] == 0 or x.dtype not in (torch.float32, torch.float64):
            return super().run(w, x, state)
        begin = _complex(self.start(x)[0] if state is None else state[0])
        factor = torch.exp(torch.complex(-torch.exp(w["nu"]), torch.exp(w["phi"])))  # (S, 1, H)
        driven = _complex((x @ w["U"][:, None]) * torch.exp(w["gamma"]).repeat(1, 1, 2)[:, None])
        first = driven[:, :, :1] + (factor * begin)[:, :, None]
        s = _Scan.apply(factor[:, None], torch.cat([first, driven[:, :, 1:]], dim=2))
        h = torch.cat([s.real, s.imag], dim=-1)
        return h, (h[:, :, -1],)


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


class _Scan(torch.autograd.Function):
    """`scan` and its adjoint, which is the reversed scan with the conjugate factor."""

    @staticmethod
    def forward(ctx: Any, factor: Tensor, drive: Tensor) -> Tensor:
        s = scan(factor, drive)
        ctx.save_for_backward(factor, s)
        return s

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        factor, s = ctx.saved_tensors
        d = scan(factor.conj(), g, reverse=True)
        d_factor = (s[:, :, :-1].conj() * d[:, :, 1:]).sum(dim=(1, 2), keepdim=True)
        return d_factor, d
