"""A population driven by test sequences, one textbook step at a time in float64, and tangents of a step."""

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.models.cell import State
from unrolled.models.network import Network


class Driven:
    """R replicas on N sequences: s_t = f(x_t, s_{t-1}).

    Parameters
    ----------
    network : Network
    theta : (R, P) tensor
    x : (N, T, D) tensor

    Attributes
    ----------
    inputs : (R, N, T, D) tensor
    """

    def __init__(self, network: Network, theta: Tensor, x: Tensor) -> None:
        self.network = network
        self.weights = {name: weight.double() for name, weight in network.unpack(theta).items()}
        self.inputs = x.double().expand(len(theta), *x.shape)

    def readout(self, h: Tensor) -> Tensor:
        """Return the outputs of h (R, N, ..., H)."""
        return self.network.readout(self.weights, h)

    def outputs(self, h: Tensor) -> Tensor:
        """Return the network's outputs of the last n steps, from their h (R, N, n, H)."""
        y, k = self.readout(h), self.network.outputs
        return y if self.network.residual is None else self.inputs[:, :, -h.shape[2] :, -k:] + self.network.residual * y

    @torch.no_grad()
    def state_before(self, steps: int) -> State:
        """Return the state from which the last `steps` steps begin."""
        first = self.inputs.shape[2] - steps
        if first == 0:
            return self.network.cell.start(self.inputs)
        return self.network.hidden(self.weights, self.inputs[:, :, :first], True)[1]

    def unrolled(self, steps: int) -> list[State]:
        """Return the states before and after each of the last `steps` steps, with their graph."""
        states = [tuple(part.detach().requires_grad_() for part in self.state_before(steps))]
        for x_t in self.inputs[:, :, self.inputs.shape[2] - steps :].unbind(2):
            states.append(self.network.cell.step(self.weights, x_t, states[-1]))
        return states


def with_tangent(step: Callable[[State], State], state: State, tangent: State) -> tuple[State, State]:
    """Return f(s) and its exact derivative (∂f/∂s) v along a tangent vector v.

    By two backward passes: forward-mode differentiation (`torch.func.jvp`) took 4 to 11 times as long for
    steps as small as these.
    """
    after, derivative = torch.autograd.functional.jvp(lambda *parts: step(parts), state, tangent)
    return after, derivative


def flat(state: State) -> Tensor:
    """Return the state as one vector, (R, N, d)."""
    return torch.cat([part.flatten(2) for part in state], dim=2)


def split(vector: Tensor, like: State) -> State:
    """Return the parts of a state from a vector (R, M, d), each shaped as in `like` (R, N, ...)."""
    pieces = vector.split([part[0, 0].numel() for part in like], dim=2)
    return tuple(piece.unflatten(2, part.shape[2:]) for piece, part in zip(pieces, like, strict=True))
