"""A trained network in closed loop as an autonomous dynamical system, and its largest Lyapunov exponent."""

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
        _, self.first = self.network.hidden(self.weights, inputs.double()[None], last=True)
        return flat(self.first)[0].numpy()

    def parts(self, state: Array) -> State:
        """Return the parts of the states (N, d), each with a leading axis of one replica."""
        return split(torch.from_numpy(state)[None], self.first)

    def readout(self, state: State) -> Tensor:
        """Return the outputs (1, N, K)."""
        return self.network.readout(self.weights, state[0])

    def advance(self, state: Array, frame: Array) -> tuple[Array, Array]:
        """Carry the states (N, d) and one tangent vector each, (N, d, 1), one step."""

        def step(parts: State) -> State:
            return self.network.cell.step(self.weights, self.readout(parts), parts)

        after, ahead = with_tangent(step, self.parts(state), self.parts(frame[:, :, 0]))
        return flat(after)[0].numpy(), flat(ahead)[0].numpy()[:, :, None]


def largest_exponent(
    network: Network, theta: Tensor, inputs: Tensor, steps: int = 600, transient: int = 200
) -> float | None:
    """Return the largest Lyapunov exponent per step of a network in closed loop, the mean over initial states.

    Parameters
    ----------
    inputs : (N, T, D) tensor
        What it observes before the loop is closed; each gives an initial state.

    Returns
    -------
    float or None
        None where a run diverges.
    """
    loop = ClosedLoop(network, theta)
    state = loop.observe(inputs)
    with np.errstate(all="ignore"):
        try:
            found = lyapunov.exponents(loop.advance, state, 1, steps, transient)
        except np.linalg.LinAlgError:
            return None
    mean = float(found.mean())
    return mean if np.isfinite(mean) else None
