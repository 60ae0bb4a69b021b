"""Lyapunov exponents by repeated orthonormalisation, of maps (recurrent networks) and of flows (systems)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from unrolled.data.system import System

Array = NDArray[np.float64]
Tangent = Callable[[Array, Array], tuple[Array, Array]]
"""Takes states (N, d) and frames (N, d, m); returns both one step later."""


def exponents(advance: Tangent, state: Array, count: int, steps: int, transient: int) -> Array:
    """Return the largest Lyapunov exponents, (N, count), per step, largest first.

    A frame of `count` tangent vectors is carried along and orthonormalised after every step, Q R = J Q;
    the exponents are the means of log |R_ii|.

    Parameters
    ----------
    advance : callable
        One step of the state and of tangent vectors.
    state : (N, d) array
        N initial states, each with its own exponents.
    steps, transient : int
        Steps that count, and steps before them in which state and frame approach the attractor.

    References
    ----------
    Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15 (1980) 9, doi 10.1007/BF02128236.
    """
    n, d = state.shape
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(n, d, count)))[0]
    total = np.zeros((n, count))
    for number in range(transient + steps):
        state, frame = advance(state, frame)
        frame, growth = np.linalg.qr(frame)
        if number >= transient:
            total += np.log(np.maximum(abs(np.diagonal(growth, axis1=1, axis2=2)), np.finfo(float).tiny))
    return np.sort(total / steps, axis=1)[:, ::-1]


def of_map(
    step: Callable[[Array], Array],
    jacobian: Callable[[Array], Array],
    state: Array,
    count: int,
    steps: int = 2000,
    transient: int = 200,
) -> Array:
    """Return the exponents per step of s ← step(s), (N, d) to (N, d), with its Jacobian (N, d, d)."""
    return exponents(lambda s, frame: (step(s), jacobian(s) @ frame), state, count, steps, transient)


def of_system(system: System, state: Array, duration: float, every: float = 0.5, transient: float = 20.0) -> Array:
    """Return all exponents per unit of time of a system without a force, (N, d).

    State and frame are integrated together: s' = f(s), Q' = (∂f/∂s) Q.

    Parameters
    ----------
    state : (N, d) array
        Initial states.
    duration, every, transient : float
        Time that counts, between two orthonormalisations, and before; in units of the system's time.
    """
    n, d = state.shape

    def rhs(t: float, flat: Array) -> Array:
        both = flat.reshape(1 + d, d, n)
        frame = np.einsum("ijn,jkn->ikn", system.jacobian(t, both[0], None), both[1:].transpose(1, 0, 2))
        return np.concatenate([system.rhs(t, both[0], None)[None], frame.transpose(1, 0, 2)]).ravel()

    def advance(s: Array, frame: Array) -> tuple[Array, Array]:
        flat = np.concatenate([s.T[None], frame.transpose(2, 1, 0)]).ravel()
        end = solve_ivp(rhs, (0.0, every), flat, method="DOP853", rtol=1e-7, atol=1e-9).y[:, -1]
        both = end.reshape(1 + d, d, n)
        return both[0].T, both[1:].transpose(2, 1, 0)

    return exponents(advance, state, d, round(duration / every), round(transient / every)) / every
