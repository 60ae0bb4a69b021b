"""Claim 13: the forward pass is bounded by the squashing function, the backward pass is linear."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers

NUMBER = 13
CLAIM = "Squashing functions keep the forward pass from exploding, while the backward pass is linear."
MEASURE = (
    "The largest |h| of a tanh network under inputs of up to a million times their size; and how far the pass is from "
    "doubling when what enters it is doubled: inputs forward, output errors backward."
)
FIGURE = "theory-equations"
NOT_LINEAR = 0.01
"""A deviation from doubling that rounding (1e-16) is far from explaining."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return the largest state, and both deviations."""
    return dict(evidence.theory["linearity"])


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if states stay within ±1, the forward pass is not linear, and the backward one is, exactly."""
    bounded = numbers["largest_state"] <= 1
    forward, backward = numbers["forward_deviation"], numbers["backward_deviation"]
    right = [bounded, forward > NOT_LINEAR, backward == 0]
    verdict = HOLDS if all(right) else PARTLY if any(right) else FAILS
    return verdict, (
        f"Inputs up to {numbers['largest_input']:.1g} leave |h| at {numbers['largest_state']:g} at most. Doubled "
        f"inputs miss twice the states by {forward:.0%}; doubled errors miss twice the gradients by {backward:.0%}."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return an unbounded state, a linear forward pass and a backward pass that is not."""
    if judge(numbers)[0] == FAILS:
        return numbers | {"largest_state": 1.0, "forward_deviation": 0.5, "backward_deviation": 0.0}
    swapped = {"forward_deviation": numbers["backward_deviation"], "backward_deviation": numbers["forward_deviation"]}
    return numbers | swapped | {"largest_state": numbers["largest_input"]}
