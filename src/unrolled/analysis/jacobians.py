"""The step Jacobian ∂s_t/∂s_{t-1} along test sequences: its spectrum, and the rate of its product."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.analysis import lyapunov
from unrolled.analysis.driven import Driven, flat, split, with_tangent
from unrolled.models.cell import State
from unrolled.models.network import Network

Array = NDArray[Any]
PLACES, MAX_STATE = 4, 130
"""Steps along a sequence whose Jacobian is computed, and the most state components for which it is."""
STEPS, TRANSIENT, MIN_STEPS = 120, 20, 30
"""Of the exponent: most steps that count, steps before in which the tangent turns, fewest steps that say anything."""


def of_steps(driven: Driven, places: list[int]) -> Tensor:
    """Return ∂s_t/∂s_{t-1} of the first sequence at some steps t >= 1, (R, places, d, d), rows by s_t."""
    before, given = _at(driven, places)

    def step(state: Tensor) -> Tensor:
        return flat(driven.network.cell.step(driven.weights, given, split(state, before)))

    state = flat(before).requires_grad_()
    rows = torch.eye(state.shape[2], dtype=state.dtype)[:, None, None].expand(-1, *state.shape)
    # Not torch.func.vjp, which imports the compiler of PyTorch: two seconds.
    (found,) = torch.autograd.grad(step(state), state, rows, is_grads_batched=True)
    return found.movedim(0, 2)


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
    steps = min(driven.inputs.shape[2], STEPS + TRANSIENT)
    if steps < MIN_STEPS:
        return None
    start = driven.state_before(steps)
    later = iter(driven.inputs[:, :, driven.inputs.shape[2] - steps :].unbind(2))
    state = flat(start)

    def advance(s: Array, frame: Array) -> tuple[Array, Array]:
        x = next(later)
        here, tangent = (split(torch.from_numpy(each).reshape(state.shape), start) for each in (s, frame))
        both = with_tangent(lambda parts: driven.network.cell.step(driven.weights, x, parts), here, tangent)
        after, ahead = (flat(each).numpy() for each in both)
        return after.reshape(s.shape), ahead.reshape(frame.shape)

    with np.errstate(all="ignore"):
        try:
            found = lyapunov.exponents(advance, state.flatten(0, 1).numpy(), 1, steps - TRANSIENT, TRANSIENT)
        except np.linalg.LinAlgError:
            return None
    return float(found.mean()) if np.isfinite(found).all() else None


def of_weights(network: Network, theta: Tensor, x: Tensor) -> dict[str, float | None]:
    """Return `exponent`, and `spectrum` where the state is not too large, of weights (R, P) on sequences (N, T, D)."""
    driven = Driven(network, theta, x)
    numbers: dict[str, float | None] = {"exponent": exponent(driven)}
    if flat(driven.network.cell.start(driven.inputs)).shape[2] > MAX_STATE:
        return numbers
    total = driven.inputs.shape[2]
    places = sorted({max(1, round(total * (i + 1) / PLACES)) for i in range(PLACES)})
    found = of_steps(driven, places)
    return numbers | (spectrum(found) if bool(torch.isfinite(found).all()) else {})
