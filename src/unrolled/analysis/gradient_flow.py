"""How far back gradients reach: their size against the lag T - k, before, halfway through and after training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.analysis import jacobians
from unrolled.analysis.decay_rate import reach
from unrolled.analysis.driven import Driven
from unrolled.data.task import Data, Loss
from unrolled.models.network import Network
from unrolled.training.runs import Result, Run, initial_weights

Array = NDArray[Any]
SEQUENCES, REPLICAS, LAGS = 8, 3, 100
"""Test sequences and seeds over which quartiles are taken, and the longest lag."""
NEGLIGIBLE = 1e-30
"""Size below which a gradient's logarithm is no longer fitted."""
DENSE, SPARSE = 20, 4
"""Lags up to which every one is written to the table, and the distance of those beyond."""
COLUMNS = ("when", "lag", "low", "median", "high", "loss", "method")


@dataclass(frozen=True)
class Sizes:
    """Sizes of two gradients for k = T ... T - L, each (R, N, L + 1).

    Attributes
    ----------
    state : array
        |(∂h_T/∂s_k)ᵀ v| with v a random unit vector for each sequence: on average over v, in mean
        square, the Frobenius norm of ∂h_T/∂s_k over √H.
    loss : array
        |∂L/∂s_k| of the loss that training minimises, at the last step or summed over the last L steps.
    """

    state: Array
    loss: Array


def sizes(network: Network, theta: Tensor, x: Tensor, y: Tensor, last: bool, minimised: Loss = "mean_square") -> Sizes:
    """Return the sizes of gradients of R replicas on N sequences, by the textbook step in float64.

    s is the whole state (of an LSTM h and c), h its output; so lag 0 gives 1, and more where h is made
    from another part of the same state.

    Parameters
    ----------
    network : Network
    theta : (R, P) tensor
    x : (N, T, D) tensor
    y : (N, K) or (N, T, K) tensor
        Targets, of the last step alone (`last`) or of all.
    minimised : str
        The loss.
    """
    driven = Driven(network, theta, x)
    steps = min(LAGS, driven.inputs.shape[2])
    with torch.enable_grad():
        states = driven.unrolled(steps)
        final = states[-1][0]
        v = torch.randn(final.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        along = (final * v / v.norm(dim=-1, keepdim=True)).sum()
        loss = _loss(driven, states, y.double(), last, minimised)
        return Sizes(*(_reaching(scalar, states) for scalar in (along, loss)))


def _loss(driven: Driven, states: list[tuple[Tensor, ...]], y: Tensor, last: bool, minimised: Loss) -> Tensor:
    """Return the loss over the steps unrolled, summed over replicas and sequences."""
    if last:
        return _errors(driven.readout(states[-1][0]), y, minimised).sum()
    outputs = driven.outputs(torch.stack([state[0] for state in states[1:]], dim=2))
    scored = min(outputs.shape[2], y.shape[1])  # the first steps have no target where there is a washout
    return _errors(outputs[:, :, -scored:], y[:, -scored:], minimised).sum()


def _errors(outputs: Tensor, y: Tensor, minimised: Loss) -> Tensor:
    """Return the loss of each output (..., K)."""
    if minimised == "cross_entropy":
        return -(y * torch.log_softmax(outputs, dim=-1)).sum(dim=-1)
    return (outputs - y).square().mean(dim=-1)


def _reaching(scalar: Tensor, states: list[tuple[Tensor, ...]]) -> Array:
    """Return the norm of ∂scalar/∂s_k for each replica and sequence, the last state first."""
    flat = [part for state in states for part in state]
    found = torch.autograd.grad(scalar, flat, retain_graph=True, allow_unused=True)
    grads = [torch.zeros_like(part) if g is None else g for part, g in zip(flat, found, strict=True)]
    parts = len(states[0])
    each = [
        torch.cat([g.flatten(2) for g in grads[k : k + parts]], dim=2).norm(dim=2) for k in range(0, len(grads), parts)
    ]
    return torch.stack(each[::-1], dim=2).numpy()


def rate(median: Array, lags: Array | None = None) -> float | None:
    """Return the slope of log |gradient| against the lag, per step: negative where it vanishes."""
    lags = np.arange(len(median)) if lags is None else lags
    inside = np.isfinite(median) & (median > NEGLIGIBLE)
    if inside.sum() < 4:
        return None
    return float(np.polyfit(lags[inside], np.log(median[inside]), 1)[0])


def stages(run: Run, result: Result, data: Data) -> dict[str, Tensor]:
    """Return the weights (R, P) of some chosen replicas before, halfway through and after training."""
    chosen = result.chosen[:REPLICAS]
    after = torch.from_numpy(result.theta[chosen])
    if not run.optimiser.iterative:
        return {"after": after}
    before = initial_weights(run, run.network(data), data, [(int(result.seeds[i]), 0) for i in chosen])
    return {"before": before, "halfway": torch.from_numpy(result.halfway[chosen]), "after": after}


def of_method(run: Run, result: Result, data: Data) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the quartiles over seeds and sequences against the lag, and what they come to in numbers.

    The numbers: `before`, `halfway`, `after`, the fitted rates per step; `memory`, the steps over which
    the gradient falls e-fold after training, None where it does not; and those of
    `jacobians.of_weights`.
    """
    network, test = run.network(data), data.tests["test"]
    x, y = (torch.from_numpy(each[:SEQUENCES]) for each in (test.inputs, test.targets))
    weights = stages(run, result, data)
    found = sizes(network, torch.cat(list(weights.values())), x, y, run.task.many_to_one, run.task.loss)  # all at once
    frames, numbers = [], {}
    for number, when in enumerate(weights):
        own = slice(number * len(weights[when]), (number + 1) * len(weights[when]))
        state, losses = (each[own].reshape(-1, each.shape[2]) for each in (found.state, found.loss))
        low, median, high = np.quantile(state, [0.25, 0.5, 0.75], axis=0)
        loss = np.median(losses, axis=0)
        numbers[when] = rate(median)
        frames.append(
            pd.DataFrame(
                {"when": when, "lag": range(len(median)), "low": low, "median": median, "high": high, "loss": loss}
            )
        )
    table = pd.concat(frames, ignore_index=True)
    table = table[(table["lag"] <= DENSE) | (table["lag"] % SPARSE == 0)]
    numbers["memory"] = reach(numbers["after"])
    return table, numbers | jacobians.of_weights(network, weights["after"], x)
