"""The contract of an initialiser: the weights of one replica, drawn from its own generator."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled import registry
from unrolled.data.system import Array, System
from unrolled.models.cell import Role, Weight

Arrays = dict[str, NDArray[np.float64]]
BIASES: tuple[Role, ...] = ("bias", "gate_bias")
"""Roles of the cell's biases."""
READOUT: tuple[Role, ...] = ("readout", "readout_bias")


@dataclass(frozen=True)
class Problem:
    """What an initialiser may know: the weights it fills and the problem it fills them for.

    Attributes
    ----------
    weights : dict of Weight
        In the order of θ; V0, c0, ... are the readout's.
    system : System or None
        None for a measured series.
    step : float
        Δt, in units of the system's time.
    steps : int
        T, length of the sequences.
    forget_gate, input_gate : int or None
        Of the cell, see `Cell`.
    units : int
        H of a cell without recurrent weights.
    """

    weights: dict[str, Weight]
    system: System | None = None
    step: float = 1.0
    steps: int = 1
    forget_gate: int | None = None
    input_gate: int | None = None
    units: int = 1

    def named(self, *roles: Role) -> list[str]:
        """Return the names of all weights with one of these roles."""
        return [name for name, weight in self.weights.items() if weight.role in roles]

    @property
    def hidden(self) -> int:
        """H, the rows of the recurrent weights; `units` if there are none."""
        rows = (weight.shape[0] for weight in self.weights.values() if weight.role == "recurrent")
        return next(rows, max(1, self.units))

    def gate(self, number: int) -> slice:
        """Return the columns of a gate, in U, W and b."""
        return slice(number * self.hidden, (number + 1) * self.hidden)

    def linear(self) -> tuple[Array, Array] | None:
        """Return (A, B) of the system's equation ds/dt = A s + B F, or None where there is no such equation."""
        return None if self.system is None else self.system.linear()


class Initialiser(registry.Item, ABC):
    """One way to choose the first weights of a network."""

    def supports(self, problem: Problem) -> str | None:
        """Return in a few words why there are no such weights for a problem; None if there are."""
        return None

    @abstractmethod
    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica, for a problem that is supported."""


def draw_uniform(problem: Problem, random: np.random.Generator) -> Arrays:
    """Draw the cell's weights in ±1/√H and each readout layer in ±1/√(its inputs)."""
    arrays = {}
    for name, weight in problem.weights.items():
        size = weight.fan_in if weight.role in READOUT else problem.hidden
        arrays[name] = random.uniform(-1, 1, weight.shape) / size**0.5
    return arrays


def draw_orthogonal(weight: Weight, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw orthogonal matrices (Haar), side by side, to fill recurrent weights."""
    from scipy.stats import ortho_group  # here, because it takes as long to import as all else that a table needs

    rows, columns = weight.shape
    return np.concatenate([ortho_group.rvs(rows, random_state=random) for _ in range(columns // rows)], axis=1)


def zeros(problem: Problem, *roles: Role) -> Arrays:
    """Return the weights with these roles, all zero."""
    return {name: np.zeros(problem.weights[name].shape) for name in problem.named(*roles)}


def without_blocks(problem: Problem) -> str | None:
    """Return why a network has no square blocks of recurrent weights, one for each gate; None if it has."""
    shapes = [problem.weights[name].shape for name in problem.named("recurrent")]
    if not shapes:
        return "the cell has no recurrent weights"
    return "its recurrent weights are not square" if any(columns % rows for rows, columns in shapes) else None


def without_forget_gate(problem: Problem) -> str | None:
    """Return why a network has no forget gate to open; None if it has one."""
    return "the cell has no gate that keeps its state" if problem.forget_gate is None else None


def not_linear(problem: Problem, states: int, inputs: int) -> str | None:
    """Return why a network is not a linear RNN with so many states and inputs; None if it is."""
    shapes: dict[Role, tuple[int, int]] = {"input": (inputs, states), "recurrent": (states, states)}
    shapes |= {"bias": (1, states), "readout": (states, states), "readout_bias": (1, states)}
    found = [(weight.role, weight.shape) for weight in problem.weights.values()]
    needed = f"it needs an Elman network with {states} units, {inputs} inputs and {states} outputs"
    return None if sorted(found) == sorted(shapes.items()) else needed


def linear_recurrence(problem: Problem, transition: Array, drive: Array) -> Arrays:
    """Return the linear RNN whose state is s_{i+1} = M s_i + N F_i, read out as it is.

    Its inputs are (F_i, s_0) with s_0 at the first step only, so U stacks Nᵀ over Mᵀ, and W = Mᵀ.
    """
    by_role = {
        "input": np.vstack([drive.T, transition.T]),
        "recurrent": transition.T,
        "readout": np.eye(len(transition)),
    }
    return {name: by_role.get(weight.role, np.zeros(weight.shape)) for name, weight in problem.weights.items()}


class LinearSystem(Initialiser):
    """A numerical method for a linear system, written as the weights of a linear RNN; nothing is drawn."""

    @abstractmethod
    def discretise(self, a: Array, b: Array, step: float) -> tuple[Array, Array]:
        """Return M (d, d) and N (d, m) of s_{i+1} = M s_i + N F_i for ds/dt = A s + B F."""

    def supports(self, problem: Problem) -> str | None:
        """Refuse systems that are not linear, and networks that are not their size."""
        matrices = problem.linear()
        if matrices is None:
            return "the system is not linear" if problem.system else "a measured series has no equation"
        return not_linear(problem, len(matrices[0]), sum(matrices[1].shape))

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of the discretised system."""
        matrices = problem.linear()
        if matrices is None:
            raise ValueError("the system is not linear")
        return linear_recurrence(problem, *self.discretise(*matrices, problem.step))
