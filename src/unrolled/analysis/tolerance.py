"""How far SciPy's default tolerance would lead the data of a study astray."""

import numpy as np
from scipy.integrate import solve_ivp

from unrolled.config import Study
from unrolled.data.integrate import simulate
from unrolled.data.system import of
from unrolled.data.task import columns

COUNT = 32
"""Trajectories that are integrated twice."""


def default_tolerance(study: Study) -> float | None:
    """Return the root mean square error of `solve_ivp` at its defaults (RK45, rtol 1e-3), over trajectories and steps.

    For observed trajectories of a system that is neither chaotic nor delayed; None for others.
    """
    system = of(study)
    if system is None or study.task != "forecast" or study.steps is None:
        return None
    if system.lyapunov or system.delay or study.transient:
        return None
    times = study.step * np.arange(study.steps + 1, dtype=np.float64)
    initial = system.start(np.random.default_rng([study.seed, 2]), study.test)[:COUNT]
    truth = simulate(system, initial, times)
    loose = [
        solve_ivp(lambda t, s: system.rhs(t, s[:, None], None)[:, 0], (times[0], times[-1]), one, t_eval=times).y.T
        for one in initial
    ]
    seen = columns(study, system)
    return float(np.sqrt(np.square((np.stack(loose) - truth)[..., seen]).mean()))
