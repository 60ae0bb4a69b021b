"""Growth factor of back-propagated gradients in random networks: measured, and predicted by mean-field theory."""

from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.analysis.random_networks.estimate import Estimate, estimate
from unrolled.config import RandomNetworks
from unrolled.models.bptt import SQUASH
from unrolled.models.initialiser import Problem
from unrolled.models.network import Network
from unrolled.registry import load

Array = NDArray[np.float64]
Squash = tuple[Callable[[Array], Array], Callable[[Array], Array]]
KINDS: dict[str, Squash] = {**SQUASH, "linear": (lambda a: a, np.ones_like)}
WARM_UP = 100
"""Steps in which a network forgets its first state, before a gradient is followed."""
INPUTS = 2
"""Inputs of the networks that an initialiser fills, as in the adding problem; standard normal numbers."""
COLUMNS = ("network", "input", "gain", "length", "seed", "log10", "predicted")
"""Of the table of `measure`: log10 of the growth factor, and its theoretical value."""
INITIALISED = ("initialiser", "activation", "length", "seed", "gain", "log10")
"""Columns of the table of `initialised`."""


class Family(TypedDict):
    """What the gains and lengths of one family of networks come to; rates are of log |gradient| per step.

    Attributes
    ----------
    rate_at_min_gain, rate_at_max_gain : float
        Over the longest length.
    critical_gain : float or None
        Where the rate changes sign.
    r_squared : float
        How straight log |gradient| is against the length, at the less straight end of the gains.
    slope : float
        Of the rate against log g; 1 for linear units.
    vanished : dict of float
        For each length, the share of the gains at which the gradient vanished or exploded.
    """

    rate_at_min_gain: float
    rate_at_max_gain: float
    critical_gain: float | None
    r_squared: float
    slope: float
    vanished: dict[str, float]


class Numbers(TypedDict):
    """Each family's numbers, and log10 of the growth factor for each initialiser and length."""

    families: dict[str, Family]
    initialisers: dict[str, dict[str, Estimate]]


def random_weights(hidden: int, gain: float, count: int, random: np.random.Generator) -> Array:
    """Draw W (N, H, H), entries normal with standard deviation g/√H: its spectral radius is about the gain g."""
    return np.asarray(gain * random.normal(size=(count, hidden, hidden)) / hidden**0.5)


def log_norms(w: Array, drive: Array, kind: str, lags: list[int], random: np.random.Generator) -> Array:
    """Return log ‖(∂h_T/∂h_{T-k})ᵀ v‖, (N, len(lags)), with v a random unit vector, for h_t = σ(W h_{t-1} + d_t).

    The vector goes back as in `models/bptt.py`, δ_{t-1} = Wᵀ diag(σ'(a_t)) δ_t, and is brought to
    length one after every step, so that the logarithm knows no overflow: float64 ends near 1e±308.

    Parameters
    ----------
    w : (N, H, H) array
    drive : (N, T, H) array
        d_t, input and bias at every unit; at least `max(lags)` steps.
    kind : str
        "tanh", "relu", "sigmoid" or "linear".
    lags : list of int
        k, ascending, in steps.
    """
    sigma, slope = KINDS[kind]
    n, steps, hidden = drive.shape
    slopes, h = np.empty((lags[-1], n, hidden)), 0.1 * random.normal(size=(n, hidden))
    for t in range(steps):
        h = np.zeros_like(h) if kind == "linear" else sigma((w @ h[:, :, None])[:, :, 0] + drive[:, t])
        if t >= steps - lags[-1]:
            slopes[steps - 1 - t] = slope(h)
    v, total = random.normal(size=(n, hidden)), np.zeros(n)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    found = np.empty((n, len(lags)))
    for k in range(1, lags[-1] + 1):
        v = ((slopes[k - 1] * v)[:, None, :] @ w)[:, 0]
        size = np.maximum(np.linalg.norm(v, axis=1), np.finfo(float).tiny)
        total, v = total + np.log(size), v / size[:, None]
        if k in lags:
            found[:, lags.index(k)] = total
    return found


def mean_field_rate(gain: float, noise: float) -> float:
    """Return ½ log χ, the growth of a gradient per step in a wide tanh network under white noise at every unit.

    χ = g² ⟨σ'(√q z)²⟩ with z standard normal, where q = g² ⟨σ(√q z)²⟩ + s² is the variance of a unit's
    input and s the noise's standard deviation; gradients vanish for χ < 1 and explode for χ > 1.

    References
    ----------
    Poole et al. (2016), arXiv 1606.05340; Schoenholz, Gilmer, Ganguli & Sohl-Dickstein (2017),
    arXiv 1611.01232.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(101)
    weight, q = weight / weight.sum(), 1.0
    for _ in range(5000):
        q = gain**2 * float(weight @ np.tanh(q**0.5 * z) ** 2) + noise**2
    chi = gain**2 * float(weight @ (1 - np.tanh(q**0.5 * z) ** 2) ** 2)
    return float(np.log(chi) / 2)


def gains(row: RandomNetworks) -> Array:
    """Return the gains of the map, evenly spaced on a logarithmic axis."""
    return np.geomspace(row.gains[0], row.gains[1], row.points)


def networks(row: RandomNetworks) -> Iterator[tuple[str, float, float]]:
    """Yield the name, σ and the noise of each family: the linear one, and tanh under each input."""
    yield "linear", 0.0, 0.0
    for noise in row.inputs:
        yield f"tanh, input {noise:g}", 1.0, noise


def measure(row: RandomNetworks) -> pd.DataFrame:
    """Return log10 of the growth factor for every family, gain, seed and length, measured and predicted.

    Predicted: T log g for the linear network, T times the mean-field rate for the driven tanh one.
    """
    tables = []
    for name, squashed, noise in networks(row):
        for gain in gains(row):
            random = np.random.default_rng(row.seed)
            w = random_weights(row.hidden, gain, row.seeds, random)
            drive = noise * random.normal(size=(row.seeds, WARM_UP + row.lengths[-1], row.hidden))
            logs = log_norms(w, drive, "tanh" if squashed else "linear", row.lengths, random) / np.log(10)
            rate = mean_field_rate(gain, noise) if squashed else np.log(gain)
            for length, column in zip(row.lengths, logs.T, strict=True):
                each = {"network": name, "input": noise, "gain": gain, "length": length, "seed": range(row.seeds)}
                tables.append(pd.DataFrame({**each, "log10": column, "predicted": length * rate / np.log(10)}))
    return pd.concat(tables, ignore_index=True)


def initialised(row: RandomNetworks) -> pd.DataFrame:
    """Return the same for networks as the project's initialisers start them, driven by standard normal inputs.

    `gain` is ‖W‖_F/√H, which for normal entries is g.
    """
    tables = []
    network = Network(load("cells", "elman")(INPUTS, hidden=row.hidden), 1)
    problem = Problem(network.weights(), None, 1.0, row.lengths[-1])
    for name, kind in row.initialisers.items():
        random = np.random.default_rng(row.seed)
        drawn = [load("initialisers", name)().initialise(problem, random) for _ in range(row.seeds)]
        w = np.stack([each["W"].T for each in drawn])
        x = random.normal(size=(row.seeds, WARM_UP + row.lengths[-1], INPUTS))
        drive = x @ np.stack([each["U"] for each in drawn]) + np.stack([each["b"] for each in drawn])
        logs = log_norms(w, drive, kind, row.lengths, random) / np.log(10)
        size = np.linalg.norm(w, axis=(1, 2)) / row.hidden**0.5
        for length, column in zip(row.lengths, logs.T, strict=True):
            each = {"initialiser": name, "activation": kind, "length": length, "seed": range(row.seeds)}
            tables.append(pd.DataFrame({**each, "gain": size, "log10": column}))
    return pd.concat(tables, ignore_index=True)


def numbers(table: pd.DataFrame, careful: pd.DataFrame, vanished: float) -> Numbers:
    """Return what both tables come to.

    Parameters
    ----------
    table, careful : DataFrame
        From `measure` and `initialised`.
    vanished : float
        A factor beyond 10^±vanished counts as vanished or exploded.
    """
    longest = table["length"].max()
    families: dict[str, Family] = {}
    for name, part in table.groupby("network", sort=False):
        middle = part.groupby(["gain", "length"])["log10"].median().unstack()
        rate = middle[longest] / longest * np.log(10)
        kept = middle.abs() <= vanished
        straight = [np.corrcoef(middle.columns, line)[0, 1] ** 2 for line in (middle.iloc[0], middle.iloc[-1])]
        families[str(name)] = {
            "rate_at_min_gain": float(rate.iloc[0]),
            "rate_at_max_gain": float(rate.iloc[-1]),
            "critical_gain": critical_gain(np.log(rate.index.to_numpy()), rate.to_numpy()),
            "r_squared": float(min(straight)),
            "slope": float(np.polyfit(np.log(rate.index), rate, 1)[0]),
            "vanished": {str(length): float(1 - kept[length].mean()) for length in middle.columns},
        }
    sizes = careful.groupby(["initialiser", "length"], sort=False)["log10"]
    return {
        "families": families,
        "initialisers": {
            str(name): {str(length): estimate(sizes.get_group((name, length))) for length in part["length"].unique()}
            for name, part in careful.groupby("initialiser", sort=False)
        },
    }


def critical_gain(log_gain: Array, rate: Array) -> float | None:
    """Return the gain at which the rate last changes from negative to positive, interpolated linearly in log g."""
    up = np.flatnonzero((rate[:-1] < 0) & (rate[1:] >= 0))
    if not len(up):
        return None
    i = up[-1]
    return float(np.exp(log_gain[i] - rate[i] * (log_gain[i + 1] - log_gain[i]) / (rate[i + 1] - rate[i])))
