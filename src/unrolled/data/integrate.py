"""All trajectories of a data set in one batched integration."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from unrolled.data.system import Array, System
from unrolled.errors import UnrolledError

LEAST = 100 * np.finfo(float).eps
"""SciPy takes no smaller relative tolerance."""
MANY = 64
"""Trajectories, each integrated alone, from which starting processes pays."""


def simulate(
    system: System,
    initial: Array,
    times: Array,
    forcing: Array | None = None,
    rtol: float | None = None,
    atol: float | None = None,
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

    Returns
    -------
    (N, T + 1, d) array

    Raises
    ------
    UnrolledError
        If the solver fails or a value is not finite.
    """
    if not system.vectorised and len(initial) > 1:
        return _alone(system, initial, times, forcing, rtol, atol)
    count, d = initial.shape
    rtol = system.rtol if rtol is None else rtol
    atol = rtol / 100 if atol is None else atol
    options = {"method": system.solver, "rtol": max(LEAST, rtol / count**0.5), "atol": atol / count**0.5}
    if forcing is None:
        return _integrate(system, initial, times, None, options)
    states = np.empty((count, len(times), d))
    states[:, 0] = initial
    for i in range(len(times) - 1):
        span = times[i : i + 2]
        first = {"first_step": float(span[1] - span[0])}
        states[:, i + 1] = _integrate(system, states[:, i], span, forcing[:, i], options | first)[:, -1]
    return states


Tolerance = float | None


def _alone(
    system: System, initial: Array, times: Array, forcing: Array | None, rtol: Tolerance, atol: Tolerance
) -> Array:
    """Integrate each trajectory by itself; many of them on all cores, in processes that start afresh."""
    run, cores = partial(_one_by_one, system, times, rtol, atol), os.cpu_count() or 1
    if len(initial) < MANY or cores == 1:
        return run(initial, forcing)
    forces = [None] * cores if forcing is None else np.array_split(forcing, cores)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        return np.concatenate(list(pool.map(run, np.array_split(initial, cores), forces)))


def _one_by_one(
    system: System, times: Array, rtol: Tolerance, atol: Tolerance, initial: Array, forcing: Array | None
) -> Array:
    forces = [None] * len(initial) if forcing is None else list(forcing[:, None])
    each = zip(initial[:, None], forces, strict=True)
    return np.concatenate([simulate(system, one, times, force, rtol, atol) for one, force in each])


def _integrate(system: System, initial: Array, times: Array, force: Array | None, options: dict[str, Any]) -> Array:
    count, d = initial.shape

    def rhs(t: float, flat: Array) -> Array:
        if not system.vectorised:  # numbers instead of arrays: several times as fast
            return system.rhs(t, flat, None if force is None else force[0])
        return system.rhs(t, flat.reshape(d, count), force).ravel()

    if not system.vectorised:  # so count is 1
        options = options | {"jac": lambda t, flat: system.jacobian(t, flat, None if force is None else force[0])}
    start, name = initial.T.ravel(), type(system).__name__.lower()
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is an error below
        if not np.isfinite([start, rhs(times[0], start)]).all():  # or else SciPy never returns
            raise UnrolledError(
                f"system '{name}': state or derivative not finite at t = {times[0]:g}. "
                "Check its parameters in params.yaml"
            )
        solved = solve_ivp(rhs, (times[0], times[-1]), start, t_eval=times, **options)
    if not solved.success or not np.isfinite(solved.y).all():
        raise UnrolledError(
            f"system '{name}': {solved.message} Check its parameters in params.yaml, or give it a stiff solver"
        )
    return solved.y.reshape(d, count, len(times)).transpose(1, 2, 0)


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
