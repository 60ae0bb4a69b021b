"""Delay equations by the method of steps: over one delay, the past is a known function."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import OdeSolution, solve_ivp

from unrolled.data.system import Array, System
from unrolled.errors import UnrolledError

Past = Callable[[float], Array]


def method_of_steps(
    system: System, initial: Array, times: Array, rtol: float | None = None, max_error: float | None = None
) -> tuple[Array, float]:
    """Integrate s'(t) = f(s(t), s(t - τ)) for N trajectories, constant before the first time.

    On [t₀ + kτ, t₀ + (k + 1) τ] the delayed state is the dense output of the interval before, so
    each interval is an ordinary differential equation; the solver starts anew at each, where a
    derivative jumps. All is integrated a second time with a hundredth of the tolerance and a past of its own.

    Parameters
    ----------
    system : System
        With one delayed state, which `rhs` takes as its input.
    initial : (N, 1) array
    times : (T + 1,) array
    rtol : float, optional
        By default the system's.
    max_error : float, optional
        By default the system's `max_solver_error`.

    Returns
    -------
    states : (N, T + 1, 1) array
    error : float
        Largest difference from the tighter integration, over all times.

    Raises
    ------
    UnrolledError
        If the solver fails or the error is above `max_error`.

    References
    ----------
    Bellen & Zennaro, Numerical Methods for Delay Differential Equations (2003), section 3.4,
    doi 10.1093/acprof:oso/9780198506546.001.0001.
    """
    rtol = system.rtol if rtol is None else rtol
    states, truth = (_integrate(system, initial, times, each) for each in (rtol, rtol / 100))
    error, most = float(abs(states - truth).max()), system.max_solver_error if max_error is None else max_error
    if not error < most or not np.isfinite(states).all():
        raise UnrolledError(f"system '{type(system).__name__.lower()}': solver error {error:.1e} is above {most:.0e}")
    return states, error


def _integrate(system: System, initial: Array, times: Array, rtol: float) -> Array:
    """Return the states (N, T + 1, 1), interval after interval."""
    states = np.empty((len(initial), len(times), 1))
    states[:, 0], first = initial, times[0]
    latest: Array = initial[:, 0]
    past: Past = lambda t, held=initial[:, 0]: held  # type: ignore[misc]  # noqa: E731
    while first < times[-1]:
        last = min(first + system.delay, times[-1])
        past = _solve(system, latest, (first, last), past, rtol)
        inside = (times > first) & (times <= last)
        if inside.any():
            states[:, inside, 0] = past(times[inside])
        latest, first = past(last), last
    return states


def _solve(system: System, start: Array, span: tuple[float, float], past: Past, rtol: float) -> OdeSolution:
    size = len(start) ** 0.5  # see `simulate`

    def rhs(t: float, state: Array) -> Array:
        return system.rhs(t, state[None], past(t - system.delay))[0]

    solved = solve_ivp(
        rhs,
        span,
        start,
        method=system.solver,
        rtol=max(2.3e-14, rtol / size),
        atol=rtol / 100 / size,
        dense_output=True,
    )
    if not solved.success:
        raise UnrolledError(f"system '{type(system).__name__.lower()}': {solved.message} Check its parameters")
    return solved.sol
