"""Claim 13: the forward pass is bounded by the squashing function, the backward pass is linear."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers

NOT_LINEAR = 0.01
"""A deviation from doubling that rounding (1e-16) is far from explaining."""


class Squashing(Claim):
    """Shown if states stay within ±1, the forward pass is not linear, and the backward one is, exactly."""

    number = 13
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = "Squashing functions keep the forward pass from exploding, while the backward pass is linear."
    measured = (
        "The largest |h| of a tanh network under inputs of up to a million times their size; and how far the pass is "
        "from doubling when what enters it is doubled: inputs forward, output errors backward."
    )
    figure = "equations"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the largest state, and both deviations."""
        return {**evidence.random_networks["linearity"]}

    def judge(self, numbers: Numbers) -> Judged:
        """Check the bound and both deviations."""
        state, largest = numbers["max_state"], numbers["max_input"]
        forward, backward = numbers["forward_deviation"], numbers["backward_deviation"]
        right = [state <= 1, forward > NOT_LINEAR, backward == 0]
        return SHOWN if all(right) else NOT_SHOWN, (
            f"Inputs up to {largest:.1g} leave |h| at {state:g} at most. Doubled inputs miss twice the states by "
            f"{forward:.0%}; doubled errors miss twice the gradients by {backward:.0%}."
        )
