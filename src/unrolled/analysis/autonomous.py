"""A trained network left to itself as a dynamical system, and its largest Lyapunov exponent."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.analysis import lyapunov
from unrolled.models.network import Network

Array = NDArray[np.float64]
NUDGE = 1e-6
"""Size of the finite difference that stands for a tangent vector; states are near one, in float64."""


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
        self.sizes: list[torch.Size] = []

    @torch.no_grad()
    def observe(self, inputs: Tensor) -> Array:
        """Return the states (N, d) after a series (N, T, D)."""
        _, state = self.network.hidden(self.weights, inputs.double()[None], last=True)
        self.sizes = [part[0, 0].shape for part in state]
        return torch.cat([part[0].flatten(1) for part in state], dim=1).numpy()

    @torch.no_grad()
    def step(self, state: Array) -> Array:
        """Return the states (N, d) one step later."""
        flat = torch.from_numpy(state).split([size.numel() for size in self.sizes], dim=1)
        parts = tuple(each.unflatten(1, size)[None] for each, size in zip(flat, self.sizes, strict=True))
        output = self.network.readout(self.weights, parts[0])
        later = self.network.cell.step(self.weights, output, parts)
        return torch.cat([part[0].flatten(1) for part in later], dim=1).numpy()

    def advance(self, state: Array, frame: Array) -> tuple[Array, Array]:
        """Carry the states (N, d) and one tangent vector each, (N, d, 1), one step."""
        nudge = NUDGE * frame[:, :, 0]
        ahead, behind = self.step(state + nudge), self.step(state - nudge)
        return self.step(state), ((ahead - behind) / (2 * NUDGE))[:, :, None]


def largest_exponent(
    network: Network, theta: Tensor, inputs: Tensor, steps: int = 600, skip: int = 200
) -> float | None:
    """Return the largest Lyapunov exponent per step of a network left to itself, the mean over starts.

    Parameters
    ----------
    inputs : (N, T, D) tensor
        What it observes before; each gives a start.

    Returns
    -------
    float or None
        None where a run leaves every bound.
    """
    loop = ClosedLoop(network, theta)
    state = loop.observe(inputs)
    with np.errstate(all="ignore"):
        try:
            found = lyapunov.exponents(loop.advance, state, 1, steps, skip)
        except np.linalg.LinAlgError:
            return None
    mean = float(found.mean())
    return mean if np.isfinite(mean) else None
