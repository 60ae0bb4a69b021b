"""A trained network in closed loop as an autonomous dynamical system, and its Lyapunov exponents."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.analysis import lyapunov
from unrolled.analysis.driven import flat, split, with_tangent
from unrolled.models.cell import State
from unrolled.models.network import Network

Array = NDArray[np.float64]


class ClosedLoop:
    """s ← f(s), the network's step with its own output as the next input, in float64.

    Parameters
    ----------
    network : Network
        With as many outputs as inputs.
    theta : (1, P) tensor
        The weights of one replica.
    """

    def __init__(self, network: Network, theta: Tensor) -> None:
        self.network, self.weights = network, {n: v.double() for n, v in network.unpack(theta).items()}
        self.first: State = ()

    @torch.no_grad()
    def observe(self, inputs: Tensor) -> Array:
        """Return the states (N, d) after a sequence (N, T, D)."""
        x = inputs.double()[None]
        h, self.first = self.network.hidden(self.weights, x, last=True)
        if self.network.residual is not None:  # the output depends on the one before it: so it is a part of the state
            self.first = (*self.first, self.network.output(self.weights, h, x[:, :, -1]))
        return flat(self.first)[0].numpy()

    def parts(self, state: Array) -> State:
        """Return the parts of the states (N, d), each with a leading axis of one replica."""
        return split(torch.from_numpy(state)[None], self.first)

    def readout(self, state: State) -> Tensor:
        """Return the outputs (1, N, K)."""
        return self.network.readout(self.weights, state[0]) if self.network.residual is None else state[-1]

    def advance(self, state: Array, frame: Array) -> tuple[Array, Array]:
        """Carry the states (N, d) and m tangent vectors each, (N, d, m), one step."""
        n, d, m = frame.shape

        def step(parts: State) -> State:
            y = self.readout(parts)[..., : self.network.cell.inputs]  # an autonomous network has none
            if self.network.residual is None:
                return self.network.cell.step(self.weights, y, parts)
            own = self.network.cell.step(self.weights, y, parts[:-1])
            return (*own, self.network.output(self.weights, own[0], y))

        tangents = frame.transpose(0, 2, 1).reshape(n * m, d)
        after, ahead = with_tangent(step, self.parts(state.repeat(m, axis=0)), self.parts(tangents))
        return flat(after)[0].numpy()[::m], flat(ahead)[0].numpy().reshape(n, m, d).transpose(0, 2, 1)


def exponents(
    network: Network, theta: Tensor, inputs: Tensor, count: int = 1, steps: int = 600, transient: int = 200
) -> list[float] | None:
    """Return the largest Lyapunov exponents per step of a network in closed loop, means over initial states.

    Parameters
    ----------
    inputs : (N, T, D) tensor
        What it observes before the loop is closed; each gives an initial state.
    count : int
        How many; a network with a smaller state has fewer.

    Returns
    -------
    list of float, or None
        Largest first; None where a run diverges.
    """
    loop = ClosedLoop(network, theta)
    state = loop.observe(inputs)
    with np.errstate(all="ignore"):
        try:
            found = lyapunov.exponents(loop.advance, state, min(count, state.shape[1]), steps, transient)
        except np.linalg.LinAlgError:
            return None
    mean = found.mean(axis=0)
    return mean.tolist() if np.isfinite(mean).all() else None
