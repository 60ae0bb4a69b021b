"""Claim 10: clipping tames explosion, and not vanishing."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers, against, counted

NUMBER = 10
CLAIM = "Clipping the gradient tames explosion; it does nothing against vanishing."
MEASURE = (
    "Random networks over 100 steps: the largest norm of the gradient, as it is and clipped; and at the smallest gain, "
    "the gradient for the first half of the inputs over that for the second, as it is and clipped."
)
FIGURE = "theory-gradient_map"
EXPLODED = 1e3
"""A norm from which there is something to tame, in units of the threshold."""
SAME = 1e-6
"""Relative change below which the share of the far past is the same; clipping multiplies both halves by one number."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return the numbers of clipping, and what it changed for networks that learn."""
    return dict(evidence.theory["clipping"]) | {"advantage": against(evidence, "rnn_clip_norm")}


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if both halves of the sentence do, in part if one."""
    tamed = numbers["largest"] > EXPLODED * numbers["threshold"]
    tamed = tamed and numbers["largest_clipped"] <= numbers["threshold"] * (1 + SAME)
    before, after = numbers["early_at_least_gain"], numbers["early_at_least_gain_clipped"]
    still = before < 1 / EXPLODED and abs(after - before) <= SAME * before
    verdict = HOLDS if tamed and still else PARTLY if tamed or still else FAILS
    words = (
        f"The largest norm is {numbers['largest']:.1g} without and {numbers['largest_clipped']:.2g} with clipping; of "
        f"a vanishing gradient the far half holds {before:.1g} without and {after:.1g} with."
    )
    factors = numbers["advantage"]
    return verdict, words + (f" After learning, clipping is {counted(factors)}." if factors else "")


def reverse(numbers: Numbers) -> Numbers:
    """Return norms that clipping does not bound, and a far past that it brings back."""
    if judge(numbers)[0] == FAILS:
        return numbers | {"largest": 1e9, "largest_clipped": numbers["threshold"]}
    return numbers | {"largest_clipped": numbers["largest"], "largest": 1.0, "early_at_least_gain_clipped": 0.5}
