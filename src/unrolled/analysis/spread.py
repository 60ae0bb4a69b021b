"""How much of the spread of scores comes from the weights' seeds, and how much from the data.

A study is made twice, with the same methods on data of another seed. With log scores m and m' of n and n' seeds and the
variance w between seeds, the difference m - m' has the variance 2 d + w (1/n + 1/n'), where d is that between data.
"""

import math
from typing import Any

import numpy as np

from unrolled.analysis.headline import rounded


def spread(first: dict[str, Any], again: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the weights and what the data make of one study's scores.

    Parameters
    ----------
    first, again : dict
        The study's part of `metrics.json`, and that on other data.

    Returns
    -------
    dict or None
        `weights` and `data`, factors e^σ by which scores differ from seed to seed and from data to data, of the methods
        with at least two seeds on both; `methods`, by name both scores and their ratio. None where there are none.
    """
    rows, others = first["methods"], again["methods"]
    both = [name for name in rows if name in others and rows[name]["logs"] and others[name]["logs"]]
    table = {
        name: {"first": rows[name]["score"], "again": others[name]["score"], "ratio": _ratio(rows[name], others[name])}
        for name in both
    }
    random = [n for n in both if rows[n]["logs"]["n"] > 1 and others[n]["logs"]["n"] > 1]
    if not random:
        return None
    pairs = [(rows[name]["logs"], others[name]["logs"]) for name in random]
    within = [_pooled(*pair) for pair in pairs]
    weights = float(np.mean(within))
    shares = [w * (1 / a["n"] + 1 / b["n"]) for w, (a, b) in zip(within, pairs, strict=True)]
    between = float(np.mean([(a["mean"] - b["mean"]) ** 2 for a, b in pairs]))
    data = max(0.0, (between - float(np.mean(shares))) / 2)
    return {"weights": rounded(math.exp(weights**0.5)), "data": rounded(math.exp(data**0.5)), "methods": table}


def _ratio(row: dict[str, Any], other: dict[str, Any]) -> float | None:
    return rounded(math.exp(other["logs"]["mean"] - row["logs"]["mean"]))


def _pooled(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the variance between seeds, of both together."""
    a, b = one["n"] - 1, other["n"] - 1
    return float((a * one["variance"] + b * other["variance"]) / (a + b))
