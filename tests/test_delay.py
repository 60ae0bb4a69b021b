"""The method of steps against delay equations that can be solved by hand."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from unrolled.data.delay import method_of_steps
from unrolled.data.system import Array, System
from unrolled.data.systems.mackey_glass import MackeyGlass
from unrolled.errors import UnrolledError


@dataclass(frozen=True)
class Lagging(System):
    """x' = -x(t - 1): from x = x0 before t = 0 a polynomial on each interval."""

    equation: ClassVar[str] = "x' = -x(t - 1)"
    source: ClassVar[str] = "by hand"
    states: ClassVar[tuple[str, ...]] = ("x",)
    lag: float = 1.0

    @property
    def delay(self) -> float:
        """Return the lag."""
        return self.lag

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return -x(t - 1)."""
        assert inputs is not None
        return -inputs[None]

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return 0."""
        return np.zeros((1, *state.shape))

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Return random values."""
        return random.uniform(0.5, 1.5, (count, 1))


def by_hand(t: Array) -> Array:
    """Return x(t) / x0 for t up to 3: 1 - t, + (t - 1)²/2, - (t - 2)³/6, each from its interval on."""
    later = [np.clip(t - k, 0, None) ** (k + 1) / (1, 2, 6)[k] for k in range(3)]
    return 1 - later[0] + later[1] - later[2]


@pytest.mark.parametrize(("lag", "right"), [(1.0, True), (1.01, False)])
def test_equals_the_solution_by_hand(lag: float, right: bool) -> None:
    system, times = Lagging(lag), np.linspace(0, 3, 31)
    initial = system.start(np.random.default_rng(0), 4)
    states, error = method_of_steps(system, initial, times)
    assert states.shape == (4, 31, 1) and error < 1e-9
    assert (abs(states[:, :, 0] - initial * by_hand(times)).max() < 1e-9) == right


def test_goes_on_after_a_long_gap_between_times() -> None:
    system = Lagging()
    initial = np.ones((1, 1))
    whole, _ = method_of_steps(system, initial, np.linspace(0, 3, 31))
    late, _ = method_of_steps(system, initial, np.array([0.0, 2.5, 2.6]))
    np.testing.assert_allclose(late[0, 1:, 0], whole[0, [25, 26], 0], rtol=0, atol=1e-9)


@dataclass(frozen=True)
class OtherSolver(MackeyGlass):
    """The same equation with another method of integration."""

    solver: ClassVar[str] = "RK45"


def test_the_error_is_that_of_the_whole_trajectory_against_an_independent_one() -> None:
    system, times = MackeyGlass(tau=30.0), np.linspace(0, 600, 61)
    initial = system.start(np.random.default_rng(0), 3)
    states, error = method_of_steps(system, initial, times, rtol=1e-6, max_error=1.0)
    independent, _ = method_of_steps(OtherSolver(tau=30.0), initial, times, rtol=1e-10, max_error=1e-3)
    off = abs(states - independent).max(axis=(0, 2))
    assert error == pytest.approx(off.max(), rel=0.02)
    assert off[:20].max() < error / 2, "chaos: errors grow, so those of a first piece say little of the whole"
    with pytest.raises(UnrolledError, match="solver error"):
        method_of_steps(system, initial, times, rtol=1e-6)
