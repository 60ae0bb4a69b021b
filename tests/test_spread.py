"""How much of the spread is the data's and how much the weights': on made-up scores of known variances."""

import math
from typing import Any

import numpy as np
import pytest

from unrolled.analysis.spread import spread

METHODS = 4000


def study(random: np.random.Generator, levels: Any, weights: float, data: float, n: int) -> dict[str, Any]:
    rows = {}
    for k, level in enumerate(levels):
        logs = level + data * random.normal() + weights * random.normal(size=n)
        about = {"mean": float(logs.mean()), "variance": float(logs.var(ddof=1)), "n": n}
        rows[f"m{k}"] = {"score": math.exp(about["mean"]), "logs": about}
    return {"methods": rows}


@pytest.mark.parametrize(("weights", "data"), [(0.3, 0.1), (0.1, 0.4), (0.2, 0.0)])
def test_the_variances_that_the_scores_were_made_with_are_found(weights: float, data: float) -> None:
    random = np.random.default_rng(0)
    levels = random.normal(size=METHODS)  # what makes methods differ is neither
    found = spread(study(random, levels, weights, data, 10), study(random, levels, weights, data, 5))
    assert found is not None
    assert math.log(found["weights"]) == pytest.approx(weights, rel=0.03)
    assert math.log(found["data"]) == pytest.approx(data, rel=0.05, abs=0.03)


def test_methods_without_chance_count_in_the_table_only() -> None:
    random = np.random.default_rng(1)
    one, other = (study(random, [0.0, 1.0], 0.1, 0.0, 5) for _ in range(2))
    fixed = {"score": 2.0, "logs": {"mean": math.log(2.0), "variance": 0.0, "n": 1}}
    lost = {"score": None, "logs": None}
    before = spread(one, other)
    for each in (one, other):
        each["methods"] |= {"linear": fixed, "lost": lost}
    after = spread(one, other)
    assert before is not None and after is not None
    assert (before["weights"], before["data"]) == (after["weights"], after["data"])
    assert list(after["methods"]) == ["m0", "m1", "linear"] and after["methods"]["linear"]["ratio"] == 1.0
    assert spread({"methods": {"linear": fixed}}, {"methods": {"linear": fixed}}) is None
