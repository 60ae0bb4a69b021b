"""Claim 2: small weights shrink gradients exponentially, large ones grow them."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers

NUMBER = 2
CLAIM = "On the way back through many steps, small weights shrink a gradient exponentially and large ones grow it."
MEASURE = (
    "Random networks with gains from a quarter to four, gradients over 10 to 1000 steps: the change of log |gradient| "
    "per step at both ends, and how straight its logarithm is against the length (r²)."
)
FIGURE = "theory-gradient_map"
STRAIGHT = 0.99
"""r² from which a line of logarithms counts as straight, so the change as exponential."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return rates and straightness of every family of networks."""
    keys = ("rate_at_least_gain", "rate_at_largest_gain", "straightness", "edge")
    return {name: {key: family[key] for key in keys} for name, family in evidence.theory["map"]["families"].items()}


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if it does so in every family, in part if in some."""
    right = [
        each["rate_at_least_gain"] < 0 < each["rate_at_largest_gain"] and each["straightness"] >= STRAIGHT
        for each in numbers.values()
    ]
    verdict = HOLDS if all(right) else PARTLY if any(right) else FAILS
    rates = [f"{n} {e['rate_at_least_gain']:.2f} to {e['rate_at_largest_gain']:+.2f}" for n, e in numbers.items()]
    edges = [f"{each['edge']:.2f} ({name})" for name, each in numbers.items() if each["edge"] is not None]
    words = f"Per step, from the smallest to the largest gain: {'; '.join(rates)}."
    if edges:
        words += f" The change of sign is at g = {', '.join(edges)}."
    return verdict, words


def reverse(numbers: Numbers) -> Numbers:
    """Return growth as decay and decay as growth."""
    turned = {key: -1.0 for key in ("rate_at_least_gain", "rate_at_largest_gain")}
    return {name: each | {key: sign * each[key] for key, sign in turned.items()} for name, each in numbers.items()}
