"""Delay equations by the method of steps: over one delay, the past is a known function."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import OdeSolution, solve_ivp

from unrolled.data.system import Array, System
from unrolled.errors import UnrolledError

Past = Callable[[float], Array]


def method_of_steps(
    system: System, initial: Array, times: Array, rtol: float | None = None, checked: float | None = None
) -> tuple[Array, float]:
    """Integrate s'(t) = f(s(t), s(t - τ)) for N trajectories, constant before the first time.

    On [t₀ + kτ, t₀ + (k + 1) τ] the delayed state is the dense output of the interval before, so
    each interval is an ordinary differential equation; the solver starts anew at each, where a
    derivative jumps. Each interval is integrated a second time with a hundredth of the tolerance.

    Parameters
    ----------
    system : System
        With one delayed state, which `rhs` takes in the place of the force.
    initial : (N, 1) array
    times : (T + 1,) array
    rtol : float, optional
        By default the system's.
    checked : float, optional
        Largest error of an interval; by default the system's.

    Returns
    -------
    states : (N, T + 1, 1) array
    error : float
        Largest difference, over all intervals, from the tighter integration of the same interval.

    Raises
    ------
    UnrolledError
        If the solver fails or the error is above `checked`.

    References
    ----------
    Bellen & Zennaro, Numerical Methods for Delay Differential Equations (2003), section 3.4,
    doi 10.1093/acprof:oso/9780198506546.001.0001.
    """
    rtol = system.rtol if rtol is None else rtol
    states = np.empty((len(initial), len(times), 1))
    states[:, 0], worst, first = initial, 0.0, times[0]
    latest: Array = initial[:, 0]
    past: Past = lambda t, held=initial[:, 0]: held  # type: ignore[misc]  # noqa: E731
    while first < times[-1]:
        last = min(first + system.delay, times[-1])
        piece, close = (_solve(system, latest, (first, last), past, each) for each in (rtol, rtol / 100))
        inside = (times > first) & (times <= last)
        if inside.any():
            states[:, inside, 0] = piece(times[inside])
        worst = max(worst, float(abs(piece(last) - close(last)).max()))
        past, latest, first = piece, piece(last), last
    if not worst < (system.checked if checked is None else checked) or not np.isfinite(states).all():
        raise UnrolledError(
            f"system '{type(system).__name__.lower()}': solver error {worst:.1e} is above {system.checked:.0e}"
        )
    return states, worst


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
