"""How often a verdict would be the same: other seeds and test sequences are drawn, and judged by points alone."""

from typing import Any

import numpy as np

from unrolled.analysis.statistics import solves

DRAWS, SEED = 1000, 20261125
STABLE = 0.9
"""The share of draws with the same verdict below which a verdict is undecided."""
FARTHEST = 400.0
"""The largest draw of a log ratio: with two seeds a t distribution has no variance, and its draws no bound."""


def drawn(part: Any, random: np.random.Generator) -> Any:
    """Return the numbers of a claim as other seeds might have given them: every estimate in them is drawn anew.

    An estimate is a comparison, whose log ratio is drawn from the t distributions of the terms of its variance; a mean
    over studies of such, with the weights it has; a count of seeds that solve, from its Beta distribution, where it
    tells; and a map of `mean`, `sd` and `n`, from the t distribution of the mean. What is undecided stays so.
    """
    if not isinstance(part, dict):
        return part
    if part.get("ratio") is not None and "terms" in part:
        noise = sum(t["variance"] ** 0.5 * random.standard_t(t["freedom"]) for t in part["terms"].values())
        return part | {"ratio": float(part["ratio"] * np.exp(np.clip(noise, -FARTHEST, FARTHEST)))}
    if part.keys() == {"solved", "of"} and solves(**part) is not None:
        probability = random.beta(part["solved"] + 0.5, part["of"] - part["solved"] + 0.5)
        return {"solved": part["of"] if probability > 0.5 else 0, "of": part["of"]}
    if part.keys() == {"mean", "sd", "n"}:
        error = part["sd"] / part["n"] ** 0.5 * random.standard_t(part["n"] - 1) if part["n"] > 1 else 0.0
        return part | {"mean": part["mean"] + error}
    found = {key: drawn(each, random) for key, each in part.items()}
    if found.get("over_studies"):
        pairs, mean = found["pairs"], found["over_studies"]
        log = sum(weight * np.log(pairs[study]["ratio"]) for study, weight in mean["weights"].items())
        found["over_studies"] = mean | {"ratio": float(np.exp(log))}
    return found
