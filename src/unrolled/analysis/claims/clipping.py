"""Claim 10: clipping tames explosion, and not vanishing."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers, against, counted, network
from unrolled.analysis.comparison import Pair

EXPLODED = 1e3
"""A norm from which there is something to tame, in units of the threshold."""
SAME = 1e-6
"""Relative change below which the early share of a gradient is the same."""


class Clipping(Claim):
    """Shown if both halves of the sentence are: a gradient is multiplied by one number, so neither could fail."""

    number = 10
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = "Clipping the gradient tames explosion; it does nothing against vanishing."
    measured = (
        "Random networks over 100 steps: the largest norm of the gradient, as it is and clipped; and at the smallest "
        "gain, the gradient for the first half of the inputs over that for the second, as it is and clipped. Beside "
        "it, on every study with both: the simple network trained with clipping over the same without."
    )
    figure = "gradient_map"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the clipped network against the unclipped one."""
        return against(evidence, network("elman", clipped=True))

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the numbers of random networks, and what clipping gains in training on each study."""
        return {**evidence.random_networks["clipping"], "training": evidence.over(self.pairs(evidence))}

    def judge(self, numbers: Numbers) -> Judged:
        """Hold the norms against the threshold, and the early shares against each other."""
        threshold = numbers["threshold"]
        tamed = numbers["max_norm"] > EXPLODED * threshold and numbers["max_norm_clipped"] <= threshold * (1 + SAME)
        before, after = numbers["early_at_min_gain"], numbers["early_at_min_gain_clipped"]
        still = before < 1 / EXPLODED and abs(after - before) <= SAME * before
        words = (
            f"The largest norm is {numbers['max_norm']:.1g} without and {numbers['max_norm_clipped']:.2g} with "
            f"clipping; of a vanishing gradient the early half has {before:.1g} without and {after:.1g} with."
        )
        if numbers["training"]:
            words += f" In training, the clipped network is {counted(numbers['training'])}."
        return SHOWN if tamed and still else NOT_SHOWN, words
