"""The step Jacobian ∂s_t/∂s_{t-1} along test sequences: its spectrum, and the rate of its product."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.analysis import lyapunov
from unrolled.analysis.driven import Driven, flat, split
from unrolled.models.cell import State
from unrolled.models.network import Network

Array = NDArray[Any]
PLACES, LARGEST = 4, 130
"""Steps along a sequence whose Jacobian is computed, and the most state components for which it is."""
STEPS, SKIP, LEAST = 120, 20, 30
"""Of the exponent: most steps that count, steps before in which the tangent turns, fewest steps that say anything."""
NUDGE = 1e-6
"""Size of the finite difference that stands for a tangent vector; states are near one, in float64."""


def of_steps(driven: Driven, places: list[int]) -> Tensor:
    """Return ∂s_t/∂s_{t-1} of the first sequence at some steps t >= 1, (R, places, d, d), rows by s_t.

    Each row is a backward pass of its own; the copies of the state go through the step together.
    """
    before, given = _at(driven, places)
    d = flat(before).shape[2]
    repeated = flat(before).repeat_interleave(d, dim=1).requires_grad_()
    with torch.enable_grad():
        x = given.repeat_interleave(d, dim=1)
        after = flat(driven.network.cell.step(driven.weights, x, split(repeated, before)))
        rows = torch.eye(d, dtype=after.dtype).repeat(len(places), 1)
        (found,) = torch.autograd.grad((after * rows).sum(), repeated)
    return found.unflatten(1, (len(places), d))


def _at(driven: Driven, places: list[int]) -> tuple[State, Tensor]:
    """Return the states before some steps and the inputs of these steps, side by side: (R, places, ...)."""
    states, total = [], driven.inputs.shape[2]
    for place in places:
        states.append(driven.state_before(total - place + 1))
    parts = tuple(torch.stack([state[i][:, 0] for state in states], dim=1) for i in range(len(states[0])))
    return parts, torch.stack([driven.inputs[:, 0, place - 1] for place in places], dim=1)


def spectrum(jacobians: Tensor) -> dict[str, float]:
    """Return medians over replicas and steps: spectral radius, largest, middle and smallest singular value."""
    radius = torch.linalg.eigvals(jacobians).abs().amax(dim=-1)
    singular = torch.linalg.svdvals(jacobians)
    middle = singular[..., singular.shape[-1] // 2]
    named = {"radius": radius, "largest": singular[..., 0], "middle": middle, "smallest": singular[..., -1]}
    return {name: float(values.median()) for name, values in named.items()}


def exponent(driven: Driven) -> float | None:
    """Return the largest Lyapunov exponent per step of the driven network, the mean over replicas and sequences.

    The rate at which a small change of the state grows while the inputs stay the same; the product of
    step Jacobians, and with it every gradient, goes with the same rate backward. None where the
    sequences are too short, or a state is not finite.
    """
    steps = min(driven.inputs.shape[2], STEPS + SKIP)
    if steps < LEAST:
        return None
    start = driven.state_before(steps)
    later = iter(driven.inputs[:, :, driven.inputs.shape[2] - steps :].unbind(2))
    state = flat(start)

    def advance(s: Array, frame: Array) -> tuple[Array, Array]:
        nudge = NUDGE * frame[:, :, 0]
        three = torch.cat([torch.from_numpy(each).reshape(state.shape) for each in (s, s + nudge, s - nudge)], dim=1)
        after = flat(driven.network.cell.step(driven.weights, next(later).repeat(1, 3, 1), split(three, start)))
        here, ahead, behind = (part.reshape(s.shape).numpy() for part in after.chunk(3, dim=1))
        return here, ((ahead - behind) / (2 * NUDGE))[:, :, None]

    with torch.no_grad(), np.errstate(all="ignore"):
        try:
            found = lyapunov.exponents(advance, state.flatten(0, 1).numpy(), 1, steps - SKIP, SKIP)
        except np.linalg.LinAlgError:
            return None
    return float(found.mean()) if np.isfinite(found).all() else None


def of_weights(network: Network, theta: Tensor, x: Tensor) -> dict[str, float | None]:
    """Return `exponent`, and `spectrum` where the state is not too large, of weights (R, P) on sequences (N, T, D)."""
    driven = Driven(network, theta, x)
    numbers: dict[str, float | None] = {"exponent": exponent(driven)}
    if flat(driven.network.cell.start(driven.inputs)).shape[2] > LARGEST:
        return numbers
    total = driven.inputs.shape[2]
    places = sorted({max(1, round(total * (i + 1) / PLACES)) for i in range(PLACES)})
    found = of_steps(driven, places)
    return numbers | (spectrum(found) if bool(torch.isfinite(found).all()) else {})
