"""Claim 10: clipping tames explosion, and not vanishing."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Claim, Evidence, Judged, Numbers, Row, against, counted

EXPLODED = 1e3
"""A norm from which there is something to tame, in units of the threshold."""
SAME = 1e-6
"""Relative change below which the early share of a gradient is the same."""


def clipped(row: Row) -> bool:
    """Return whether a method is the simple recurrent network with its gradient clipped."""
    default = row["initialiser"] == "uniform" and row["optimiser"] == "adam"
    return bool(row["cell"] == "elman" and default and row["clip"] is not None)


class Clipping(Claim):
    """Holds if both halves of the sentence do, in part if one."""

    number = 10
    statement = "Clipping the gradient tames explosion; it does nothing against vanishing."
    measured = (
        "Random networks over 100 steps: the largest norm of the gradient, as it is and clipped; and at the smallest "
        "gain, the gradient for the first half of the inputs over that for the second, as it is and clipped."
    )
    figure = "gradient_map"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the numbers of random networks, and the advantage of clipping in training on each study."""
        return {**evidence.random_networks["clipping"], "advantage": against(evidence, clipped)}

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
        if factors := numbers["advantage"]:
            words += f" In training, clipping is {counted(factors)}."
        return HOLDS if tamed and still else PARTLY if tamed or still else FAILS, words
