"""What is said of all studies together: mean ranks, and the two rates at which networks forget."""

from collections import Counter
from typing import Any

import numpy as np
from scipy import stats

Studies = dict[str, dict[str, Any]]
"""The studies' numbers, as in metrics.json."""


def summary(studies: Studies) -> dict[str, Any]:
    """Return `ranks` (see `mean_ranks`) and `gradient_rates` (see `gradient_rates`)."""
    return {"ranks": mean_ranks(studies), "gradient_rates": gradient_rates(studies)}


def ranked(study: dict[str, Any]) -> list[str]:
    """Return the methods of a study that have a rank, best first."""
    rows = study.get("methods", {})
    return sorted((name for name in rows if rows[name]["rank"]), key=lambda name: int(rows[name]["rank"]))


def shared(studies: Studies) -> dict[str, list[str]]:
    """Return the studies that rank every method which two thirds of all studies rank, each with its order."""
    orders = {name: ranked(study) for name, study in studies.items() if "methods" in study}
    count = Counter(method for order in orders.values() for method in order)
    frequent = {method for method, number in count.items() if 3 * number >= 2 * len(orders)}
    return {name: order for name, order in orders.items() if frequent and frequent <= set(order)}


def mean_ranks(studies: Studies) -> dict[str, Any]:
    """Return how methods rank by test score among themselves over the studies that have all of them; exploratory.

    Returns
    -------
    dict
        `studies`; `methods`, best mean first, each with `mean` and `ranks` by study (1 is best). No studies and no
        methods where fewer than two methods share a study.
    """
    orders = shared(studies)
    common = set.intersection(*map(set, orders.values())) if orders else set()
    if len(common) < 2:
        return {"studies": [], "methods": {}}
    orders = {name: [method for method in order if method in common] for name, order in orders.items()}
    methods = next(iter(orders.values()))
    ranks = {method: {name: order.index(method) + 1 for name, order in orders.items()} for method in methods}
    means = {method: float(np.mean(list(each.values()))) for method, each in ranks.items()}
    ordered = sorted(methods, key=lambda method: means[method])
    return {
        "studies": list(orders),
        "methods": {method: {"mean": _rounded(means[method]), "ranks": ranks[method]} for method in ordered},
    }


def gradient_rates(studies: Studies) -> dict[str, Any]:
    """Return how the two rates of the product of step Jacobians agree over all trained networks.

    Forward in time it is the largest Lyapunov exponent of the driven network, backward the fitted rate
    of its gradients against the lag, both per step.

    Returns
    -------
    dict
        `networks`, how many have both; `forgetting`, the share whose exponent is negative; `spearman`,
        the rank correlation. None for the last two with fewer than three networks.
    """
    flows = [row["flow"] for study in studies.values() for row in study.get("methods", {}).values() if _known(row)]
    if len(flows) < 3:
        return {"networks": len(flows), "forgetting": None, "spearman": None}
    exponents, rates = (np.array([flow[key] for flow in flows]) for key in ("exponent", "after"))
    correlation = float(stats.spearmanr(exponents, rates).statistic)
    forgetting = _rounded(float(np.mean(exponents < 0)))
    return {"networks": len(flows), "forgetting": forgetting, "spearman": _rounded(correlation)}


def _known(row: dict[str, Any]) -> bool:
    flow = row.get("flow", {})
    return row["trains"] and flow.get("exponent") is not None and flow.get("after") is not None


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
