"""How far SciPy's default tolerance would lead the data of a study astray."""

import numpy as np
from scipy.integrate import solve_ivp

from unrolled.training.runs import Run

COUNT = 32
"""Trajectories that are integrated twice."""


def default_tolerance(run: Run) -> float | None:
    """Return the root mean square error of `solve_ivp` at its defaults (RK45, rtol 1e-3), over trajectories and steps.

    Where the task has test trajectories whose tolerance matters; None for others.
    """
    row, system = run.experiment.data, run.system
    found = None if system is None else run.task.trajectories(row, system, COUNT)
    if system is None or found is None:
        return None
    times, initial, truth = found
    loose = [
        solve_ivp(lambda t, s: system.rhs(t, s[:, None], None)[:, 0], (times[0], times[-1]), one, t_eval=times).y.T
        for one in initial
    ]
    names = list(system.states)
    seen = [names.index(name) for name in run.task.outputs(row, system)]
    return float(np.sqrt(np.square(np.stack(loose)[..., seen] - truth).mean()))
