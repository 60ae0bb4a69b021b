"""Every system: its Jacobian, its solution and its contract."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conftest import Refused
from unrolled.data.delay import method_of_steps
from unrolled.data.integrate import simulate, solver_error
from unrolled.data.system import Array, System, hold, make
from unrolled.registry import names

SYSTEMS = names("systems")
TIMES = np.linspace(0, 4, 5)


def those(condition: Callable[[System], bool]) -> Any:
    """Return a mark for tests of the systems of which a condition holds, at least one."""
    found = [name for name in SYSTEMS if condition(make(name, {}))]
    assert found
    return pytest.mark.parametrize("system", found, indirect=True)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return make(request.param, {})


def draw(system: System, count: int = 3) -> tuple[Array, Array | None]:
    """Return initial states (N, d) off any special place, and forces (N, T)."""
    random = np.random.default_rng(0)
    initial = system.start(random, count)
    initial = initial + 0.1 * random.normal(size=initial.shape)
    if system.delay:  # the delayed state stands in the place of the force
        return initial, random.uniform(0.5, 1.5, (count, len(TIMES) - 1))
    return initial, random.uniform(-1, 1, (count, len(TIMES) - 1)) if system.forced else None


def differences(system: System, state: Array, force: Array | None) -> Array:
    """Return the central differences of the right-hand side, (d, d, N)."""
    columns = []
    for j in range(len(state)):
        shift = np.zeros_like(state)
        shift[j] = 1e-5 * np.maximum(1, abs(state[j]))
        columns.append((system.rhs(0.5, state + shift, force) - system.rhs(0.5, state - shift, force)) / (2 * shift[j]))
    return np.stack(columns, axis=1)


def agrees(jacobian: Array, numerical: Array) -> bool:
    """Return whether every entry is right to 1e-6 of the largest in its row."""
    scale = abs(numerical).max(axis=1, keepdims=True)
    return bool((abs(jacobian - numerical) <= 1e-6 * scale).all())


def test_jacobian_is_the_derivative_and_a_wrong_entry_is_found(system: System) -> None:
    initial, forcing = draw(system)
    force = None if forcing is None else forcing[:, 0]
    jacobian, numerical = system.jacobian(0.5, initial.T, force), differences(system, initial.T, force)
    assert jacobian.shape == numerical.shape == (len(system.states), len(system.states), len(initial))
    assert agrees(jacobian, numerical)
    for entry in np.ndindex(jacobian.shape):
        wrong = jacobian.copy()
        wrong[entry] += 1e-4 * (abs(numerical[entry[0], :, entry[2]]).max() or 1.0)
        assert not agrees(wrong, numerical)


def test_solution_is_exact_or_as_the_reference_and_a_wrong_one_is_refused(system: System, refused: Refused) -> None:
    initial, forcing = draw(system)
    states = simulate(system, initial, TIMES, forcing)
    assert solver_error(system, initial, TIMES, forcing, states) < system.max_solver_error
    with refused("solver error"):
        solver_error(system, initial, TIMES, forcing, states + 2 * system.max_solver_error)
    with refused("solver error"):
        solver_error(system, initial, 1.001 * TIMES, forcing, states)


@those(lambda each: each.exact(TIMES, *draw(each)) is not None)
def test_exact_solution_satisfies_the_equation(system: System) -> None:
    initial, forcing = draw(system)
    held = None if forcing is None else np.repeat(forcing[:, :1], 2, axis=1)
    around = 0.7 + np.array([-0.7, -1e-4, 1e-4])
    exact = system.exact(around, initial, held)
    assert exact is not None
    slope, middle = (exact[:, 2] - exact[:, 1]) / 2e-4, (exact[:, 2] + exact[:, 1]) / 2
    expected = system.rhs(0.7, middle.T, None if held is None else held[:, 0]).T
    assert abs(slope - expected).max() < 1e-7 * abs(expected).max()
    assert abs(1.001 * slope - expected).max() > 1e-7 * abs(expected).max()


def test_halving_the_tolerance_eight_times_reduces_the_error(system: System) -> None:
    initial, forcing = draw(system)
    reference = simulate(system, initial, TIMES, forcing, rtol=1e-13, atol=1e-14)
    errors = []
    for tolerance in (1e-6, 1e-6 / 2**8):
        states = simulate(system, initial, TIMES, forcing, rtol=tolerance, atol=tolerance)
        errors.append(abs(states - reference).max())
    exact_at_any = errors[0] < 1e-14  # linear in the state, with the force held
    jacobians = [
        system.jacobian(0.5, initial.T + shift, None if forcing is None else forcing[:, 0]) for shift in (0, 1)
    ]
    assert errors[1] < errors[0] / 8 or (exact_at_any and np.array_equal(*jacobians))


def test_many_trajectories_at_once_are_as_one_at_a_time(system: System) -> None:
    initial, forcing = draw(system, 5)
    force = None if forcing is None else forcing[:, 0]
    together = system.rhs(0.5, initial.T, force), system.jacobian(0.5, initial.T, force)
    for i in range(5):
        alone = initial[i : i + 1].T, None if force is None else force[i : i + 1]
        np.testing.assert_array_equal(together[0][:, i : i + 1], system.rhs(0.5, *alone))
        np.testing.assert_array_equal(together[1][..., i : i + 1], system.jacobian(0.5, *alone))


def test_start_depends_on_the_generator_alone(system: System) -> None:
    draws = [system.start(np.random.default_rng(seed), 4) for seed in (3, 3)]
    assert draws[0].shape == (4, len(system.states))
    np.testing.assert_array_equal(*draws)


def test_says_its_equation_and_source(system: System) -> None:
    assert system.equation.strip() and system.source.strip() and (type(system).__doc__ or "").strip()


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_misspelt_parameter_is_an_error_that_lists_the_known(name: str, refused: Refused) -> None:
    known = list(vars(make(name, {})))
    with refused("no_such_thing", name, *known):
        make(name, {"no_such_thing": 1.0})


@those(lambda each: each.linear() is not None)
def test_linear_systems_are_their_matrices(system: System) -> None:
    initial, forcing = draw(system)
    found = system.linear()
    assert found is not None
    a, b = found
    force = np.zeros(len(initial)) if forcing is None else forcing[:, 0]
    expected = a @ initial.T + b * force
    np.testing.assert_allclose(system.rhs(0, initial.T, force), expected, rtol=1e-14)
    assert not np.allclose(system.rhs(0, initial.T, force + 0.1), expected, rtol=1e-3)


@those(lambda each: each.delay > 0)
def test_delay_equations_obey_their_equation_and_a_short_delay_does_not(system: System, refused: Refused) -> None:
    initial = system.start(np.random.default_rng(1), 3)
    times = np.linspace(0, 5 * system.delay, 2 * 850 + 1)
    states, error = method_of_steps(system, initial, times)
    assert error < system.max_solver_error
    middle, lag = np.arange(600, 1500), round(system.delay / times[1])
    slope = (states[:, middle + 1, 0] - states[:, middle - 1, 0]) / (2 * times[1])
    for shift, right in ((lag, True), (lag - 5, False)):
        expected = np.stack(
            [system.rhs(0, one[middle].T, one[middle - shift, 0])[0] for one in states]  # a force a time step
        )
        assert (abs(slope - expected).max() < 1e-3 * abs(expected).max()) == right
    with refused("solver error"):
        method_of_steps(system, initial, times, rtol=1e-3)


def test_hold_is_the_exact_step_of_a_decay() -> None:
    m, n = hold(np.array([[-0.5]]), np.array([[2.0]]), 0.3)
    assert m[0, 0] == pytest.approx(np.exp(-0.15), rel=1e-14)
    assert n[0, 0] == pytest.approx(4 * (1 - np.exp(-0.15)), rel=1e-14)


def test_a_parameter_cannot_be_changed_silently(system: System) -> None:
    for name in vars(system):
        with pytest.raises(AttributeError):
            setattr(system, name, 1.0)


def test_an_unknown_system_lists_the_known(refused: Refused) -> None:
    with refused("'sin' is not known", "did you mean 'sine'?", *SYSTEMS):
        make("sin", {})
