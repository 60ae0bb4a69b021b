"""The contract of a cell: one recurrent step, the same equations for a whole population."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]

KEPT = 8
"""Numbers that the adjoint needs for each step and hidden unit: the LSTM's, more than the others'."""
LIMIT = 2**30
"""Most bytes to keep for the adjoint; a longer sequence is run in segments."""
SEGMENTS = 8
"""A segment keeps `LIMIT` / `SEGMENTS` bytes."""


class Cell(ABC):
    """One step of a recurrence, s_t = f(x_t, s_{t-1}); the output h_t is the first part of the state.

    The weights are not kept here but passed in, batched over replicas: a weight declared with shape
    (D, H) arrives as (S, D, H), and `@` broadcasts over S, so the step reads like the textbook.

    A cell may add `fused(w, x, state) -> (outputs, state)`, the same equations over the whole
    sequence in one compiled loop; `run` takes it for CPU tensors. And it may add `closed(w, V, c)`,
    the weights of the same cell with its readout h V + c fed back (`fed_back`); see `free_run`.

    Parameters
    ----------
    inputs, hidden : int
        D and H.
    activation : str
        For cells that leave it open: "tanh", "relu" or "identity".
    window : int
        For cells with a finite memory: how many past inputs they keep.
    options : dict of float, optional
        A method's options; a cell takes those it declares.
    """

    options: ClassVar[dict[str, float]] = {}
    """Settings that a method's row may change, with their defaults."""
    keeps: ClassVar[int | None] = None
    """Which block of H columns is the gate that keeps the state (LSTM's forget gate)."""
    writes: ClassVar[int | None] = None
    """Which block of H columns is a gate of its own that lets the input in."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        activation: str = "tanh",
        window: int = 1,
        options: dict[str, float] | None = None,
    ) -> None:
        self.inputs, self.hidden, self.activation, self.window = inputs, hidden, activation, window
        self.option = self.options | {k: v for k, v in (options or {}).items() if k in self.options}

    @property
    def features(self) -> int:
        """Size of the output h_t."""
        return self.hidden

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each weight of one replica."""

    def start(self, x: Tensor) -> State:
        """Return the state before the first step, zero, for inputs (S, B, ..., D)."""
        return (x.new_zeros(*x.shape[:2], self.hidden),)

    @abstractmethod
    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance one step: inputs (S, B, D), states (S, B, H)."""

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Unroll over a sequence.

        Parameters
        ----------
        w : dict of (S, ...) tensors
        x : (S, B, T, D) tensor
        state : tuple of (S, B, H) tensors, optional
            Zero by default.

        Returns
        -------
        outputs : (S, B, T, H) tensor
        state : tuple of tensors
            After the last step, to go on from.
        """
        state = self.start(x) if state is None else state
        length = self.segment(x)
        if length < x.shape[2]:
            return in_segments(lambda part, state: self.run(w, part, state), x, state, length)
        fused = getattr(self, "fused", None)
        if fused is not None and x.device.type == "cpu":
            return fused(w, x, state)
        return self.unroll(w, x, state)

    def tangent(self, w: Weights, dw: Weights, x: Tensor, h: Tensor) -> Tensor:
        """Return the derivative of the outputs along dw, (S, B, T, H): the R-operator, forward in time.

        Parameters
        ----------
        w, dw : dict of (S, ...) tensors
            Of the cell (others are ignored), and the direction.
        x : (S, B, T, D) tensor
        h : (S, B, T, H) tensor
            The outputs at w from a state of zeros; a cell may use them to save a forward pass.
        """
        names = list(self.shapes())
        outputs = torch.autograd.functional.jvp(
            lambda *parts: self.unroll(dict(zip(names, parts, strict=True)), x, self.start(x))[0],
            tuple(w[name].contiguous() for name in names),
            tuple(dw[name].contiguous() for name in names),
        )
        derivative: Tensor = outputs[1]
        return derivative

    def segment(self, x: Tensor) -> int:
        """Return how many steps of x (S, B, T, D) to take at once: all T, or fewer if they need too much memory."""
        s, b, t, _ = x.shape
        step = KEPT * s * b * self.hidden * x.element_size()
        return t if t * step <= LIMIT else max(1, LIMIT // SEGMENTS // step)

    def unroll(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Apply `step` to each x_t in turn: the textbook form, on any device."""
        if x.shape[2] == 0:
            raise ValueError(f"{type(self).__name__}: the sequence has no steps, inputs are {tuple(x.shape)}")
        outputs = []
        for x_t in x.unbind(2):
            state = self.step(w, x_t, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=2), state


def in_segments(
    advance: Callable[[Tensor, State], tuple[Tensor, State]], x: Tensor, state: State, length: int
) -> tuple[Tensor, State]:
    """Run over x (S, B, T, D) in segments of some length, joining the outputs: checkpointing in time.

    Forward, only the states between two segments are kept. Backward, each segment runs again from
    the state before it, and is then differentiated; so memory grows with T / length + length
    instead of T, the gradient is exact, and the price is one more forward pass.

    References
    ----------
    Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19, doi 10.1145/347837.347846;
    Gruslys et al., NeurIPS 2016, arXiv 1606.03401 (through recurrent networks).
    """
    outputs = []
    for part in x.split(length, dim=2):
        if torch.is_grad_enabled():
            y, state = checkpoint(advance, part, state, use_reentrant=False, preserve_rng_state=False)
        else:
            y, state = advance(part, state)
        outputs.append(y)
    return torch.cat(outputs, dim=2), state


def fed_back(w: Weights, v: Tensor, c: Tensor) -> Weights:
    """Return the weights of a cell that is given h_{t-1} V + c in place of its first K inputs.

    x_t U = (h_{t-1} V + c) U_K + u_t U_rest, so that W + V U_K, b + c U_K and U_rest are the weights
    of the same cell, left to itself or driven by the other inputs u_t alone.
    """
    k = v.shape[-1]
    fed, rest = w["U"][:, :k], w["U"][:, k:]
    return w | {"U": rest, "W": w["W"] + v @ fed, "b": w["b"] + c @ fed}
