"""The state of a training, on curves whose state is known."""

import numpy as np
import pytest

from unrolled.analysis.convergence import State, best_epoch, state, states, trivial_loss
from unrolled.data.task import TestSet

EPOCHS = 50
TIME = np.arange(1, EPOCHS + 1)
FLAT = 0.1 + np.exp(-TIME / 4)
FALLING = 1.0 / TIME
CHANCE = np.full(EPOCHS, 0.97)


def judged(*curves: np.ndarray, diverged: tuple[int, ...] = ()) -> State:
    val_loss = np.stack(curves, axis=1)
    stopped = np.isin(np.arange(len(curves)), diverged)
    return state(val_loss, np.nanmin(val_loss, axis=0), stopped, trivial=1.0)


@pytest.mark.parametrize(
    ("curve", "expected"), [(FLAT, "converged"), (FALLING, "still improving"), (CHANCE, "at chance")]
)
def test_a_curve_has_the_state_that_one_sees(curve: np.ndarray, expected: State) -> None:
    assert judged(curve) == expected
    assert judged(curve, diverged=(0,)) == "diverged"


def test_flat_is_by_less_than_five_per_cent_over_the_last_fifth() -> None:
    falls = np.linspace(0, 1, EPOCHS // 5)
    for share, expected in ((0.04, "converged"), (0.06, "still improving")):
        assert judged(0.5 * np.concatenate([np.ones(EPOCHS - len(falls)), 1 - share * falls])) == expected


def test_noise_above_the_lowest_loss_does_not_count() -> None:
    noisy = FLAT + np.where(TIME % 2, 0.3, 0.0)
    noisy[-1] = 5.0
    assert judged(noisy) == "converged"


def test_a_rise_after_the_best_epoch_is_converged() -> None:
    assert judged(np.concatenate([FALLING[:20], np.full(30, 0.5)])) == "converged"


def test_most_replicas_decide_and_the_worse_state_if_as_many() -> None:
    assert judged(FLAT, FLAT, FALLING) == "converged"
    assert judged(FLAT, FALLING) == "still improving"
    assert judged(FLAT, FALLING, CHANCE) == "at chance"
    assert judged(FLAT, FLAT, FALLING, diverged=(0, 1)) == "diverged"


def test_an_infinite_loss_on_the_way_is_no_obstacle() -> None:
    curve = FLAT.copy()
    curve[:3] = np.inf
    assert judged(curve) == "converged"
    assert judged(np.full(EPOCHS, np.inf)) == "diverged"


def test_what_is_solved_in_one_step_has_converged_unless_at_chance() -> None:
    none = np.empty((0, 2))
    assert states(none, np.array([0.2, 0.95]), np.array([False, False]), 1.0) == ["converged", "at chance"]
    assert best_epoch(none) is None


def test_the_best_epoch_counts_from_one() -> None:
    np.testing.assert_array_equal(best_epoch(np.array([[3.0, np.nan], [1.0, 2.0], [2.0, 1.0]])), [2, 3])


def test_the_trivial_loss_is_that_of_the_training_mean() -> None:
    random = np.random.default_rng(0)
    train, val = random.normal(2.0, 1.0, (50, 7, 2)), random.normal(2.0, 3.0, (40, 7, 2))
    found = trivial_loss(train, TestSet(val, val, np.arange(7.0)))
    assert found == pytest.approx(float(np.mean((val - train.mean(axis=(0, 1))) ** 2)), rel=1e-12)
    assert found > float(val.var(axis=(0, 1)).mean())
