"""Claim 2: small weights shrink gradients exponentially, large ones grow them."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers

STRAIGHT = 0.99
"""r² from which a line of logarithms counts as straight, so the change as exponential."""


class WeightsAndGradients(Claim):
    """Shown if it does so in every family of networks, at gains chosen from far below to far above the transition."""

    number = 2
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = (
        "On the way back through many steps, small weights shrink a gradient exponentially and large ones grow it."
    )
    measured = (
        "Random networks with gains from a quarter to four, gradients over 10 to 1000 steps: the change of "
        "log |gradient| per step at both ends, and how straight its logarithm is against the length (r²)."
    )
    figure = "gradient_map"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return rates, straightness and critical gain of every family of networks."""
        return {
            name: {
                "rate_at_min_gain": family["rate_at_min_gain"],
                "rate_at_max_gain": family["rate_at_max_gain"],
                "r_squared": family["r_squared"],
                "critical_gain": family["critical_gain"],
            }
            for name, family in evidence.random_networks["gradient_map"]["families"].items()
        }

    def judge(self, numbers: Numbers) -> Judged:
        """Check the sign of both rates, and that the logarithm is straight."""
        right = [
            each["rate_at_min_gain"] < 0 < each["rate_at_max_gain"] and each["r_squared"] >= STRAIGHT
            for each in numbers.values()
        ]
        rates = [f"{n} {e['rate_at_min_gain']:.2f} to {e['rate_at_max_gain']:+.2f}" for n, e in numbers.items()]
        edges = [f"{e['critical_gain']:.2f} ({n})" for n, e in numbers.items() if e["critical_gain"] is not None]
        words = f"Per step, from the smallest to the largest gain: {'; '.join(rates)}."
        if edges:
            words += f" The change of sign is at g = {', '.join(edges)}."
        return SHOWN if right and all(right) else NOT_SHOWN, words
