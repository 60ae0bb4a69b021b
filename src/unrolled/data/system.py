"""The contract of a system: a differential equation whose trajectories SciPy can integrate together."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from unrolled import registry
from unrolled.config import DataRow
from unrolled.errors import UnrolledError

Array = NDArray[np.float64]


class System(ABC):
    """A differential equation ds/dt = f(t, s, F); its parameters are the dataclass fields.

    A subclass is a frozen dataclass, so a misspelt parameter is an error and none can change
    silently. All methods are vectorised over trajectories: a state has shape (d, N).
    """

    equation: ClassVar[str]
    source: ClassVar[str]
    states: ClassVar[tuple[str, ...]]
    forced: ClassVar[bool] = False
    solver: ClassVar[str] = "DOP853"
    rtol: ClassVar[float] = 1e-10
    """Relative tolerance of the solver; a chaotic system, which amplifies errors, sets a smaller one."""
    max_solver_error: ClassVar[float] = 1e-8
    """Largest error of the data, in units of the states, against the exact solution or a tighter integration."""
    stiff: ClassVar[bool] = False
    """Whether trajectories are integrated by LSODA with the Jacobian, one by one, instead of all in one batch.

    Then `rhs` and `jacobian` get the state as d plain numbers."""
    sums: ClassVar[bool] = False
    """Whether the state is the sum of all forces, which never fades."""
    one_start: ClassVar[bool] = False
    """Whether every trajectory starts in the same state."""
    lyapunov: ClassVar[float | None] = None
    """Largest Lyapunov exponent at the default parameters, for a chaotic system, per unit of time."""

    def exponent(self) -> float | None:
        """Return the largest Lyapunov exponent per unit of time, None where it is not known or there is no chaos."""
        return self.lyapunov if self == type(self)() else None

    @abstractmethod
    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return ds/dt, shape (d, N), for states (d, N) and inputs (N,): the force, or the delayed state."""

    @abstractmethod
    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return the derivative of `rhs` by the state, shape (d, d, N)."""

    @abstractmethod
    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw `count` initial states, shape (N, d)."""

    def network_input(self, initial: Array) -> Array:
        """Return initial states (N, d) as a network gets them: on scales near one."""
        return initial

    def refuses(self) -> str | None:
        """Return which parameters the equation is not defined for, or None."""
        return None

    @property
    def delay(self) -> float:
        """Return τ of a delay equation, whose `rhs` takes the delayed state as its input; 0 if it is none."""
        return 0.0

    def exact(self, times: Array, initial: Array, forcing: Array | None) -> Array | None:
        """Return the exact states (N, T + 1, d) at `times`, or None where none is known.

        Parameters
        ----------
        times : (T + 1,) array
        initial : (N, d) array
        forcing : (N, T) array or None
            Held constant between `times[i]` and `times[i + 1]`.
        """
        return None

    def linear(self) -> tuple[Array, Array] | None:
        """Return (A, B) of ds/dt = A s + B F, or None where the system is not linear."""
        return None


def hold(a: Array, b: Array, step: float) -> tuple[Array, Array]:
    """Return the exact one-step map of ds/dt = A s + B F with F held constant over a step.

    s_{i+1} = M s_i + N F_i, where [[M, N], [0, 1]] = exp(Δt [[A, B], [0, 0]]).

    Parameters
    ----------
    a : (d, d) array
    b : (d, 1) array
    step : float
        Δt, in units of the system's time.

    References
    ----------
    Van Loan, IEEE Trans. Automat. Contr. 23 (1978) 395, doi 10.1109/TAC.1978.1101743.
    """
    d = len(a)
    block = np.zeros((d + 1, d + 1))
    block[:d, :d], block[:d, d:] = a, b
    both = expm(step * block)
    return both[:d, :d], both[:d, d:]


def of(row: DataRow) -> System | None:
    """Return a study's system, or None where it has a measured record."""
    return make(row.system, row.parameters) if row.system else None


def make(name: str, parameters: dict[str, float]) -> System:
    """Return the named system with its parameters; an unknown one is an error that lists the known.

    Raises
    ------
    UnrolledError
    """
    item: Any = registry.load("systems", name)
    known = [field.name for field in fields(item)]
    for key in parameters:
        if key not in known:
            raise registry.unknown(f"parameter of system '{name}'", key, known)
    system: System = item(**parameters)
    if (reason := system.refuses()) is not None:
        raise UnrolledError(f"parameters of system '{name}': {reason}")
    return system
