"""The contract of an initialiser: the weights of one replica, drawn from its own generator."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unrolled.data.system import Array, System

Arrays = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Setting:
    """What an initialiser may know: the shapes it fills and the problem it fills them for.

    Attributes
    ----------
    shapes : dict of tuple
        Shape of each weight, in the order of θ; V0, c0, ... are the readout's.
    system : System or None
        None for a measured series.
    step : float
        Δt, in units of the system's time.
    steps : int
        T, length of the sequences.
    keeps, writes : int or None
        Which block of H columns of a gated cell keeps the state, which lets the input in.
    options : dict of float
        The method's options; an initialiser takes those it declares in `OPTIONS`.
    """

    shapes: dict[str, tuple[int, int]]
    system: System | None
    step: float
    steps: int = 1
    keeps: int | None = None
    writes: int | None = None
    options: dict[str, float] = field(default_factory=dict)

    def gate(self, number: int) -> slice:
        """Return the columns of a gate, in U, W and b."""
        hidden = self.shapes["W"][0]
        return slice(number * hidden, (number + 1) * hidden)

    def linear(self) -> tuple[Array, Array]:
        """Return (A, B) of the system's equation ds/dt = A s + B F."""
        if self.system is None:
            raise NotImplementedError("a measured series has no equation, so no matrices A, B")
        return self.system.linear()

    def option(self, defaults: dict[str, float]) -> dict[str, float]:
        """Return the options of an initialiser that declares these defaults."""
        return defaults | {key: value for key, value in self.options.items() if key in defaults}


Initialise = Callable[[Setting, np.random.Generator], Arrays]


def draw_uniform(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw the cell's weights in ±1/√H and each readout layer in ±1/√(its inputs)."""
    arrays = {}
    hidden = setting.shapes["W"][0] if "W" in setting.shapes else 1
    for name, shape in setting.shapes.items():
        fan_in = setting.shapes[f"V{name[1:]}"][0] if name[0] in "Vc" else hidden
        arrays[name] = random.uniform(-1, 1, shape) / fan_in**0.5
    return arrays


def linear_recurrence(setting: Setting, transition: NDArray[np.float64], drive: NDArray[np.float64]) -> Arrays:
    """Return the linear RNN whose state is s_{i+1} = M s_i + N F_i, read out as it is.

    Its inputs are (F_i, s_0) with s_0 at the first step only, so U stacks Nᵀ over Mᵀ, and W = Mᵀ.
    """
    return {
        "U": np.vstack([drive.T, transition.T]),
        "W": transition.T,
        "b": np.zeros((1, len(transition))),
        "V0": np.eye(len(transition)),
        "c0": np.zeros((1, len(transition))),
    }
