"""Claim 11: Euler's method is a recurrent step."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers

NUMBER = 11
CLAIM = "One step of Euler's method for a differential equation is a step of a recurrent network."
MEASURE = (
    "A linear network of two units with weights (η, Δt), against the method written as a loop, over 400 steps of a "
    "driven oscillator: the largest difference, in float64."
)
FIGURE = "theory-equations"
EXACT, CLOSE = 1e-12, 1e-3
"""Relative differences that 400 rounded steps explain, and that would still follow the curve."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return the difference and the size of the states."""
    return dict(evidence.theory["euler"])


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if they differ by rounding only."""
    off = numbers["difference"] / numbers["size"]
    verdict = HOLDS if off <= EXACT else PARTLY if off <= CLOSE else FAILS
    return verdict, (
        f"They differ by {numbers['difference']:.1g} at most, where states reach {numbers['size']:.2g}. It is Euler's "
        "method with its error too: its recurrence damps less than the equation (figure of the eigenvalues)."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return a difference as large as the states, or none where there is one."""
    return numbers | {"difference": numbers["size"] if judge(numbers)[0] == HOLDS else 0.0}
