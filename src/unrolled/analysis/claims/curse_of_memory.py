"""Claim 14: with a longer memory a state depends ever more strongly on its recurrent weight."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers, power

CLOSE = 0.1
"""The relative deviation from theory that so many random inputs explain."""
CUBIC = 2.9
"""The least slope of logarithms that counts as (1 - λ²)⁻³: the factor 1 + λ² of theory adds to it."""
BOUND = 0.5
"""Of E[(dh/dν)²], by theory."""


class CurseOfMemory(Claim):
    """Shown if the sensitivity to λ grows as theory says, as the cube of the state's variance, and that to ν does not.

    References
    ----------
    Zucchet & Orvieto, NeurIPS 2024, arXiv 2405.21064.
    """

    number = 14
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = (
        "Not from the lecture: where no gradient explodes in time (|λ| < 1), a longer memory still makes the state "
        "ever more sensitive to the recurrent weight, unless it is parametrised as in the LRU (Zucchet & Orvieto 2024)."
    )
    measured = (
        "Linear units h' = λ h + x with white x and memories from 2 to 1000 steps: the mean square of dh/dλ, "
        "simulated, against (1 + λ²) / (1 - λ²)³; and of dh/dν with λ = exp(-exp ν) and inputs scaled by √(1 - λ²)."
    )
    figure = "sensitivity"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the sensitivities at the longest memory and over all of them."""
        return {**evidence.random_networks["sensitivity"]}

    def judge(self, numbers: Numbers) -> Judged:
        """Check the slope, the deviation from theory, and the bound of the other parametrisation."""
        deviation, largest, slope = numbers["max_deviation"], numbers["max_lru"], numbers["slope"]["mean"]
        right = [0 <= deviation <= CLOSE, slope >= CUBIC, 0 < largest <= BOUND * (1 + CLOSE)]
        return SHOWN if all(right) else NOT_SHOWN, (
            f"At a memory of {numbers['memory']:.0f} steps the state's mean square is "
            f"{power(numbers['state']['mean'])}, that of its derivative {power(numbers['plain']['mean'])}: it goes as "
            f"the power {slope:.2f} of 1 / (1 - λ²), within {deviation:.1%} of theory. With respect to ν it is "
            f"{largest:.2g} at most."
        )
