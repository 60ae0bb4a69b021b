"""Claim 11: Euler's method is a recurrent step."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers

EXACT = 1e-12
"""The relative difference that 400 rounded steps explain."""


class EulerStep(Claim):
    """Shown if network and method differ by rounding only."""

    number = 11
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = "One step of Euler's method for a differential equation is a step of a recurrent network."
    measured = (
        "A linear network of two units with weights (η, Δt), against the method written as a loop, over 400 steps of a "
        "driven oscillator: the largest difference, in float64."
    )
    figure = "equations"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the largest difference and the largest state."""
        return {**evidence.random_networks["euler"]}

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the difference with the states."""
        difference, size = numbers["max_difference"], numbers["max_state"]
        return SHOWN if difference <= EXACT * size else NOT_SHOWN, (
            f"They differ by {difference:.1g} at most, where states reach {size:.2g}. It is Euler's method with its "
            "error too: its recurrence damps less than the equation (figure of the eigenvalues)."
        )
