"""Eigenvalues of step matrices against known ones."""

import numpy as np
import pytest

from unrolled.analysis import step_matrix

RANDOM = np.random.default_rng(0)


def test_eigenvalues_do_not_depend_on_the_basis() -> None:
    matrix, basis = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(4, 4))
    similar = basis @ matrix @ np.linalg.inv(basis)
    assert step_matrix.eigenvalues(similar) == pytest.approx(step_matrix.eigenvalues(matrix), abs=1e-9)
    assert step_matrix.eigenvalues(2 * matrix) != pytest.approx(step_matrix.eigenvalues(matrix), abs=1e-9)


def test_decay_and_frequency_of_the_damped_oscillator() -> None:
    eta, step = 0.2, 0.1
    exact = np.exp(complex(-eta / 2, np.sqrt(1 - eta**2 / 4)) * step)
    assert step_matrix.decay_and_frequency(exact, step) == pytest.approx((0.1, np.sqrt(0.99)))
    euler = 1 + step * complex(-eta / 2, np.sqrt(1 - eta**2 / 4))
    assert step_matrix.decay_and_frequency(euler, step)[0] < 0.06
