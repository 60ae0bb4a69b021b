"""Two exact statements: Euler's method is a recurrent step; the backward pass is linear, the forward is not."""

from typing import TypedDict

import numpy as np
import pandas as pd

from unrolled.data.systems.oscillator import Oscillator
from unrolled.models import bptt
from unrolled.models.bptt import Array, Weights
from unrolled.models.cells.elman import Elman
from unrolled.models.initialiser import Problem
from unrolled.models.initialisers.euler import Euler
from unrolled.models.network import Network
from unrolled.models.pytorch import torch

STEP, STEPS = 0.1, 400
"""Δt in units of the oscillator's time, and how many steps are compared."""
SCALES = (1.0, 10.0, 1e3, 1e6)
"""By which the inputs of the bounded forward pass are multiplied."""
COLUMNS = ("time", "loop", "network")
SCALING = ("factor", "forward", "backward")
"""Columns of the tables of `compare` and `scaling`."""


class EulerNumbers(TypedDict):
    """The largest difference between loop and network, and the largest state."""

    max_difference: float
    max_state: float


class Linearity(TypedDict):
    """The largest |h| and input of all scales, and the deviations from linearity of both passes."""

    max_state: float
    max_input: float
    forward_deviation: float
    backward_deviation: float


def euler_loop(eta: float, step: float, force: Array, x: float, v: float) -> Array:
    """Return (x, v) at every step, (T, 2), by v ← v + Δt (F - η v - x), x ← x + Δt v, written as the lecture does."""
    states = []
    for f in force:
        x, v = x + step * v, v + step * (f - eta * v - x)
        states.append((x, v))
    return np.array(states)


def euler_network(eta: float, step: float, force: Array, x: float, v: float) -> Array:
    """Return the same from the linear RNN whose weights are Euler's, in float64."""
    network = Network(Elman(3, hidden=2, activation="identity"), 2)
    weights = Euler().initialise(Problem(network.weights(), Oscillator(eta=eta), step), np.random.default_rng(0))
    inputs = np.zeros((1, 1, len(force), 3))
    inputs[0, 0, :, 0] = force
    inputs[0, 0, 0, 1:] = x, v
    w = {name: torch.from_numpy(part)[None] for name, part in weights.items()}
    with torch.no_grad():
        return network(w, torch.from_numpy(inputs))[0, 0].numpy()


def euler_numbers(seed: int, step: float = STEP) -> EulerNumbers:
    """Return how far apart the two are over `STEPS` steps; the network's Δt may differ from the loop's."""
    force, x, v = _drawn(seed)
    loop = euler_loop(Oscillator.eta, STEP, force, x, v)
    cell = euler_network(Oscillator.eta, step, force, x, v)
    return {"max_difference": float(abs(loop - cell).max()), "max_state": float(abs(loop).max())}


def compare(seed: int) -> pd.DataFrame:
    """Return time and position of both, over `STEPS` steps, from the states and force of `euler_numbers`."""
    force, x, v = _drawn(seed)
    loop, cell = (way(Oscillator.eta, STEP, force, x, v)[:, 0] for way in (euler_loop, euler_network))
    return pd.DataFrame({"time": STEP * np.arange(1, STEPS + 1), "loop": loop, "network": cell})


def _drawn(seed: int) -> tuple[Array, float, float]:
    random = np.random.default_rng(seed)
    force, (x, v) = random.normal(size=STEPS), random.uniform(-1, 1, 2)
    return force, float(x), float(v)


def linearity_numbers(hidden: int, seed: int) -> Linearity:
    """Return the largest |h| under inputs of every scale, and how far doubling is from doubling, forward and backward.

    Doubling the input should double the output of a linear network; doubling ∇_y L doubles every
    gradient of any network. Both as the largest deviation over the largest entry.
    """
    w, x, h0 = _network(hidden, seed)
    largest = max(abs(bptt.forward(w, scale * x, h0).h).max() for scale in SCALES)
    states = bptt.forward(w, x, h0)
    once, twice = bptt.forward(w, x, h0).h, bptt.forward(w, 2 * x, h0).h
    dy = states.y - 1.0
    back, double = bptt.backward(w, states, dy)[1], bptt.backward(w, states, 2 * dy)[1]
    return {
        "max_state": float(largest),
        "max_input": float(max(SCALES) * abs(x).max()),
        "forward_deviation": float(abs(twice - 2 * once).max() / abs(2 * once).max()),
        "backward_deviation": float(abs(double - 2 * back).max() / abs(2 * back).max()),
    }


def _network(hidden: int, seed: int) -> tuple[Weights, Array, Array]:
    """Return random weights, inputs of 50 steps and a first state of zeros."""
    random = np.random.default_rng(seed)
    shapes = ((hidden, 2), (hidden, hidden), (hidden,), (1, hidden), (1,))
    w = Weights(*(random.normal(size=shape) / hidden**0.5 for shape in shapes))
    return w, random.normal(size=(50, 2)), np.zeros(hidden)


def scaling(hidden: int, seed: int) -> pd.DataFrame:
    """Return by which factor states grow with their inputs, and gradients with the output errors, by norm."""
    w, x, h0 = _network(hidden, seed)
    states = bptt.forward(w, x, h0)
    dy = states.y - 1.0
    gradient = np.linalg.norm(bptt.backward(w, states, dy)[1])
    rows = []
    for factor in 2.0 ** np.arange(-4, 11):
        forward = np.linalg.norm(bptt.forward(w, factor * x, h0).h) / np.linalg.norm(states.h)
        backward = np.linalg.norm(bptt.backward(w, states, factor * dy)[1]) / gradient
        rows.append({"factor": factor, "forward": float(forward), "backward": float(backward)})
    return pd.DataFrame(rows)
