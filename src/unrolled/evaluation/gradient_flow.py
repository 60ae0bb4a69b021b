"""How far back gradients reach: the size of ∂h_T/∂s_k against the lag T - k, before and after learning."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.training.job import Job
from unrolled.training.learn import initial_weights
from unrolled.training.network import Network

Array = NDArray[Any]
SEQUENCES, LAGS = 16, 100
"""Test sequences over which the spread is taken, and the longest lag."""
LEAST = 1e-30
"""Where a gradient counts as gone; its logarithm is no longer fitted."""


def norms(network: Network, theta: Tensor, x: Tensor) -> Array:
    """Return |(∂h_T/∂s_k)ᵀ v| for k = T ... T - L, (N, L + 1), with v a random unit vector for each sequence.

    s is the whole state (of an LSTM h and c), h its output; so lag 0 gives 1, and more where h is made
    from another part of the same state. By automatic differentiation of the textbook step, in float64.

    Parameters
    ----------
    network : Network
    theta : (1, P) tensor
    x : (N, T, D) tensor
    """
    weights = {name: weight.double() for name, weight in network.unpack(theta).items()}
    inputs = x.double()[None]
    first = max(0, inputs.shape[2] - LAGS)
    with torch.no_grad():
        state = network.cell.start(inputs)
        if first:
            state = network.hidden(weights, inputs[:, :, :first], True, state)[1]
    states = [tuple(part.detach().requires_grad_() for part in state)]
    with torch.enable_grad():
        for x_t in inputs[:, :, first:].unbind(2):
            states.append(network.cell.step(weights, x_t, states[-1]))
        last = states[-1][0]
        v = torch.randn(last.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        v = v / v.norm(dim=-1, keepdim=True)
        flat = [part for state in states for part in state]
        found = torch.autograd.grad((last * v).sum(), flat, allow_unused=True)
    grads = [torch.zeros_like(part) if g is None else g for part, g in zip(flat, found, strict=True)]
    parts, each = len(states[0]), []
    for k in range(len(states)):
        rows = [g[0].flatten(1) for g in grads[k * parts : (k + 1) * parts]]
        each.append(torch.cat(rows, dim=1).norm(dim=1))
    return torch.stack(each[::-1], dim=1).numpy()


def rate(median: Array) -> float | None:
    """Return the slope of log |gradient| against the lag, per step: negative where it vanishes."""
    lags = np.arange(len(median))
    inside = np.isfinite(median) & (median > LEAST)
    if inside.sum() < 4:
        return None
    return float(np.polyfit(lags[inside], np.log(median[inside]), 1)[0])


def table(job: Job, theta: Array) -> pd.DataFrame:
    """Return the quartiles over test sequences against the lag, before and after learning, of one replica.

    Parameters
    ----------
    theta : (1, P) array
        The learned weights of the first chosen seed.
    """
    network = job.network()
    x = torch.from_numpy(job.splits["test"]["inputs"][:SEQUENCES])
    before = initial_weights(job, network, [(0, 0)])
    frames = []
    for when, weights in (("before", before), ("after", torch.from_numpy(theta))):
        low, median, high = np.quantile(norms(network, weights, x), [0.25, 0.5, 0.75], axis=0)
        frames.append(
            pd.DataFrame({"when": when, "lag": range(len(median)), "low": low, "median": median, "high": high})
        )
    return pd.concat(frames, ignore_index=True)


def applies(job: Job) -> bool:
    """Return whether a method has a recurrence that is learned by gradients or stands for one that is."""
    return job.method.cell != "window" and not job.method.fold
