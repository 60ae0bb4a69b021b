"""Making data: all trajectories in one integration, against a loop of `solve_ivp`, at equal accuracy."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks._measure import Row, alternating, row, seconds
from unrolled.data import forcing
from unrolled.data.integrate import simulate
from unrolled.data.system import Array, System, make

COUNT, TRIED, ROUNDS = 1000, 40, 3
TIMES = {"lorenz63": np.linspace(0, 2, 201), "oscillator": np.linspace(0, 4, 41)}
TOLERANCES = [10.0**-power for power in range(5, 14)]
Rhs = Callable[[float, Array, float], list[float]]


def lorenz(t: float, s: Array, force: float) -> list[float]:
    """Return the right-hand side for one trajectory, as one would write it: plain numbers, no arrays."""
    x, y, z = s
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z]


def oscillator(t: float, s: Array, force: float) -> list[float]:
    """Return the right-hand side for one trajectory."""
    x, v = s
    return [v, force - 0.2 * v - x]


RHS: dict[str, Rhs] = {"lorenz63": lorenz, "oscillator": oscillator}


def one_at_a_time(name: str, initial: Array, times: Array, force: Array | None, rtol: float) -> Array:
    """Return the states (N, T + 1, d) by one call of SciPy for each trajectory and piece without a jump."""
    options = {"method": "DOP853", "rtol": rtol, "atol": rtol / 100}
    states = np.empty((len(initial), len(times), initial.shape[1]))
    for n, start in enumerate(initial):
        if force is None:
            states[n] = solve_ivp(RHS[name], (times[0], times[-1]), start, t_eval=times, args=(0.0,), **options).y.T
            continue
        states[n, 0] = start
        for i, held in enumerate(force[n]):
            span = (times[i], times[i + 1])
            step = {"first_step": span[1] - span[0]}
            states[n, i + 1] = solve_ivp(RHS[name], span, states[n, i], args=(held,), **options, **step).y[:, -1]
    return states


def truth(system: System, initial: Array, times: Array, force: Array | None) -> Array:
    """Return the exact states, or else those at the tightest tolerance."""
    exact = system.exact(times, initial, force)
    return simulate(system, initial, times, force, rtol=1e-13, atol=1e-15) if exact is None else exact


def loosest(name: str, system: System, initial: Array, times: Array, force: Array | None) -> float:
    """Return the loosest tolerance at which the loop's worst error is at most twice ours."""
    right = truth(system, initial, times, force)
    bound = 2 * float(abs(simulate(system, initial, times, force) - right).max())
    for rtol in TOLERANCES:
        if float(abs(one_at_a_time(name, initial, times, force, rtol) - right).max()) <= bound:
            return rtol
    return TOLERANCES[-1]


def rows(count: int = COUNT, rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield one row for each system."""
    for name, times in TIMES.items():
        system, random = make(name, {}), np.random.default_rng(0)
        initial = system.start(random, count)
        force = forcing.draw(random, count, times[:-1]) if system.forced else None
        few = None if force is None else force[:TRIED]
        rtol = loosest(name, system, initial[:TRIED], times, few)
        ours = partial(simulate, system, initial, times, force)
        loop = partial(one_at_a_time, name, initial, times, force, rtol)
        mine, theirs = alternating(rounds, partial(seconds, ours), partial(seconds, loop))
        label = f"data: {name}, {count} trajectories, {len(times) - 1} steps"
        yield row(label, f"loop of solve_ivp at rtol {rtol:.0e}, as exact", mine, theirs)
