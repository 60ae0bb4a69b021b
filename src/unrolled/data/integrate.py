"""All trajectories of a data set in one batched integration."""

import warnings
from functools import partial
from typing import Any

import numpy as np
from scipy.integrate import ODEintWarning, odeint, solve_ivp

from unrolled import processes
from unrolled.data.system import Array, System
from unrolled.errors import UnrolledError

LEAST = 100 * np.finfo(float).eps
"""SciPy takes no smaller relative tolerance."""
MANY = 64
"""Trajectories, each integrated alone, from which starting processes pays."""
SHARES = 8
"""Parts that each of them takes one after the other, since some trajectories take longer than others."""
MOST_STEPS = 10**6
"""Steps of LSODA between two output times."""
SOLVED = "Integration successful."
"""What `odeint` says of a solution."""


def simulate(
    system: System,
    initial: Array,
    times: Array,
    forcing: Array | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    solver: str | None = None,
) -> Array:
    """Integrate N trajectories together with `scipy.integrate.solve_ivp`.

    SciPy controls the root mean square of the error over the whole state vector, so one bad
    trajectory could hide among N good ones. Dividing both tolerances by √N bounds the error of
    every single trajectory as if it had been integrated alone; at order 8 it costs N^(1/16) more
    steps, while the N-fold Python overhead of a loop is gone.

    Parameters
    ----------
    system : System
    initial : (N, d) array
    times : (T + 1,) array
        Output times, in units of the system's time; `times[0]` is the start.
    forcing : (N, T) array, optional
        F, held constant over each interval, as a digital-to-analogue converter holds it. The
        solver restarts at every jump, because a jump inside a step would break its error control.
    rtol, atol : float
        Tolerances for each trajectory; by default the system's `rtol`, and a hundredth of `rtol`.
    solver : str, optional
        SciPy's name of a method for a system that is not stiff; by default the system's.

    Returns
    -------
    (N, T + 1, d) array

    Raises
    ------
    UnrolledError
        If the solver fails or a value is not finite.
    """
    if system.stiff and len(initial) > 1:
        return _alone(system, initial, times, forcing, rtol, atol)
    count, d = initial.shape
    rtol = system.rtol if rtol is None else rtol
    atol = rtol / 100 if atol is None else atol
    options: dict[str, Any] = {"rtol": max(LEAST, rtol / count**0.5), "atol": atol / count**0.5}
    options |= {} if system.stiff else {"method": solver or system.solver}
    if forcing is None:
        return _integrate(system, initial, times, None, options)
    states = np.empty((count, len(times), d))
    states[:, 0] = initial
    for i in range(len(times) - 1):
        span = times[i : i + 2]
        first = {"first_step": float(span[1] - span[0])}
        states[:, i + 1] = _integrate(system, states[:, i], span, forcing[:, i], options | first)[:, -1]
    return states


DEFAULTS: dict[str, Any] = {
    "solver": "scipy.integrate.solve_ivp at its defaults (RK45), each trajectory by itself",
    "rtol": 1e-3,
    "atol": 1e-6,
}
"""What is said of data that `by_default` makes."""


def by_default(system: System, initial: Array, times: Array) -> Array:
    """Integrate N trajectories as `solve_ivp` does if nothing is said: RK45, each by itself, values interpolated.

    Its tolerance is far above that of our data: for protocols whose authors did so.

    Returns
    -------
    (N, T + 1, d) array
    """
    spans = (times[0], times[-1])
    found = [solve_ivp(lambda t, state: system.rhs(t, state, None), spans, one, t_eval=times).y.T for one in initial]
    return np.stack(found)


Tolerance = float | None


def _alone(
    system: System, initial: Array, times: Array, forcing: Array | None, rtol: Tolerance, atol: Tolerance
) -> Array:
    """Integrate each trajectory by itself; many of them side by side."""
    run, workers = partial(_one_by_one, system, times, rtol, atol), processes.count()
    if len(initial) < MANY or workers == 1:
        return run((initial, forcing))
    parts = min(SHARES * workers, len(initial))
    forces = [None] * parts if forcing is None else np.array_split(forcing, parts)
    shares = zip(np.array_split(initial, parts), forces, strict=True)
    return np.concatenate(list(processes.side_by_side(run, shares)))


def _one_by_one(
    system: System, times: Array, rtol: Tolerance, atol: Tolerance, share: tuple[Array, Array | None]
) -> Array:
    initial, forcing = share
    forces = [None] * len(initial) if forcing is None else list(forcing[:, None])
    each = zip(initial[:, None], forces, strict=True)
    return np.concatenate([simulate(system, one, times, force, rtol, atol) for one, force in each])


def _integrate(system: System, initial: Array, times: Array, force: Array | None, options: dict[str, Any]) -> Array:
    """Return the states (N, T + 1, d); of a stiff system, N = 1."""
    solve = _stiff if system.stiff else _batch
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is an error below
            states, problem = solve(system, initial, times, force, options)
    except ArithmeticError as error:  # plain numbers raise it
        states, problem = initial, f"{error}."
    if problem or not np.isfinite(states).all():
        name = type(system).__name__.lower()
        raise UnrolledError(f"system '{name}': {problem} Check its parameters in params.yaml, or declare it stiff")
    return states


Solved = tuple[Array, str]
"""States (N, T + 1, d), and what went wrong, or nothing."""


def _batch(system: System, initial: Array, times: Array, force: Array | None, options: dict[str, Any]) -> Solved:
    """Integrate all trajectories as one vector."""
    count, d = initial.shape

    def rhs(t: float, flat: Array) -> Array:
        return system.rhs(t, flat.reshape(d, count), force).ravel()

    start = initial.T.ravel()
    if not np.isfinite([start, rhs(times[0], start)]).all():  # or else SciPy never returns
        return initial, f"state or derivative not finite at t = {times[0]:g}."
    solved = solve_ivp(rhs, (times[0], times[-1]), start, t_eval=times, **options)
    if not solved.success:
        return initial, solved.message
    return solved.y.reshape(d, count, len(times)).transpose(1, 2, 0), ""


def _stiff(system: System, initial: Array, times: Array, force: Array | None, options: dict[str, Any]) -> Solved:
    """Integrate one trajectory with LSODA and the system's Jacobian.

    `odeint` stays in compiled code between two calls of the equation, which gets plain numbers: measured, van der
    Pol's takes a fifth of the time that it takes `solve_ivp`, whose LSODA returns to Python at every step.
    """
    held = None if force is None else force[0]
    start = initial[0]
    if not np.isfinite([start, system.rhs(times[0], start, held)]).all():
        return initial, f"state or derivative not finite at t = {times[0]:g}."
    with warnings.catch_warnings(action="ignore", category=ODEintWarning):  # its message is in `about`
        states, about = odeint(
            lambda t, state: system.rhs(t, state.tolist(), held),
            start,
            times,
            Dfun=lambda t, state: system.jacobian(t, state.tolist(), held),
            rtol=options["rtol"],
            atol=options["atol"],
            h0=options.get("first_step", 0.0),
            mxstep=MOST_STEPS,
            tfirst=True,
            full_output=True,
        )
    return states[None], "" if about["message"] == SOLVED else about["message"]


def solver_error(system: System, initial: Array, times: Array, forcing: Array | None, states: Array) -> float:
    """Return the largest error of `states` against the exact solution, or else against a tighter integration.

    Raises
    ------
    UnrolledError
        If it is above the system's `max_solver_error`: then the data would teach solver noise.
    """
    truth = system.exact(times, initial, forcing)
    if truth is None:
        truth = simulate(system, initial, times, forcing, rtol=min(1e-12, system.rtol / 10))
    error = float(np.abs(states - truth).max())
    if not error < system.max_solver_error:
        raise UnrolledError(
            f"system '{type(system).__name__.lower()}': solver error {error:.1e} is above {system.max_solver_error:.0e}"
        )
    return error
