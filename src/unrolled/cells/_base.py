"""The contract of a cell: one recurrent step, the same equations for a whole population."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]


class Cell(ABC):
    """One step of a recurrence, s_t = f(x_t, s_{t-1}); the output h_t is the first part of the state.

    The weights are not kept here but passed in, batched over replicas: a weight declared with shape
    (D, H) arrives as (S, D, H), and `@` broadcasts over S, so the step reads like the textbook.

    A cell may add `fused(w, x, state) -> (outputs, state)`, the same equations over the whole
    sequence in one compiled loop; `run` takes it for CPU tensors.

    Parameters
    ----------
    inputs, hidden : int
        D and H.
    activation : str
        For cells that leave it open: "tanh", "relu" or "identity".
    window : int
        For cells with a finite memory: how many past inputs they keep.
    """

    def __init__(self, inputs: int, hidden: int, activation: str = "tanh", window: int = 1) -> None:
        self.inputs, self.hidden, self.activation, self.window = inputs, hidden, activation, window

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
        fused = getattr(self, "fused", None)
        if fused is not None and x.device.type == "cpu":
            return fused(w, x, state)
        return self.unroll(w, x, state)

    def unroll(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Apply `step` to each x_t in turn: the textbook form, on any device."""
        if x.shape[2] == 0:
            raise ValueError(f"{type(self).__name__}: the sequence has no steps, inputs are {tuple(x.shape)}")
        outputs = []
        for x_t in x.unbind(2):
            state = self.step(w, x_t, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=2), state
