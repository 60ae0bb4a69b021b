"""The batched integration: every trajectory as exact as if it were alone."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from conftest import Refused
from unrolled import processes
from unrolled.data import forcing
from unrolled.data import integrate as module
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.system import Array, System, make
from unrolled.data.systems.oscillator import Oscillator


@dataclass(frozen=True)
class Cubic(System):
    """x'' = -x³: the frequency grows with the amplitude, so one trajectory can be harder than all others."""

    states = ("x", "v")

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (v, -x³)."""
        return np.stack([state[1], -(state[0] ** 3)])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Not needed here."""
        raise NotImplementedError

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Return one large amplitude among small ones."""
        return np.stack([np.r_[3.0, np.full(count - 1, 0.01)], np.zeros(count)], axis=1)


@dataclass(frozen=True)
class Burst(Cubic):
    """x' = x², which is infinite at t = 1 / x(0)."""

    states = ("x",)

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return x²."""
        return state**2


@pytest.mark.parametrize("tolerance", [1e-5, 1e-6, 1e-7])
def test_the_hard_trajectory_among_many_is_as_exact_as_alone(tolerance: float) -> None:
    count, times = 64, np.linspace(0, 6, 5)
    initial = Cubic().start(np.random.default_rng(0), count)
    reference = simulate(Cubic(), initial[:1], times, rtol=1e-13, atol=1e-15)[0]

    def error(trajectories: int, tolerance: float) -> float:
        states = simulate(Cubic(), initial[:trajectories], times, rtol=tolerance, atol=tolerance)
        return float(abs(states[0] - reference).max())

    alone = error(1, tolerance)
    assert error(count, tolerance) < 2 * alone
    undivided = count**0.5 * tolerance  # undoes the division by √N
    assert error(count, undivided) > 3 * alone


def test_a_batch_equals_a_loop_of_scipy() -> None:
    system, times = make("oscillator", {}), np.linspace(0, 5, 11)
    initial = system.start(np.random.default_rng(1), 4)
    batch = simulate(system, initial, times)
    options = {"t_eval": times, "method": "DOP853", "rtol": 1e-12, "atol": 1e-14}
    for i, state in enumerate(initial):
        alone = solve_ivp(lambda t, s: system.rhs(t, s[:, None], None)[:, 0], (0, 5), state, **options)
        np.testing.assert_allclose(batch[i], alone.y.T, rtol=0, atol=1e-10)


def test_a_forced_response_is_exact_and_one_wrong_force_is_seen() -> None:
    system, random, times = make("oscillator", {}), np.random.default_rng(2), np.linspace(0, 10, 101)
    initial, force = system.start(random, 8), forcing.draw(random, 8, times[:-1])
    states = simulate(system, initial, times, force)
    assert abs(states - system.exact(times, initial, force)).max() < 1e-11
    force[3, 50] += 1e-6
    assert abs(states - system.exact(times, initial, force)).max() > 1e-9


def test_without_an_exact_solution_the_reference_is_tighter(refused: Refused) -> None:
    times = np.linspace(0, 6, 5)
    initial = Cubic().start(np.random.default_rng(0), 3)
    assert 0 < solver_error(Cubic(), initial, times, None, simulate(Cubic(), initial, times)) < 1e-8
    with refused("cubic", "solver error"):
        solver_error(Cubic(), initial, times, None, simulate(Cubic(), initial, times, rtol=1e-5, atol=1e-5))


def test_a_solution_that_blows_up_is_refused(refused: Refused) -> None:
    with refused("system 'burst'", "params.yaml"):
        simulate(Burst(), np.ones((2, 1)), np.linspace(0, 2, 3))


@dataclass(frozen=True)
class StiffBurst(Burst):
    """The same equation in plain numbers, whose square overflows with an exception."""

    stiff = True

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return x²."""
        return np.array([state[0] ** 2])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return 2 x."""
        return np.array([[2 * state[0]]])


def test_a_stiff_solution_that_blows_up_is_refused_and_before_it_is_right(refused: Refused) -> None:
    times = np.linspace(0, 0.6, 4)
    found = simulate(StiffBurst(), np.ones((2, 1)), times)
    np.testing.assert_allclose(found[1, :, 0], 1 / (1 - times), rtol=1e-8)
    with refused("system 'stiffburst'", "params.yaml"):
        simulate(StiffBurst(), np.ones((2, 1)), np.linspace(0, 2, 3))


@dataclass(frozen=True)
class StiffOscillator(Oscillator):
    """The driven oscillator, integrated as if it were stiff."""

    stiff = True


def test_a_stiff_system_follows_its_own_force() -> None:
    system, random, times = StiffOscillator(), np.random.default_rng(2), np.linspace(0, 4, 21)
    initial, force = system.start(random, 3), forcing.draw(random, 3, times[:-1])
    states = simulate(system, initial, times, force)
    assert abs(states - system.exact(times, initial, force)).max() < 1e-8
    assert abs(states - system.exact(times, initial, force[::-1])).max() > 1e-2


@pytest.mark.timeout(20)
@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("eta", [np.nan, np.inf, -1e4])
def test_a_system_that_is_not_finite_is_refused(eta: float, forced: bool, refused: Refused) -> None:
    times = np.linspace(0, 2, 3)
    with refused("system 'oscillator'", "params.yaml"):
        simulate(make("oscillator", {"eta": eta}), np.ones((2, 2)), times, np.zeros((2, 2)) if forced else None)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_start_or_force_that_is_not_finite_is_refused(value: float, refused: Refused) -> None:
    system, times = make("oscillator", {}), np.linspace(0, 2, 3)
    with refused("system 'oscillator'", "params.yaml"):
        simulate(system, np.array([[1.0, 1.0], [value, 1.0]]), times)
    with refused("system 'oscillator'", "params.yaml"):
        simulate(system, np.ones((1, 2)), times, np.array([[0.0, value]]))


def test_forces_are_random_of_three_kinds_and_within_the_band() -> None:
    times = 0.1 * np.arange(4000)
    force = forcing.draw(np.random.default_rng(0), 60, times)
    np.testing.assert_array_equal(force, forcing.draw(np.random.default_rng(0), 60, times))
    assert len(np.unique(force[:, 5])) == 60
    constant = (np.diff(force) == 0).mean(axis=1) > 0.9
    assert 5 < constant.sum() < 35
    assert abs(force[constant]).max() <= 1
    waves = force[~constant] * np.hanning(len(times))
    power = abs(np.fft.rfft(waves)) ** 2
    frequency = 2 * np.pi * np.fft.rfftfreq(len(times), 0.1)
    low, high = forcing.BAND
    outside = (frequency < low - 0.05) | (frequency > high + 0.05)
    assert (power[:, outside].sum(axis=1) < 1e-4 * power.sum(axis=1)).all()


def test_many_integrated_alone_share_the_cores_and_keep_their_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    system, times = make("van_der_pol", {"mu_min": 0.5, "mu_max": 5.0}), 0.1 * np.arange(4.0)
    initial = system.start(np.random.default_rng(0), 9)
    plain = simulate(system, initial, times)
    monkeypatch.setattr(module, "MANY", 9)
    monkeypatch.setattr(processes, "count", lambda: 2)
    assert np.array_equal(simulate(system, initial, times), plain)
    assert not np.array_equal(simulate(system, initial[::-1].copy(), times), plain)
