"""What is said beside scores: growth rates and decay rates."""

import numpy as np
import pandas as pd
import pytest

from unrolled.analysis.decay_rate import decay_rate, decay_rates
from unrolled.analysis.error_growth import growth_rates
from unrolled.data.system import hold
from unrolled.data.systems.oscillator import Oscillator


def test_growth_is_fitted_between_noise_and_saturation() -> None:
    time = np.arange(0, 20, 0.1)
    median = np.minimum(1e-4 + 1e-5 * np.exp(0.7 * time), 1.0)
    growing = pd.DataFrame({"method": "esn", "time": time, "median": median})
    lost = growing.assign(method="rnn", median=1.0)
    found = growth_rates(pd.concat([growing, lost]))
    assert list(found) == ["esn", "rnn"] and found["rnn"] is None
    assert found["esn"] == pytest.approx(0.7, rel=0.03)
    assert found["esn"] != pytest.approx(np.polyfit(time, np.log(median), 1)[0], rel=0.03), "not over all times"


def test_a_decay_rate_is_told_from_the_oscillation_beside_it() -> None:
    time = np.arange(0, 10, 0.1)
    swing = np.exp(0.3 * np.sin(2.0 * time) - 0.1 * time)
    assert decay_rate(time, swing, 1.0) == pytest.approx(0.1, abs=1e-9)
    assert abs(decay_rate(time, swing, 0.6) - 0.1) > 1e-3, "a wrong frequency is felt"
    assert abs(-np.polyfit(time, np.log(swing), 1)[0] - 0.1) > 1e-3, "and so is a straight line"


def test_the_gradient_of_the_exact_recurrence_decays_at_half_the_damping() -> None:
    m, _ = hold(*Oscillator(eta=0.2).linear(), 0.1)
    v = np.random.default_rng(0).normal(size=2)
    size = np.array([np.linalg.norm(np.linalg.matrix_power(m.T, k) @ v) for k in range(100)])
    time, frequency = 0.1 * np.arange(100), np.sqrt(1 - 0.01)
    assert decay_rate(time, size, frequency) == pytest.approx(0.1, rel=1e-3)
    assert decay_rate(time, size * np.exp(-0.02 * time), frequency) == pytest.approx(0.12, rel=1e-3)


def test_equation_recurrence_and_gradient_have_one_rate() -> None:
    value = {"decay": 0.1, "frequency": float(np.sqrt(1 - 0.01))}
    learned = [value, value, value | {"decay": 0.102}, value | {"decay": 0.2}, value | {"decay": 0.2}]
    dynamics = {"method": "linear_rnn", "step": 0.1, "exact": [value], "learned": learned, "followed": 3}
    lag = np.arange(60)
    own = pd.DataFrame({"method": "linear_rnn", "when": "after", "lag": lag, "median": np.exp(-0.012 * lag)})
    gradients = pd.concat([own, own.assign(when="before", median=1.0), own.assign(method="gru", median=1.0)])
    expected = {"equation": 0.1, "eigenvalue": 0.1, "eigenvalue_all_seeds": 0.102, "gradient": 0.12}
    assert decay_rates(dynamics, gradients) == pytest.approx(expected, rel=1e-4)
    assert decay_rates(dynamics, gradients[gradients["lag"] < 8]) is None
