"""Claim 8: an echo state network needs to learn only its readout."""

from unrolled.analysis.claim import Evidence, Judged, Numbers, against, balance, counted, turned

NUMBER = 8
CLAIM = "In an echo state network with a large, carefully drawn reservoir, it is enough to learn the readout."
MEASURE = "On every study with both: the echo state network over the simple network all of whose weights are learned."
FIGURE = "overview-headline"


def measure(evidence: Evidence) -> Numbers | None:
    """Return the advantage on each study."""
    factors = against(evidence, "esn")
    return {"advantage": factors} if factors else None


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if it is nowhere worse, in part if more often better."""
    factors = numbers["advantage"]
    return balance(factors), (
        f"With one regression, it is {counted(factors)}. Its reservoir is larger, and its settings were chosen on "
        "validation data: carefully drawn is part of the claim."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return every gain as a loss."""
    return {"advantage": turned(numbers["advantage"])}
