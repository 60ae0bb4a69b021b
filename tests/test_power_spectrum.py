"""Power spectra of made-up waves."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.analysis import power_spectrum
from unrolled.analysis.power_spectrum import power_spectrum_error

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)


def waves(frequency: float, size: float = 1.0) -> Array:
    """Return 20 noisy sines of random phase, (N, T, 1), sampled every 0.05 units of time."""
    phase = RANDOM.uniform(0, 2 * np.pi, (20, 1))
    times = 0.05 * np.arange(800)
    return (size * np.sin(2 * np.pi * frequency * times + phase) + 0.01 * RANDOM.normal(size=(20, 800)))[:, :, None]


def test_spectrum_has_its_peak_at_the_frequency_and_the_power_of_a_sine() -> None:
    frequency, power = power_spectrum.spectrum(waves(1.25), 0.05)
    assert frequency[power.argmax()] == pytest.approx(1.25)
    assert power.sum() * (frequency[1] - frequency[0]) == pytest.approx(0.5, rel=0.05)


def test_the_error_is_small_for_the_same_frequencies_whatever_the_phase_and_large_for_others() -> None:
    truth = waves(1.25)
    assert power_spectrum_error(waves(1.25), truth, 0.05) < 0.15
    assert power_spectrum_error(waves(1.25, size=0.1), truth, 0.05) > 0.3
    assert power_spectrum_error(waves(2.5), truth, 0.05) > 0.5
    gone = truth.copy()
    gone[:, 50:] = np.nan
    assert power_spectrum_error(gone, truth, 0.05) > 0.5


def test_the_table_has_a_path_and_a_spectrum_of_each_line() -> None:
    truth = waves(1.25)
    gone = np.full_like(truth, np.nan)
    table = power_spectrum.table({"truth": truth, "rnn": gone}, 0.05)
    assert tuple(table.columns) == power_spectrum.COLUMNS
    path = table[(table["method"] == "truth") & (table["kind"] == "path")]
    np.testing.assert_array_equal(path["a"], truth[0, :, 0])
    assert (table[(table["method"] == "rnn") & (table["kind"] == "path")]["a"] == power_spectrum.FAR).all()
    assert tuple(power_spectrum.table({}, 0.05).columns) == power_spectrum.COLUMNS


def test_a_spectrum_is_asked_of_long_forecasts_of_chaos_only() -> None:
    assert power_spectrum.long_enough(waves(1.25), 0.9)
    assert not power_spectrum.long_enough(waves(1.25), None)
    assert not power_spectrum.long_enough(waves(1.25)[:, :200], 0.9)
